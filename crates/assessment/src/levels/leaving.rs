//! Which of what gives a connected set its level is to go, and when all of it is: a matter of numbers and majorities, of no fit.
//!
//! Called by [`super::agree`] after every fit. It leaves nothing out itself.

use std::collections::BTreeMap;

/// |E_n| from which one goes: three standard uncertainties. At two, one in twenty right results would.
pub(super) const LEAVES_FROM: f64 = 1.5;

/// Deviate of the χ² of a balance's piles from which it goes: a model that is a little off must not be enough.
pub(super) const SHAPE_FROM: f64 = 5.0;

/// Difference of E_n² below which of two that contradict each other nobody can say which is wrong: at odds of e³, twenty to one. Or below which share
/// of it, since of large ones a percent is rounding.
const RIVALS_WITHIN: f64 = 1.5;
const RIVALS_SHARE: f64 = 0.1;

/// So many on-site results and calibrations are not to be outvoted by masters, which nobody checks and which may all be wrong alike.
const RESULTS_FROM: usize = 2;

/// A connected set, all of it or one of its communities.
pub(crate) type Part = (usize, Option<usize>);

/// An anchor by its position, a vehicle by its index, or a balance by its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Anchor(usize),
    Reference(usize),
    Balance(usize),
}

/// What gives a set its level, and what everything else says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Giver {
    pub(super) what: What,
    pub(super) component: usize,
    /// Of the set, where it has several that differ.
    pub(super) community: Option<usize>,
    /// E_n; none where nothing else is known.
    pub(super) normalised_error: Option<f64>,
    /// Of a balance how improbable it is pile by pile.
    pub(super) shape: Option<f64>,
    /// Whether it counts where a majority is asked for. A balance too unsure to give a level by itself does not: many of them may rest on one
    /// assumption, as that of converters' efficiency.
    pub(super) has_say: bool,
    /// Whether nothing else would give the level of where it speaks.
    pub(super) is_sole: bool,
}

impl Giver {
    /// By what leaving it out takes off the sum of squares, in units of [`LEAVES_FROM`].
    fn size(&self) -> f64 {
        let level = self.normalised_error.map_or(0.0, f64::abs) / LEAVES_FROM;
        let shape = self.shape.map_or(0.0, |shape| shape / SHAPE_FROM);
        level.max(shape)
    }

    pub(super) fn exceeds(&self) -> bool {
        1.0 < self.size()
    }

    /// Whether nobody can say which of the two is wrong, this one or another of its community that contradicts a little less.
    ///
    /// What leaving one out takes off the sum of squares is (2 E_n)², so that the odds are exp 2 (E_n² − E_n'²).
    fn is_no_worse_than(&self, other: &Self) -> bool {
        let square = |giver: &Self| giver.normalised_error.map_or(0.0, |error| error * error);
        let room = RIVALS_WITHIN.max(RIVALS_SHARE * square(self));
        let are_together = self.community.is_some()
            && (self.component, self.community) == (other.component, other.community);
        are_together && other.exceeds() && square(self) - square(other) < room
    }

    fn is_result(&self) -> bool {
        !matches!(self.what, What::Balance(_))
    }
}

/// Those that go next, in every connected set at once; none where nothing is too large.
///
/// The worst of a set goes: by what it takes off the sum of squares it is the one without which all others fit best. But where those of its set
/// that left would then be as many as those that stay, or more, nobody can say which are wrong: all go, and the set has no level until there is
/// more to hold them against. Of a community that is told to differ from others those go with it that contradict nearly as much: the others cannot
/// say which is wrong. So it is where all of several on-site results and calibrations would go and balances stay. What has no say goes
/// before a set loses its level for it.
pub(super) fn leaving(givers: &[Giver], gone: &[Giver]) -> Vec<Giver> {
    let mut sets: BTreeMap<usize, [Vec<Giver>; 2]> = BTreeMap::new();
    givers.iter().for_each(|giver| sets.entry(giver.component).or_default()[0].push(*giver));
    gone.iter().for_each(|giver| sets.entry(giver.component).or_default()[1].push(*giver));
    sets.values().flat_map(|[peers, gone]| leaving_a_set(peers, gone)).collect()
}

/// Those that give a set, or a community of one, its level alone, each with which that is.
pub(super) fn alone(givers: &[Giver]) -> Vec<(Giver, Part)> {
    let of_set = |giver: &Giver| (giver.component, None);
    let of_community = |giver: &Giver| (giver.component, giver.community);
    let mut count: BTreeMap<Part, usize> = BTreeMap::new();
    for giver in givers {
        *count.entry(of_set(giver)).or_default() += 1;
        giver.community.iter().for_each(|_| *count.entry(of_community(giver)).or_default() += 1);
    }
    let of_sets = givers.iter().filter(|giver| count[&of_set(giver)] == 1);
    let of_communities = givers
        .iter()
        .filter(|giver| giver.community.is_some() && giver.is_sole && count[&of_community(giver)] == 1);
    let communities = of_communities.map(|giver| (*giver, of_community(giver)));
    let mut alone: Vec<(Giver, Part)> =
        communities.chain(of_sets.map(|giver| (*giver, of_set(giver)))).collect();
    alone.sort_by_key(|(_, of)| *of);
    alone
}

fn leaving_a_set(peers: &[Giver], gone: &[Giver]) -> Vec<Giver> {
    let worst = |givers: &mut dyn Iterator<Item = &Giver>| {
        givers.filter(|giver| giver.exceeds()).max_by(|a, b| a.size().total_cmp(&b.size())).copied()
    };
    let Some(first) = worst(&mut peers.iter()) else { return Vec::new() };
    if !first.has_say || stands(&first, peers.iter(), gone.iter()) {
        let is_rival = |giver: &&Giver| giver.what != first.what && first.is_no_worse_than(giver);
        return std::iter::once(first).chain(peers.iter().filter(is_rival).copied()).collect();
    }
    if let Some(mute) = worst(&mut peers.iter().filter(|giver| !giver.has_say)) {
        return vec![mute];
    }
    peers.iter().filter(|giver| giver.has_say).copied().collect()
}

/// Whether a set keeps its level without one of those that give it.
fn stands<'a>(
    without: &'a Giver,
    peers: impl Iterator<Item = &'a Giver>,
    gone: impl Iterator<Item = &'a Giver>,
) -> bool {
    let of = |givers: Vec<&Giver>| {
        let results = givers.iter().filter(|giver| giver.is_result()).count();
        (givers.len(), results)
    };
    let (stay, results_stay) =
        of(peers.filter(|giver| giver.has_say && giver.what != without.what).collect());
    let (left, results_left) = of(gone.filter(|giver| giver.has_say).chain([without]).collect());
    let are_outvoted = without.is_result() && results_stay == 0 && RESULTS_FROM <= results_left;
    left < stay && !are_outvoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn giver(what: What, component: usize, normalised_error: Option<f64>) -> Giver {
        Giver {
            what,
            component,
            community: None,
            normalised_error,
            shape: None,
            has_say: true,
            is_sole: true,
        }
    }

    fn going(givers: &[Giver], gone: &[Giver]) -> Vec<What> {
        leaving(givers, gone).iter().map(|giver| giver.what).collect()
    }

    #[test]
    fn of_two_all_go_and_of_three_the_worst() {
        let alike = giver(What::Anchor(1), 0, None);
        let elsewhere = giver(What::Anchor(2), 1, Some(1.4));
        let worst = giver(What::Reference(4), 0, Some(-2.0));
        assert_eq!(going(&[alike, elsewhere, worst], &[]), [What::Anchor(1), What::Reference(4)]);
        let third = giver(What::Anchor(0), 0, Some(1.6));
        assert_eq!(going(&[third, alike, elsewhere, worst], &[]), [What::Reference(4)]);
        assert!(going(&[alike, elsewhere], &[]).is_empty());
    }

    /// In a community whose vehicles may differ from others' nobody can say which of two is wrong that contradict each other about as much; where others
    /// do tell, the worse one.
    #[test]
    fn of_two_in_a_community_both_go_unless_others_tell() {
        let of = |at, community, error| Giver {
            community: Some(community),
            ..giver(What::Anchor(at), 0, Some(error))
        };
        let others = [of(2, 1, 0.1), of(3, 1, -0.2), of(4, 2, 1.7)];
        let with = |first, second| {
            let mut all = vec![of(0, 0, first), of(1, 0, second)];
            all.extend(others);
            going(&all, &[])
        };
        let both = [What::Anchor(0), What::Anchor(1)];
        assert_eq!(with(2.0, -1.7), both, "odds of e² by 4.0 − 2.9");
        assert_eq!(with(2.4, -1.7), [What::Anchor(0)], "5.8 − 2.9");
        assert_eq!(with(12.0, -11.5), both, "144 − 132 is less than a tenth");
        assert_eq!(with(12.0, -9.0), [What::Anchor(0)]);
        assert_eq!(with(2.0, -1.4), [What::Anchor(0)], "which does not contradict");
        assert_eq!(with(1.4, 1.4), [What::Anchor(4)]);
    }

    #[test]
    fn what_gives_a_set_or_a_community_its_level_alone_is_named_with_it() {
        let of = |at, component, community| Giver { community, ..giver(What::Anchor(at), component, None) };
        let told = |givers: &[Giver]| -> Vec<(What, Part)> {
            alone(givers).into_iter().map(|(giver, of)| (giver.what, of)).collect()
        };
        let confirmed = Giver { is_sole: false, ..of(4, 1, Some(3)) };
        let all = [of(0, 0, None), of(1, 1, Some(1)), of(2, 1, Some(2)), of(3, 1, Some(2)), confirmed];
        assert_eq!(told(&all), [(What::Anchor(0), (0, None)), (What::Anchor(1), (1, Some(1)))]);
        assert_eq!(
            told(&all[1..2]),
            [(What::Anchor(1), (1, None)), (What::Anchor(1), (1, Some(1)))],
            "of both"
        );
    }

    #[test]
    fn sets_do_not_wait_for_each_other_and_each_has_its_own_worst() {
        let of = |at, component, error| giver(What::Anchor(at), component, Some(error));
        let all = [of(0, 0, 1.6), of(1, 0, 0.3), of(2, 0, 1.9), of(3, 1, 1.7), of(4, 1, -2.1), of(5, 1, 0.1)];
        assert_eq!(going(&all, &[]), [What::Anchor(2), What::Anchor(4)]);
        assert_eq!(
            going(&all[2..5], &[]),
            [What::Anchor(2), What::Anchor(3), What::Anchor(4)],
            "one, and one of two"
        );
    }

    #[test]
    fn no_minority_stays_and_no_half_does() {
        let anchors = |sizes: &[f64]| -> Vec<Giver> {
            sizes.iter().enumerate().map(|(at, size)| giver(What::Anchor(at), 0, Some(*size))).collect()
        };
        let gone = |count| vec![giver(What::Anchor(9), 0, Some(3.0)); count];
        let left = anchors(&[1.7, 0.2, 0.3, 0.1]);
        // Of five the second goes and three stay; of six the third would leave three.
        assert_eq!(going(&left, &gone(1)), [What::Anchor(0)]);
        assert_eq!(going(&left, &gone(2)).len(), 4);
        assert_eq!(going(&left, &[giver(What::Anchor(9), 7, Some(3.0)); 2]), [What::Anchor(0)], "elsewhere");
    }

    #[test]
    fn balances_are_peers_but_do_not_outvote_all_results() {
        let balances = |sizes: &[f64]| -> Vec<Giver> {
            sizes.iter().enumerate().map(|(at, size)| giver(What::Balance(at), 0, Some(*size))).collect()
        };
        let mut all = balances(&[0.1, 4.0, 0.2]);
        all.push(giver(What::Anchor(0), 0, Some(2.0)));
        assert_eq!(going(&all, &[]), [What::Balance(1)]);
        // One balance against one result: nobody can say.
        assert_eq!(going(&[all[1], all[3]], &[]), [What::Balance(1), What::Anchor(0)]);
        // The second and last result against five balances.
        let mut many = balances(&[0.1; 5]);
        many.push(all[3]);
        assert_eq!(going(&many, &[]), [What::Anchor(0)]);
        assert_eq!(going(&many, &[giver(What::Anchor(5), 0, Some(3.0))]).len(), 6);
    }

    #[test]
    fn a_balance_too_unsure_to_give_a_level_has_no_say() {
        let unsure = |at, size| Giver { has_say: false, ..giver(What::Balance(at), 0, Some(size)) };
        let anchor = giver(What::Anchor(0), 0, Some(1.9));
        let gone: Vec<Giver> = (5..9).map(|at| unsure(at, 3.0)).collect();
        assert_eq!(going(&[anchor, unsure(0, 1.8), unsure(1, 0.3)], &gone), [What::Balance(0)]);
        assert_eq!(
            going(&[Giver { normalised_error: Some(0.5), ..anchor }, unsure(0, 1.8)], &gone),
            [What::Balance(0)]
        );
        let odd = Giver { shape: Some(7.0), ..giver(What::Balance(2), 0, Some(0.2)) };
        assert_eq!(going(&[odd, anchor, giver(What::Anchor(1), 0, None)], &[]), [What::Balance(2)]);
    }
}
