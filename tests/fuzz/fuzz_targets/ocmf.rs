//! OCMF: a record or key that differs in one bit is never valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veripile_fuzz::signed::Signed;
use veripile_ocpp::signed::Format;

fuzz_target!(|input: &[u8]| {
    Signed::of(Format::Ocmf, include_str!("../records/ocmf.txt"), "}|", &[]).judge(input);
});
