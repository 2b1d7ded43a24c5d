//! What flows: bench time, noise, voltage and current, and the pile's meter that registers them with its error.
//!
//! Used by [`crate::bench::Bench`]. Time is an argument. Noise is drawn once for every tenth of a second of bench time, so that
//! the same seed gives the same noise however the time is cut into calls.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use super::settings::BenchSettings;

/// Step in which noise stays the same, ns.
pub(super) const STEP_NS: u64 = 100_000_000;

/// Nanoseconds in a second.
pub(super) const SECOND_NS: f64 = 1e9;

/// Least current of a pile's range, as a share of its rated one: where `error_at_tenth_percent` holds.
const TENTH: f64 = 0.1;

/// Bench time in ns, from seconds; what is negative or no number is no time.
pub(super) fn nanoseconds(seconds: f64) -> u64 {
    // The cast saturates, and makes 0 of what is negative or NaN.
    (seconds * SECOND_NS).round() as u64
}

/// Normal numbers from a stream of their own.
pub(super) struct Noise(ChaCha8Rng);

impl Noise {
    /// A stream for each part of the bench, so that one more draw in one changes nothing in the others.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number with a mean of 0 and a standard deviation of 1.
    pub(super) fn draw(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// A whole number below `end`, for what is not normal.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        use rand::RngExt;
        self.0.random_range(0..end.max(1))
    }
}

/// What truly flows at a place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Flow {
    pub(super) voltage_v: f64,
    pub(super) current_a: f64,
    /// Cosine of the phase angle; 1 for direct current.
    pub(super) power_factor: f64,
}

impl Flow {
    /// Active power, W: `U I cosφ`.
    pub(super) fn power_w(self) -> f64 {
        self.voltage_v * self.current_a * self.power_factor
    }

    /// The same current before the cable has taken its share: its resistance adds `I² R` to the power.
    pub(super) fn before_cable(self, cable_ohm: f64) -> Self {
        let power_w = self.power_w() + self.current_a * self.current_a * cable_ohm;
        let drop_v = cable_ohm * self.current_a;
        let sine = (1.0 - self.power_factor * self.power_factor).max(0.0).sqrt();
        let voltage_v = (self.voltage_v + drop_v * self.power_factor).hypot(drop_v * sine);
        let apparent_va = voltage_v * self.current_a;
        let power_factor = if apparent_va > 0.0 { power_w / apparent_va } else { self.power_factor };
        Self { voltage_v, power_factor, ..self }
    }
}

/// Energy of a power over a time, Wh.
pub(super) fn energy_wh(power_w: f64, time_ns: u64) -> f64 {
    power_w * (time_ns as f64 / SECOND_NS) / 3600.0
}

/// The pile's meter.
pub(super) struct Meter {
    rated_current_a: f64,
    /// True relative errors at the rated current and at a tenth of it.
    error: f64,
    error_at_tenth: f64,
    noise_sd: f64,
    noise: Noise,
    now_noise: f64,
    start_wh: Decimal,
    step_wh: Decimal,
    /// Registered since the start, Wh; begins somewhere within a step.
    gained_wh: f64,
    /// What the register shows beside that, Wh; no pulse was given for it.
    jumped_wh: f64,
    pulse_constant: f64,
    /// Where the register stands still, Wh.
    stuck_at: Option<Decimal>,
}

impl Meter {
    pub(super) fn new(settings: &BenchSettings, seed: u64) -> Self {
        let mut noise = Noise::new(seed, 3);
        let step_wh = settings.register_step_wh.max(Decimal::new(1, 6));
        let share = f64::from(noise.below(1_000_000)) / 1e6;
        Self {
            rated_current_a: settings.rated_current_a,
            error: settings.error_percent / 100.0,
            error_at_tenth: settings.error_at_tenth_percent / 100.0,
            noise_sd: settings.meter_noise_percent / 100.0,
            now_noise: 0.0,
            start_wh: (settings.register_start_wh / step_wh).floor() * step_wh,
            step_wh,
            gained_wh: share * step_wh.to_f64().unwrap_or(1.0),
            jumped_wh: 0.0,
            pulse_constant: settings.pulse_constant,
            stuck_at: None,
            noise,
        }
    }

    /// Sets the true errors, percent.
    pub(super) fn set_error(&mut self, error_percent: f64, error_at_tenth_percent: f64) {
        self.error = error_percent / 100.0;
        self.error_at_tenth = error_at_tenth_percent / 100.0;
    }

    /// The true relative error at a current: straight between a tenth of the rated current and the whole, level beyond.
    pub(super) fn error_at(&self, current_a: f64) -> f64 {
        let share = ((current_a / self.rated_current_a - TENTH) / (1.0 - TENTH)).clamp(0.0, 1.0);
        self.error_at_tenth + (self.error - self.error_at_tenth) * share
    }

    /// Draws the noise of the next step.
    pub(super) fn draw(&mut self) {
        self.now_noise = self.noise_sd * self.noise.draw();
    }

    /// Registers what flows; where the count of pulses stood before and stands after, with fractions.
    pub(super) fn register(&mut self, flow: Flow, time_ns: u64) -> (f64, f64) {
        let before = self.pulse_position();
        let factor = 1.0 + self.error_at(flow.current_a) + self.now_noise;
        self.gained_wh += energy_wh(flow.power_w().max(0.0) * factor, time_ns);
        (before, self.pulse_position())
    }

    /// Adds what nobody delivered.
    pub(super) fn jump(&mut self, energy_wh: f64) {
        self.jumped_wh += energy_wh;
    }

    /// Lets the register stand still, or go on.
    pub(super) fn stick(&mut self, is_stuck: bool) {
        if !is_stuck {
            self.stuck_at = None;
        } else if self.stuck_at.is_none() {
            self.stuck_at = Some(self.register_wh());
        }
    }

    /// What the register shows, Wh: cut to its resolution.
    pub(super) fn register_wh(&self) -> Decimal {
        self.stuck_at.unwrap_or_else(|| {
            let step_wh = self.step_wh.to_f64().unwrap_or(1.0);
            let steps =
                Decimal::from_f64(((self.gained_wh + self.jumped_wh) / step_wh).floor()).unwrap_or_default();
            self.start_wh + steps * self.step_wh
        })
    }

    /// Pulses since the start.
    pub(super) fn pulses(&self) -> u64 {
        self.pulse_position() as u64
    }

    fn pulse_position(&self) -> f64 {
        self.gained_wh * self.pulse_constant / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact() -> BenchSettings {
        BenchSettings { meter_noise_percent: 0.0, ..BenchSettings::default() }
    }

    #[test]
    fn the_error_is_straight_between_its_two_points_and_level_beyond() {
        let settings = BenchSettings { error_percent: -1.0, error_at_tenth_percent: 0.8, ..exact() };
        let meter = Meter::new(&settings, 1);
        // 17.6 A lies in the middle between 3.2 A and 32 A.
        for (current_a, percent) in [(0.0, 0.8), (3.2, 0.8), (17.6, -0.1), (32.0, -1.0), (80.0, -1.0)] {
            assert!((100.0 * meter.error_at(current_a) - percent).abs() < 1e-9, "{current_a} A");
        }
    }

    #[test]
    fn power_is_voltage_times_current_times_power_factor() {
        let flow = Flow { voltage_v: 220.0, current_a: 32.0, power_factor: 0.5 };
        assert!((flow.power_w() - 3520.0).abs() < 1e-9);
        assert!((energy_wh(7040.0, 3_600_000_000_000) - 7040.0).abs() < 1e-9);
        // 100 A through 10 mΩ: 1 V, 100 W.
        for power_factor in [1.0, 0.5, 0.0, -1.0] {
            let at_connector = Flow { voltage_v: 750.0, current_a: 100.0, power_factor };
            let before = at_connector.before_cable(0.01);
            assert!((before.power_w() - at_connector.power_w() - 100.0).abs() < 1e-9, "{power_factor}");
        }
    }

    #[test]
    fn the_register_is_cut_to_its_resolution_and_pulses_follow_the_constant() {
        let settings = BenchSettings {
            register_start_wh: Decimal::new(1_000_077, 1),
            register_step_wh: Decimal::TEN,
            error_percent: 0.0,
            error_at_tenth_percent: 0.0,
            ..exact()
        };
        let mut meter = Meter::new(&settings, 1);
        assert_eq!(meter.register_wh(), Decimal::from(100_000), "100007.7 cut to tens");
        let before = meter.pulses();
        let flow = Flow { voltage_v: 220.0, current_a: 32.0, power_factor: 1.0 };
        meter.register(flow, 3_600_000_000_000);
        // 7040 Wh at 1000 imp/kWh.
        assert_eq!(meter.pulses() - before, 7040);
        assert_eq!(meter.register_wh(), Decimal::from(107_040));
        meter.stick(true);
        meter.register(flow, 3_600_000_000_000);
        assert_eq!(meter.register_wh(), Decimal::from(107_040));
        meter.stick(false);
        assert_eq!(meter.register_wh(), Decimal::from(114_080));
        let before = meter.pulses();
        meter.jump(1000.0);
        assert_eq!(meter.pulses(), before, "nobody gave a pulse for it");
        assert_eq!(meter.register_wh(), Decimal::from(115_080));
    }
}
