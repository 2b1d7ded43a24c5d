//! What a file of piles or of on-site results may say: used alike where it is assessed ([`crate::assess_files`]) and where it is
//! registered ([`crate::register`]), so that nothing gets into the database that an assessment would stumble over.

use rust_decimal::Decimal;
use veripile_metrology::rules;
use veripile_pile::{AccuracyClass, PileKind};

/// An expanded uncertainty above this, percent, is a slip of the pen: on-site standards reach 0.05 to 0.5 %.
pub const UNCERTAINTY_MAX_PERCENT: Decimal = Decimal::TEN;

/// An error beyond ± this, percent, is no error of a meter.
pub const ERROR_MAX_PERCENT: Decimal = Decimal::from_parts(50, 0, 0, false, 0);

/// No coverage factor in use comes near.
pub const COVERAGE_FACTOR_MAX: Decimal = Decimal::TEN;

/// A station of more power than this, kW, there is not: the largest have some hundred outlets of up to a megawatt.
pub const STATION_POWER_MAX_KW: Decimal = Decimal::from_parts(100_000, 0, 0, false, 0);

/// A register has eight digits before the point at most.
pub const REGISTER_MAX_KWH: Decimal = Decimal::from_parts(100_000_000, 0, 0, false, 0);

/// Least efficiency of a charger, as a fraction: whoever tells less meant another figure.
pub const EFFICIENCY_MIN: Decimal = Decimal::from_parts(5, 0, 0, false, 1);

/// Largest standard uncertainty of one, as a fraction: whoever tells more meant percent.
pub const EFFICIENCY_U_MAX: Decimal = Decimal::from_parts(1, 0, 0, false, 1);

/// Power, kW, that no pile of a kind exceeds; of an unknown kind it may be any.
pub fn power_max_kw(kind: Option<PileKind>) -> Decimal {
    kind.unwrap_or(PileKind::Dc).power_max_kw()
}

/// A rated power, kW, if a pile of the kind can have it; else why it cannot.
pub fn rated_power_kw(power_kw: Decimal, kind: PileKind) -> Result<Decimal, String> {
    let most = power_max_kw(Some(kind));
    if power_kw <= Decimal::ZERO || most < power_kw {
        return Err(format!(
            "{power_kw} kW is not above 0 and up to {most}, which no {} pile exceeds",
            kind.word()
        ));
    }
    Ok(power_kw)
}

/// The maximum permissible error of a class, as a fraction; for a class that the rules do not know, the names of those they do.
pub fn limit(kind: PileKind, class: AccuracyClass) -> Result<f64, String> {
    let rules = rules::for_kind(kind.word()).map_err(|error| error.to_string())?;
    rules.mpe(class.0).map_err(|_| rules.class_names())
}
