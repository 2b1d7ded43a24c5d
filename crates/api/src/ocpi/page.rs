//! A page of a list, as OCPI asks for one: what changed when, how many to pass over, how many to give, and where the next page is.
//!
//! Used by [`super::locations`] and [`super::tariffs`], which know what stands on it.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue, LINK};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Refusal, answer};

/// Things on a page, at most; a station has some ten piles, a tariff 96 prices at most.
const LIMIT_MAX: u32 = 100;

/// What was asked for, as it stands in the address.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    date_from: Option<String>,
    date_to: Option<String>,
    offset: Option<String>,
    limit: Option<String>,
}

/// The same, read.
#[derive(Debug)]
pub(super) struct Query {
    /// Changed at this moment or later.
    pub(super) from: Option<Timestamp>,
    /// Changed before this moment.
    pub(super) to: Option<Timestamp>,
    /// How many to pass over.
    pub(super) offset: u64,
    /// At most this many.
    pub(super) limit: u32,
}

impl Parameters {
    pub(super) fn query(&self) -> Result<Query, Refusal> {
        let number = |name, text: &Option<String>| match text.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                // Beyond what the database counts nothing can stand.
                let number = text.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
                number.map(Some).ok_or_else(|| Refusal::invalid(format!("{name}: expected a whole number")))
            }
            None => Ok(None),
        };
        let limit = number("limit", &self.limit)?.unwrap_or(u64::from(LIMIT_MAX));
        Ok(Query {
            from: date("date_from", self.date_from.as_deref())?,
            to: date("date_to", self.date_to.as_deref())?,
            offset: number("offset", &self.offset)?.unwrap_or(0),
            limit: u32::try_from(limit.clamp(1, u64::from(LIMIT_MAX))).unwrap_or(LIMIT_MAX),
        })
    }

    /// What stands on the page, of so many things in all, with the address of the next one if there is one.
    pub(super) fn answer(
        &self,
        told: &impl Serialize,
        query: &Query,
        total: u64,
        address: &str,
    ) -> HttpResponse {
        let mut response = answer(told);
        let headers = response.headers_mut();
        let mut put = |name, text: String| {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        };
        put(HeaderName::from_static("x-total-count"), total.to_string());
        put(HeaderName::from_static("x-limit"), LIMIT_MAX.to_string());
        let next = query.offset.saturating_add(u64::from(query.limit));
        if next < total {
            put(LINK, format!("<{address}?{}>; rel=\"next\"", self.next(next, query.limit)));
        }
        response
    }

    /// The next page's, with the filters of this one.
    fn next(&self, offset: u64, limit: u32) -> String {
        let filter = |name, value: &Option<String>| {
            let value = value.as_deref().filter(|text| !text.is_empty());
            value.map_or_else(String::new, |value| format!("&{name}={}", crate::view::segment(value)))
        };
        let (from, to) = (filter("date_from", &self.date_from), filter("date_to", &self.date_to));
        format!("offset={offset}&limit={limit}{from}{to}")
    }
}

/// A moment as OCPI writes it: RFC 3339 in UTC, the zone left out if one likes.
pub(super) fn moment_read(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

/// The same where one may be told.
fn date(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let refused = || Refusal::invalid(format!("{name}: expected a moment as 2019-01-28T12:00:00Z"));
    moment_read(text).map(Some).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(date_from: &str, offset: &str, limit: &str) -> Parameters {
        let some = |text: &str| Some(text.to_owned());
        Parameters { date_from: some(date_from), date_to: None, offset: some(offset), limit: some(limit) }
    }

    #[test]
    fn moments_may_leave_the_zone_out_and_limits_are_kept() {
        let query = parameters("2019-01-28T12:00:00", "50", "2000").query().expect("good");
        assert_eq!(query.from.expect("given").to_string(), "2019-01-28T12:00:00Z");
        assert_eq!((query.offset, query.limit, query.to), (50, LIMIT_MAX, None));
        assert_eq!(
            parameters("2019-01-28T12:00:00+08:00", "", "")
                .query()
                .expect("good")
                .from
                .expect("given")
                .to_string(),
            "2019-01-28T04:00:00Z"
        );
        for (from, offset, limit) in [("yesterday", "", ""), ("", "-1", ""), ("", "", "x"), ("", "1e400", "")]
        {
            assert!(parameters(from, offset, limit).query().is_err(), "{from} {offset} {limit}");
        }
        let next = parameters("2019-01-28T12:00:00+08:00", "50", "10").next(60, 10);
        assert_eq!(next, "offset=60&limit=10&date_from=2019-01-28T12%3A00%3A00%2B08%3A00");
    }
}
