//! How many charges fit into this machine's memory: a file may be larger than that, and the kernel ends who takes too much without a
//! word.
//!
//! Called by `charges` before it reads. It reserves nothing.

use std::fs::read_to_string;

/// Memory that a charge takes from reading to results, bytes: 400 measured with ten million, a tenth more for other shapes.
const CHARGE_BYTES: u64 = 440;

/// Charges that fit; none where the system does not tell.
pub(super) fn charges_max() -> Option<u64> {
    let free = read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
    let limit = read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let bytes = [free, limit].into_iter().flatten().min()?;
    Some(bytes / CHARGE_BYTES)
}

/// Bytes of a number of charges in GB, for a message.
pub(super) fn gigabytes(charges: u64) -> f64 {
    (charges * CHARGE_BYTES) as f64 / 1e9
}

/// `MemAvailable` of Linux's `/proc/meminfo`, bytes (proc(5): in kB, of 1024 bytes).
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_read_as_linux_tells_it() {
        let text = "MemTotal:       24563888 kB\nMemFree:         1000000 kB\nMemAvailable:   20480000 kB\n";
        assert_eq!(available(text), Some(20_971_520_000));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(available("MemAvailable: much\n"), None);
    }
}
