//! A timer of the kernel's as a descriptor (`timerfd_create(2)`): it counts in nanoseconds, where a runtime's own counts in
//! milliseconds and is up to one late.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::unix::AsyncFd;

use super::watch::watch;
use super::{check, check_length};

/// A timer that rings once for each time that it is set.
pub(crate) struct Alarm(AsyncFd<Arc<OwnedFd>>);

impl Alarm {
    /// An alarm that is not set, of the current runtime. Panics outside of one.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        // SAFETY: just opened, and nobody else knows it.
        watch(Arc::new(unsafe { OwnedFd::from_raw_fd(fd) })).map(Alarm)
    }

    /// Rings after so long, and not at the time that it was set for before; none: it does not ring.
    pub(crate) fn set(&self, after: Option<Duration>) -> io::Result<()> {
        // All zero would be off.
        let after = after.map_or(Duration::ZERO, |after| after.max(Duration::from_nanos(1)));
        let value = libc::timespec {
            tv_sec: libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: after.subsec_nanos().into(),
        };
        let interval = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let set = libc::itimerspec { it_interval: interval, it_value: value };
        let fd = self.0.as_raw_fd();
        // SAFETY: the struct lives through the call, and nothing is to be written.
        check(unsafe { libc::timerfd_settime(fd, 0, &raw const set, std::ptr::null_mut()) })
            .map(drop)
    }

    /// Ready when it has rung, once for each time.
    pub(crate) fn poll_rung(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            let mut count = [0_u8; size_of::<u64>()];
            let (fd, room) = (self.0.as_raw_fd(), count.as_mut_ptr().cast());
            // SAFETY: the room is as long as is said.
            match check_length(unsafe { libc::read(fd, room, count.len()) }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel says is left, in nanoseconds (`proc_pid_fdinfo(5)`).
    fn left(alarm: &Alarm) -> Duration {
        let path = format!("/proc/self/fdinfo/{}", alarm.0.as_raw_fd());
        let told = std::fs::read_to_string(path).expect("procfs");
        let value =
            told.lines().find_map(|line| line.strip_prefix("it_value: (")).expect("a timer");
        let (seconds, nanos) = value.trim_end_matches(')').split_once(", ").expect("two numbers");
        let number = |text: &str| text.parse().expect("a number");
        Duration::new(number(seconds), u32::try_from(number(nanos)).expect("below a second"))
    }

    #[tokio::test]
    async fn an_alarm_is_set_for_no_later_than_it_is_asked_for() {
        let alarm = Alarm::new().expect("the kernel has them");
        let hour = Duration::from_hours(1);
        for after in [hour, hour + Duration::from_micros(200), hour + Duration::from_nanos(1)] {
            alarm.set(Some(after)).expect("it can be");
            let left = left(&alarm);
            assert!(left <= after && !left.is_zero(), "{left:?} of {after:?}");
        }
        alarm.set(None).expect("it can be");
        assert!(left(&alarm).is_zero());
    }
}
