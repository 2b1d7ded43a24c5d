//! The firmware that a certificate names is the one that was tested: another one is not begun with, and ends a run that goes on.
//! That none is confirmed either, [`crate::sent_back`] tries.

use veripile_simulator::Protocol;
use veripile_simulator::bench::BenchSettings;
use veripile_store::verification::OrderState;
use veripile_verification::{Ending, run::Why};

use crate::faults::until_reading;
use crate::house::{Bench, Form, House, Visitor, register_instruments};
use crate::{SPEED, ordered};

/// Every pile tells that it runs other firmware than it did.
pub(crate) const OTHER: &str =
    "WITH told AS (UPDATE pile_live SET firmware = '2.0' RETURNING 1) SELECT count(*) FROM told";
/// And again what the simulated pile runs.
pub(crate) const USUAL: &str =
    "WITH told AS (UPDATE pile_live SET firmware = '1.0' RETURNING 1) SELECT count(*) FROM told";

#[tokio::test(flavor = "multi_thread")]
async fn other_firmware_than_ordered_is_not_verified() {
    let Some(house) = House::build(&[("BENCH-1", "ac", "2")]).await else { return };
    let server = house.serve().await;
    let bench =
        Bench::start_at(SPEED / 20.0, 1, &house.ocpp(), Protocol::V16, BenchSettings::default()).await;
    let (root, zhang) = (Visitor::sign_in(&server, "root").await, Visitor::sign_in(&server, "zhang").await);
    register_instruments(&root, &bench, 1, ("fluke-6105a-like", "zera-like")).await;
    house.until_connected(&bench.pile).await;
    let order = ordered(&zhang, &Form::proposed(&zhang, &bench.pile, 1).await).await;
    let start = format!("/ver/orders/{order}/start?lang=en");
    assert_eq!(house.database.number(OTHER).await, 1);
    let (status, _, page) = zhang.post(&start, &[]).await;
    let said = "The pile runs firmware 2.0; the order is for 1.0";
    assert!(status == 422 && page.contains(said), "{status} {page}");
    assert_eq!(house.order(&order).await.state, OrderState::Ordered);
    house.database.number(USUAL).await;
    zhang.done(&start, &[]).await;
    until_reading(&house, &bench, &order).await;
    house.database.number(OTHER).await;
    let row = house.until(&order, &[OrderState::Measured, OrderState::Abandoned]).await;
    let Some(Ending::Abandoned { why, detail, outputs_off: true, operative: true }) = row.ending else {
        panic!("{:?}", row.ending)
    };
    assert_eq!((why, detail.as_str()), (Why::FirmwareChanged, "2.0"));
    assert!(!bench.server.handle().state().is_on);
    assert!(server.stop());
}
