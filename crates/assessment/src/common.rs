//! What most piles share of their residuals at a time, whatever a part of them does together.
//!
//! Called by `assess::steps` and by signals with sums of scores by week or hour. A mean over all would put on honest piles what a rollout of
//! firmware did to many in one week. It judges no pile.

mod few;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub(crate) use few::Others;

/// Piles from which what happens to all at once is taken off each: with fewer, one pile's step would show in all others, and each is
/// held against the [`Others`].
pub(crate) const FLEET_MIN: usize = 20;

pub(crate) const WEEK_S: i64 = 7 * 86_400;

/// How often the half of piles that fit best is chosen anew; mostly it stands still after two or three.
const ROUNDS: usize = 4;

/// From how many standard deviations of chance on a pile goes its own way: of those that do not, three in a hundred.
const OWN_WAY: f64 = 2.5;

/// Weights that are so near to half of all are half of them, but for rounding.
const HALVED_WITHIN: f64 = 1e-9;

/// Median, mean and standard deviation of the excursion of a Brownian bridge (Kolmogorov's distribution; `√(π/2) ln 2`, `π²/12` less its square).
const EXCURSION: (f64, f64, f64) = (0.827_573_555, 0.868_731_161, 0.260_332_833);

/// Sum and number of a pile's scores by week or hour.
pub(crate) type Tally = BTreeMap<i64, (f64, f64)>;

/// Number of the week in which a moment lies.
pub(crate) fn week(at: Timestamp) -> i64 {
    at.as_second().div_euclid(WEEK_S)
}

/// Adds a score.
pub(crate) fn add(tally: &mut Tally, key: i64, score: f64) {
    let (sum, count) = tally.entry(key).or_default();
    (*sum, *count) = (*sum + score, *count + 1.0);
}

/// What is shared.
#[derive(Debug)]
pub(crate) struct Common {
    profiles: Vec<BTreeMap<i64, f64>>,
    profile_of: Vec<usize>,
    /// Of each pile whether it goes with the others.
    pub(crate) is_usual: Vec<bool>,
}

impl Common {
    /// Of piles' tallies and the connected set of each: what vehicles and weather do is alike within a set. Sets of fewer than
    /// [`FLEET_MIN`] piles are held against all; none where all are fewer.
    pub(crate) fn of(tallies: &[Tally], sets: &[usize]) -> Option<Self> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (pile, set) in sets.iter().enumerate().filter(|(pile, _)| !tallies[*pile].is_empty()) {
            members.entry(*set).or_default().push(pile);
        }
        let all: Vec<usize> = members.values().flatten().copied().collect();
        if all.len() < FLEET_MIN {
            return None;
        }
        let (large, small): (Vec<_>, Vec<_>) =
            members.into_values().partition(|members| FLEET_MIN <= members.len());
        let mut common = Self {
            profiles: Vec::new(),
            profile_of: vec![0; tallies.len()],
            is_usual: vec![true; tallies.len()],
        };
        let small: Vec<usize> = small.into_iter().flatten().collect();
        let groups = large.iter().map(|members| (members, members));
        for (members, spoken_of) in groups.chain((!small.is_empty()).then_some((&all, &small))) {
            let (profile, usual) = shared(tallies, members);
            let of_members: BTreeMap<usize, bool> = members.iter().copied().zip(usual).collect();
            for pile in spoken_of {
                common.profile_of[*pile] = common.profiles.len();
                common.is_usual[*pile] = of_members[pile];
            }
            common.profiles.push(profile);
        }
        Some(common)
    }

    /// In a pile's set at a time; nothing where nobody told.
    pub(crate) fn at(&self, pile: usize, key: i64) -> f64 {
        self.profiles[self.profile_of[pile]].get(&key).copied().unwrap_or(0.0)
    }
}

/// Mean scores of those piles that go with each other, and which these are.
///
/// # Formula
/// From the median of piles' means on, weighted by √n: the half of piles least far from it, and the median of these; several times (least
/// trimmed squares by concentration: Rousseeuw and Van Driessen, Technometrics 41 (1999) 212). At last the mean over all charges of piles
/// nearer than [`OWN_WAY`].
fn shared(tallies: &[Tally], members: &[usize]) -> (BTreeMap<i64, f64>, Vec<bool>) {
    let mut profile = medians(tallies, members.iter().copied());
    for _ in 0..ROUNDS {
        let far = distances(tallies, members, &profile);
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|a, b| far[*a].total_cmp(&far[*b]).then(a.cmp(b)));
        order.truncate(members.len() / 2 + 1);
        profile = medians(tallies, order.into_iter().map(|at| members[at]));
    }
    let usual: Vec<bool> =
        distances(tallies, members, &profile).into_iter().map(|far| far <= OWN_WAY).collect();
    let mut sums = Tally::new();
    for (pile, _) in members.iter().zip(&usual).filter(|(_, usual)| **usual) {
        for (key, (sum, count)) in &tallies[*pile] {
            let (of_all, number) = sums.entry(*key).or_default();
            (*of_all, *number) = (*of_all + sum, *number + count);
        }
    }
    (sums.into_iter().map(|(key, (sum, count))| (key, sum / count)).collect(), usual)
}

/// The weighted median of piles' means at each time; where two halve the weights, what lies between them.
pub(crate) fn medians(tallies: &[Tally], members: impl Iterator<Item = usize>) -> BTreeMap<i64, f64> {
    let means = members
        .flat_map(|pile| tallies[pile].iter().map(|(key, (sum, count))| (*key, sum / count, count.sqrt())));
    let mut means: Vec<(i64, f64, f64)> = means.collect();
    means.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let of_time = means.chunk_by(|a, b| a.0 == b.0).filter_map(|means| {
        let half = 0.5 * means.iter().map(|(.., weight)| weight).sum::<f64>();
        let mut below = 0.0;
        let at = means.iter().position(|(.., weight)| {
            below += weight;
            half * (1.0 - HALVED_WITHIN) <= below
        })?;
        let (key, mean, _) = means[at];
        let is_halved = below <= half * (1.0 + HALVED_WITHIN);
        let next = means.get(at + 1).filter(|_| is_halved).map_or(mean, |(_, next, _)| *next);
        Some((key, 0.5 * (mean + next)))
    });
    of_time.collect()
}

/// How far each pile goes from a profile, in standard deviations of chance; what most differ by is chance.
///
/// # Formula
/// `d = m − c − l`, l the pile's own mean of `m − c`. What scatters: `χ² = Σ n d²`, k − 1 degrees of freedom for k times, `(χ²/v − (k − 1))/√(2 (k − 1))`
/// with v the median of `χ²/(k − 1)`. What lasts: `E = max |Σ_{to a time} n d| / √Σ n`, as a share of its median on the scale of a Brownian
/// bridge's excursion, whose median, mean and standard deviation are known. The larger of both.
fn distances(tallies: &[Tally], members: &[usize], profile: &BTreeMap<i64, f64>) -> Vec<f64> {
    let ways: Vec<Option<Way>> = members.iter().map(|pile| Way::of(&tallies[*pile], profile)).collect();
    let usual = |size: fn(&Way) -> f64| {
        let mut sizes: Vec<f64> = ways.iter().flatten().map(size).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.get(sizes.len() / 2).copied().filter(|usual| 0.0 < *usual)
    };
    let (scatter, excursion) = (usual(|way| way.square / way.free), usual(|way| way.excursion));
    let far = |way: &Option<Way>| {
        let way = way.as_ref()?;
        let scattered = (way.square / scatter? - way.free) / (2.0 * way.free).sqrt();
        let lasting = (way.excursion / excursion? * EXCURSION.0 - EXCURSION.1) / EXCURSION.2;
        Some(scattered.max(lasting))
    };
    ways.iter().map(|way| far(way).unwrap_or(0.0)).collect()
}

/// How a pile goes beside a profile.
struct Way {
    square: f64,
    free: f64,
    excursion: f64,
}

impl Way {
    /// None of a pile that was met at one time only.
    fn of(tally: &Tally, profile: &BTreeMap<i64, f64>) -> Option<Self> {
        let beside = tally
            .iter()
            .filter_map(|(key, (sum, count))| profile.get(key).map(|common| (sum / count - common, *count)));
        let beside: Vec<(f64, f64)> = beside.collect();
        let count: f64 = beside.iter().map(|(_, count)| count).sum();
        let level = beside.iter().map(|(own, count)| own * count).sum::<f64>() / count;
        let (mut square, mut sum, mut excursion) = (0.0, 0.0, 0.0f64);
        for (own, count) in &beside {
            square += count * (own - level).powi(2);
            sum += count * (own - level);
            excursion = excursion.max(sum.abs());
        }
        let free = beside.len().saturating_sub(1) as f64;
        (0.0 < free).then(|| Self { square, free, excursion: excursion / count.sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Means of twenty piles at two times, ten scores each.
    fn tallies(means: impl Fn(usize) -> [f64; 2]) -> Vec<Tally> {
        let tally =
            |pile| means(pile).into_iter().enumerate().map(|(key, mean)| (key as i64, (10.0 * mean, 10.0)));
        (0..20).map(|pile| tally(pile).collect()).collect()
    }

    /// By hand: twelve whose second mean is about 0.3 above the first, which all share, and eight that rise by 2.3.
    #[test]
    fn a_large_part_that_goes_another_way_does_not_move_what_is_shared() {
        let wobble = |pile: usize| 0.01 * ((pile * 7 % 5) as f64 - 2.0);
        let means = |pile: usize| [wobble(pile), 0.3 - wobble(pile) + if pile < 8 { 2.0 } else { 0.0 }];
        let common = Common::of(&tallies(means), &[0; 20]).expect("twenty piles");
        assert!(common.at(19, 0).abs() < 0.02 && (common.at(19, 1) - 0.3).abs() < 0.02, "{common:?}");
        assert!(!common.is_usual[..8].contains(&true) && common.at(0, 7) == 0.0);
        assert!(10 <= common.is_usual[8..].iter().filter(|usual| **usual).count());
    }

    #[test]
    fn each_connected_set_shares_its_own_and_few_piles_share_nothing() {
        let means = |pile: usize| [0.001 * pile as f64, 1.0];
        let mut both = tallies(means);
        both.extend(tallies(|pile| [1.0 + 0.001 * pile as f64, 0.0]));
        let sets: Vec<usize> = (0..40).map(|pile| pile / 20).collect();
        let common = Common::of(&both, &sets).expect("forty piles");
        assert!((common.at(3, 1) - 1.0).abs() < 0.1 && common.at(23, 1).abs() < 0.1, "{common:?}");
        assert!(Common::of(&both[..19], &[0; 19]).is_none());
        // Of two sets of ten and thirty the small one is held against all.
        let sets: Vec<usize> = (0..40).map(|pile| usize::from(30 <= pile)).collect();
        assert!(Common::of(&both, &sets).is_some_and(|common| common.at(35, 1) < 0.9));
    }
}
