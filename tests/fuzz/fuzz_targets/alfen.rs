//! Alfen's format: a record or key that differs in one bit is never valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veripile_fuzz::binary::{Layout, Sealed};
use veripile_fuzz::choices::Choices;
use veripile_ocpp::signed::Format;

fuzz_target!(|input: &[u8]| {
    Sealed::of("alfen begin", Format::Alfen, Layout::Alfen).judge(&mut Choices::new(input));
});
