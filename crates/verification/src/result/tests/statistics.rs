//! Simulated verifications of piles whose true error is known: does the stated uncertainty cover it, and is as often decided wrongly
//! as theory says?
//!
//! What is simulated is physics, written down once more and not taken from the budget: the standard is wrong by a gain drawn from its
//! certificate and by a drift within its bound; phase, ripple and self-heating shift what the meter sees; the meter has noise; its
//! register is cut to its step, at a phase of its own before and after. The theory is the distribution of the mean error that this
//! makes, by its characteristic function (Gil-Pelaez), and knows nothing of budget, rounding or rules but the limit.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use veripile_metrology::normal;

use super::*;
use crate::run::Tie;

/// Verifications of one series.
const SERIES: usize = 1000;
/// Readings of each.
const REPEATS: u32 = 3;
/// Noise of the meter in one reading, standard deviation, percent.
const NOISE_PERCENT: f64 = 0.02;

/// What is verified.
struct Scene {
    order: Order,
    /// Energy of a reading at least, Wh.
    energy_wh: f64,
    limit_percent: f64,
    /// What a result is rounded to, percent.
    interval_percent: f64,
}

/// Of one simulated verification.
struct Verified {
    truth_percent: f64,
    found: PointResult,
    verdict: Verdict,
}

impl Scene {
    fn new(kind: PileKind, class: &str, energy_wh: &str) -> Self {
        // At a power factor of one half the phase matters most of all.
        let power_factor = (kind == PileKind::Ac).then_some("0.5");
        let mut order = one_point(kind, power_factor, REPEATS);
        order.plate.class = AccuracyClass(decimal(class));
        order.plan.points[0].energy_wh = decimal(energy_wh);
        assert_eq!(order.check(start(), &[]), Ok(()));
        let class: f64 = class.parse().expect("literal");
        Self {
            order,
            energy_wh: energy_wh.parse().expect("literal"),
            limit_percent: class,
            interval_percent: class / 10.0,
        }
    }

    /// Half-widths of what is anywhere within its bound, percent: the standard's drift first, then the effects.
    fn bounds_percent(&self) -> Vec<f64> {
        let effects = &self.order.plan.effects;
        let drift = self.order.instruments[1].calibration.drift_percent(after(1700));
        let ripple =
            if self.order.plate.kind == PileKind::Dc { effects.ripple_percent } else { Decimal::ZERO };
        let bounds = [drift, ripple, effects.self_heating_percent];
        bounds.iter().copied().map(to_f64).collect()
    }

    /// Standard deviations of what is normal and the same in all readings, percent: the standard's gain, and the phase.
    fn normals_percent(&self) -> [f64; 2] {
        let is_ac = self.order.plate.kind == PileKind::Ac;
        // 0.05 % at k = 2; 0.02° at 60°, where the tangent is √3.
        [0.025, if is_ac { 3f64.sqrt() * 0.02 * PI / 180.0 * 100.0 } else { 0.0 }]
    }

    fn verify(&self, truth_percent: f64, random: &mut Random) -> Verified {
        let [gain, phase] = self.normals_percent().map(|deviation| deviation * random.normal());
        let shifts: Vec<_> = self.bounds_percent().iter().map(|bound| bound * random.symmetric()).collect();
        let standard = 1.0 + (gain + shifts[0]) / 100.0;
        let shift = phase + shifts[1..].iter().sum::<f64>();
        let taken: Vec<_> = (0..REPEATS)
            .map(|repeat| {
                // A run looks once in a while: a reading is up to a percent longer than asked.
                let flowed = self.energy_wh * (1.0 + 0.01 * random.uniform());
                let seen = flowed * (1.0 + (truth_percent + shift + NOISE_PERCENT * random.normal()) / 100.0);
                let before = 1_000_000.0 + random.uniform();
                Taken {
                    indication: Indication::Register {
                        start_wh: exact(before.floor(), 0),
                        stop_wh: exact((before + seen).floor(), 0),
                    },
                    reference: exact(flowed * standard, 4),
                    ..reading(&self.order, 0, repeat, "1", "1")
                }
            })
            .collect();
        let items = all_good(&self.order);
        let items: Vec<_> = items.iter().collect();
        let mut whole = linear(&self.order, &taken, &items).expect("computable");
        Verified { truth_percent, found: whole.points.remove(0), verdict: whole.verdict }
    }

    /// Probability that the mean error found is at most so far above the true one, percent, for a pile of that error.
    ///
    /// # Formula
    /// `F(x) = 1/2 + 1/π ∫ sin(tx)/t φ(t) dt` for a symmetric distribution; φ a product: of normal parts `exp(−σ²t²/2)`, of
    /// rectangular ones `sin(at)/(at)`, of each register's triangle, half-width h, `(sin(ht/2)/(ht/2))²`.
    fn probability_below(&self, x: f64, truth_percent: f64) -> f64 {
        // What the standard is wrong by is relative to what the register shows.
        let scale = 1.0 + truth_percent / 100.0;
        let [gain, phase] = self.normals_percent();
        let n = f64::from(REPEATS);
        let variance = (gain * scale).powi(2) + phase.powi(2) + NOISE_PERCENT.powi(2) / n;
        let mut bounds = self.bounds_percent();
        bounds[0] *= scale;
        // A step of 1 Wh; the mean energy of a reading is half a percent above the least.
        let triangle = 100.0 / (self.energy_wh * 1.005) / n;
        let sinc = |y: f64| if y.abs() < 1e-9 { 1.0 } else { y.sin() / y };
        let characteristic = |t: f64| {
            let flat: f64 = bounds.iter().map(|bound| sinc(bound * t)).product();
            (-0.5 * variance * t * t).exp() * flat * sinc(0.5 * triangle * t).powi(2 * REPEATS as i32)
        };
        // Beyond 8/σ nothing is left; Simpson's rule, twenty steps to the fastest oscillation.
        let end = 8.0 / variance.sqrt();
        let steps = 2 * ((end * (x.abs() + 0.1) * 10.0 / PI).ceil() as usize).max(500);
        let width = end / steps as f64;
        let integrand = |t: f64| if t == 0.0 { x } else { (t * x).sin() / t * characteristic(t) };
        let sum: f64 = (0..=steps)
            .map(|step| {
                let weight = if step == 0 || step == steps { 1.0 } else { 2.0 + 2.0 * (step % 2) as f64 };
                weight * integrand(width * step as f64)
            })
            .sum();
        (0.5 + sum * width / 3.0 / PI).clamp(0.0, 1.0)
    }

    /// Probability that a pile of that error is accepted: its rounded result is within the limit. A result half an interval beyond it
    /// is still rounded to it, since that is its even multiple.
    fn probability_accepted(&self, truth_percent: f64) -> f64 {
        let edge = self.limit_percent + 0.5 * self.interval_percent;
        // Farther than half a percent from an edge, six standard deviations and more, there is no doubt.
        if 0.5 < (truth_percent.abs() - edge).abs() {
            return if truth_percent.abs() < edge { 1.0 } else { 0.0 };
        }
        // The distribution is symmetric, and the other edge is twenty deviations away.
        self.probability_below(edge - truth_percent.abs(), truth_percent)
    }
}

/// Random numbers from a seed, the same on every machine.
struct Random(ChaCha8Rng);

impl Random {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Between 0 and 1, neither of them.
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Between −1 and 1.
    fn symmetric(&mut self) -> f64 {
        2.0 * self.uniform() - 1.0
    }

    fn normal(&mut self) -> f64 {
        normal::quantile(self.uniform())
    }
}

fn exact(value: f64, digits: u32) -> Decimal {
    Decimal::from_f64(value).expect("finite").round_dp(digits)
}

/// True errors evenly over ±4 %.
fn wide() -> Vec<f64> {
    (0..SERIES).map(|index| -4.0 + 8.0 * (index as f64 + 0.5) / SERIES as f64).collect()
}

/// True errors about the limit, of both signs: where it is decided wrongly, if anywhere.
fn narrow(limit: f64) -> Vec<f64> {
    let about = |index: usize| limit * 1.05 - 0.25 + 0.5 * (index as f64 + 0.5) / SERIES as f64;
    (0..SERIES).map(|index| if index % 2 == 0 { about(index) } else { -about(index) }).collect()
}

fn verify_all(scene: &Scene, truths: &[f64], seed: u64) -> Vec<Verified> {
    let mut random = Random::new(seed);
    truths.iter().map(|truth| scene.verify(*truth, &mut random)).collect()
}

/// The part whose stated interval holds the true error.
fn coverage(verified: &[Verified]) -> f64 {
    let covered = verified.iter().filter(|one| {
        let off = to_f64(one.found.error_percent) - one.truth_percent;
        off.abs() <= to_f64(one.found.expanded_uncertainty_percent)
    });
    covered.count() as f64 / verified.len() as f64
}

/// Both kinds, class 1 and class 2, at an energy for each class.
fn scenes(energy_wh: [&str; 2]) -> Vec<Scene> {
    let kinds = [PileKind::Ac, PileKind::Dc];
    kinds
        .into_iter()
        .flat_map(|kind| [Scene::new(kind, "1", energy_wh[0]), Scene::new(kind, "2", energy_wh[1])])
        .collect()
}

// Found with these seeds, AC of class 1 and 2, DC of class 1 and 2: 96.2, 96.8, 96.7 and 95.9 % at 2 kWh a reading; in 40,000
// verifications each 95.8, 95.7, 96.2 and 96.2 %. At the least energy that the rules permit the register's step weighs most, and counts
// twice, by itself and in the scatter of the readings: 96.6, 97.8, 97.0 and 97.2 %. More is covered than stated, never less.
#[test]
fn the_stated_uncertainty_covers_the_true_error() {
    for (seed, scene) in (1..).zip(scenes(["2000", "2000"])) {
        let covered = coverage(&verify_all(&scene, &wide(), seed));
        assert!((0.94..=0.985).contains(&covered), "{covered}");
    }
    for (seed, scene) in (11..).zip(scenes(["1000", "500"])) {
        let covered = coverage(&verify_all(&scene, &wide(), seed));
        assert!((0.95..=0.999).contains(&covered), "{covered}");
    }
}

/// How often decided wrongly among those that a condition chooses, against the sum of the probabilities and three standard deviations
/// of such a count.
fn check_count(what: &str, verified: &[Verified], wrong: impl Fn(&Verified) -> Option<(bool, f64)>) {
    let chosen: Vec<_> = verified.iter().filter_map(wrong).collect();
    let count = chosen.iter().filter(|(is_wrong, _)| *is_wrong).count();
    let expected: f64 = chosen.iter().map(|(_, p)| p).sum();
    let deviation = chosen.iter().map(|(_, p)| p * (1.0 - p)).sum::<f64>().sqrt();
    // Half a count is what a whole number may be off for being one.
    let off = (count as f64 - expected).abs();
    assert!(off <= 3.0 * deviation + 0.5, "{what}: {count}, expected {expected:.2} ± {deviation:.2}");
}

// Found with these seeds about the limit (narrow), of AC of class 1: 111 of 600 falsely accepted, 118.7 ± 7.8 expected; 12 of 400
// falsely rejected, 18.7 ± 4.0 expected. Most of the former lie within the rounding of the rules, up to 1.05 %. With forty times as many
// verifications theory holds as well: 4777 against 4748 ± 49, and 762 against 748 ± 26.
#[test]
fn it_is_decided_wrongly_as_often_as_theory_says() {
    for (index, scene) in (0..).zip(scenes(["2000", "2000"])) {
        let limit = scene.limit_percent;
        let name = format!("{} class {limit}", scene.order.plate.kind.word());
        for (seed, truths) in [(100 + index, wide()), (200 + index, narrow(limit))] {
            let verified = verify_all(&scene, &truths, seed);
            assert!(verified.iter().all(|one| one.verdict != Verdict::Undecided), "{name}");
            let accepts = |one: &Verified| one.verdict == Verdict::Conform;
            check_count(&format!("{name}, falsely accepted"), &verified, |one| {
                let p = scene.probability_accepted(one.truth_percent);
                (limit < one.truth_percent.abs()).then(|| (accepts(one), p))
            });
            check_count(&format!("{name}, falsely rejected"), &verified, |one| {
                let p = 1.0 - scene.probability_accepted(one.truth_percent);
                (one.truth_percent.abs() <= limit).then(|| (!accepts(one), p))
            });
            // Rounding (化整) moves the edge outwards by half its interval; four standard uncertainties beyond nobody passes.
            for one in verified.iter().filter(|one| accepts(one)) {
                let u = to_f64(one.found.standard_uncertainty_percent);
                let most = limit + 0.5 * scene.interval_percent + 4.0 * u;
                assert!(one.truth_percent.abs() <= most, "{name}: {} is certified", one.truth_percent);
            }
        }
    }
}

// The theory itself, where it is known otherwise: of normal parts alone it is Φ. By mpmath, 30 digits: Φ(1) and Φ(−2).
#[test]
fn the_inversion_of_a_normal_characteristic_function_is_the_normal_distribution() {
    let mut scene = Scene::new(PileKind::Ac, "1", "1000");
    scene.order.plan.effects.self_heating_percent = Decimal::ZERO;
    scene.order.instruments[1].calibration.drift_percent_per_year = Decimal::ZERO;
    scene.energy_wh = 1e9;
    let [gain, phase] = scene.normals_percent();
    let sigma = (gain.powi(2) + phase.powi(2) + NOISE_PERCENT.powi(2) / 3.0).sqrt();
    for (x, expected) in [(0.0, 0.5), (1.0, 0.841_344_746_068_543), (-2.0, 0.022_750_131_948_179_2)] {
        let found = scene.probability_below(x * sigma, 0.0);
        assert!((found - expected).abs() < 1e-8, "{x}: {found}");
    }
}

/// Error of the mean of readings under a real load, and the uncertainty stated, percent. The pile's meter refreshes what it tells once in
/// the age of the plan, at a phase of its own: in beats with the readings, which then are late by the same, or out of beat.
fn under_real_load(order: &Order, in_beats: bool, random: &mut Random) -> (f64, f64) {
    let power_w = to_f64(order.plan.points[0].power_w().expect("small"));
    let age_s = to_f64(order.plan.effects.register_age_s);
    // The standard answers a tenth of a second before the pile does and as long after; a reading takes three minutes.
    let (answer_s, length_s, truth) = (0.1, 180.0, 0.004);
    let wh = |seconds: f64| power_w * seconds / 3600.0;
    let mut late = [0, 1].map(|_| age_s * random.uniform());
    let taken: Vec<Taken> = (0..REPEATS)
        .map(|repeat| {
            if !in_beats {
                late = [0, 1].map(|_| age_s * random.uniform());
            }
            let tie = |asked_s: f64, late_s: f64, phase: f64| Tie {
                register_wh: exact((wh(asked_s - late_s) * (1.0 + truth) + phase).floor(), 0),
                device_time: None,
                asked_at: start(),
                at: start(),
                before_wh: exact(wh(asked_s - answer_s), 4),
                after_wh: exact(wh(asked_s + answer_s), 4),
            };
            let phase = random.uniform();
            let (begin, end) = (tie(10.0, late[0], phase), tie(10.0 + length_s, late[1], phase));
            let reference = end.reference_wh().expect("small") - begin.reference_wh().expect("small");
            Taken {
                indication: Indication::Running { start: begin.into(), stop: end.into() },
                power_w: exact(power_w, 1),
                reference,
                ..reading(order, 0, repeat, "1", "1")
            }
        })
        .collect();
    let found = so_far(order, &taken).remove(0);
    (to_f64(found.error_percent) - 100.0 * truth, to_f64(found.expanded_uncertainty_percent))
}

#[test]
fn the_stated_uncertainty_covers_registers_that_are_told_late() {
    let mut order = one_point(PileKind::Ac, Some("1"), REPEATS);
    order.plan.load = Load::Real;
    for in_beats in [true, false] {
        let mut random = Random::new(if in_beats { 41 } else { 42 });
        let found: Vec<_> = (0..SERIES).map(|_| under_real_load(&order, in_beats, &mut random)).collect();
        let covered = found.iter().filter(|(off, expanded)| off.abs() <= *expanded).count();
        // Three binomial deviations below 95 %.
        assert!(930 <= covered, "{covered} of {SERIES}, in beats: {in_beats}");
        // What is stated is not out of proportion: the largest error that occurs is more than a third of it.
        let largest = found.iter().map(|(off, expanded)| off.abs() / expanded).fold(0.0, f64::max);
        assert!(1.0 / 3.0 < largest, "{largest}");
    }
}
