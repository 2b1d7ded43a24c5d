//! EDL40 and ISA-EDL-40P: what is valid says what was signed, whatever is done to the record or its key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veripile_fuzz::binary::{Layout, Sealed};
use veripile_fuzz::choices::Choices;
use veripile_ocpp::signed::Format;

const RECORDS: [(&str, Format); 3] = [
    ("edl40 begin", Format::Edl40P),
    ("edl40 with an escape in it", Format::Edl40P),
    ("isa end", Format::IsaEdl40P),
];

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices::new(input);
    let (name, format) = RECORDS[usize::from(choices.byte()) % RECORDS.len()];
    Sealed::of(name, format, Layout::Sml).judge(&mut choices);
});
