//! The scale of an error chart: the range that holds everything, and round numbers to mark on it.
//!
//! Called by [`super`]. Percent throughout.

/// Marks wanted on an axis, at most: more cannot be read on a phone.
const MARKS_MAX: f64 = 8.0;

/// Farthest that an axis reaches, percent. What lies beyond is drawn at its edge; the number stands in the table.
const REACH_MAX: f64 = 1e6;

/// The range of an axis and its marks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// Lowest value.
    pub(super) low: f64,
    /// Highest value.
    pub(super) high: f64,
    /// Distance of marks.
    step: f64,
    /// Digits after the point that marks need.
    digits: usize,
}

impl Axis {
    /// The axis that holds the band of a limit with some air, and every value.
    pub(super) fn around(limit: f64, values: impl IntoIterator<Item = f64>) -> Self {
        let limit = if limit.is_finite() && 0.0 < limit { limit.min(REACH_MAX) } else { 1.0 };
        let (mut low, mut high) = (-1.4 * limit, 1.4 * limit);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            low = low.min(value.max(-REACH_MAX));
            high = high.max(value.min(REACH_MAX));
        }
        // A little air beyond the farthest value, so that no mark sits on the frame.
        let air = 0.04 * (high - low);
        let (low, high) = (low - air, high + air);
        let (step, digits) = step(high - low);
        Self { low, high, step, digits }
    }

    /// Values to mark, from below, each with its text. Zero is always one of them.
    pub(super) fn marks(&self) -> Vec<(f64, String)> {
        let first = (self.low / self.step).ceil() as i64;
        let last = (self.high / self.step).floor() as i64;
        let text = |count: i64, value: f64| match count {
            0 => "0".to_owned(),
            _ => signed(&format!("{value:+.*}", self.digits)),
        };
        let mark = |count: i64| {
            let value = count as f64 * self.step;
            (value, text(count, value))
        };
        (first..=last).map(mark).collect()
    }

    /// Where a value lies, 0 at the bottom and 1 at the top; beyond the range at its edge.
    pub(super) fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// A number with the minus of print.
pub(super) fn signed(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

/// The finest of 1, 2 and 5 times a power of ten that needs no more marks than may be, and the digits it needs.
fn step(range: f64) -> (f64, usize) {
    for (power, digits) in [(1e-4, 4), (1e-3, 3), (1e-2, 2), (0.1, 1)] {
        for times in [1.0, 2.0, 5.0] {
            if range <= MARKS_MAX * times * power {
                return (times * power, digits);
            }
        }
    }
    let mut power = 1.0;
    loop {
        for times in [1.0, 2.0, 5.0] {
            // The reach is bounded, so that this ends.
            if range <= MARKS_MAX * times * power || REACH_MAX <= power {
                return (times * power, 0);
            }
        }
        power *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(limit: f64, values: &[f64]) -> Vec<String> {
        Axis::around(limit, values.iter().copied()).marks().into_iter().map(|(_, text)| text).collect()
    }

    // By hand: ±2 % with its air is ±3.02; 6.05 in at most eight steps is steps of 1.
    #[test]
    fn the_band_alone_has_round_marks_with_zero() {
        assert_eq!(texts(2.0, &[]), ["−3", "−2", "−1", "0", "+1", "+2", "+3"]);
        assert_eq!(texts(0.5, &[]), ["−0.6", "−0.4", "−0.2", "0", "+0.2", "+0.4", "+0.6"]);
    }

    // By hand: −2.8 to 47 with 4 % air is −4.8 to 49; steps of 10.
    #[test]
    fn an_error_far_outside_stretches_its_own_side() {
        assert_eq!(texts(2.0, &[47.0]), ["0", "+10", "+20", "+30", "+40"]);
        let axis = Axis::around(2.0, [47.0]);
        assert!(axis.low < -2.8 && -5.0 < axis.low && 47.0 < axis.high);
    }

    #[test]
    fn nothing_breaks_it() {
        for (limit, value) in
            [(0.0, 0.0), (f64::NAN, f64::INFINITY), (1.0, 1e300), (1e300, -1e300), (1e-9, 0.0)]
        {
            let axis = Axis::around(limit, [value]);
            let marks = axis.marks();
            assert!((1..=12).contains(&marks.len()), "{limit} {value}: {marks:?}");
            assert!(marks.iter().any(|(_, text)| text == "0"), "{limit} {value}");
            assert!((0.0..=1.0).contains(&axis.share(1e300)));
        }
    }
}
