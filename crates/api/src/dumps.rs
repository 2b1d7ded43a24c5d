//! Bulk dumps: all piles and all stations as CSV, NDJSON and GeoJSON, with a dictionary and their hashes.
//!
//! An edition is written to temporary files, compressed, a page of rows at a time, and served from them; a newer one is written when
//! somebody asks and the last is an hour old. Rows say what the query API says.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH,
    LINK, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::runtime::Handle;
use utoipa::ToSchema;
use veripile_store::{PileQuery, Store, StoreError};

use crate::Site;
use crate::api::{Feature, LICENSE, json as json_answer};
use crate::columns::{Column, PILES, STATIONS, cells, csv_header, csv_row, object};
use crate::door;
use crate::fresh::{Fresh, Limits};
use crate::problem::Problem;
use crate::station_list::StationFeature;
use crate::tiles::takes;

/// An edition is an hour's; after a day without anybody asking, who asks first waits for the next.
const LIMITS: Limits = Limits { fresh: Duration::from_secs(3600), stale: Duration::from_secs(86_400) };

/// Rows read, written and forgotten at a time.
const PILES_AT_ONCE: u32 = 1_000;
const STATIONS_AT_ONCE: u32 = 200;

/// Bytes sent at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// The newest edition.
pub struct Dumps(Arc<Fresh<Edition>>);

impl Dumps {
    /// Writes editions on this runtime.
    pub fn new(runtime: Handle) -> Self {
        Self(Arc::new(Fresh::new(runtime, LIMITS)))
    }

    async fn edition(&self, store: &Store) -> Result<Arc<Edition>, Problem> {
        let store = store.clone();
        self.0.get(|| async move { Edition::write(&store).await }).await
    }
}

/// All files of one moment.
pub(crate) struct Edition {
    record_date: Timestamp,
    files: Vec<Dump>,
}

/// A file.
struct Dump {
    table: &'static str,
    format: &'static Format,
    rows: u64,
    bytes: u64,
    gzip_bytes: u64,
    sha256: String,
    gzip: NamedTempFile,
}

/// How rows are written.
struct Format {
    name: &'static str,
    media_type: &'static str,
}

static FORMATS: [Format; 3] = [
    Format { name: "csv", media_type: "text/csv; charset=utf-8; header=present" },
    Format { name: "ndjson", media_type: "application/x-ndjson" },
    Format { name: "geojson", media_type: "application/geo+json" },
];

/// A file as the index tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DumpFile {
    /// piles or stations
    table: &'static str,
    /// csv, ndjson or geojson
    format: &'static str,
    href: String,
    media_type: &'static str,
    rows: u64,
    /// Size, not compressed
    bytes: u64,
    /// Size as sent to who accepts gzip
    gzip_bytes: u64,
    /// Of the file, not compressed; hexadecimal
    sha256: String,
    /// When its rows were read
    updated: String,
}

/// The index of the dumps.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DumpIndex {
    license: &'static str,
    /// The moment for which states are told
    record_date: String,
    files: Vec<DumpFile>,
    dictionary: Dictionary,
    /// How nulls and texts are written in CSV
    csv: &'static str,
}

/// What the columns mean.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Dictionary {
    piles: &'static [Column],
    stations: &'static [Column],
}

impl Edition {
    /// Reads everything, a page at a time, and writes it.
    async fn write(store: &Store) -> Result<Self, StoreError> {
        let record_date = Timestamp::now();
        let mut piles = Table::begin("piles", PILES, record_date)?;
        let mut query = PileQuery { limit: PILES_AT_ONCE, ..PileQuery::default() };
        loop {
            let page = store.piles(&query).await?;
            let features = page.piles.iter().map(|pile| Feature::of(pile, None, record_date));
            piles = piles.append(features.map(serde_json::to_value)).await?;
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let mut stations = Table::begin("stations", STATIONS, record_date)?;
        let (query, mut after) = (PileQuery { limit: STATIONS_AT_ONCE, ..PileQuery::default() }, None);
        loop {
            let (page, next) = store.stations_with_piles(&query, after.as_ref()).await?;
            let features = page.iter().map(|station| StationFeature::of(station, None, record_date));
            stations = stations.append(features.map(serde_json::to_value)).await?;
            after = next;
            if after.is_none() {
                break;
            }
        }
        let mut files = piles.end()?;
        files.append(&mut stations.end()?);
        Ok(Self { record_date, files })
    }

    fn find(&self, file: &str) -> Option<&Dump> {
        self.files.iter().find(|dump| dump.name() == file)
    }

    fn index(&self) -> DumpIndex {
        let files = self.files.iter().map(|dump| DumpFile {
            table: dump.table,
            format: dump.format.name,
            href: format!("/api/v1/dumps/{}", dump.name()),
            media_type: dump.format.media_type,
            rows: dump.rows,
            bytes: dump.bytes,
            gzip_bytes: dump.gzip_bytes,
            sha256: dump.sha256.clone(),
            updated: self.record_date.to_string(),
        });
        DumpIndex {
            license: LICENSE,
            record_date: self.record_date.to_string(),
            files: files.collect(),
            dictionary: Dictionary { piles: PILES, stations: STATIONS },
            csv: "UTF-8, RFC 4180, a header. Texts and times are in quotes; an empty cell without quotes is null. Where a text begins as a \
                  formula would (= + - @, also after blanks, also full-width; tab, return), an apostrophe stands before it; NDJSON and \
                  GeoJSON have it as it is.",
        }
    }
}

impl Dump {
    fn name(&self) -> String {
        format!("{}.{}", self.table, self.format.name)
    }
}

/// A table being written, in every format at once.
struct Table {
    name: &'static str,
    columns: &'static [Column],
    rows: u64,
    /// In the order of [`FORMATS`].
    outputs: [Output; 3],
}

impl Table {
    fn begin(name: &'static str, columns: &'static [Column], at: Timestamp) -> Result<Self, StoreError> {
        let begin = || -> io::Result<Self> {
            let mut outputs = [Output::new()?, Output::new()?, Output::new()?];
            outputs[0].write_all(csv_header(columns).as_bytes())?;
            let meta =
                json!({ "license": LICENSE, "record_date": at.to_string(), "dictionary": "/api/v1/dumps" });
            write!(outputs[2], "{{\"type\":\"FeatureCollection\",\"meta\":{meta},\"features\":[")?;
            Ok(Self { name, columns, rows: 0, outputs })
        };
        begin().map_err(unwritten)
    }

    /// Appends rows, where blocking does no harm.
    async fn append(
        mut self,
        features: impl Iterator<Item = serde_json::Result<Value>>,
    ) -> Result<Self, StoreError> {
        let features = features.collect::<Result<Vec<_>, _>>().map_err(|error| unwritten(error.into()))?;
        let written = tokio::task::spawn_blocking(move || {
            for feature in &features {
                self.row(feature)?;
            }
            Ok(self)
        });
        written.await.map_err(|error| StoreError::Panicked(error.to_string()))?.map_err(unwritten)
    }

    fn row(&mut self, feature: &Value) -> io::Result<()> {
        let cells = cells(self.columns, feature);
        let [csv, ndjson, geojson] = &mut self.outputs;
        csv.write_all(csv_row(&cells).as_bytes())?;
        let row = Value::Object(object(self.columns, cells));
        writeln!(ndjson, "{row}")?;
        let comma = if self.rows == 0 { "" } else { "," };
        let feature = json!({ "type": "Feature", "id": feature["id"], "geometry": feature["geometry"], "properties": row });
        write!(geojson, "{comma}\n{feature}")?;
        self.rows += 1;
        Ok(())
    }

    fn end(mut self) -> Result<Vec<Dump>, StoreError> {
        let end = |format, output: Output| output.end(self.name, format, self.rows);
        write!(self.outputs[2], "\n]}}\n").map_err(unwritten)?;
        FORMATS
            .iter()
            .zip(self.outputs)
            .map(|(format, output)| end(format, output).map_err(unwritten))
            .collect()
    }
}

/// A file being written: counted and hashed as it is, stored compressed.
struct Output {
    encoder: GzEncoder<BufWriter<NamedTempFile>>,
    hash: Sha256,
    bytes: u64,
}

impl Output {
    fn new() -> io::Result<Self> {
        let file = BufWriter::new(NamedTempFile::new()?);
        Ok(Self { encoder: GzEncoder::new(file, Compression::default()), hash: Sha256::new(), bytes: 0 })
    }

    fn end(self, table: &'static str, format: &'static Format, rows: u64) -> io::Result<Dump> {
        let gzip = self.encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        let gzip_bytes = gzip.as_file().metadata()?.len();
        let sha256 = hex::encode(self.hash.finalize());
        Ok(Dump { table, format, rows, bytes: self.bytes, gzip_bytes, sha256, gzip })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn unwritten(error: io::Error) -> StoreError {
    StoreError::Unwritten(error.to_string())
}

/// The index of the bulk dumps: files with size, SHA-256 and date, and what their columns mean
#[utoipa::path(get, path = "/api/v1/dumps", responses(
    (status = 200, description = "The index", body = DumpIndex),
    (status = 304, description = "As it was"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Being made; try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn index(site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    Ok(json_answer("application/json", &site.dumps.edition(&site.store).await?.index()))
}

/// All piles or all stations in one file: `piles` or `stations`, `.csv`, `.ndjson` or `.geojson`
#[utoipa::path(get, path = "/api/v1/dumps/{file}",
    params(("file" = String, Path, description = "piles.csv, piles.ndjson, piles.geojson, stations.csv, stations.ndjson or stations.geojson")),
    responses(
    (status = 200, description = "The file", content(
        (String = "text/csv"), (String = "application/x-ndjson"), (serde_json::Value = "application/geo+json"))),
    (status = 304, description = "As it was"),
    (status = 404, description = "No such file", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Being made; try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn file(
    request: HttpRequest,
    site: web::Data<Site>,
    file: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let edition = site.dumps.edition(&site.store).await?;
    let missing = || Problem::missing("there is no such dump; /api/v1/dumps lists them");
    let dump = edition.find(&file).ok_or_else(missing)?;
    let tag = format!("W/\"{}\"", &dump.sha256[..door::TAG_CHARS]);
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let mut response = HttpResponse::Ok();
    response
        .content_type(dump.format.media_type)
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((ETAG, tag.as_str()))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((LINK, "</api/v1/dumps>; rel=\"describedby\""))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"veripile-{}\"", dump.name())));
    if header(IF_NONE_MATCH).is_some_and(|list| door::is_known(list, &tag)) {
        return Ok(response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish());
    }
    let is_gzip = header(ACCEPT_ENCODING).is_some_and(|accepted| takes(accepted, "gzip"));
    // Said in either case: it must not be compressed on its way, again or in a coding that takes longer; `headers::coded` takes `identity` away.
    response.insert_header((CONTENT_ENCODING, if is_gzip { "gzip" } else { "identity" }));
    let bytes = if is_gzip { dump.gzip_bytes } else { dump.bytes };
    let reader = reader(dump.gzip.path(), is_gzip).map_err(|error| {
        tracing::error!(%error, "a dump cannot be read");
        Problem::unavailable("the dump cannot be read now; try again in a minute")
    })?;
    Ok(response.body(SizedStream::new(bytes, chunks(reader))))
}

/// Opened before a newer edition takes its place, it stays there to the end.
fn reader(path: &Path, is_gzip: bool) -> io::Result<Box<dyn Read + Send>> {
    let file = File::open(path)?;
    Ok(if is_gzip { Box::new(file) } else { Box::new(flate2::read::GzDecoder::new(file)) })
}

/// Reads a chunk at a time, where blocking does no harm, and no faster than it is sent.
fn chunks(reader: Box<dyn Read + Send>) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::try_unfold(reader, |mut reader| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            reader.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk).map(|_| (chunk, reader))
        });
        let (chunk, reader) = read.await.map_err(io::Error::other)??;
        Ok((!chunk.is_empty()).then(|| (Bytes::from(chunk), reader)))
    })
}
