//! A run that people, or the server, stop: what is cut short and what is not.

use veripile_verification::run::Why;

use super::*;

#[tokio::test]
async fn a_stop_during_a_command_lets_its_answer_go() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let hook = at(&ON, 1, |log| {
        log.say(stopped());
        None
    });
    let bench = Sticks::new(&log, hook);
    let done = Arc::clone(&bench.done);
    let left = server.conduct(&order, &log, bench, Happening::Begun).await;
    assert!(matches!(left, Left::Over(Ending::Abandoned { outputs_off: true, .. })), "{left:?}");
    log.replayed(&order);
    // The answer to "on" is not stored after the stop, where it would pass for that to "off".
    let kept = log.kept();
    let at = kept.events.iter().position(|event| event.what == stopped()).expect("stored");
    let after: Vec<_> = kept.events[at + 1..].iter().map(|event| &event.what).collect();
    let operative = Happening::Availability { status: "Accepted".into() };
    assert_eq!(after, [&Happening::Done, &Happening::State { on: false }, &operative]);
    let done = done.lock().expect("whole");
    assert_eq!(done[done.len() - 4..], [ON, OFF, LOOK, Action::MakeOperative]);
}

#[tokio::test]
async fn a_stop_cuts_a_wait_short() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let mut bench = Sticks::new(&log, |_, _| None);
    bench.is_slow = true;
    let person = async {
        sleep(Duration::from_millis(50)).await;
        log.say(stopped());
        server.arrived.send_replace(());
    };
    let (left, ()) = tokio::join!(server.conduct(&order, &log, bench, Happening::Begun), person);
    assert!(matches!(left, Left::Over(Ending::Abandoned { .. })), "{left:?}");
    assert_eq!(log.count(|what| *what == Happening::Waited), 0);
}

// The source hears "off" at once: what the standard has yet to say goes down with its connection.
#[tokio::test]
async fn a_stop_does_not_wait_for_a_standard_that_is_silent_while_outputs_are_on() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let mut bench = Sticks::new(&log, |_, _| None);
    bench.is_mute = true;
    let done = Arc::clone(&bench.done);
    let person = async {
        while !done.lock().expect("whole").contains(&ON) {
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(50)).await;
        log.say(stopped());
        server.arrived.send_replace(());
    };
    let (left, ()) = tokio::join!(server.conduct(&order, &log, bench, Happening::Begun), person);
    let is_stopped = |left: &Left| {
        matches!(
            left,
            Left::Over(Ending::Abandoned { why: Why::Stopped, outputs_off: true, operative: true, .. })
        )
    };
    assert!(is_stopped(&left), "{left:?}");
    let done = done.lock().expect("whole");
    let [.., Action::Standard(_), off, look, open] = &done[..] else { panic!("{done:?}") };
    assert_eq!([off, look, open], [&OFF, &LOOK, &Action::MakeOperative]);
}

// Under a real load there is no source to tell anything.
#[tokio::test]
async fn a_stopping_server_tells_no_source_under_a_real_load() {
    let mut order = order(RegisterSource::Ocpp);
    let rules = order.rules().expect("there");
    order.plan = order.plan.under_real_load(&order.plate, &rules);
    let (log, server) = (Log::default(), Server::new());
    // Nobody charges: it is waited for.
    let mut bench = Sticks::new(&log, |_, _| None);
    bench.is_slow = true;
    let done = Arc::clone(&bench.done);
    let until_awaited = async {
        while !done.lock().expect("whole").contains(&Action::CheckIdle) {
            sleep(Duration::from_millis(5)).await;
        }
        server.stop.send_replace(true);
    };
    let (left, ()) = tokio::join!(server.conduct(&order, &log, bench, Happening::Begun), until_awaited);
    assert_eq!(left, Left::Stopping);
    let told: Vec<Action> = done.lock().expect("whole").drain(..).collect();
    let is_look =
        |action: &Action| matches!(action, Action::Standard(_) | Action::CheckIdle | Action::Wait { .. });
    assert!(told.iter().all(is_look), "{told:?}");
    // The next server takes it up the same way, and is stopped the same way.
    let left = server.conduct(&order, &log, Sticks::new(&log, |_, _| None), Happening::Resumed).await;
    assert_eq!(left, Left::Stopping);
}
