//! How far a pile's sums over hours and weeks may stray because it reads one model of vehicles otherwise than others, and that model
//! charges at hours or in weeks of its own.
//!
//! Called by `wandering`. It knows what may happen by the assessment's σ_i, and never what did.

use veripile_metrology::contrast::{Interaction, SLOPE, Sides};

use super::world::Scored;

/// Hours of a day.
pub(super) const HOURS: usize = 24;

/// Residuals in order of what they are looked at by.
type Ordered = [(f64, Scored)];

/// Looks at every window of 1 to 12 whole hours, by the hour it begins with and its length, and at how models lie inside and outside; those
/// are none without an interaction. Each residual goes in twelve times, however many windows there are.
pub(super) fn windows(
    ordered: &Ordered,
    interaction: Interaction,
    mut look: impl FnMut(usize, usize, Option<&Sides>),
) {
    let mut sides = sides_of(ordered, interaction);
    let begins: [usize; HOURS] = std::array::from_fn(|hour| match hour {
        0 => 0,
        hour => ordered.partition_point(|(at, _)| *at < hour as f64),
    });
    for from in 0..HOURS {
        sides.iter_mut().for_each(Sides::clear);
        // Half a day from midnight on is the other half from noon on: once is enough.
        for length in 1..=if from < HOURS / 2 { HOURS / 2 } else { HOURS / 2 - 1 } {
            let hour = (from + length - 1) % HOURS;
            let until = begins.get(hour + 1).copied().unwrap_or(ordered.len());
            if let Some(sides) = &mut sides {
                ordered[begins[hour]..until].iter().for_each(|(_, scored)| sides.enter(load(scored)));
            }
            look(from, length, sides.as_ref());
        }
    }
}

/// What a model's difference does to the mean of scores, in units of [`SLOPE`].
fn sides_of(ordered: &Ordered, interaction: Interaction) -> Option<Sides> {
    let is_there = 0.0 < interaction.standard_deviation;
    is_there.then(|| Sides::of(ordered.iter().map(|(_, scored)| load(scored))))
}

fn load(scored: &Scored) -> (u32, f64, f64) {
    (scored.group, 1.0, scored.scale.recip())
}

/// Of a range of sums in order of the hour, in units of how far a bridge's may; 1 at least.
pub(super) fn over_hours(ordered: &Ordered, interaction: Interaction) -> f64 {
    let mut stray = Stray::of(ordered, interaction);
    if 0.0 < interaction.standard_deviation {
        windows(ordered, interaction, |_, _, sides| sides.into_iter().for_each(|sides| stray.see(sides)));
    }
    stray.unit()
}

/// Likewise of an excursion in order of time.
pub(super) fn over_time(ordered: &Ordered, interaction: Interaction) -> f64 {
    let mut stray = Stray::of(ordered, interaction);
    if let Some(mut sides) = sides_of(ordered, interaction) {
        for (_, scored) in ordered {
            sides.enter(load(scored));
            stray.see(&sides);
        }
    }
    stray.unit()
}

/// # Formula
/// The part f of n scores of variance v adds up to √(n v) times something of variance `f (1 − f) + n f² (1 − f)² V/v`, V what models add to
/// the variance of the difference of its mean from the rest's. A bridge's is 1/4 at most, and far out the probability of an extreme is that
/// of the largest variance (Marcus and Shepp, Proc. 6th Berkeley Symp. 2 (1972) 423).
struct Stray {
    /// n/v times what an interaction of variance 1 is worth here.
    times: f64,
    largest: f64,
}

impl Stray {
    fn of(ordered: &Ordered, interaction: Interaction) -> Self {
        let n = ordered.len() as f64;
        let scores = || ordered.iter().map(|(_, scored)| scored.score());
        let mean = scores().sum::<f64>() / n;
        let variance = scores().map(|score| (score - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let worth = (SLOPE * interaction.standard_deviation).powi(2);
        Self { times: n * worth / variance, largest: 0.25 }
    }

    fn see(&mut self, sides: &Sides) {
        let apart = sides.share() * (1.0 - sides.share());
        let variance = apart + apart * apart * self.times * sides.excess();
        if variance.is_finite() {
            self.largest = self.largest.max(variance);
        }
    }

    fn unit(&self) -> f64 {
        2.0 * self.largest.sqrt()
    }
}
