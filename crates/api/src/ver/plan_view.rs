//! The whole plan of an order, as its page shows it: a reviewer judges a result by what was planned, not by how many points it had.
//!
//! Used by the page of an order. Shows the same fields under the same names as the form that the order was made with.

use veripile_verification::order::Order;
use veripile_verification::plan::{Load, Method, RegisterSource, Tap};

use super::live;
use super::order_form::{self, EFFECTS, PACE};
use crate::entries::Entries;
use crate::texts::Texts;

/// A name and what it is.
type Fact = (String, String);

/// A load point.
pub(crate) struct PlannedPoint {
    pub(crate) number: usize,
    pub(crate) load: String,
    /// Energy, or pulses.
    pub(crate) amount: String,
}

/// A plan in full.
pub(crate) struct PlanView {
    pub(crate) points: Vec<PlannedPoint>,
    pub(crate) plate: Vec<Fact>,
    pub(crate) how: Vec<Fact>,
    pub(crate) effects: Vec<Fact>,
    pub(crate) pace: Vec<Fact>,
}

impl PlanView {
    /// Of an order.
    pub(crate) fn of(t: &Texts, order: &Order) -> Self {
        let (plan, plate) = (&order.plan, &order.plate);
        let mut entries = Entries::default();
        order_form::write_plan(&mut entries, plan);
        let of_form = |(name, key): (&str, &str)| (t.of_owned(key).to_owned(), entries.get(name).to_owned());
        let fact = |name: &str, text: String| (name.to_owned(), text);
        let load = match plan.load {
            Load::Virtual => t.of("plan.load_virtual"),
            Load::Real => t.of("plan.load_real"),
        };
        let register = match plan.register {
            RegisterSource::Ocpp => t.of("ver.register_ocpp"),
            RegisterSource::Display => t.of("ver.register_display"),
        };
        let tap = match plan.tap {
            Tap::Connector => t.of("ver.tap_connector"),
            Tap::Terminals => t.of("ver.tap_terminals"),
        };
        let items = plan.items.iter().map(|item| t.of_owned(&format!("item.{}", item.word())));
        let mut how = vec![
            fact(t.of("plan.load"), load.to_owned()),
            fact(t.of("ver.register"), register.to_owned()),
            fact(t.of("ver.tap"), tap.to_owned()),
            fact(
                t.of("plan.vendor"),
                plan.test_mode_vendor.clone().unwrap_or_else(|| t.of("dash").to_owned()),
            ),
            fact(t.of("ver.items"), items.collect::<Vec<_>>().join(t.of("comma"))),
        ];
        let numbers = ["repeats", "frequency_hz", "set_point_percent", "temperature_c_max"];
        let numbers = numbers.map(|name| (t.of_owned(&format!("plan.{name}")), entries.get(name)));
        how.extend(numbers.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let constant = plate.pulse_constant.map(|constant| constant.normalize().to_string());
        let points = plan.points.iter().enumerate().map(|(index, point)| PlannedPoint {
            number: index + 1,
            load: live::load(t, point),
            amount: match point.method {
                Method::Register => format!("{} Wh", point.energy_wh.normalize()),
                Method::Pulse { pulses } => format!("{pulses} imp"),
            },
        });
        Self {
            points: points.collect(),
            plate: vec![
                fact(t.of("plan.voltage_v"), plate.voltage_v.normalize().to_string()),
                fact(t.of("plate.current_max_a"), plate.current_max_a.normalize().to_string()),
                fact(t.of("plate.register_step_wh"), plate.register_step_wh.normalize().to_string()),
                fact(t.of("plan.pulse_constant"), constant.unwrap_or_else(|| t.of("dash").to_owned())),
                fact(
                    t.of("pile.firmware"),
                    plate.firmware.clone().unwrap_or_else(|| t.of("dash").to_owned()),
                ),
            ],
            how,
            effects: EFFECTS.map(of_form).to_vec(),
            pace: PACE.map(of_form).to_vec(),
        }
    }
}
