//! Stations of DC piles, and single piles of them, that give more than converters can, or far less than they should.
//!
//! Called by `signals`. Needs the station's own meter and the registers of every pile behind it, over the same intervals. A station is told by its
//! sums, a pile of several by what the master takes as its register goes on; it says nothing of a pile's error, which the balance may.

use std::collections::BTreeMap;

use jiff::Timestamp;
use veripile_metrology::balance::INSTRUMENTS_MAX;
use veripile_metrology::cholesky::Symmetric;
use veripile_metrology::crossing::to_f64;
use veripile_metrology::normal::QUANTILE_95;
use veripile_metrology::student;
use veripile_pile::PileKind;

use super::world::World;
use super::{Code, Finding, Phrase, Severity, Subject};

/// No converter of a charging pile gives more of what it takes (metrology.md §3).
const IMPOSSIBLE_ABOVE: f64 = 0.985;

/// None should give less.
const SUSPICIOUS_BELOW: f64 = 0.85;

/// Intervals and energy from which a station, or a pile, is looked at: a day by hours, a few charges.
const INTERVALS_MIN: usize = 24;
const ENERGY_MIN_KWH: f64 = 100.0;

/// What is told of further energy must be so many standard uncertainties beyond: a sum has none to speak of, a slope has.
const CLEAR: f64 = 3.0;

/// Share of what the master shows beside all other piles that one pile's register must show, too (r²): where clocks differ by minutes less does, and
/// slopes are wrong by several percent.
const TOGETHER_MIN: f64 = 0.98;

/// Relative standard uncertainty of a master of class 0.5: 0.5 %/√3.
const MASTER_UNCERTAINTY: f64 = 0.003;

/// Stations whose piles are all DC, by number.
fn stations(world: &World<'_>) -> BTreeMap<usize, Vec<usize>> {
    let mut piles: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (pile, fact) in world.piles.iter().enumerate() {
        if let Some(station) = fact.station {
            piles.entry(station).or_default().push(pile);
        }
    }
    piles.retain(|_, piles| piles.iter().all(|pile| world.piles[*pile].kind == Some(PileKind::Dc)));
    piles
}

/// Looks at every station whose piles are all told in an interval.
pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let piles = stations(world);
    let intervals = intervals(world, &piles);
    let judged = intervals.iter().filter_map(|(station, told)| judged(*station, &piles[station], told));
    judged.collect()
}

/// Asks every pile of a station of several.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    let piles = stations(world);
    let intervals = intervals(world, &piles);
    let several = intervals.iter().map(|(station, told)| (&piles[station], told));
    let several = several.filter(|(piles, _)| (2..=INSTRUMENTS_MAX).contains(&piles.len()));
    several.flat_map(|(piles, told)| one_by_one(piles, told)).collect()
}

/// What a station took and gave between two moments, kWh.
struct Interval {
    from: Timestamp,
    to: Timestamp,
    taken_kwh: f64,
    /// By pile of the station.
    parts_kwh: Vec<f64>,
}

impl Interval {
    fn given_kwh(&self) -> f64 {
        self.parts_kwh.iter().sum()
    }
}

fn intervals(world: &World<'_>, piles: &BTreeMap<usize, Vec<usize>>) -> BTreeMap<usize, Vec<Interval>> {
    let given: BTreeMap<(usize, Timestamp, Timestamp), f64> = world
        .evidence
        .registers
        .iter()
        .map(|register| ((register.pile, register.from, register.to), to_f64(register.energy_kwh)))
        .collect();
    let mut intervals: BTreeMap<usize, Vec<Interval>> = BTreeMap::new();
    for master in world.evidence.masters {
        let Some(piles) = piles.get(&master.station) else { continue };
        let parts: Option<Vec<f64>> =
            piles.iter().map(|pile| given.get(&(*pile, master.from, master.to)).copied()).collect();
        if let Some(parts) = parts {
            intervals.entry(master.station).or_default().push(Interval {
                from: master.from,
                to: master.to,
                taken_kwh: to_f64(master.energy_kwh),
                parts_kwh: parts,
            });
        }
    }
    intervals
}

fn judged(station: usize, piles: &[usize], intervals: &[Interval]) -> Option<Finding> {
    let taken: f64 = intervals.iter().map(|interval| interval.taken_kwh).sum();
    let given: f64 = intervals.iter().map(Interval::given_kwh).sum();
    if intervals.len() < INTERVALS_MIN || given < ENERGY_MIN_KWH || taken <= 0.0 {
        return None;
    }
    let ratio = given / taken;
    let (given, taken, share) = (format!("{given:.1}"), format!("{taken:.1}"), format!("{ratio:.3}"));
    let most = IMPOSSIBLE_ABOVE.to_string();
    let (severity, statistic, said) = if IMPOSSIBLE_ABOVE < ratio {
        (Severity::Critical, ratio, Phrase::EfficiencyAbove { given, taken, share, most })
    } else {
        let Marginal { efficiency, least, highest } = marginal(intervals)?;
        let further = format!("{efficiency:.3}");
        if IMPOSSIBLE_ABOVE < least {
            let said = Phrase::EfficiencyFurtherAbove { given, taken, share, further, most };
            (Severity::Critical, efficiency, said)
        } else if highest < SUSPICIOUS_BELOW {
            let least = SUSPICIOUS_BELOW.to_string();
            let said = Phrase::EfficiencyBelow { given, taken, share, further, least };
            (Severity::Info, efficiency, said)
        } else {
            return None;
        }
    };
    let subject = if let [pile] = piles { Subject::Pile(*pile) } else { Subject::Station(station) };
    Some(Finding {
        subject,
        code: Code::Efficiency,
        severity,
        statistic,
        p_value: None,
        from: intervals.iter().map(|interval| interval.from).min(),
        to: intervals.iter().map(|interval| interval.to).max(),
        said: vec![said],
        evidence: Vec::new(),
    })
}

/// Efficiency of a further kWh.
struct Marginal {
    efficiency: f64,
    /// The least that it can be.
    least: f64,
    /// The upper 95 % bound.
    highest: f64,
}

/// What lights and fans take at all times does not count against a pile, nor for one.
///
/// # Formula
/// Least squares `taken = a + given / η`; the slope less 1.645 of its uncertainties gives the largest η. Where clocks differ both energies
/// have errors, and the truth lies between that line and `given = b + η taken`, of whose slope [`CLEAR`] of its uncertainties and of the master's
/// are taken off for the least.
fn marginal(intervals: &[Interval]) -> Option<Marginal> {
    let rows = intervals.iter().map(|interval| (vec![interval.given_kwh()], interval.taken_kwh));
    let [line] = &Slopes::of(rows, 1)?.all()[..] else { return None };
    let most = line.forward.0 - QUANTILE_95 * line.forward.1;
    let (least, u) = line.backward;
    (0.0 < most).then(|| Marginal {
        efficiency: 1.0 / line.forward.0,
        least: least - CLEAR * libm::hypot(u, MASTER_UNCERTAINTY * least),
        highest: 1.0 / most,
    })
}

/// Whether what the master takes as one pile's register goes on, beside all others', is what a converter can do.
///
/// # Formula
/// As [`marginal`], of each pile with the others' registers beside it, where both go together ([`TOGETHER_MIN`]). Above by `given = … + η taken`, whose
/// slope errors of either energy make smaller, below by `taken = … + given / η`; Student's t of either beyond its limit, one-sided, nothing
/// within [`CLEAR`] of it.
fn one_by_one(piles: &[usize], intervals: &[Interval]) -> Vec<Finding> {
    let sum = |at: usize| intervals.iter().map(|interval| interval.parts_kwh[at]).sum::<f64>();
    // A pile that gave nothing has no slope.
    let loaded: Vec<usize> = (0..piles.len()).filter(|at| 0.0 < sum(*at)).collect();
    let rows = intervals.iter().map(|interval| {
        (loaded.iter().map(|at| interval.parts_kwh[*at]).collect::<Vec<f64>>(), interval.taken_kwh)
    });
    let slopes = Slopes::of(rows, loaded.len()).filter(|slopes| INTERVALS_MIN as f64 <= slopes.freedom);
    let Some(slopes) = slopes else { return Vec::new() };
    let asked = loaded.iter().zip(slopes.all()).filter(|(at, _)| ENERGY_MIN_KWH <= sum(**at));
    let asked = asked.filter(|(_, line)| TOGETHER_MIN <= line.backward.0 * line.forward.0);
    let asked = asked.flat_map(|(at, Line { forward: (slope, u_slope), backward: (least, u_least) })| {
        let efficiency = 1.0 / slope;
        let of_master = |efficiency: f64| MASTER_UNCERTAINTY * efficiency;
        let above = (least, libm::hypot(u_least, of_master(least)));
        let below = (efficiency, libm::hypot(u_slope * efficiency * efficiency, of_master(efficiency)));
        let scores = [(least - IMPOSSIBLE_ABOVE) / above.1, (SUSPICIOUS_BELOW - efficiency) / below.1];
        let told = [above, below].map(|(value, u)| (format!("{value:.3}"), format!("{u:.3}")));
        let [(share, u), (low, u_low)] = told;
        let above = Phrase::EfficiencyOfPileAbove { share, u, most: IMPOSSIBLE_ABOVE.to_string() };
        let below =
            Phrase::EfficiencyOfPileBelow { share: low, u: u_low, least: SUSPICIOUS_BELOW.to_string() };
        let said = [(Severity::Critical, above), (Severity::Info, below)];
        let is_sound = 0.0 < slope && scores.iter().all(|score| score.is_finite());
        let both = scores.into_iter().zip(said).filter(move |_| is_sound);
        both.map(|(score, (severity, said))| {
            let p = if CLEAR <= score { student::cdf(-score, slopes.freedom) } else { 1.0 };
            Finding {
                subject: Subject::Pile(piles[*at]),
                code: Code::Efficiency,
                severity,
                statistic: score,
                p_value: Some(p),
                from: intervals.iter().map(|interval| interval.from).min(),
                to: intervals.iter().map(|interval| interval.to).max(),
                said: vec![said],
                evidence: Vec::new(),
            }
        })
    });
    asked.collect()
}

/// Slopes of one quantity against another, others beside them, with standard uncertainties: of what is taken by what is given, and back.
struct Line {
    forward: (f64, f64),
    backward: (f64, f64),
}

/// Energies as deviations from their means, in sums of squares and products, inverted.
struct Slopes {
    precision: Symmetric,
    count: usize,
    freedom: f64,
}

impl Slopes {
    /// Of what was given, `count` values a row, and taken; none where one of them depends on the others.
    fn of(rows: impl Iterator<Item = (Vec<f64>, f64)> + Clone, count: usize) -> Option<Self> {
        let values = |(mut given, taken): (Vec<f64>, f64)| {
            given.push(taken);
            given
        };
        let (mut means, mut n) = (vec![0.0; count + 1], 0.0);
        for row in rows.clone().map(values) {
            means.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            n += 1.0;
        }
        means.iter_mut().for_each(|sum| *sum /= n);
        let mut products = Symmetric::zero(count + 1);
        for mut row in rows.map(values) {
            row.iter_mut().zip(&means).for_each(|(value, mean)| *value -= mean);
            for at in 0..=count {
                (0..=at).for_each(|other| products.add(at, other, row[at] * row[other]));
            }
        }
        let freedom = n - 1.0 - count as f64;
        let precision = (0.0 < freedom).then_some(products)?.factor()?.inverse();
        Some(Self { precision, count, freedom })
    }

    /// # Formula
    /// Of the inverse P: slope of y on x `−P_xy/P_yy`, of x on y `−P_xy/P_xx`; either has `t² = ν r²/(1 − r²)`, `r² = P_xy²/(P_xx P_yy)`.
    fn all(&self) -> Vec<Line> {
        let of = |at: usize| {
            let (both, taken, given) = (
                self.precision.get(self.count, at),
                self.precision.get(self.count, self.count),
                self.precision.get(at, at),
            );
            let square = both * both / (given * taken);
            let relative = ((1.0 - square).max(0.0) / (square * self.freedom)).sqrt();
            let with_u = |slope: f64| (slope, slope.abs() * relative);
            Line { forward: with_u(-both / taken), backward: with_u(-both / given) }
        };
        (0..self.count).map(of).collect()
    }
}
