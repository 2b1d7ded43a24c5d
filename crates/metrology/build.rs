//! Builds the crate anew when a rule set is added: the compiler itself notices only changes of files that were there before.

fn main() {
    println!("cargo:rerun-if-changed=rules");
}
