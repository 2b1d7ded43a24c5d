//! Two outlets of a pile exchanged: what one bills is what the other gave.
//!
//! Only charges at the same time tell: there each vehicle's reading fits either its own outlet's energy or the other's.

use veripile_metrology::crossing::to_f64;

use super::registers::hours;
use super::world::{World, first};
use super::{Code, Finding, Phrase, Severity, SignalCharge, Subject};

/// Exchanging must improve 2 Δ ln L by more than this (metrology.md §3).
const IMPROVEMENT_MIN: f64 = 20.0;

/// Charges that overlap for at least this share of the shorter one are compared.
const OVERLAP_MIN: f64 = 0.5;

/// Neighbours in time that a charge is held against: an outlet has one vehicle at a time, a pile a handful of outlets.
const NEIGHBOURS_MAX: usize = 8;

/// Noise of a comparison with the vehicle's own bias in it, and its part for small charges, kWh (metrology.md §2.1:
/// √(2² + 1.5²) %).
const NOISE: f64 = 0.025;
const NOISE_KWH: f64 = 0.15;

/// Degrees of freedom of the noise.
const NU: f64 = 4.0;

/// Asks every pile that has two outlets in use at once.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    (0..world.piles.len()).filter_map(|pile| asked(world, pile)).collect()
}

/// The best of "exchanged since charge k", over all k.
///
/// # Formula
/// `Δ_k = Σ_{pairs since k} ln L(exchanged) − ln L(as told)`, t₄ noise. As told, the mean of each `exp Δ_k` is 1, so
/// the largest of n exceeds Δ with a chance of at most `n e^{−Δ}` (Markov); exchanged is remarkable only if 2Δ > 20.
fn asked(world: &World<'_>, pile: usize) -> Option<Finding> {
    let pairs = pairs(world, pile);
    let (mut sum, mut best) = (0.0, (0.0, 0));
    for (place, (.., gain)) in pairs.iter().enumerate().rev() {
        sum += gain;
        if best.0 < sum {
            best = (sum, place);
        }
    }
    let (gain, place) = best;
    let since: Vec<usize> = pairs.iter().skip(place).flat_map(|(a, b, _)| [*a, *b]).collect();
    let (from, to) = world.span(since.iter().copied());
    let chance = (pairs.len() as f64 * libm::exp(-gain)).min(1.0);
    (!pairs.is_empty()).then(|| Finding {
        subject: Subject::Pile(pile),
        code: Code::SwappedOutlets,
        severity: Severity::Critical,
        statistic: 2.0 * gain,
        p_value: Some(if IMPROVEMENT_MIN < 2.0 * gain { chance } else { 1.0 }),
        from,
        to,
        said: vec![Phrase::Exchanged {
            pairs: (since.len() / 2).to_string(),
            gain: format!("{:.0}", 2.0 * gain),
        }],
        evidence: first(since),
    })
}

/// Pairs of charges at two outlets at the same time, each charge once, and what exchanging gains.
fn pairs(world: &World<'_>, pile: usize) -> Vec<(usize, usize, f64)> {
    let charges: Vec<usize> = world.by_pile[pile]
        .iter()
        .copied()
        .filter(|index| energies(&world.charges[*index]).is_some())
        .collect();
    let mut taken = vec![false; charges.len()];
    let mut pairs = Vec::new();
    for place in 0..charges.len() {
        let ahead = (place + 1..charges.len()).take(NEIGHBOURS_MAX);
        let partner = ahead
            .filter(|other| !taken[place] && !taken[*other])
            .find(|other| is_at_once(&world.charges[charges[place]], &world.charges[charges[*other]]));
        if let Some(partner) = partner {
            taken[partner] = true;
            let (a, b) = (charges[place], charges[partner]);
            pairs.extend(gain(&world.charges[a], &world.charges[b]).map(|gain| (a, b, gain)));
        }
    }
    pairs
}

fn is_at_once(a: &SignalCharge<'_>, b: &SignalCharge<'_>) -> bool {
    let common = hours(a.started_at.max(b.started_at), a.ended_at.min(b.ended_at));
    let shorter = hours(a.started_at, a.ended_at).min(hours(b.started_at, b.ended_at));
    a.outlet != b.outlet && 0.0 < shorter && OVERLAP_MIN * shorter <= common
}

fn gain(a: &SignalCharge<'_>, b: &SignalCharge<'_>) -> Option<f64> {
    let (pile_a, vehicle_a) = energies(a)?;
    let (pile_b, vehicle_b) = energies(b)?;
    let exchanged = likelihood(pile_b, vehicle_a) + likelihood(pile_a, vehicle_b);
    Some(exchanged - likelihood(pile_a, vehicle_a) - likelihood(pile_b, vehicle_b))
}

fn energies(charge: &SignalCharge<'_>) -> Option<(f64, f64)> {
    let (pile, vehicle) = (to_f64(charge.energy_pile_kwh), to_f64(charge.energy_vehicle_kwh?));
    (0.0 < pile && 0.0 < vehicle).then_some((pile, vehicle))
}

/// Logarithm of the density of a pile's energy given the vehicle's, but for what both cases share.
fn likelihood(pile_kwh: f64, vehicle_kwh: f64) -> f64 {
    let variance = NOISE * NOISE + (NOISE_KWH / vehicle_kwh).powi(2);
    let log_ratio = libm::log(pile_kwh / vehicle_kwh);
    -0.5 * (NU + 1.0) * libm::log1p(log_ratio * log_ratio / (NU * variance))
}
