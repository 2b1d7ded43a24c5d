//! How many charges fit into this machine's memory: a file, or a window, may be larger than that, and the kernel ends who takes too much without a
//! word.
//!
//! Called by `charges` while it reads, and by `assess::facts` before it does. It reserves nothing.

use std::fs::read_to_string;

/// Memory that a charge takes from reading to results, bytes: 400 measured with ten million, a tenth more for other shapes.
pub(super) const CHARGE_BYTES: u64 = 440;

/// The same of looking for signals: 450 measured with four million.
const SIGNAL_BYTES: u64 = 500;

/// Memory of a vehicle besides its names: 490 measured with four million.
const VEHICLE_BYTES: u64 = 540;

/// A name is kept so often: by the reader, by the evidence, by the results.
const NAME_TIMES: u64 = 4;

/// Memory of a pile with its name: 770 measured with a million.
const PILE_BYTES: u64 = 1_000;

/// What was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) charges: usize,
    pub(crate) piles: usize,
    pub(crate) vehicles: usize,
    /// Of names of vehicles and models.
    pub(crate) name_bytes: u64,
}

impl Taken {
    /// Memory that it takes from reading to results, without signals.
    pub(crate) fn bytes(&self) -> u64 {
        self.charges as u64 * CHARGE_BYTES
            + self.piles as u64 * PILE_BYTES
            + self.vehicles as u64 * VEHICLE_BYTES
            + self.name_bytes * NAME_TIMES
    }

    /// The same with signals.
    pub(crate) fn bytes_with_signals(&self) -> u64 {
        self.bytes() + self.charges as u64 * SIGNAL_BYTES
    }
}

/// Bytes that may be taken: what is free, and not more than a container or a limit of the process (`ulimit -v`) allows. Without end where
/// the system does not tell.
pub(crate) fn free() -> u64 {
    let text = |path: &str| read_to_string(path).ok();
    let number = |path: &str| text(path)?.trim().parse().ok();
    let limits = [
        text("/proc/meminfo").and_then(|text| kilobytes(&text, "MemAvailable:")),
        number("/sys/fs/cgroup/memory.max"),
        number("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        text("/proc/self/limits").zip(text("/proc/self/status")).and_then(|(limits, status)| {
            Some(of_addresses(address_space(&limits)?, kilobytes(&status, "VmSize:")?))
        }),
    ];
    limits.into_iter().flatten().min().unwrap_or(u64::MAX)
}

/// What a limit on addresses leaves: half of those not yet taken. A list that grows takes a new place of twice its size before it leaves
/// the old one, which costs addresses and hardly memory.
fn of_addresses(limit: u64, taken: u64) -> u64 {
    limit.saturating_sub(taken) / 2
}

/// A figure of Linux's `/proc/meminfo` or `/proc/self/status`, bytes (proc(5): in kB, of 1024 bytes).
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit of Linux's `/proc/self/limits` on address space, bytes; none where it is `unlimited` (proc(5)).
fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_read_as_linux_tells_it() {
        let text = "MemTotal:       24563888 kB\nMemFree:         1000000 kB\nMemAvailable:   20480000 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(20_971_520_000));
        assert_eq!(kilobytes("MemTotal: 1 kB\n", "MemAvailable:"), None);
        assert_eq!(kilobytes("MemAvailable: much\n", "MemAvailable:"), None);
        assert_eq!(kilobytes("Name:\tveripile\nVmSize:\t    2048 kB\n", "VmSize:"), Some(2_097_152));
    }

    #[test]
    fn a_limit_of_the_process_is_read_as_linux_tells_it() {
        let limits = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max cpu time              unlimited            unlimited            seconds   \n\
                 Max address space         {soft}           unlimited            bytes     \n"
            )
        };
        assert_eq!(address_space(&limits("8589934592")), Some(8_589_934_592));
        assert_eq!(address_space(&limits("unlimited")), None);
        assert_eq!(of_addresses(8_000, 2_000), 3_000);
        assert_eq!(of_addresses(1_000, 2_000), 0);
    }
}
