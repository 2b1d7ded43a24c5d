//! The bench over real sockets.

use tokio::io::{AsyncBufReadExt, BufReader};

use super::*;

/// What must come comes sooner.
const PATIENCE: Duration = Duration::from_secs(20);

/// What does not come in this time is taken not to come.
const QUIET: Duration = Duration::from_millis(150);

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).await.expect("a connection")))
    }

    async fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.expect("sent");
    }

    /// The next line without its end; none where the connection ended.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("in time");
        // A connection that is closed with unread bytes is reset.
        if read.unwrap_or(0) == 0 {
            None
        } else {
            Some(line.strip_suffix('\n').expect("a whole line").to_owned())
        }
    }

    async fn ask(&mut self, text: &str) -> String {
        self.send(&format!("{text}\n")).await;
        self.line().await.expect("a reply")
    }

    async fn is_quiet(&mut self) -> bool {
        let mut line = String::new();
        tokio::time::timeout(QUIET, self.0.read_line(&mut line)).await.is_err()
    }
}

async fn start(settings: BenchSettings) -> BenchServer {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    BenchServer::start(settings, 1, any, any).await.expect("a bench")
}

#[test]
fn lines_are_cut_at_either_end_of_line_and_long_ones_are_told() {
    let mut lines = Lines::default();
    assert_eq!(lines.take(b"*ID"), []);
    assert_eq!(lines.take(b"N?\r\n*OPC?\n*R"), [Ok("*IDN?".to_owned()), Ok("*OPC?".to_owned())]);
    let mut long = vec![b'x'; LINE_BYTES_MAX + 1];
    long.push(b'\n');
    assert_eq!(lines.take(b"ST\n"), [Ok("*RST".to_owned())]);
    assert_eq!(lines.take(&long), [Err(Overlong)]);
    assert_eq!(lines.take(&long[1..]), [Ok("x".repeat(LINE_BYTES_MAX))]);
    assert_eq!(lines.take(b"*CLS\n"), [Ok("*CLS".to_owned())]);
}

#[tokio::test]
async fn a_bench_run_over_sockets_takes_as_long_as_its_speed_says() {
    let server = start(BenchSettings { speed: 600.0, ..BenchSettings::default() }).await;
    let (mut source, mut standard) =
        (Client::connect(server.source).await, Client::connect(server.standard).await);
    assert_eq!(source.ask("*IDN?").await, "FLUKE,6105A,SIM-S-1,1.0");
    assert_eq!(standard.ask("*IDN?\r").await, "ZERA,COM3003,SIM-R-1,1.0");
    source.send("SOUR:PHAS1:VOLT:MHAR:HARM1 220,0\nSOUR:PHAS1:VOLT:STAT ON\n").await;
    source.send("SOUR:PHAS1:CURR:MHAR:HARM1 32,0\nSOUR:PHAS1:CURR:STAT ON\n").await;
    assert_eq!(standard.ask("CALC:SEM1:RES;STAR;*OPC?").await, "1");
    let (register_wh, began) = (server.handle().register_wh(), Instant::now());
    assert_eq!(source.ask("OUTP ON;*OPC?").await, "1");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(source.ask("OUTP OFF;*OPC?").await, "1");
    let took_s = began.elapsed().as_secs_f64();
    let reference_wh = 1000.0 * standard.ask("CALC:SEM1:ENER?").await.parse::<f64>().expect("a number");
    // At least the half second, at most what the round trips took.
    assert!(7040.0 * 299.0 / 3600.0 < reference_wh, "{reference_wh}");
    assert!(reference_wh < 7050.0 * took_s * 600.0 / 3600.0, "{reference_wh} in {took_s} s");
    let registered_wh = f64::try_from(server.handle().register_wh() - register_wh).expect("a number");
    assert!((registered_wh - 1.004 * reference_wh).abs() < 1.0 + 0.002 * reference_wh);
    assert_eq!(source.ask("SYST:ERR?;*OPC?").await, "0,\"No error\";1", "one line for one line");
}

#[tokio::test]
async fn two_connections_talk_to_the_one_instrument() {
    let server = start(BenchSettings::default()).await;
    let (mut one, mut other) = (Client::connect(server.source).await, Client::connect(server.source).await);
    assert_eq!(one.ask("SOUR:FREQ 60;*OPC?").await, "1");
    assert_eq!(other.ask("SOUR:FREQ?").await, "60.0000");
    drop(one);
    assert_eq!(other.ask("*OPC?").await, "1");
    let mut third = Client::connect(server.source).await;
    assert_eq!(third.ask("SOUR:FREQ?").await, "60.0000");
}

#[tokio::test]
async fn one_connection_too_many_is_closed() {
    let server = start(BenchSettings::default()).await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut client = Client::connect(server.standard).await;
        assert_eq!(client.ask("*OPC?").await, "1");
        clients.push(client);
    }
    let mut surplus = Client::connect(server.standard).await;
    assert_eq!(surplus.line().await, None);
    assert_eq!(clients[0].ask("*OPC?").await, "1");
}

#[tokio::test]
async fn lines_come_and_go_in_pieces() {
    let server = start(BenchSettings::default()).await;
    server.inject(BenchFault::PartialLines);
    let mut client = Client::connect(server.standard).await;
    for piece in ["*I", "DN", "?\r", "\n"] {
        client.send(piece).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    assert_eq!(client.line().await.as_deref(), Some("ZERA,COM3003,SIM-R-1,1.0"));
    // 25 bytes in pieces of three: the last comes after eight pauses.
    assert!(PIECE_PAUSE * 6 < began.elapsed());
}

#[tokio::test]
async fn an_endless_line_is_an_error_and_the_next_one_is_obeyed() {
    let server = start(BenchSettings::default()).await;
    let mut client = Client::connect(server.source).await;
    client.send(&"x".repeat(3 * LINE_BYTES_MAX)).await;
    client.send("\n").await;
    assert_eq!(client.ask("SYST:ERR?").await, "-363,\"Input buffer overrun\"");
    assert_eq!(client.ask("*OPC?").await, "1");
}

#[tokio::test]
async fn instruments_fall_silent_and_drop_their_connections() {
    let server = start(BenchSettings::default()).await;
    let handle = server.handle();
    let mut client = Client::connect(server.source).await;
    handle.inject(BenchFault::SourceSilent);
    client.send("*OPC?\n").await;
    assert!(client.is_quiet().await);
    handle.clear(BenchFault::SourceSilent);
    assert_eq!(client.ask("*IDN?").await, "FLUKE,6105A,SIM-S-1,1.0");
    handle.inject_when(Injection::times(BenchFault::SourceDrops, 1));
    client.send("*OPC?\n").await;
    assert_eq!(client.line().await, None);
    assert_eq!(Client::connect(server.source).await.ask("*OPC?").await, "1");
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let server = start(BenchSettings::default()).await;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let second = BenchServer::start(BenchSettings::default(), 1, server.source, any).await;
    assert!(matches!(second, Err(SimulatorError::Connection { .. })));
}
