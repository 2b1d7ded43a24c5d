//! `/ver/orders/new`: the form of an order, proposed from rule set and plate, and what comes of it.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use veripile_metrology::rules::{self, RuleSet, Status};
use veripile_pile::PileId;
use veripile_store::account::PersonRole;
use veripile_store::verification::PlateFacts;
use veripile_verification::instrument::{Instrument, InstrumentRole};
use veripile_verification::item::ItemCode;
use veripile_verification::order::{Order, Reason};

use super::order_form::{self, EFFECTS, Ground, PACE};
use super::{access, order, words};
use crate::Site;
use crate::entries::{Entries, Fault, SHOW};
use crate::problem::{Problem, html, missing_page};
use crate::session::{Person, private};
use crate::texts::Texts;
use crate::view;

/// Longest form, bytes.
pub(crate) const FORM_BYTES_MAX: usize = 256 * 1024;

/// As [`SHOW`], where what is wrong with the order was shown: it is in the other language, too.
const JUDGE: &str = "judge";

/// Who makes orders.
const ORDERS: &str = "a verifier or an administrator makes orders";

/// Numbers of the plate: field, and key of its label.
const PLATE: [(&str, &str); 4] = [
    ("voltage_v", "plan.voltage_v"),
    ("current_max_a", "plate.current_max_a"),
    ("register_step_wh", "plate.register_step_wh"),
    ("pulse_constant", "plan.pulse_constant"),
];

/// For which pile.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    pile: String,
    /// Number of an order to make again.
    #[serde(default)]
    from: String,
}

/// A choice: value, words, and whether it cannot be used.
struct Choice {
    value: String,
    text: String,
    refused: bool,
}

/// A field: name, label.
type Field<'a> = (&'static str, &'a str);

#[derive(Template)]
#[template(path = "ver_order_new.html")]
struct FormPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    f: &'a Entries,
    /// Whether the form holds what somebody sent, and what shows the same in the other language.
    is_given: bool,
    looks: &'static str,
    faults: Vec<Fault>,
    facts: Vec<(&'a str, String)>,
    is_ac: bool,
    rows: Vec<usize>,
    reasons: Vec<Choice>,
    rule_sets: Vec<Choice>,
    verifiers: &'a [String],
    reviewers: &'a [String],
    sources: Vec<Choice>,
    standards: Vec<Choice>,
    items: Vec<(&'static str, String)>,
    plate: Vec<Field<'a>>,
    effects: Vec<Field<'a>>,
    pace: Vec<Field<'a>>,
    limit: Option<String>,
    least_energy: Option<String>,
    unconfirmed: Vec<String>,
}

#[derive(Template)]
#[template(path = "ver_order_pile.html")]
struct ChoosePage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    pile: &'a str,
}

/// What the page looks up once.
struct Known {
    facts: PlateFacts,
    instruments: Vec<Instrument>,
    verifiers: Vec<String>,
    reviewers: Vec<String>,
    repairers: Vec<String>,
}

impl Known {
    async fn of(site: &Site, facts: PlateFacts, outlet: u32) -> Result<Self, Problem> {
        let store = &site.store;
        Ok(Self {
            instruments: store.instruments().await?,
            verifiers: store.people_with(PersonRole::Verifier).await?,
            reviewers: store.people_with(PersonRole::Reviewer).await?,
            repairers: store.repairers(&facts.pile.pile_id, outlet).await?,
            facts,
        })
    }

    fn ground<'a>(&'a self, person: &'a Person, now: Timestamp) -> Ground<'a> {
        Ground {
            facts: &self.facts,
            instruments: &self.instruments,
            verifiers: &self.verifiers,
            reviewers: &self.reviewers,
            repairers: &self.repairers,
            person: &person.name,
            now,
        }
    }
}

/// GET `/ver/orders/new`.
pub(crate) async fn form(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    access::demand(access::may_order(&person), ORDERS)?;
    let t = Texts::of_request(&request);
    let Some(facts) = find(&site, &person, asked.pile.trim()).await? else {
        let page = ChoosePage {
            t,
            simulated: site.settings.simulated,
            here: "/ver/orders/new?".to_owned(),
            person: &person,
            pile: asked.pile.trim(),
        };
        return Ok(private(html(StatusCode::OK, &page)));
    };
    let known = Known::of(&site, facts, 1).await?;
    let mut entries = order_form::proposed(&known.ground(&person, Timestamp::now()), &site.settings.body);
    let earlier = order::find(&site, &person, &asked.from).await?.map(|row| row.order);
    let is_of_pile = |earlier: &Order| earlier.plate.pile_id == known.facts.pile.pile_id;
    if let Some(earlier) = earlier.filter(is_of_pile) {
        order_form::repeat(&mut entries, &earlier);
    }
    Ok(show(t, &site, &person, &known, &entries, Vec::new(), StatusCode::OK))
}

/// POST `/ver/orders/new`: makes the order, or proposes the plan anew after plate or rule set were changed.
pub(crate) async fn make(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let mut entries = Entries::new(fields.into_inner());
    person.owns_form(entries.get("token"))?;
    access::demand(access::may_order(&person), ORDERS)?;
    let t = Texts::of_request(&request);
    let Some(facts) = find(&site, &person, entries.get("pile")).await? else {
        return Ok(missing_page(t, site.settings.simulated, "/ver/orders/new?".to_owned()));
    };
    let known = Known::of(&site, facts, entries.get("connector").parse().unwrap_or(1)).await?;
    let now = Timestamp::now();
    let is_proposal = entries.get("do") == "propose";
    if is_proposal {
        order_form::propose_plan(&mut entries, &known.facts);
    }
    if is_proposal || entries.get("do") == SHOW {
        return Ok(show(t, &site, &person, &known, &entries, Vec::new(), StatusCode::OK));
    }
    let order = match order_form::order(t, &entries, &known.ground(&person, now)) {
        Ok(_) if entries.get("do") == JUDGE => {
            return Ok(show(t, &site, &person, &known, &entries, Vec::new(), StatusCode::OK));
        }
        Ok(order) => order,
        Err(faults) => {
            return Ok(show(t, &site, &person, &known, &entries, faults, StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    let made = site.store.make_verification(order, now).await?;
    tracing::info!(order.number = made.number, pile.id = %made.plate.pile_id, person = person.name, "a verification was ordered");
    let address = format!("/ver/orders/{}?lang={}", view::segment(&made.number), t.short());
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, address)).finish())
}

/// A pile that this person sees.
async fn find(site: &Site, person: &Person, id: &str) -> Result<Option<PlateFacts>, Problem> {
    let Ok(pile_id) = PileId::parse(id) else { return Ok(None) };
    let found = site.store.plate_of(&pile_id).await?;
    let sees = |facts: &PlateFacts| person.scope.is_none() || person.scope == facts.pile.operator_id;
    Ok(found.filter(sees))
}

fn show(
    t: &Texts,
    site: &Site,
    person: &Person,
    known: &Known,
    entries: &Entries,
    faults: Vec<Fault>,
    status: StatusCode,
) -> HttpResponse {
    let pile = &known.facts.pile;
    let now = Timestamp::now();
    let rules =
        rules::named(entries.get("rule_set")).ok().map(|rules| rules.for_reason(entries.get("reason")));
    let step_wh = crate::entries::decimal(entries.get("register_step_wh")).unwrap_or(Decimal::ONE);
    let field = |(name, key): (&'static str, &'static str)| (name, t.of_owned(key));
    let page = FormPage {
        t,
        simulated: site.settings.simulated,
        here: format!("/ver/orders/new?pile={}", view::segment(pile.pile_id.as_str())),
        person,
        f: entries,
        is_given: !entries.get("do").is_empty(),
        looks: if faults.is_empty() { SHOW } else { JUDGE },
        faults,
        facts: facts(t, &known.facts),
        is_ac: pile.kind.word() == "ac",
        rows: (0..order_form::rows(entries)).collect(),
        reasons: Reason::ALL
            .iter()
            .map(|reason| choice(reason.word(), t.of_owned(&format!("reason_of_order.{}", reason.word()))))
            .collect(),
        rule_sets: order_form::rule_sets(pile.kind).iter().map(|rules| rule_set(t, rules)).collect(),
        verifiers: &known.verifiers,
        reviewers: &known.reviewers,
        sources: instruments(t, &known.instruments, InstrumentRole::Source, now),
        standards: instruments(t, &known.instruments, InstrumentRole::Standard, now),
        items: ItemCode::ALL
            .into_iter()
            .filter(|item| rules.as_ref().is_none_or(|rules| item.can_be_decided(rules)))
            .map(|item| (item.word(), t.of_owned(&format!("item.{}", item.word())).to_owned()))
            .collect(),
        plate: PLATE.map(field).to_vec(),
        effects: EFFECTS.map(field).to_vec(),
        pace: PACE.map(field).to_vec(),
        limit: rules
            .as_ref()
            .and_then(|rules| rules.mpe_percent(pile.class.0).ok())
            .map(|limit| format!("±{} %", limit.normalize())),
        least_energy: rules
            .as_ref()
            .and_then(|rules| rules.least_energy_wh(pile.class.0, step_wh))
            .map(|energy| format!("{} Wh", energy.normalize())),
        unconfirmed: rules.map(|rules| words::unconfirmed(t, &rules)).unwrap_or_default(),
    };
    private(html(status, &page))
}

fn choice(value: &str, text: &str) -> Choice {
    Choice { value: value.to_owned(), text: text.to_owned(), refused: false }
}

/// A rule set, with whether it is in force.
fn rule_set(t: &Texts, rules: &RuleSet) -> Choice {
    let status = match rules.status {
        Status::Current => t.of("rules.current"),
        Status::Superseded => t.of("rules.superseded"),
        Status::Foreign => t.of("rules.foreign"),
    };
    let title = t.pick(&rules.title_zh, &rules.title_en);
    choice(&rules.reference(), &format!("{} · {status} · {title}", rules.reference()))
}

/// Instruments of a role. One whose own certificate does not hold is listed, and cannot be chosen.
fn instruments(t: &Texts, register: &[Instrument], role: InstrumentRole, now: Timestamp) -> Vec<Choice> {
    let of_role = register.iter().filter(|instrument| instrument.role == role);
    of_role
        .map(|instrument| {
            let calibration = &instrument.calibration;
            let holds = calibration.holds(now);
            let word = if holds { t.of("instruments.until") } else { t.of("instruments.expired") };
            let until = view::day(calibration.valid_until);
            Choice {
                value: instrument.instrument_id.clone(),
                text: format!("{} · {} · {word} {until}", instrument.instrument_id, instrument.model),
                refused: !holds,
            }
        })
        .collect()
}

fn facts<'a>(t: &'a Texts, facts: &PlateFacts) -> Vec<(&'a str, String)> {
    let pile = &facts.pile;
    let pick = |names: &Option<(String, String)>| {
        names.as_ref().map(|(zh, en)| t.pick(zh, en).to_owned()).unwrap_or_default()
    };
    let mut found = vec![
        (t.of("op.kind"), t.of_owned(&format!("kind.{}", pile.kind.word())).to_owned()),
        (t.of("pile.class"), pile.class.0.normalize().to_string()),
        (t.of("pile.power"), pile.power_kw.map_or(String::new(), |kw| format!("{} kW", kw.normalize()))),
        (t.of("pile.model"), pile.model.clone().unwrap_or_default()),
        (t.of("pile.meter"), pile.meter_serial.clone().unwrap_or_default()),
        (t.of("pile.firmware"), facts.firmware.clone().unwrap_or_default()),
        (t.of("pile.station"), pick(&facts.station)),
        (t.of("pile.operator"), pick(&facts.operator)),
    ];
    found.retain(|(_, value)| !value.is_empty());
    found
}
