//! How fast the query API is with 10,000, 100,000 and 1,000,000 synthetic piles: latencies on loopback and what a request costs the
//! server's processor; the same of a thousand piles with years behind them. Never part of the tests; `cargo bench --profile release -p veripile-tests --bench benchmark` with the variables of `tests/run`.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stdout)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use veripile_pile::{Place, PlaceKey, Tile};
use veripile_tests::synthetic::{past, synthetic};
use veripile_tests::{Database, Server, free_port, provided};

/// Requests of each kind.
const REQUESTS: usize = 2_000;

/// Searches and lists of each kind: some read every pile.
const SEARCHES: usize = 20;

/// A pile with longitude and latitude, and what is asked of it.
type Placed = (String, f64, f64);
type Asked<'a> = &'a dyn Fn(&Placed, &mut ChaCha8Rng) -> String;

/// A connection that stays open.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream: BufReader::with_capacity(1 << 20, stream) }
    }

    /// Status and size of the body as it was sent.
    fn get(&mut self, path: &str, headers: &str) -> (u16, usize) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut length, mut chunked, mut line) = (0, 0, false, String::new());
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let lower = line.trim_end().to_lowercase();
            match (lower.strip_prefix("http/1.1 "), lower.strip_prefix("content-length: ")) {
                (Some(rest), _) => status = rest[..3].parse().unwrap(),
                (_, Some(rest)) => length = rest.parse().unwrap(),
                _ if lower.is_empty() => break,
                _ => chunked |= lower == "transfer-encoding: chunked",
            }
        }
        let mut body = Vec::new();
        if !chunked {
            self.stream.by_ref().take(length as u64).read_to_end(&mut body).unwrap();
            return (status, body.len());
        }
        let mut total = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            body.clear();
            self.stream.by_ref().take(size as u64 + 2).read_to_end(&mut body).unwrap();
            if size == 0 {
                return (status, total);
            }
            total += size;
        }
    }
}

/// Processes that work for a request: the server, and the database's for its connections, with those that these call for help.
struct Workers {
    server: u32,
    database: Vec<i32>,
}

impl Workers {
    async fn of(server: &Server, connection: &mut sqlx::PgConnection) -> Self {
        let query =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        Self {
            server: server.pid(),
            database: sqlx::query_scalar(query).fetch_all(connection).await.unwrap(),
        }
    }

    /// Processor time so far, s: of the server, of the database.
    fn cpu_s(&self) -> (f64, f64) {
        let connections: f64 = self.database.iter().map(|pid| cpu_s(pid.unsigned_abs())).sum();
        // Helpers live for one statement; what they took is told of their parent, the database itself, as of its former children.
        let helpers = self.database.first().map_or(0.0, |pid| {
            let parent = stat(pid.unsigned_abs())[1].parse().unwrap();
            ticks(&stat(parent)[13..15])
        });
        (cpu_s(self.server), connections + helpers)
    }
}

/// Median, 99th percentile and largest of latencies, ms, processor time a request, and the largest answer; each request once.
fn measure(client: &mut Client, workers: &Workers, name: &str, paths: &[String], headers: &str) {
    let before = workers.cpu_s();
    let mut times = Vec::with_capacity(paths.len());
    let mut largest = 0;
    for path in paths {
        let began = Instant::now();
        let (status, bytes) = client.get(path, headers);
        times.push(began.elapsed().as_secs_f64() * 1e3);
        assert_eq!(status, 200, "{path}");
        largest = largest.max(bytes);
    }
    let after = workers.cpu_s();
    let cpu_ms = |spent: f64| 1e3 * spent / paths.len() as f64;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "  {name:<39} p50 {:6.2}  p99 {:6.2}  max {:7.2} ms   CPU {:5.2} ms server, {:5.2} ms database   largest {largest} bytes",
        at(0.5),
        at(0.99),
        at(1.0),
        cpu_ms(after.0 - before.0),
        cpu_ms(after.1 - before.1)
    );
}

/// Processor time that a process has taken, s.
fn cpu_s(pid: u32) -> f64 {
    ticks(&stat(pid)[11..13])
}

/// What the kernel tells of a process, from its state on (`man 5 proc_pid_stat`).
fn stat(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').map(str::to_owned).collect()
}

/// Seconds: 100 ticks on Linux.
fn ticks(fields: &[String]) -> f64 {
    fields.iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// What drivers look for, and lists of all piles: each address a page that may have to look at every pile.
fn lists(client: &mut Client, workers: &Workers, piles: i64) {
    let of = |path: &dyn Fn(i64) -> String| (0..SEARCHES as i64).map(path).collect::<Vec<_>>();
    let number = |n: i64| n * 7_919 % piles;
    let searches: [(&str, &dyn Fn(i64) -> String); 15] = [
        ("/, all piles", &|_| "/".to_owned()),
        ("/?q=, a pile's number", &|n| format!("/?q=CN{:010}", number(n))),
        ("/?q=, four digits", &|n| format!("/?q={:04}", n * 313 % 10_000)),
        ("/?q=, a station by pinyin", &|n| format!("/?q=zhan{}", number(n) / 10)),
        ("/?q=, an operator", &|n| format!("/?q=%E8%BF%90%E8%90%A5%E5%95%86{}", 10 + n % 10)),
        ("/?q=, a word of every station", &|_| "/?q=%E7%AB%99".to_owned()),
        ("/?q=, two words", &|n| format!("/?q=station%20{}", 10 + n)),
        ("/?q=, nowhere", &|n| format!("/?q=nowhere{n}")),
        ("/?operator=", &|n| format!("/?operator=O{}", 1 + n % 20)),
        ("/?kind=dc&min_power_kw=120", &|_| "/?kind=dc&min_power_kw=120".to_owned()),
        ("/?free=yes", &|_| "/?free=yes".to_owned()),
        ("/?view=stations", &|n| format!("/?view=stations&page={}", 1 + n % 3)),
        ("/?view=stations&operator=", &|n| format!("/?view=stations&operator=O{}", 1 + n % 20)),
        ("stations, a connector nobody has", &|_| "/api/v1/stations?connector=chademo".to_owned()),
        ("/stats, kept", &|_| "/stats".to_owned()),
    ];
    for (name, path) in searches {
        measure(client, workers, name, &of(path), "");
    }
}

/// The path asked for at a place.
type PathOf<'a> = &'a dyn Fn(&Placed) -> String;

/// Piles with a past, and their documents.
async fn busy(client: &mut Client, workers: &Workers, connection: &mut sqlx::PgConnection) {
    let places: Vec<Placed> =
        sqlx::query_as("SELECT pile_id, lon, lat FROM pile JOIN busy USING (pile_no) ORDER BY md5(pile_id)")
            .fetch_all(&mut *connection)
            .await
            .unwrap();
    let numbers: Vec<String> =
        sqlx::query_scalar("SELECT number FROM verification_certificate ORDER BY md5(number) LIMIT 20")
            .fetch_all(connection)
            .await
            .unwrap();
    let of = |path: &dyn Fn(&Placed) -> String| places.iter().map(path).collect::<Vec<_>>();
    let around = |(_, lon, lat): &Placed| {
        format!("bbox={:.4},{:.4},{:.4},{:.4}", lon - 0.02, lat - 0.02, lon + 0.02, lat + 0.02)
    };
    let asked: [(&str, PathOf<'_>); 5] = [
        ("bbox of 4 km, 100 piles with a past", &|at| format!("/api/v1/piles?limit=100&{}", around(at))),
        ("/?bbox= of 4 km, piles with a past", &|at| format!("/?{}", around(at))),
        ("the map's dots of 4 km", &|at| format!("/found.geojson?{}", around(at))),
        ("page of a pile with a past", &|(id, ..)| format!("/p/{id}")),
        ("30 days of its history", &|(id, ..)| format!("/api/v1/piles/{id}/history?limit=30")),
    ];
    for (name, path) in asked {
        measure(client, workers, name, &of(path), "");
    }
    let documents = vec!["/api/v1/verifications?limit=200".to_owned(); SEARCHES];
    measure(client, workers, "200 documents", &documents, "");
    let pages: Vec<String> = numbers.iter().map(|number| format!("/c/{number}")).collect();
    measure(client, workers, "page of a document, the first time", &pages, "");
    measure(client, workers, "page of a document, again", &pages, "");
}

async fn run(binary: &std::path::PathBuf, url: &str, piles: i64) {
    let database = Database::timescale(url).await;
    veripile_tests::command(binary, &database, &["migrate"]);
    let mut connection = database.connect().await;
    synthetic(&mut connection, piles).await;
    past(&mut connection).await;
    // Texts to search by, which whoever registers writes: of a million piles they take longer than a server may take to start.
    veripile_tests::command(binary, &database, &["migrate"]);
    let places: Vec<Placed> =
        sqlx::query_as("SELECT pile_id, lon, lat FROM pile ORDER BY md5(pile_id) LIMIT 20000")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let settings = [("VERIPILE_HTTP__REQUESTS_PER_MINUTE", "4000000000"), ("VERIPILE_ROLES", "api")];
    let server = Server::start_with(binary, &database, free_port(), "closed", &settings).await;
    println!("{piles} piles");
    let mut client = Client::connect(server.port);
    // The first of a start is shown, whether piles are counted by then or not.
    let began = Instant::now();
    let (status, _) = client.get("/", "");
    assert_eq!(status, 200);
    println!("  the first / after a start: {:.2} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let before = cpu_s(server.pid());
    while client.get("/api/v1/tiles/piles/0/0/0.mvt", "").0 != 200 {
        std::thread::sleep(Duration::from_millis(200));
    }
    println!(
        "  the atlas is read in {:.1} s ({:.1} CPU-s)",
        began.elapsed().as_secs_f64(),
        cpu_s(server.pid()) - before
    );
    // A client that asks one thing at a time needs no more connections than the atlas did.
    let workers = Workers::of(&server, &mut connection).await;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut some = |of: Asked<'_>| -> Vec<String> {
        (0..REQUESTS).map(|_| of(places.choose(&mut rng).unwrap(), &mut rng)).collect()
    };
    let tile = |lon: f64, lat: f64, z: u8| {
        let (x, y) = Tile::of(PlaceKey::of(Place { lon, lat }), z).column_row();
        format!("/api/v1/tiles/piles/{z}/{x}/{y}.mvt")
    };
    for (name, low, high) in [
        ("tiles, zoom 0 to 9, drawn before", 0, 9),
        ("tiles, zoom 10 and 11", 10, 11),
        ("tiles, zoom 12 to 18", 12, 18),
    ] {
        let paths = some(&|(_, lon, lat), rng| tile(*lon, *lat, rng.random_range(low..=high)));
        measure(&mut client, &workers, &format!("{name}, gzip"), &paths, "Accept-Encoding: gzip\r\n");
        measure(&mut client, &workers, &format!("{name}, plain"), &paths, "");
    }
    let paths = some(&|(_, lon, lat), _| {
        format!("/api/v1/piles?limit=100&bbox={},{},{},{}", lon - 0.02, lat - 0.02, lon + 0.02, lat + 0.02)
    });
    measure(&mut client, &workers, "bbox of 4 km, 100 piles", &paths, "");
    let paths = some(&|(_, lon, lat), rng| {
        format!("/api/v1/piles?near={},{}&limit=20", lon + rng.random_range(-0.01..0.01), lat)
    });
    measure(&mut client, &workers, "20 nearest", &paths, "");
    let paths = some(&|(id, ..), _| format!("/p/{id}"));
    measure(&mut client, &workers, "page of a pile", &paths, "");
    let began = Instant::now();
    let before = workers.cpu_s();
    client.get("/stats", "");
    let after = workers.cpu_s();
    println!(
        "  the first /stats: {:.2} s ({:.1} CPU-s of the database)",
        began.elapsed().as_secs_f64(),
        after.1 - before.1
    );
    busy(&mut client, &workers, &mut connection).await;
    lists(&mut client, &workers, piles);
    let paths = some(&|(_, lon, lat), rng| tile(*lon, *lat, rng.random_range(4..=14)));
    let before = cpu_s(server.pid());
    for _ in 0..10 {
        for path in &paths {
            client.get(path, "Accept-Encoding: gzip\r\n");
        }
    }
    let spent = cpu_s(server.pid()) - before;
    println!("  cached tiles: {:.0} requests a CPU-second of the server", (10 * paths.len()) as f64 / spent);
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    println!("  {}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
    server.stop();
    drop(connection);
    database.drop().await;
}

#[tokio::main]
async fn main() {
    let Some((binary, url)) = provided() else { return };
    // A size alone may be asked for: `-- 100000`.
    let asked: Vec<i64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![10_000, 100_000, 1_000_000] } else { asked };
    for piles in sizes {
        run(&binary, &url, piles).await;
    }
}
