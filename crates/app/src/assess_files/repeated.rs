//! Rows that tell a charge that another row tells, under another `charge_id`: two exports in one file, each with numbers of its own.
//!
//! Called by `assess_files` once all rows are read. Twice the same charges look like twice the evidence, and like piles that invent their
//! vehicles' values. Which of the equal rows stays cannot show, as they are equal in all that is kept.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::charges::ChargeRow;

/// Leaves one of the rows that are equal in everything but their `charge_id`; how many went. Takes sixteen bytes a row, for a moment: less
/// than what the names of the charges took while they were read.
pub(super) fn drop_repeated(rows: &mut Vec<ChargeRow>) -> u64 {
    let mut by_content: Vec<(u64, u32)> = rows.iter().map(digest).zip(0..).collect();
    by_content.sort_unstable();
    let mut is_repeated = vec![false; rows.len()];
    let alike = by_content.chunk_by(|a, b| a.0 == b.0).filter(|alike| 1 < alike.len());
    for alike in alike {
        let mut kept: Vec<&ChargeRow> = Vec::new();
        for (_, at) in alike {
            let row = &rows[*at as usize];
            if kept.iter().any(|kept| is_same(kept, row)) {
                is_repeated[*at as usize] = true;
            } else {
                kept.push(row);
            }
        }
    }
    let before = rows.len();
    let mut is_repeated = is_repeated.into_iter();
    rows.retain(|_| is_repeated.next() == Some(false));
    (before - rows.len()) as u64
}

/// Equal rows have equal ones.
fn digest(row: &ChargeRow) -> u64 {
    let mut hasher = DefaultHasher::new();
    (row.pile, row.vehicle, row.started_at, row.ended_at).hash(&mut hasher);
    (row.energy_pile_kwh, row.energy_vehicle_kwh).hash(&mut hasher);
    hasher.finish()
}

fn is_same(a: &ChargeRow, b: &ChargeRow) -> bool {
    let told = |row: &ChargeRow| {
        let energies = (row.energy_pile_kwh, row.energy_vehicle_kwh);
        (row.pile, row.vehicle, row.started_at, row.ended_at, energies, row.path, row.signed)
    };
    // What is unknown is the same, too, which NaN is not.
    told(a) == told(b) && a.covariates.map(f32::to_bits) == b.covariates.map(f32::to_bits)
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;

    fn row(pile: usize, energy: i64) -> ChargeRow {
        let at = |second| jiff::Timestamp::from_second(second).expect("in range");
        ChargeRow {
            pile,
            vehicle: Some(1),
            started_at: at(1_770_000_000),
            ended_at: at(1_770_003_600),
            hour: 8.0,
            energy_pile_kwh: Decimal::new(energy, 2),
            energy_vehicle_kwh: None,
            covariates: [f32::NAN, 7.0, f32::NAN],
            path: None,
            signed: None,
        }
    }

    #[test]
    fn one_of_equal_rows_stays_and_any_difference_makes_another_charge() {
        let other = [
            ChargeRow { vehicle: None, ..row(0, 3_000) },
            ChargeRow { energy_vehicle_kwh: Some(Decimal::ONE), ..row(0, 3_000) },
            ChargeRow { covariates: [f32::NAN; 3], ..row(0, 3_000) },
            ChargeRow { signed: Some(true), ..row(0, 3_000) },
            ChargeRow { started_at: jiff::Timestamp::UNIX_EPOCH, ..row(0, 3_000) },
            row(1, 3_000),
            row(0, 3_001),
        ];
        let mut rows = vec![row(0, 3_000); 3];
        rows.extend(other.iter().cloned());
        rows.extend(other);
        rows.push(row(0, 3_000));
        assert_eq!(drop_repeated(&mut rows), 3 + 7);
        assert_eq!(rows.len(), 8);
        assert_eq!(drop_repeated(&mut rows), 0);
    }
}
