//! A simulated city: operators, stations, piles with true errors, vehicles with true biases, acts of authority.
//!
//! Same seed, same city. Places are real districts of Wuxi; operators, stations, bodies and persons are invented.

use jiff::{SignedDuration, Timestamp};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Normal};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use veripile_pile::{
    AccuracyClass, Act, ActKind, ConnectorType, OnSiteResult, Operator, OperatorId, Pile, PileId, PileKind,
    Place, Station, StationId,
};

use crate::Protocol;
use crate::numbers::{PowerClass, quantile};
use crate::places::PLACES;
use crate::speaker::Identity;
use crate::truth::{Kind, Truth};

/// Vehicles per pile: 3,000 for 400 piles.
const VEHICLES_PER_PILE: f64 = 7.5;

/// Share of vehicles that tell what their own meter says.
const TELLING: f64 = 0.6;

/// Share of piles whose error is beyond the ordinary, 1 to 4 %.
const BAD: f64 = 0.06;

/// Anchors: piles measured on site within the history.
const ANCHORS: usize = 10;

const OPERATORS: [(&str, &str, &str); 5] = [
    ("OP-TH", "太湖充电（模拟）", "Taihu Charge (simulated)"),
    ("OP-LX", "梁溪电行（模拟）", "Liangxi Power (simulated)"),
    ("OP-QM", "清名桥能源（模拟）", "Qingming Energy (simulated)"),
    ("OP-JN", "江南快充（模拟）", "Jiangnan Fast (simulated)"),
    ("OP-HS", "惠山绿能（模拟）", "Huishan Green (simulated)"),
];

/// Vendor, model and firmware of what can be bought.
const MODELS: [(&str, &str, &str); 6] = [
    ("Simcharge", "SC-7A", "2.4.1"),
    ("Simcharge", "SC-22A", "2.4.3"),
    ("Exampower", "EP-60D", "7.0.12"),
    ("Exampower", "EP-120D", "7.1.0"),
    ("Modelwerk", "MW-AC", "1.18"),
    ("Modelwerk", "MW-DC", "1.20"),
];

/// How many of eight piles are of which class.
const MIX: [PowerClass; 8] = [
    PowerClass::Ac7,
    PowerClass::Ac7,
    PowerClass::Ac7,
    PowerClass::Ac7,
    PowerClass::Ac22,
    PowerClass::Dc50,
    PowerClass::Dc50,
    PowerClass::Dc120,
];

/// A simulated pile.
#[derive(Debug, Clone)]
pub struct SimulatedPile {
    /// As registered.
    pub pile: Pile,
    /// What it is.
    pub power: PowerClass,
    /// True error of indication, fraction.
    pub error: f64,
    /// What it speaks.
    pub protocol: Protocol,
    /// Charges in a month, on average.
    pub charges_per_month: f64,
    /// Whether it stands still: no charges.
    pub out_of_use: bool,
    pub(crate) identity: Identity,
    pub(crate) writes_kwh: bool,
    /// Register at the beginning of the history, Wh.
    pub(crate) register_wh: i64,
    /// Who comes here: index of the vehicle and cumulative weight.
    pub(crate) visitors: Vec<(usize, f64)>,
}

/// A simulated vehicle.
#[derive(Debug, Clone)]
pub struct SimulatedVehicle {
    /// Its card.
    pub card: String,
    /// True bias of its own meter, fraction.
    pub bias: f64,
    /// Whether it tells.
    pub tells: bool,
}

/// A simulated city.
#[derive(Debug, Clone)]
pub struct City {
    /// Seed of everything.
    pub seed: u64,
    /// Operators.
    pub operators: Vec<Operator>,
    /// Stations.
    pub stations: Vec<Station>,
    /// Piles.
    pub piles: Vec<SimulatedPile>,
    /// Vehicles.
    pub vehicles: Vec<SimulatedVehicle>,
}

impl SimulatedPile {
    /// Whether its true error is well beyond what its class permits.
    fn is_bad(&self) -> bool {
        100.0 * self.error.abs() > 1.1 * self.pile.class.0.to_f64().unwrap_or(2.0)
    }
}

impl City {
    /// Wuxi, with so many piles at up to forty stations, ten to a station.
    pub fn wuxi(seed: u64, piles: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let operators: Vec<Operator> = OPERATORS
            .iter()
            .map(|(id, zh, en)| Operator {
                operator_id: OperatorId::parse(id).expect("the constants are identifiers"),
                name_zh: (*zh).to_owned(),
                name_en: (*en).to_owned(),
            })
            .collect();
        let count = piles.div_ceil(10).clamp(1, PLACES.len());
        let stations: Vec<Station> = (0..count).map(|index| station(index, &operators)).collect();
        let mut city = Self { seed, operators, stations, piles: Vec::new(), vehicles: Vec::new() };
        for index in 0..piles {
            let pile = city.draw_pile(index, piles, &mut rng);
            city.piles.push(pile);
        }
        if piles > 0 {
            city.draw_vehicles(&mut rng);
        }
        city
    }

    fn draw_pile(&self, index: usize, piles: usize, rng: &mut ChaCha8Rng) -> SimulatedPile {
        let station = &self.stations[index * self.stations.len() / piles.max(1)];
        let power = MIX[rng.random_range(0..MIX.len())];
        let (kind, model) = match power {
            PowerClass::Ac7 => (PileKind::Ac, if rng.random_bool(0.5) { 0 } else { 4 }),
            PowerClass::Ac22 => (PileKind::Ac, 1),
            PowerClass::Dc50 => (PileKind::Dc, if rng.random_bool(0.5) { 2 } else { 5 }),
            PowerClass::Dc120 => (PileKind::Dc, 3),
        };
        let (vendor, model, firmware) = MODELS[model];
        let meter_serial = format!("SIM{:07}", 2_600_001 + index);
        let identity = Identity {
            vendor: vendor.to_owned(),
            model: model.to_owned(),
            firmware: firmware.to_owned(),
            meter_serial: meter_serial.clone(),
        };
        let pile = Pile {
            pile_id: PileId::parse(&format!("WX-{:04}", index + 1)).expect("well formed"),
            station_id: Some(station.station_id.clone()),
            operator_id: Some(station.operator_id.clone()),
            kind,
            class: AccuracyClass(if rng.random_bool(0.5) { Decimal::ONE } else { Decimal::TWO }),
            power_kw: Decimal::try_from(power.rated_kw()).ok(),
            place: Some(stand(station.place, index)),
            given: None,
            connectors: vec![match kind {
                PileKind::Ac => ConnectorType::GbtAc,
                PileKind::Dc => ConnectorType::GbtDc,
            }],
            model: Some(model.to_owned()),
            meter_serial: Some(meter_serial),
        };
        SimulatedPile {
            pile,
            power,
            error: pile_error(rng),
            protocol: if rng.random_bool(0.6) { Protocol::V16 } else { Protocol::V201 },
            charges_per_month: quantile(power.charges_per_month(), rng.random_range(0.0..1.0)),
            identity,
            out_of_use: index % 100 == 57,
            writes_kwh: rng.random_bool(0.5),
            register_wh: rng.random_range(50_000..90_000_000),
            visitors: Vec::new(),
        }
    }

    /// Vehicles and whom they visit: heavy-tailed activity, a favourite pile, some nearby, a few anywhere
    /// (`sessions.md` §2).
    fn draw_vehicles(&mut self, rng: &mut ChaCha8Rng) {
        let count = (VEHICLES_PER_PILE * self.piles.len() as f64).ceil() as usize;
        let common = normal(0.004).sample(rng);
        let models: Vec<f64> = (0..20).map(|_| normal(0.005).sample(rng)).collect();
        let activity = LogNormal::new(0.0, 1.3).expect("a positive deviation");
        for index in 0..count {
            let model = models.choose(rng).copied().unwrap_or_default();
            self.vehicles.push(SimulatedVehicle {
                card: format!("SIM{index:06}"),
                bias: common + model + normal(0.014).sample(rng),
                tells: rng.random_bool(TELLING),
            });
            let weight = activity.sample(rng);
            let favourite = rng.random_range(0..self.piles.len());
            self.add_visitor(favourite, index, 0.47 * weight);
            for _ in 0..4 {
                let near = (favourite + rng.random_range(0..20)).min(self.piles.len() - 1);
                self.add_visitor(near, index, 0.1 * weight);
            }
            for _ in 0..3 {
                let anywhere = rng.random_range(0..self.piles.len());
                self.add_visitor(anywhere, index, 0.043 * weight);
            }
        }
    }

    fn add_visitor(&mut self, pile: usize, vehicle: usize, weight: f64) {
        let visitors = &mut self.piles[pile].visitors;
        let before = visitors.last().map_or(0.0, |(_, sum)| *sum);
        visitors.push((vehicle, before + weight));
    }

    /// Every injected error.
    pub fn truth(&self) -> Vec<Truth> {
        let pile =
            |p: &SimulatedPile| Truth { kind: Kind::Pile, id: p.pile.pile_id.to_string(), error: p.error };
        let vehicle = |v: &SimulatedVehicle| Truth { kind: Kind::Vehicle, id: v.card.clone(), error: v.bias };
        self.piles.iter().map(pile).chain(self.vehicles.iter().map(vehicle)).collect()
    }

    /// Acts of authority as of a moment: certificates for most piles, on-site results for ten, some cases and failures.
    ///
    /// All of it is invented; the people who would act in a real city are simulated here like the piles.
    pub fn acts(&self, now: Timestamp, history_days: u32) -> Vec<(PileId, Act)> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0xAC75);
        let mut order: Vec<usize> = (0..self.piles.len()).collect();
        order.shuffle(&mut rng);
        order.retain(|index| !self.piles[*index].out_of_use);
        let anchors = self.draw_anchors(&order);
        let (bad, good): (Vec<usize>, Vec<usize>) =
            order.into_iter().partition(|index| self.piles[*index].is_bad());
        let mut acts = Vec::new();
        for index in good.iter().chain(&bad) {
            let is_anchor = anchors.contains(index);
            let ago =
                if is_anchor { i64::from(history_days.div_ceil(2)) } else { rng.random_range(40..1300) };
            if is_anchor || rng.random_bool(0.9) {
                acts.push((self.id(*index), self.certificate(*index, now - days(ago), is_anchor, &mut rng)));
            }
        }
        for (index, pile) in bad.iter().take(6).enumerate() {
            let opened = now - days(if index < 3 { 35 } else { 5 });
            let number = format!("模拟案〔2026〕{:03}号", index + 1);
            let reply_until = Some(opened + days(21));
            acts.push((self.id(*pile), act(ActKind::CaseOpened, &number, "王检", opened, reply_until)));
            if index < 3 {
                for (person, day) in [("王检", 2), ("李核", 4)] {
                    let at = opened + days(day);
                    acts.push((self.id(*pile), act(ActKind::FailureConfirmed, &number, person, at, None)));
                }
            }
        }
        for index in (0..self.piles.len()).filter(|index| self.piles[*index].out_of_use) {
            let number = format!("模拟停〔2026〕{:03}号", index + 1);
            let stopped = now - days(i64::from(history_days) + 10);
            acts.push((self.id(index), act(ActKind::UseStopped, &number, "陈停", stopped, None)));
        }
        acts
    }

    fn id(&self, index: usize) -> PileId {
        self.piles[index].pile.pile_id.clone()
    }

    /// Ten piles drawn blindly, two an operator where there are as many well-visited ones.
    fn draw_anchors(&self, order: &[usize]) -> Vec<usize> {
        let mut anchors: Vec<usize> = Vec::new();
        for operator in &self.operators {
            let of_operator = order.iter().copied().filter(|index| {
                let pile = &self.piles[*index];
                pile.pile.operator_id.as_ref() == Some(&operator.operator_id) && pile.charges_per_month > 60.0
            });
            anchors.extend(of_operator.take(ANCHORS / self.operators.len()));
        }
        let rest: Vec<usize> = order.iter().copied().filter(|index| !anchors.contains(index)).collect();
        anchors.extend(rest.into_iter().take(ANCHORS - anchors.len()));
        anchors
    }

    fn certificate(&self, index: usize, at: Timestamp, is_anchor: bool, rng: &mut impl Rng) -> Act {
        let measured = 100.0 * (self.piles[index].error + normal(0.000_75).sample(rng));
        let result = is_anchor.then(|| OnSiteResult {
            error_percent: Decimal::try_from(measured).unwrap_or_default().round_dp(3),
            expanded_uncertainty_percent: Decimal::new(15, 2),
            coverage_factor: Decimal::TWO,
        });
        let number = format!("模拟检字第{:05}号", index + 1);
        // Whoever measures a pile that was drawn may find it beyond its limit (percent, as its class says): no certificate then.
        let within =
            Decimal::try_from(measured.abs()).is_ok_and(|error| error <= self.piles[index].pile.class.0);
        let (kind, valid_until) = match (is_anchor, within) {
            (true, false) => (ActKind::Measured, None),
            _ => (ActKind::Certificate, Some(at + days(1095))),
        };
        Act { valid_until, result, ..act(kind, &number, "赵测", at, None) }
    }
}

fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

/// Most piles are ordinary; a few are 1.2 to 4 % off, three of four in the operator's favour.
fn pile_error(rng: &mut ChaCha8Rng) -> f64 {
    if !rng.random_bool(BAD) {
        return normal(0.004).sample(rng);
    }
    let size = rng.random_range(0.012..0.04);
    if rng.random_bool(0.75) { size } else { -size }
}

/// Ten piles of a station stand in two rows, some fifteen metres apart.
fn stand(station: Place, index: usize) -> Place {
    let (column, row) = ((index % 5) as f64, (index / 5 % 2) as f64);
    Place { lon: station.lon + 0.000_16 * column, lat: station.lat + 0.000_14 * row }
}

fn act(
    kind: ActKind,
    number: &str,
    person: &str,
    acted_at: Timestamp,
    reply_until: Option<Timestamp>,
) -> Act {
    Act {
        kind,
        number: number.to_owned(),
        outlet: None,
        issuer: "模拟计量所".to_owned(),
        person: person.to_owned(),
        acted_at,
        valid_until: None,
        reply_until,
        result: None,
    }
}

fn station(index: usize, operators: &[Operator]) -> Station {
    let (zh, en, lon, lat) = PLACES[index];
    Station {
        station_id: StationId::parse(&format!("WX-S{:02}", index + 1)).expect("well formed"),
        operator_id: operators[index % operators.len()].operator_id.clone(),
        name_zh: format!("{zh}充电站"),
        name_en: format!("{en} Charging Station"),
        place: Place { lon, lat },
        given: None,
        region: Some(region(lon, lat).to_owned()),
        address: Some(format!("无锡市{zh}（模拟）")),
        // 400 0000 is given to nobody.
        phone: Some(format!("400-0000-{index:03}")),
        fee_cny_kwh: Some(Decimal::new(98 + 7 * (index as i64 % 8), 2)),
        fee_note: Some("含服务费，停车另计".to_owned()),
        country: Some("CHN".to_owned()),
        time_zone: Some("Asia/Shanghai".to_owned()),
        told_piles: None,
    }
}

/// The district or county, roughly: the two cities of county level by their sides of the map, the rest of Wuxi by its middle.
fn region(lon: f64, lat: f64) -> &'static str {
    match (lon, lat) {
        (_, 31.75..) => "江阴市",
        (..120.0, _) => "宜兴市",
        (120.34.., ..31.565) => "新吴区",
        (120.35.., _) => "锡山区",
        (_, 31.6..) | (..120.15, _) => "惠山区",
        (_, ..31.555) => "滨湖区",
        _ => "梁溪区",
    }
}

pub(crate) fn normal(sd: f64) -> Normal<f64> {
    Normal::new(0.0, sd).expect("a positive deviation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_city_and_another_is_not() {
        let (a, b, c) = (City::wuxi(1, 50), City::wuxi(1, 50), City::wuxi(2, 50));
        assert_eq!(a.truth(), b.truth());
        assert_ne!(a.truth(), c.truth());
        let now = "2026-03-01T00:00:00Z".parse().expect("literal");
        assert_eq!(a.acts(now, 30), b.acts(now, 30));
    }

    #[test]
    fn a_city_has_what_the_demo_promises() {
        let city = City::wuxi(7, 400);
        let counts = (city.operators.len(), city.stations.len(), city.piles.len(), city.vehicles.len());
        assert_eq!(counts, (5, 40, 400, 3000));
        let bad = city.piles.iter().filter(|pile| pile.is_bad()).count();
        assert!((6..60).contains(&bad), "{bad}");
        let acts = city.acts("2026-03-01T00:00:00Z".parse().expect("literal"), 30);
        assert_eq!(acts.iter().filter(|(_, act)| act.result.is_some()).count(), ANCHORS);
        assert!(city.piles.iter().any(|pile| pile.protocol == Protocol::V16));
        assert!(city.piles.iter().any(|pile| pile.protocol == Protocol::V201));
    }
}
