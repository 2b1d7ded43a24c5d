//! Alfen's format: nothing makes it fall over, and nothing that nobody signed is valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veripile_fuzz::signed::never_valid;
use veripile_ocpp::signed::Format;

/// A point of secp192r1, the curve of this format: its generator (SEC 2, section 2.2.2).
const KEY: &str =
    "04188da80eb03090f67cbf20eb43a18800f4ff0afd82ff101207192b95ffc8da78631011ed6b24cdd573f977a11e794811";

fuzz_target!(|input: &[u8]| never_valid(Format::Alfen, KEY, input));
