//! How remote estimates and on-site results agree: anchors left out, and the sample measured on site after the last day.
//!
//! Called by [`super::measures`]. A pile that changed on the way counts: a trial would meet it, too. Those that did not are told beside.

use veripile_metrology::{chi_square, normal};

use super::goal::{Goal, Reached};
use super::measures::{Measure, Unit, WORLDS_MIN, measure, share, some};
use super::run::SeedSeen;
use super::tables::table;

/// How far apart they are, in units of their uncertainties.
pub(super) fn agreement(seeds: &[SeedSeen]) -> Vec<Measure> {
    let of_world =
        |seed: &SeedSeen| -> Vec<f64> { seed.anchors.iter().map(|anchor| anchor.normalized_error).collect() };
    let anchor_worlds: Vec<Vec<f64>> = seeds.iter().map(of_world).collect();
    let anchors = anchor_worlds.concat();
    let constant = |seed: &SeedSeen, pile: usize| seed.piles[pile].is_constant;
    let goal = |from, to| Some(Goal { from, to });
    let within = |values: &[f64]| values.iter().filter(|value| value.abs() <= 1.0).count();
    let normalized_errors = |counts: &dyn Fn(&SeedSeen, usize) -> bool| -> Vec<Vec<f64>> {
        let of_world = |seed: &SeedSeen| -> Vec<f64> {
            let pairs = seed.pairs.iter().filter(|pair| counts(seed, pair.pile));
            pairs.filter_map(|pair| pair.normalized_error).collect()
        };
        seeds.iter().map(of_world).collect()
    };
    let all = normalized_errors(&|_, _| true).concat();
    let unchanged_worlds = normalized_errors(&constant);
    let unchanged = unchanged_worlds.concat();
    vec![
        Measure {
            goal: goal(0.95, 1.0),
            ..share(
                "anchors_agree",
                "留一基准：|E_n| ≤ 1",
                "leave-one-anchor-out: |E_n| ≤ 1",
                within(&anchors),
                anchors.len(),
            )
        },
        mean("anchors_mean", "留一基准：E_n 均值", "leave-one-anchor-out: mean of E_n", &anchor_worlds),
        Measure {
            goal: goal(0.15, 0.35),
            ..variance(
                "anchors_variance",
                "留一基准：E_n 方差（对均值）",
                "leave-one-anchor-out: variance of E_n about its mean",
                &anchors,
            )
        },
        Measure {
            goal: goal(0.95, 1.0),
            ..share(
                "on_site_agree",
                "远程与现场：|E_n| ≤ 1，途中未变的桩",
                "remote and on-site: |E_n| ≤ 1, piles that did not change",
                within(&unchanged),
                unchanged.len(),
            )
        },
        mean(
            "on_site_mean",
            "远程与现场：E_n 均值，途中未变的桩",
            "remote and on-site: mean of E_n, piles that did not change",
            &unchanged_worlds,
        ),
        Measure {
            goal: goal(0.15, 0.35),
            ..variance(
                "on_site_variance",
                "远程与现场：E_n 方差（对均值），途中未变的桩",
                "remote and on-site: variance of E_n about its mean, piles that did not change",
                &unchanged,
            )
        },
        share(
            "on_site_agree_all",
            "远程与现场：|E_n| ≤ 1，含途中变化的桩",
            "remote and on-site: |E_n| ≤ 1, with piles that changed on the way",
            within(&all),
            all.len(),
        ),
    ]
}

/// What afar and on site conclude, of all piles and of those that did not change.
pub(super) fn conclusions(seeds: &[SeedSeen]) -> Vec<Measure> {
    let [[conform, accepted], [rejected, nonconform], ..] = table(seeds, |_, _| true);
    let [[unchanged_conform, unchanged_accepted], [unchanged_rejected, unchanged_nonconform], ..] =
        table(seeds, |seed, pile| seed.piles[pile].is_constant);
    vec![
        share(
            "false_accept",
            "误收：现场不合格中远程限内",
            "false accept: of those that fail on site, conform from afar",
            accepted,
            accepted + nonconform,
        ),
        share(
            "false_reject",
            "误拒：现场合格中远程限外",
            "false reject: of those that pass on site, nonconform from afar",
            rejected,
            conform + rejected,
        ),
        share(
            "false_accept_unchanged",
            "误收，途中未变的桩",
            "false accept, piles that did not change",
            unchanged_accepted,
            unchanged_accepted + unchanged_nonconform,
        ),
        share(
            "false_reject_unchanged",
            "误拒，途中未变的桩",
            "false reject, piles that did not change",
            unchanged_rejected,
            unchanged_conform + unchanged_rejected,
        ),
    ]
}

/// Standard deviation of an E_n whose uncertainties are true: both are expanded by two.
const TRUE_SD: f64 = 0.5;

/// Mean of E_n, by world. Its goal, ±1/√n (metrology.md §1.4), is where 95 % of right means lie if their E_n do not depend on each other: so it is
/// the number that is held against it. Those of a world do, as they share its level; beyond the goal it is open as long as the interval reaches it.
/// That is told from world to world (jackknife) where there are some, else as if each world told one E_n only, which is the most it can be.
fn mean(key: &'static str, zh: &'static str, en: &'static str, worlds: &[Vec<f64>]) -> Measure {
    let sums: Vec<(f64, f64)> = worlds
        .iter()
        .filter(|values| !values.is_empty())
        .map(|values| (values.iter().sum::<f64>(), values.len() as f64))
        .collect();
    let (sum, count) = sums.iter().fold((0.0, 0.0), |(sum, count), (s, n)| (sum + s, count + n));
    let observations = worlds.iter().map(Vec::len).sum();
    let value = some(observations, sum / count);
    let n = sums.len() as f64;
    let sd = if sums.len() < WORLDS_MIN {
        TRUE_SD / n.sqrt()
    } else {
        let without: Vec<f64> = sums.iter().map(|(s, of)| (sum - s) / (count - of)).collect();
        let middle = without.iter().sum::<f64>() / n;
        ((n - 1.0) / n * without.iter().map(|mean| (mean - middle).powi(2)).sum::<f64>()).sqrt()
    };
    let half = normal::QUANTILE_975 * sd;
    let band = 1.0 / count.sqrt();
    let goal = (0 < observations).then_some(Goal { from: -band, to: band });
    let interval = value.map(|value| (value - half, value + half));
    let reached = goal.zip(value).zip(interval).map(|((goal, value), interval)| {
        if value.abs() <= band { Reached::Yes } else { goal.judge(interval) }
    });
    Measure { interval, goal, reached, ..measure(key, zh, en, Unit::Number, value, observations) }
}

/// Variance about the mean, with the interval of normal numbers: `(n − 1) s² / χ²`. One number has none.
fn variance(key: &'static str, zh: &'static str, en: &'static str, values: &[f64]) -> Measure {
    let n = if values.len() < 2 { 0 } else { values.len() };
    let mean = values.iter().sum::<f64>() / n as f64;
    let freedom = n as f64 - 1.0;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    let value = some(n, squares / freedom);
    let interval = value.map(|_| {
        (squares / chi_square::quantile(0.975, freedom), squares / chi_square::quantile(0.025, freedom))
    });
    Measure { interval, ..measure(key, zh, en, Unit::Number, value, n) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: mean 0.3, squares about it 0.01 + 0.04 + 0.01 + 0.04; χ² of three degrees of freedom 0.215,795 and 9.348,404 (tables).
    #[test]
    fn a_common_shift_is_in_the_mean_and_not_in_the_variance() {
        let values = [0.2, 0.5, 0.4, 0.1];
        let told = variance("a", "b", "c", &values);
        assert!((told.value.expect("four") - 0.1 / 3.0).abs() < 1e-12);
        let (low, high) = told.interval.expect("four");
        assert!(
            (low - 0.1 / 9.348_404).abs() < 1e-8 && (high - 0.1 / 0.215_795).abs() < 1e-5,
            "{low} {high}"
        );
        let told = mean("a", "b", "c", &[values[..2].to_vec(), values[2..].to_vec(), Vec::new()]);
        assert!((told.value.expect("four") - 0.3).abs() < 1e-12);
        let goal = told.goal.expect("a goal");
        assert!((goal.to - 0.5).abs() < 1e-12 && (goal.from + 0.5).abs() < 1e-12);
        // Two worlds: 1.96 × 0.5 / √2 = 0.693.
        let (low, high) = told.interval.expect("four");
        assert!(
            (high - 0.3 - 0.692_952).abs() < 1e-5 && (0.3 - low - 0.692_952).abs() < 1e-5,
            "{low} {high}"
        );
        assert_eq!(told.reached, Some(Reached::Yes));
        let one = variance("a", "b", "c", &values[..1]);
        assert_eq!((one.value, one.lacking, one.observations), (None, None, 0));
        assert_eq!(mean("a", "b", "c", &[]).goal, None);
    }

    // Six worlds of a hundred: the goal is 1/√600 = 0.0408. Where each world is off by as much to either side of 0.1, the interval of the mean is
    // that of six numbers: 1.96 × 0.2 √(6/5) / √6 = 0.175, which reaches the goal. Where all are off by 0.1 it is not reached.
    #[test]
    fn a_shift_of_whole_worlds_is_told_from_world_to_world() {
        let worlds = |apart: f64| -> Vec<Vec<f64>> {
            [1.0, -1.0].repeat(3).into_iter().map(|side| vec![0.1 + side * apart; 100]).collect()
        };
        let told = mean("a", "b", "c", &worlds(0.2));
        let (_, high) = told.interval.expect("six worlds");
        assert!((high - 0.1 - 0.175_305).abs() < 1e-5, "{high}");
        assert_eq!(told.reached, Some(Reached::Open));
        assert_eq!(mean("a", "b", "c", &worlds(0.0)).reached, Some(Reached::No));
    }
}
