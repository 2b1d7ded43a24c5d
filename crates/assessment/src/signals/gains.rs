//! A gain that depends on something it must not depend on: hour, size, power, state of charge, signature, acquaintance. Firmware is asked
//! about in `firmware`.
//!
//! Each is one robust contrast per pile ([`veripile_metrology::contrast`]), held against what the fleet shows: an
//! effect that all piles share belongs to vehicles or weather. A whole fleet that cheats alike cannot be told from
//! honest vehicles (§2.2).

use veripile_metrology::contrast::{Contrast, Point, contrast};
use veripile_pile::{PileKind, VehiclePath};

use super::world::{Effect, Scored, World, against_fleet, common, heaviest};
use super::{Code, Finding, Phrase, Settings, Severity, SignalCharge, Subject, said};

/// An effect up to this share of the limit is worth knowing at most: legal metrology rounds it away.
const SMALL_SHARE: f64 = 0.2;

/// What honest piles show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expected {
    /// Nothing, but for scatter of so many standard uncertainties: effects that all have alike are no scatter.
    Zero(f64),
    /// What most piles show; nothing can be said without others, for vehicles and cables have such effects of their own.
    Shared,
    /// What most piles show, nothing where there are no others.
    ZeroOrShared,
}

/// What is said of a pile; its effect and that one's standard uncertainty as phrases have them.
pub(super) type Say<'q> = &'q dyn Fn(&Found, String, String) -> Phrase;

/// A question to every pile.
struct Question<'q> {
    code: Code,
    expected: Expected,
    /// What might move the residual; none leaves the charge out.
    regressor: &'q dyn Fn(&SignalCharge<'_>) -> Option<f64>,
    /// What one unit of the regressor stands for in a pile, for the size of the effect: 1 for strata.
    spread: fn(&[Point]) -> f64,
    /// Whether only a pile that registers less is asked about: more is no sign of what is looked for.
    less_only: bool,
    say: Say<'q>,
}

/// Asks all.
pub(super) fn ask(world: &World<'_>, settings: &Settings) -> Vec<Finding> {
    let night = |_: &Found, effect, u| {
        let [from, to] = [settings.night.0, settings.night.1].map(|hour| hour.to_string());
        Phrase::AtNight { from, to, effect, u }
    };
    let inspection = |_: &Found, effect, u| {
        let [from, to] = [settings.inspection.0, settings.inspection.1].map(|hour| hour.to_string());
        Phrase::InOfficeHours { from, to, effect, u }
    };
    let (in_night, in_inspection) = (
        |charge: &SignalCharge<'_>| within(charge, settings.night),
        |charge: &SignalCharge<'_>| within(charge, settings.inspection),
    );
    let strata = |code, regressor, say| {
        let is_physical = code == Code::TimeOfDayGain;
        let expected = if is_physical { Expected::Shared } else { Expected::ZeroOrShared };
        let less_only = code == Code::ForgedVehicleData;
        Question { code, expected, regressor, spread: |_| 1.0, less_only, say }
    };
    let questions = [
        strata(Code::TimeOfDayGain, &in_night, &night),
        strata(Code::TimeOfDayGain, &in_inspection, &inspection),
        strata(
            Code::UnsignedGain,
            &|charge| charge.signed.map(|signed| f64::from(u8::from(!signed))),
            &|_, effect, u| Phrase::Unsigned { effect, u },
        ),
        strata(
            Code::StrangerGain,
            &|charge| charge.is_known_vehicle.map(|known| f64::from(u8::from(!known))),
            &|_, effect, u| Phrase::Stranger { effect, u },
        ),
        strata(Code::ForgedVehicleData, &|charge| is_relayed(charge.vehicle_path), &|_, effect, u| {
            Phrase::Relayed { effect, u }
        }),
        Question {
            code: Code::SizeBias,
            expected: Expected::Shared,
            regressor: &|charge| positive(energy_kwh(charge)).map(|energy| 1.0 / energy),
            spread: |points| middle(points, 0.5),
            less_only: false,
            say: &|_, effect, u| Phrase::Size { effect, u },
        },
        Question {
            code: Code::PowerBias,
            expected: Expected::Shared,
            regressor: &|charge| charge.mean_power_kw.and_then(positive),
            spread: |points| middle(points, 0.9) - middle(points, 0.1),
            less_only: false,
            say: &|_, effect, u| Phrase::Power { effect, u },
        },
        Question {
            code: Code::SocBias,
            expected: Expected::Shared,
            regressor: &|charge| charge.soc_span.filter(|span| span.is_finite()),
            spread: |points| middle(points, 0.9) - middle(points, 0.1),
            less_only: false,
            say: &|_, effect, u| Phrase::Fill { effect, u },
        },
    ];
    questions.iter().flat_map(|question| answers(world, question)).collect()
}

/// The answers of all piles to one question, AC and DC apart: their losses differ.
fn answers(world: &World<'_>, question: &Question<'_>) -> Vec<Finding> {
    let mut answers = Vec::new();
    for kind in [Some(PileKind::Ac), Some(PileKind::Dc), None] {
        let found: Vec<Found> = (0..world.piles.len())
            .filter(|pile| world.piles[*pile].kind == kind)
            .filter_map(|pile| {
                let regress = |charge: &SignalCharge<'_>| (question.regressor)(charge);
                Found::of(world, pile, with_regressor(world, &world.scored[pile], &regress))
            })
            .collect();
        answers.extend(judged(
            world,
            question.code,
            &found,
            question.expected,
            question.spread,
            question.say,
        ));
    }
    for answer in answers.iter_mut().filter(|answer| question.less_only && 0.0 < answer.statistic) {
        answer.p_value = Some(1.0);
    }
    answers
}

/// 1 where the pile relayed the vehicle's value, 0 where its maker or driver told it. Who makes values up hides what he registers too much: then
/// it shows less with these. Reference vehicles tell of who cheats strangers only, another question, in which nobody forges anything.
pub(super) fn is_relayed(path: Option<VehiclePath>) -> Option<f64> {
    match path? {
        VehiclePath::Relayed => Some(1.0),
        VehiclePath::Telematics | VehiclePath::App => Some(0.0),
        VehiclePath::Reference => None,
    }
}

/// What effects have in common, how well that is known, and how far each is from it in units of its scatter; none where there are too few to say.
pub(super) fn against_others(effects: &[Effect], expected: Expected) -> Option<(Effect, Vec<f64>)> {
    let (common, of_common) = match (expected, common(effects)) {
        (Expected::Zero(_), _) => (0.0, 0.0),
        (Expected::Shared, Some(common)) => common,
        (Expected::ZeroOrShared, common) => common.unwrap_or_default(),
        (Expected::Shared, None) => return None,
    };
    let own: Vec<f64> =
        effects.iter().map(|(effect, u)| (effect - common) / libm::hypot(*u, of_common)).collect();
    let own = match expected {
        Expected::Zero(spread) => own.into_iter().map(|score| score / spread).collect(),
        Expected::Shared | Expected::ZeroOrShared => against_fleet(&own),
    };
    Some(((common, of_common), own))
}

/// A contrast of a pile and what it rests on.
pub(super) struct Found {
    pub(super) pile: usize,
    pub(super) points: Vec<Point>,
    pub(super) charges: Vec<usize>,
    pub(super) contrast: Contrast,
    /// Of a question about a firmware: its version.
    pub(super) version: String,
}

impl Found {
    pub(super) fn of(
        world: &World<'_>,
        pile: usize,
        (points, charges): (Vec<Point>, Vec<usize>),
    ) -> Option<Self> {
        let contrast = contrast(&points, &world.interaction)?;
        Some(Self { pile, points, charges, contrast, version: String::new() })
    }

    /// Charges by what they add to the statistic.
    fn evidence(&self, sign: f64) -> Vec<usize> {
        heaviest(self.weighed(sign).collect())
    }

    /// The charge that adds most, and how much.
    pub(super) fn clearest(&self, sign: f64) -> Option<(f64, usize)> {
        self.weighed(sign).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
    }

    fn weighed(&self, sign: f64) -> impl Iterator<Item = (f64, usize)> {
        let mean = self.points.iter().map(|point| point.regressor).sum::<f64>() / self.points.len() as f64;
        let weigh = move |point: &Point| sign * point.score() * (point.regressor - mean) / point.scale;
        self.points.iter().map(weigh).zip(self.charges.iter().copied())
    }
}

pub(super) fn with_regressor(
    world: &World<'_>,
    scored: &[Scored],
    regressor: &dyn Fn(&SignalCharge<'_>) -> Option<f64>,
) -> (Vec<Point>, Vec<usize>) {
    let with = |scored: &Scored| {
        let value = regressor(&world.charges[scored.charge])?;
        Some((scored.point(value), scored.charge))
    };
    scored.iter().filter_map(with).unzip()
}

pub(super) fn judged(
    world: &World<'_>,
    code: Code,
    found: &[Found],
    expected: Expected,
    spread: fn(&[Point]) -> f64,
    say: Say<'_>,
) -> Vec<Finding> {
    let effects: Vec<Effect> =
        found.iter().map(|found| (found.contrast.effect, found.contrast.standard_uncertainty)).collect();
    let Some(((common, of_common), own)) = against_others(&effects, expected) else { return Vec::new() };
    found
        .iter()
        .zip(own)
        .map(|(found, t)| {
            let unit = spread(&found.points);
            let effect = (found.contrast.effect - common) * unit;
            let uncertainty = libm::hypot(found.contrast.standard_uncertainty, of_common) * unit.abs();
            let (from, to) = world.span(found.charges.iter().copied());
            let (effect_said, u) = said::effect((effect, uncertainty));
            Finding {
                subject: Subject::Pile(found.pile),
                code,
                severity: severity(effect, world.piles[found.pile].limit),
                statistic: t,
                p_value: Some(found.contrast.p_value(t)),
                from,
                to,
                said: vec![say(found, effect_said, u)],
                evidence: found.evidence(effect.signum()),
            }
        })
        .collect()
}

/// By what is at stake beside the limit.
pub(super) fn severity(effect: f64, limit: f64) -> Severity {
    if limit <= effect.abs() {
        Severity::Critical
    } else if SMALL_SHARE * limit < effect.abs() {
        Severity::Warning
    } else {
        Severity::Info
    }
}

/// 1 within hours of the day, which may pass midnight.
fn within(charge: &SignalCharge<'_>, (from, to): (f64, f64)) -> Option<f64> {
    let hour = charge.local_hour.filter(|hour| hour.is_finite())?;
    let is_within = if from <= to { from <= hour && hour < to } else { from <= hour || hour < to };
    Some(f64::from(u8::from(is_within)))
}

pub(super) fn energy_kwh(charge: &SignalCharge<'_>) -> f64 {
    veripile_metrology::crossing::to_f64(charge.energy_pile_kwh)
}

fn positive(value: f64) -> Option<f64> {
    (value.is_finite() && 0.0 < value).then_some(value)
}

/// A quantile of the regressor over the points.
fn middle(points: &[Point], share: f64) -> f64 {
    let mut values: Vec<f64> = points.iter().map(|point| point.regressor).collect();
    let at = (share * (values.len().saturating_sub(1)) as f64) as usize;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(at, f64::total_cmp).1 }
}
