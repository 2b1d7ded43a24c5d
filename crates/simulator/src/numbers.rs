//! Real charging in numbers (design note `sessions.md` §1): quantiles to draw energies, durations and arrivals from.

use rand::{Rng, RngExt};

/// A distribution given by quantiles: probability and value, rising; straight lines between.
pub type Quantiles = &'static [(f64, f64)];

/// The classes of pile for which there are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerClass {
    /// AC, 7 kW.
    Ac7,
    /// AC, 22 kW.
    Ac22,
    /// DC, 50 kW.
    Dc50,
    /// DC, 120 kW (cars of 2022).
    Dc120,
}

impl PowerClass {
    /// Rated power, kW.
    pub fn rated_kw(self) -> f64 {
        match self {
            Self::Ac7 => 7.0,
            Self::Ac22 => 22.0,
            Self::Dc50 => 50.0,
            Self::Dc120 => 120.0,
        }
    }

    /// Energy of a charge, kWh (Dundee 2018; EPFL 2022 for DC 120).
    pub fn energy_kwh(self) -> Quantiles {
        match self {
            Self::Ac7 => &[
                (0.0, 0.2),
                (0.05, 1.5),
                (0.1, 1.9),
                (0.25, 3.1),
                (0.5, 5.6),
                (0.75, 10.1),
                (0.9, 16.7),
                (0.95, 21.8),
                (0.99, 30.0),
                (1.0, 50.0),
            ],
            Self::Ac22 => &[
                (0.0, 0.2),
                (0.05, 1.6),
                (0.1, 2.2),
                (0.25, 4.0),
                (0.5, 7.9),
                (0.75, 13.3),
                (0.9, 19.4),
                (0.95, 23.9),
                (0.99, 34.7),
                (1.0, 60.0),
            ],
            Self::Dc50 => &[
                (0.0, 0.3),
                (0.05, 2.6),
                (0.1, 3.7),
                (0.25, 6.3),
                (0.5, 10.5),
                (0.75, 15.3),
                (0.9, 20.2),
                (0.95, 23.0),
                (0.99, 30.8),
                (1.0, 55.0),
            ],
            Self::Dc120 => {
                &[(0.0, 1.0), (0.1, 9.0), (0.25, 18.0), (0.5, 29.4), (0.75, 43.3), (0.9, 55.0), (1.0, 80.0)]
            }
        }
    }

    /// Time plugged in, hours.
    pub fn duration_h(self) -> Quantiles {
        match self {
            Self::Ac7 => &[(0.0, 0.2), (0.1, 0.75), (0.5, 5.2), (0.9, 21.8), (1.0, 40.0)],
            Self::Ac22 => &[(0.0, 0.2), (0.1, 0.85), (0.5, 3.1), (0.9, 16.6), (1.0, 30.0)],
            Self::Dc50 => &[(0.0, 0.05), (0.1, 0.15), (0.5, 0.38), (0.9, 0.73), (1.0, 1.5)],
            Self::Dc120 => &[(0.0, 0.1), (0.25, 0.33), (0.5, 0.5), (0.75, 0.7), (1.0, 1.5)],
        }
    }

    /// Charges of a pile in a month.
    pub fn charges_per_month(self) -> Quantiles {
        match self {
            Self::Ac7 => &[(0.0, 2.0), (0.1, 5.0), (0.5, 36.0), (0.9, 63.0), (1.0, 90.0)],
            Self::Ac22 => &[(0.0, 8.0), (0.1, 17.0), (0.5, 47.0), (0.9, 92.0), (1.0, 120.0)],
            // EPFL: 64 a plug and month, two plugs.
            Self::Dc120 => &[(0.0, 40.0), (0.5, 128.0), (1.0, 216.0)],
            Self::Dc50 => &[(0.0, 40.0), (0.1, 69.0), (0.5, 177.0), (0.9, 554.0), (1.0, 650.0)],
        }
    }

    /// Share of arrivals in each hour of the local day.
    pub fn arrivals_by_hour(self) -> &'static [f64; 24] {
        match self {
            Self::Dc50 | Self::Dc120 => &[
                2.3, 3.1, 2.3, 1.4, 1.8, 1.5, 1.9, 2.5, 3.1, 4.5, 5.1, 5.8, 6.0, 6.4, 6.4, 6.6, 6.2, 6.0,
                5.0, 5.1, 5.1, 4.7, 3.8, 3.4,
            ],
            Self::Ac7 | Self::Ac22 => &[
                0.6, 0.4, 0.3, 0.3, 0.4, 0.8, 2.0, 5.5, 9.5, 10.5, 10.0, 9.0, 8.0, 6.5, 5.5, 5.0, 5.0, 5.5,
                5.0, 3.8, 2.5, 1.8, 1.2, 0.9,
            ],
        }
    }
}

/// The value below which a share `probability` lies.
pub fn quantile(quantiles: Quantiles, probability: f64) -> f64 {
    let probability = probability.clamp(0.0, 1.0);
    let after = quantiles.iter().position(|(p, _)| probability <= *p).unwrap_or(quantiles.len() - 1).max(1);
    let ((p0, x0), (p1, x1)) = (quantiles[after - 1], quantiles[after]);
    x0 + (x1 - x0) * (probability - p0) / (p1 - p0)
}

/// An hour of the day, drawn by its share.
pub fn hour(shares: &[f64; 24], rng: &mut impl Rng) -> u32 {
    let mut rest = rng.random_range(0.0..shares.iter().sum::<f64>());
    for (hour, share) in (0..).zip(shares) {
        if rest < *share {
            return hour;
        }
        rest -= share;
    }
    23
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_give_back_what_they_were_made_of() {
        for (p, x) in PowerClass::Dc50.energy_kwh() {
            assert!((quantile(PowerClass::Dc50.energy_kwh(), *p) - x).abs() < 1e-12);
        }
        assert!((quantile(&[(0.0, 0.0), (1.0, 2.0)], 0.25) - 0.5).abs() < 1e-12);
    }
}
