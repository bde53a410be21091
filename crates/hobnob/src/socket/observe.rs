//! Watching the calls: what each was given, what it answered, and how long it took, in Python's notation.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::Flags;
use crate::address::Address;
use crate::clock::Clock;
use crate::codec::hidden::is_hidden;

/// Bytes are shown up to this many.
pub const SHOWN: usize = 64;

/// Sees each call that is made of the kernel, with its real arguments and result.
pub trait Observer: Send + Sync {
    /// A call was made.
    fn saw(&self, call: &KernelCall<'_>);

    /// Whether it wants to see what is called on sockets. Then conns pass no byte around it, such as by splice(2). False:
    /// it sees the resolver's calls alone.
    fn sees_sockets(&self) -> bool {
        true
    }
}

/// One observer that is two; or the one that there is.
pub(crate) fn together(
    one: Option<Arc<dyn Observer>>,
    other: Option<Arc<dyn Observer>>,
) -> Option<Arc<dyn Observer>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Arc::new(ObserverPair(one, other))),
        (one, other) => one.or(other),
    }
}

struct ObserverPair(Arc<dyn Observer>, Arc<dyn Observer>);

impl Observer for ObserverPair {
    fn saw(&self, call: &KernelCall<'_>) {
        self.0.saw(call);
        self.1.saw(call);
    }

    fn sees_sockets(&self) -> bool {
        self.0.sees_sockets() || self.1.sees_sockets()
    }
}

/// One call, as it was made.
pub struct KernelCall<'a> {
    /// The descriptor; none before there is one.
    pub descriptor: Option<i32>,
    /// The call's name: `connect`.
    pub name: &'static str,
    /// Its arguments, in Python's notation and without the outer parentheses: `('127.0.0.1', 9000)`.
    pub arguments: &'a dyn fmt::Display,
    /// What came back, in Python's notation; or the errno, or the resolver's (negative) number. A timeout of ours,
    /// which has no errno, is `ETIMEDOUT`.
    pub result: Result<&'a dyn fmt::Display, i32>,
    /// How long it took, waiting included: on a socket that a runtime watches, since the call was first tried.
    pub took: Duration,
    /// The bytes and the address that it was about.
    pub carried: Carried<'a>,
}

/// What a call was about, for who needs more of it than its notation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried<'a> {
    /// The bytes that were to be sent, or those that came.
    pub bytes: Option<&'a [u8]>,
    /// How many bytes the kernel has taken, or how many came.
    pub count: usize,
    /// The room that there was for bytes to come.
    pub room: usize,
    /// The flags.
    pub flags: Flags,
    /// Where to, where from, or whose.
    pub address: Option<&'a Address>,
    /// The descriptor of a socket that it made.
    pub made: Option<i32>,
    /// The datagrams of a batch that was to be sent, or that came, each with its peer (recvmmsg(2), sendmmsg(2)).
    pub datagrams: &'a [(Address, &'a [u8])],
}

/// An observer and the clock that it is told times by.
#[derive(Clone)]
pub(super) struct Watch {
    observer: Arc<dyn Observer>,
    clock: Clock,
    shows_waiting: bool,
    waits: DirectionWaits,
}

/// Since when each direction waits, in nanoseconds of the clock; 0: it does not. A copy of the socket waits by itself.
#[derive(Default)]
struct DirectionWaits([AtomicU64; 2]);

impl Clone for DirectionWaits {
    fn clone(&self) -> Self {
        DirectionWaits::default()
    }
}

/// The direction in which a call may wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum WaitsFor {
    /// Something to receive, or to accept.
    Arrival = 0,
    /// Room to send.
    Room = 1,
}

/// When a watched call began; none where nobody watches.
#[derive(Clone, Copy)]
pub(super) struct Began(Option<Duration>);

impl Watch {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Self {
        let waits = DirectionWaits::default();
        Watch { observer, clock: Clock::start(), shows_waiting: true, waits }
    }

    /// Notes that a call in this direction is tried from now on, unless one is already.
    pub(super) fn wait(&self, direction: WaitsFor) {
        let now = u64::try_from(self.clock.now().as_nanos()).unwrap_or(u64::MAX).max(1);
        let since = &self.waits.0[direction as usize];
        let _ = since.compare_exchange(0, now, Relaxed, Relaxed);
    }

    /// The call in this direction has an answer: since when it was tried.
    fn waited(&self, direction: WaitsFor) -> Option<Duration> {
        let since = self.waits.0[direction as usize].swap(0, Relaxed);
        (since > 0).then(|| Duration::from_nanos(since))
    }

    /// The same, not telling of tries that would block.
    pub(super) fn without_waiting(self) -> Self {
        Watch { shows_waiting: false, ..self }
    }

    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        self.observer.clone()
    }
}

/// The funnel's first half: before the call.
pub(super) fn begin(watch: Option<&Watch>) -> Began {
    Began(watch.map(|watch| watch.clock.now()))
}

/// The funnel's second half: every call of the ground floor ends here. The arguments are formatted only if somebody
/// watches and asks.
pub(super) fn end(
    watch: Option<&Watch>,
    began: Began,
    descriptor: Option<i32>,
    name: &'static str,
    arguments: fmt::Arguments<'_>,
    result: Result<&dyn fmt::Display, i32>,
    carried: Carried<'_>,
) {
    if let (Some(watch), Began(Some(began))) = (watch, began) {
        if matches!(result, Err(libc::EAGAIN)) && !watch.shows_waiting {
            return;
        }
        let began = direction_of(name).and_then(|way| watch.waited(way)).unwrap_or(began);
        let took = watch.clock.now().saturating_sub(began);
        let arguments = &arguments;
        watch.observer.saw(&KernelCall { descriptor, name, arguments, result, took, carried });
    }
}

/// In which direction a call may wait, if it may.
fn direction_of(name: &str) -> Option<WaitsFor> {
    match name {
        "accept" => Some(WaitsFor::Arrival),
        _ if name.starts_with("recv") => Some(WaitsFor::Arrival),
        _ if name.starts_with("send") => Some(WaitsFor::Room),
        _ => None,
    }
}

/// A result without a value, as an observer sees it.
pub(super) fn none(result: &io::Result<()>) -> Result<&dyn fmt::Display, i32> {
    match result {
        Ok(()) => Ok(&NOTHING),
        Err(error) => Err(errno(error)),
    }
}

/// A result with a value, as an observer sees it.
pub(super) fn some<'a, T: fmt::Display>(
    result: &'a Result<T, &io::Error>,
) -> Result<&'a dyn fmt::Display, i32> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => Err(errno(error)),
    }
}

/// The errno of an error, as an observer is told.
pub(super) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::ETIMEDOUT)
}

/// `None`: the call has no answer.
pub(super) const NOTHING: &str = "None";

/// Bytes as Python prints them, cut after [`SHOWN`]: `b'abc\n'`.
pub struct PythonBytes<'a>(pub &'a [u8]);

impl fmt::Display for PythonBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN)];
        let quote = if shown.contains(&b'\'') && !shown.contains(&b'"') { '"' } else { '\'' };
        write!(f, "b{quote}")?;
        for byte in shown {
            match byte {
                b'\\' => f.write_str("\\\\")?,
                b'\'' if quote == '\'' => f.write_str("\\'")?,
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\t' => f.write_str("\\t")?,
                0x20..=0x7e => write!(f, "{}", char::from(*byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        write!(f, "{quote}")?;
        if shown.len() < self.0.len() {
            write!(f, "...")?;
        }
        Ok(())
    }
}

/// Text as Python prints it: `'a'`.
pub struct PythonText<'a>(pub &'a str);

impl fmt::Display for PythonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.0.contains('\'') && !self.0.contains('"') { '"' } else { '\'' };
        write!(f, "{quote}")?;
        for char in self.0.chars() {
            match char {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\'' if quote == '\'' => f.write_str("\\'")?,
                c if is_hidden(c) => match u32::from(c) {
                    code @ ..0x100 => write!(f, "\\x{code:02x}")?,
                    code @ ..0x1_0000 => write!(f, "\\u{code:04x}")?,
                    code => write!(f, "\\U{code:08x}")?,
                },
                c => write!(f, "{c}")?,
            }
        }
        write!(f, "{quote}")
    }
}

/// An address as Python's functions take it: `('127.0.0.1', 9000)`, `('::1', 9000, 0, 0)`, `'/tmp/x'`, `b'\x00name'`.
pub struct PythonAddress<'a>(pub &'a Address);

impl fmt::Display for PythonAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::Ip(std::net::SocketAddr::V4(v4)) => {
                write!(f, "('{}', {})", v4.ip(), v4.port())
            }
            Address::Ip(std::net::SocketAddr::V6(v6)) => {
                write!(f, "('{}', {}, {}, {})", v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id())
            }
            Address::Path(path) => match path.to_str() {
                Some(text) => PythonText(text).fmt(f),
                None => PythonBytes(path.as_os_str().as_encoded_bytes()).fmt(f),
            },
            Address::Abstract(name) => {
                let mut with_nul = vec![0];
                with_nul.extend_from_slice(name);
                PythonBytes(&with_nul).fmt(f)
            }
            Address::Unnamed => f.write_str("''"),
            Address::Name(name) => PythonText(name).fmt(f),
        }
    }
}

/// Datagrams of one call as a list: `[(b'20C', ('127.0.0.1', 53142))]`.
pub(super) struct DatagramList<'a>(pub(super) &'a [(Address, &'a [u8])]);

impl fmt::Display for DatagramList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, (address, bytes)) in self.0.iter().enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}({}, {})", PythonBytes(bytes), PythonAddress(address))?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_addresses_are_pythons() {
        let bytes = |bytes: &[u8]| PythonBytes(bytes).to_string();
        assert_eq!(bytes(b"a\r\n\x00\xff\\"), r"b'a\r\n\x00\xff\\'");
        assert_eq!(bytes(b"it's"), r#"b"it's""#);
        assert_eq!(bytes(b"'\""), r#"b'\'"'"#);
        assert_eq!(bytes(&[b'x'; 65]), format!("b'{}'...", "x".repeat(64)));
        let address = |address: Address| PythonAddress(&address).to_string();
        assert_eq!(address(Address::Ip("[::1]:9".parse().expect("one"))), "('::1', 9, 0, 0)");
        assert_eq!(address(Address::path("/tmp/x")), "'/tmp/x'");
        assert_eq!(address(Address::Abstract(Arc::from(&b"n"[..]))), r"b'\x00n'");
    }
}
