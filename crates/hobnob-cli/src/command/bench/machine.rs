//! What this machine, and this process on it, was busy with.

use std::time::Duration;

use hobnob::socket;
use nix::sys::resource::{UsageWho, getrusage};

/// Time that was spent, as of a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    /// By this process, in the kernel and out of it.
    own: Duration,
    /// By all cores on work, and in all, in ticks (`proc_stat(5)`); none where it is not told.
    cores: Option<(u64, u64)>,
}

impl Spent {
    /// As of now.
    pub(super) fn now() -> Self {
        let time = |value: nix::sys::time::TimeVal| {
            let micros = u64::try_from(value.tv_usec()).unwrap_or(0);
            Duration::from_secs(u64::try_from(value.tv_sec()).unwrap_or(0))
                + Duration::from_micros(micros)
        };
        let own = getrusage(UsageWho::RUSAGE_SELF)
            .map(|usage| time(usage.user_time()) + time(usage.system_time()));
        let told = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        Spent { own: own.unwrap_or_default(), cores: cores(&told) }
    }

    /// What this process has spent since an earlier moment.
    pub(super) fn own_since(self, before: Spent) -> Duration {
        self.own.saturating_sub(before.own)
    }

    /// How busy all cores were since then, as a share.
    pub(super) fn busy_since(self, before: Spent) -> Option<f64> {
        let ((work, all), (work_before, all_before)) = (self.cores?, before.cores?);
        let all = all.saturating_sub(all_before);
        #[allow(clippy::cast_precision_loss, reason = "a share is shown in percent")]
        let share = work.saturating_sub(work_before) as f64 / all as f64;
        (all > 0).then_some(share)
    }
}

/// Work and all time of the line of all cores: user nice system idle iowait irq softirq steal.
fn cores(told: &str) -> Option<(u64, u64)> {
    let line = told.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).filter_map(|n| n.parse().ok()).collect();
    let idle = ticks.get(3)? + ticks.get(4)?;
    let all: u64 = ticks.iter().sum();
    Some((all - idle, all))
}

/// Open files of this process, and how many it may have.
pub(super) fn open_files() -> Option<(usize, u64)> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some((open, socket::open_files().ok()?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_what_is_not_idle() {
        let told = "cpu  10 1 20 100 5 2 3 4 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(cores(told), Some((40, 145)));
        assert_eq!(cores(""), None);
        let spent = |work, all| Spent { own: Duration::ZERO, cores: Some((work, all)) };
        assert_eq!(spent(75, 200).busy_since(spent(0, 100)), Some(0.75));
        assert_eq!(spent(5, 100).busy_since(spent(5, 100)), None);
    }
}
