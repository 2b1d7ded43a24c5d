//! The driver against an instrument of sticks: a listener that answers each line as a test says, or does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use veripile_verification::instrument::{InstrumentRole, Reply};
use veripile_verification::{Calibration, Instrument, SourceCommand, StandardCommand};

use super::link::LINE_BYTES_MAX;
use super::scpi::{ERRORS_MAX, Patience, Scpi};
use super::{InstrumentFault, ReferenceStandard, ScpiSource, ScpiStandard, VirtualLoadSource};

/// Long enough for a busy machine, short enough for a test that waits for its end.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(2),
    answer: Duration::from_millis(700),
    complete: Duration::from_millis(900),
};

/// What the stub does about a line.
enum Do {
    Say(Vec<u8>),
    Pause(Duration),
    Close,
}

fn say(text: &str) -> Vec<Do> {
    vec![Do::Say(format!("{text}\n").into_bytes())]
}

/// What a healthy instrument says to the two questions that follow every command.
fn healthy(line: &str) -> Vec<Do> {
    match line {
        "*OPC?" => say("1"),
        "SYST:ERR?" | "STAT:ERR?" => say("0,\"No error\""),
        _ => Vec::new(),
    }
}

struct Stub {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Stub {
    /// `answer` is given the number of the connection, from 1, and the line.
    async fn start(answer: impl FnMut(usize, &str) -> Vec<Do> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let (heard, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (noted, counted, answer) =
            (Arc::clone(&heard), Arc::clone(&connections), Arc::new(Mutex::new(answer)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                tokio::spawn(async move {
                    let answer = |line: &str| {
                        noted.lock().expect("whole").push(line.to_owned());
                        (answer.lock().expect("whole"))(number, line)
                    };
                    serve(stream, answer).await;
                });
            }
        });
        Self { address, heard, connections }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("whole").clone()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn source(&self) -> ScpiSource {
        let instrument = registered(InstrumentRole::Source, "fluke-6105a-like", &self.address);
        ScpiSource(Scpi::of(&instrument, PATIENCE).expect("registered well"))
    }

    fn standard(&self) -> ScpiStandard {
        let instrument = registered(InstrumentRole::Standard, "zera-like", &self.address);
        ScpiStandard(Scpi::of(&instrument, PATIENCE).expect("registered well"))
    }
}

async fn serve(stream: TcpStream, mut answer: impl FnMut(&str) -> Vec<Do>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while matches!(stream.read_line(&mut line).await, Ok(bytes) if 0 < bytes) {
        for step in answer(line.trim_end()) {
            match step {
                Do::Say(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Do::Pause(time) => sleep(time).await,
                Do::Close => return,
            }
        }
        line.clear();
    }
}

fn registered(role: InstrumentRole, model: &str, address: &str) -> Instrument {
    let at = |text: &str| text.parse().expect("literal");
    Instrument {
        instrument_id: "I1".into(),
        role,
        model: model.into(),
        serial: "S1".into(),
        address: address.into(),
        calibration: Calibration {
            number: "C1".into(),
            issuer: "NIM".into(),
            calibrated_at: at("2026-01-01T00:00:00Z"),
            valid_until: at("2026-12-31T00:00:00Z"),
            expanded_uncertainty_percent: "0.05".parse().expect("literal"),
            coverage_factor: "2".parse().expect("literal"),
            drift_percent_per_year: "0.02".parse().expect("literal"),
        },
    }
}

fn number(text: &str) -> Reply {
    Reply::Number(text.parse().expect("literal"))
}

#[track_caller]
fn wrong(result: Result<Reply, InstrumentFault>, with: &str) {
    match result {
        Err(InstrumentFault::Wrong(reason)) => assert!(reason.contains(with), "{reason}"),
        other => panic!("{other:?} is not wrong with {with}"),
    }
}

#[track_caller]
fn lost(result: Result<Reply, InstrumentFault>, with: &str) {
    match result {
        Err(InstrumentFault::Lost(reason)) => assert!(reason.contains(with), "{reason}"),
        other => panic!("{other:?} is not lost with {with}"),
    }
}

#[tokio::test]
async fn a_command_is_done_when_the_instrument_says_so_and_has_no_error() {
    let stub = Stub::start(|_, line| match line {
        "SYST:WATC:TIME?" => say("15"),
        _ => healthy(line),
    })
    .await;
    let mut source = stub.source();
    assert_eq!(source.perform(&SourceCommand::OutputOn).await, Ok(Reply::Done));
    assert_eq!(source.perform(&SourceCommand::Watchdog { seconds: 15 }).await, Ok(Reply::Done));
    let expected = [
        "SYST:ERR?", // Old errors, once for a connection.
        "OUTP:STAT ON",
        "*OPC?",
        "SYST:ERR?",
        "SYST:WATC:TIME 15",
        "*OPC?",
        "SYST:ERR?",
        "SYST:WATC:TIME?",
    ];
    assert_eq!(stub.heard(), expected);
    assert_eq!(stub.connections(), 1);
}

#[tokio::test]
async fn a_dead_man_that_took_another_time_is_a_fault() {
    let stub = Stub::start(|_, line| match line {
        "SYST:WATC:TIME?" => say("0"),
        _ => healthy(line),
    })
    .await;
    wrong(stub.source().perform(&SourceCommand::Watchdog { seconds: 15 }).await, "dead-man time");
}

#[tokio::test]
async fn a_question_is_answered_by_its_own_line_only() {
    let stub = Stub::start(|_, line| match line {
        "CALC:SEM1:ENER?" => say("1.25"),
        _ => healthy(line),
    })
    .await;
    assert_eq!(stub.standard().perform(&StandardCommand::Energy).await, Ok(number("1250")));
    assert_eq!(stub.heard(), ["SYST:ERR?", "CALC:SEM1:ENER?"]);
}

#[tokio::test]
async fn every_entry_of_the_error_queue_is_read_and_told() {
    let mut entries = vec!["-113,\"Undefined header\"", "+221,\"Settings conflict\""];
    let mut is_set = false;
    let stub = Stub::start(move |_, line| {
        is_set |= line.starts_with("SOUR:FREQ");
        match line {
            "SYST:ERR?" if is_set && !entries.is_empty() => say(entries.remove(0)),
            _ => healthy(line),
        }
    })
    .await;
    let mut source = stub.source();
    let set = SourceCommand::Set {
        voltage_v: "220".parse().expect("literal"),
        current_a: "16".parse().expect("literal"),
        angle_deg: "0".parse().expect("literal"),
        frequency_hz: "50".parse().expect("literal"),
    };
    let result = source.perform(&set).await;
    wrong(result.clone(), "-113,\"Undefined header\"");
    wrong(result.clone(), "Settings conflict");
    wrong(result, "SOUR:FREQ 50");
    assert_eq!(source.perform(&set).await, Ok(Reply::Done), "the queue is empty again");
}

#[tokio::test]
async fn an_error_queue_without_end_is_given_up() {
    let stub = Stub::start(|_, line| match line {
        "SYST:ERR?" => say("-350,\"Queue overflow\""),
        _ => healthy(line),
    })
    .await;
    wrong(stub.source().perform(&SourceCommand::Identify).await, "Queue overflow");
    assert_eq!(stub.heard().len(), ERRORS_MAX + 1);
}

#[tokio::test]
async fn errors_from_before_are_not_those_of_the_command() {
    let mut asked = 0;
    let stub = Stub::start(move |_, line| match line {
        "SYST:ERR?" => {
            asked += 1;
            if asked == 1 { say("-410,\"Query INTERRUPTED\"") } else { healthy(line) }
        }
        _ => healthy(line),
    })
    .await;
    assert_eq!(stub.source().perform(&SourceCommand::OutputOn).await, Ok(Reply::Done));
}

#[tokio::test]
async fn an_answer_in_pieces_is_read_whole() {
    let stub = Stub::start(|_, line| match line {
        "MEAS:UIP?" => {
            let pause = || Do::Pause(Duration::from_millis(60));
            let part = |text: &str| Do::Say(text.as_bytes().to_vec());
            vec![part("230"), pause(), part(".5,16"), pause(), part(",3680\r"), pause(), part("\n")]
        }
        _ => healthy(line),
    })
    .await;
    let measured = stub.standard().perform(&StandardCommand::Measure).await;
    let decimal = |text: &str| text.parse().expect("literal");
    let expected =
        Reply::Measured { voltage_v: decimal("230.5"), current_a: decimal("16"), power_w: decimal("3680") };
    assert_eq!(measured, Ok(expected));
}

#[tokio::test]
async fn the_answer_that_comes_too_late_is_nobodys() {
    let stub = Stub::start(|connection, line| match (line, connection) {
        ("CALC:SEM1:ENER?", 1) => {
            let late = PATIENCE.answer + Duration::from_millis(100);
            [vec![Do::Pause(late)], say("111")].into_iter().flatten().collect()
        }
        ("CALC:SEM1:ENER?", _) => say("0.222"),
        _ => healthy(line),
    })
    .await;
    let mut standard = stub.standard();
    lost(standard.perform(&StandardCommand::Energy).await, "CALC:SEM1:ENER?");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(standard.perform(&StandardCommand::Energy).await, Ok(number("222")));
    assert_eq!(stub.connections(), 2);
}

#[tokio::test]
async fn what_was_dropped_in_the_middle_answers_nothing_later() {
    let stub = Stub::start(|connection, line| match (line, connection) {
        ("CALC:SEM1:ENER?", 1) => {
            [vec![Do::Pause(Duration::from_millis(200))], say("111")].into_iter().flatten().collect()
        }
        ("CALC:SEM1:ENER?", _) => say("0.222"),
        _ => healthy(line),
    })
    .await;
    let mut standard = stub.standard();
    let dropped = timeout(Duration::from_millis(100), standard.perform(&StandardCommand::Energy)).await;
    assert!(dropped.is_err());
    sleep(Duration::from_millis(200)).await;
    assert_eq!(standard.perform(&StandardCommand::Energy).await, Ok(number("222")));
}

#[tokio::test]
async fn lines_that_nobody_asked_for_answer_no_question() {
    let stub = Stub::start(|_, line| match line {
        "CALC:SEM1:ENER?" => say("0.001\n0.999"),
        "CALC:SEC1:CREF?" => say("36000"),
        _ => healthy(line),
    })
    .await;
    let mut standard = stub.standard();
    assert_eq!(standard.perform(&StandardCommand::Energy).await, Ok(number("1")));
    assert_eq!(standard.perform(&StandardCommand::PulseConstant).await, Ok(number("36000")));
    assert_eq!(stub.connections(), 1);
}

#[tokio::test]
async fn an_instrument_that_never_stops_talking_is_connected_to_anew() {
    let stub = Stub::start(|connection, line| match (line, connection) {
        ("CALC:SEM1:ENER?", 1) => say(&format!("0.001\n{}", "noise\n".repeat(20 * LINE_BYTES_MAX))),
        ("CALC:SEM1:ENER?", _) => say("0.002"),
        _ => healthy(line),
    })
    .await;
    let mut standard = stub.standard();
    assert_eq!(standard.perform(&StandardCommand::Energy).await, Ok(number("1")));
    sleep(Duration::from_millis(100)).await;
    assert_eq!(standard.perform(&StandardCommand::Energy).await, Ok(number("2")));
    assert_eq!(stub.connections(), 2);
}

#[tokio::test]
async fn a_connection_closed_in_the_middle_is_lost_and_opened_again_for_the_next_command() {
    let stub = Stub::start(|connection, line| match (line, connection) {
        ("CALC:SEM1:ENER?", 1) => vec![Do::Say(b"0.0".to_vec()), Do::Close],
        ("CALC:SEM1:ENER?", _) => say("0.003"),
        _ => healthy(line),
    })
    .await;
    let mut standard = stub.standard();
    lost(standard.perform(&StandardCommand::Energy).await, "closed the connection");
    assert_eq!(standard.perform(&StandardCommand::Energy).await, Ok(number("3")));
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_command() {
    let stub = Stub::start(|connection, line| match (line, connection) {
        ("CALC:SEM1:ENER?", 1) => say("0.003").into_iter().chain([Do::Close]).collect(),
        ("CALC:SEM1:ENER?", _) => say("0.004"),
        _ => healthy(line),
    })
    .await;
    let mut standard = stub.standard();
    assert_eq!(standard.perform(&StandardCommand::Energy).await, Ok(number("3")));
    sleep(Duration::from_millis(100)).await;
    assert_eq!(standard.perform(&StandardCommand::Energy).await, Ok(number("4")));
    assert_eq!(stub.connections(), 2);
}

#[tokio::test]
async fn a_line_without_end_is_not_read_on() {
    for end in ["", "\n"] {
        let long = format!("{}{end}", "9".repeat(LINE_BYTES_MAX + 10));
        let stub = Stub::start(move |connection, line| match (line, connection) {
            ("CALC:SEM1:ENER?", 1) => vec![Do::Say(long.clone().into_bytes())],
            ("CALC:SEM1:ENER?", _) => say("0.005"),
            _ => healthy(line),
        })
        .await;
        let mut standard = stub.standard();
        wrong(standard.perform(&StandardCommand::Energy).await, "more than 4096 bytes");
        assert_eq!(standard.perform(&StandardCommand::Energy).await, Ok(number("5")));
    }
}

#[tokio::test]
async fn garbage_is_a_fault_and_never_a_value() {
    for (bytes, with) in [
        (&b"\xff\xfe\x00\n"[..], "no text"),
        (b"\n", "a number"),
        (b"NAN\n", "a number"),
        (b"9.91E37\n", "a number"),
        (b"OVERLOAD\n", "a number"),
    ] {
        let stub = Stub::start(move |_, line| match line {
            "CALC:SEM1:ENER?" => vec![Do::Say(bytes.to_vec())],
            _ => healthy(line),
        })
        .await;
        wrong(stub.standard().perform(&StandardCommand::Energy).await, with);
    }
}

#[tokio::test]
async fn what_is_no_end_of_a_command_and_no_error_is_a_fault() {
    for (question, reply) in [("*OPC?", "0"), ("*OPC?", "ZERA"), ("SYST:ERR?", "1.25"), ("SYST:ERR?", "ZERA")]
    {
        let stub =
            Stub::start(move |_, line| if line == question { say(reply) } else { healthy(line) }).await;
        wrong(stub.standard().perform(&StandardCommand::IntegrateStart).await, reply);
    }
}

#[tokio::test]
async fn a_command_that_is_never_done_is_lost() {
    let stub = Stub::start(|_, line| if line == "*OPC?" { Vec::new() } else { healthy(line) }).await;
    lost(stub.source().perform(&SourceCommand::OutputOn).await, "*OPC?");
}

#[tokio::test]
async fn outputs_go_off_before_anything_is_asked() {
    let stub = Stub::start(|_, line| healthy(line)).await;
    assert_eq!(stub.source().perform(&SourceCommand::OutputOff).await, Ok(Reply::Done));
    assert_eq!(stub.heard(), ["OUTP:STAT OFF", "*OPC?", "SYST:ERR?"]);
}

#[tokio::test]
async fn where_there_are_errors_the_state_says_whether_outputs_are_off() {
    for (state, is_off) in [("0", true), ("1", false), ("?", false)] {
        let mut errors = vec!["-410,\"Query INTERRUPTED\""];
        let stub = Stub::start(move |_, line| match line {
            "SYST:ERR?" => errors.pop().map_or_else(|| healthy(line), say),
            "OUTP:STAT?" => say(state),
            _ => healthy(line),
        })
        .await;
        let result = stub.source().perform(&SourceCommand::OutputOff).await;
        if is_off { assert_eq!(result, Ok(Reply::Done)) } else { wrong(result, "Query INTERRUPTED") }
    }
}

#[tokio::test]
async fn where_nobody_listens_the_next_step_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let instrument = registered(InstrumentRole::Source, "fluke-6105a-like", &address);
    let mut source = ScpiSource::of(&instrument).expect("registered well");
    lost(source.perform(&SourceCommand::Identify).await, "check that the instrument is on");
}

#[test]
fn an_instrument_that_is_registered_wrongly_is_refused_before_anything_is_sent() {
    let unknown = registered(InstrumentRole::Source, "abacus", "127.0.0.1:5025");
    let nowhere = registered(InstrumentRole::Source, "fluke-6105a-like", "bench");
    for (instrument, with) in [(unknown, "abacus"), (nowhere, "HOST:PORT")] {
        wrong(ScpiSource::of(&instrument).map(|_| Reply::Done), with);
    }
}

#[tokio::test]
async fn what_a_model_cannot_do_is_a_fault_and_nothing_is_sent() {
    let stub = Stub::start(|_, line| healthy(line)).await;
    let instrument = registered(InstrumentRole::Standard, "yokogawa-wt-like", &stub.address);
    let mut standard = ScpiStandard::of(&instrument).expect("registered well");
    wrong(standard.perform(&StandardCommand::PulsesDone).await, "pulses_state");
    assert_eq!(stub.connections(), 0);
}
