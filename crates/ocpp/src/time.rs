//! Timestamps as chargers write them: RFC 3339, without zone, empty, of 1970, or missing.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use veripile_pile::{DeviceTime, Mark, ReceiveTime};

/// Reads a timestamp; what cannot be believed is none, with a mark. The text itself stays in the raw frame.
pub(crate) fn read(text: Option<&str>, received: ReceiveTime) -> (Option<DeviceTime>, Option<Mark>) {
    let Some(text) = text.map(str::trim) else { return (None, Some(Mark::BadTimestamp)) };
    let (time, mark) = match text.parse::<jiff::Timestamp>() {
        Ok(time) => (time, None),
        Err(_) => {
            match text.parse::<DateTime>().ok().and_then(|civil| TimeZone::UTC.to_timestamp(civil).ok()) {
                Some(time) => (time, Some(Mark::ZonelessTimestamp)),
                None => return (None, Some(Mark::BadTimestamp)),
            }
        }
    };
    // The database keeps microseconds; cut here, the same moment compares equal before and after it was stored.
    let time = DeviceTime(jiff::Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time));
    if time.is_believable(received) { (Some(time), mark) } else { (None, Some(Mark::BadTimestamp)) }
}

/// RFC 3339 with milliseconds and `Z`, as OCPP examples write it.
pub(crate) fn millis(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_of_every_kind() {
        let received = ReceiveTime("2026-03-01T00:00:00Z".parse().expect("literal"));
        let check = |text: Option<&str>, time: Option<&str>, mark: Option<Mark>| {
            let time = time.map(|time| DeviceTime(time.parse().expect("literal")));
            assert_eq!(read(text, received), (time, mark), "{text:?}");
        };
        check(Some("2026-02-01T08:00:00+08:00"), Some("2026-02-01T00:00:00Z"), None);
        check(Some("2026-02-01T00:00:00.123456Z"), Some("2026-02-01T00:00:00.123456Z"), None);
        check(Some("2026-02-01T00:00:00"), Some("2026-02-01T00:00:00Z"), Some(Mark::ZonelessTimestamp));
        check(Some("1970-01-01T00:00:00Z"), None, Some(Mark::BadTimestamp));
        check(Some(""), None, Some(Mark::BadTimestamp));
        check(Some("yesterday"), None, Some(Mark::BadTimestamp));
        check(None, None, Some(Mark::BadTimestamp));
    }
}
