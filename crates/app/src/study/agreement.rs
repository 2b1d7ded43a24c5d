//! How remote estimates and on-site results agree: anchors left out, and the sample measured on site after the last day.
//!
//! Called by [`super::measures`]. A pile that changed on the way counts: a trial would meet it, too. Those that did not are told beside.

use veripile_metrology::normal;

use super::measures::{Goal, Measure, Unit, measure, share, some};
use super::run::SeedSeen;
use super::tables::table;

/// How far apart they are, in units of their uncertainties.
pub(super) fn agreement(seeds: &[SeedSeen]) -> Vec<Measure> {
    let anchors: Vec<f64> =
        seeds.iter().flat_map(|seed| &seed.anchors).map(|anchor| anchor.normalized_error).collect();
    let constant = |seed: &SeedSeen, pile: usize| seed.piles[pile].is_constant;
    let goal = |from, to| Some(Goal { from, to });
    let within = |values: &[f64]| values.iter().filter(|value| value.abs() <= 1.0).count();
    let normalized_errors = |counts: &dyn Fn(&SeedSeen, usize) -> bool| -> Vec<f64> {
        let pairs = seeds.iter().flat_map(|seed| seed.pairs.iter().map(move |pair| (seed, pair)));
        let pairs = pairs.filter(|(seed, pair)| counts(seed, pair.pile));
        pairs.filter_map(|(_, pair)| pair.normalized_error).collect()
    };
    let (all, unchanged) = (normalized_errors(&|_, _| true), normalized_errors(&constant));
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
        Measure {
            goal: goal(0.15, 0.35),
            ..variance(
                "anchors_variance",
                "留一基准：E_n 方差",
                "leave-one-anchor-out: variance of E_n",
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
        Measure {
            goal: goal(0.15, 0.35),
            ..variance(
                "on_site_variance",
                "远程与现场：E_n 方差，途中未变的桩",
                "remote and on-site: variance of E_n, piles that did not change",
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

/// Variance about zero, as the mean is part of what is judged. Of n normal numbers it scatters by √(2/n) of itself.
fn variance(key: &'static str, zh: &'static str, en: &'static str, values: &[f64]) -> Measure {
    let n = values.len();
    let value = some(n, values.iter().map(|value| value * value).sum::<f64>() / n as f64);
    let spread = normal::QUANTILE_975 * (2.0 / n as f64).sqrt();
    let interval = value.map(|value| (value * (1.0 - spread).max(0.0), value * (1.0 + spread)));
    Measure { interval, ..measure(key, zh, en, Unit::Number, value, n) }
}
