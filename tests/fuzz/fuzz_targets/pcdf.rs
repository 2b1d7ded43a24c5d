//! PCDF: a record or key that differs in one bit is never valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veripile_fuzz::signed::Signed;
use veripile_ocpp::signed::Format;

fuzz_target!(|input: &[u8]| {
    Signed::of(Format::Pcdf, include_str!("../records/pcdf.txt"), "(SG:", &['\u{2}', '\u{3}']).judge(input);
});
