//! The flags of `recv` and `send`.

use std::fmt;
use std::ops::BitOr;

/// Flags of one call (recv(2), send(2)); combined with `|`. A broken pipe never raises a signal, so there is no flag for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(i32);

/// Those that are printed by name.
const NAMES: &[(Flags, &str)] = &[
    (Flags::PEEK, "MSG_PEEK"),
    (Flags::WAIT_ALL, "MSG_WAITALL"),
    (Flags::DONT_WAIT, "MSG_DONTWAIT"),
    (Flags::TRUE_LENGTH, "MSG_TRUNC"),
    (Flags::OUT_OF_BAND, "MSG_OOB"),
    (Flags::MORE, "MSG_MORE"),
    (Flags::DONT_ROUTE, "MSG_DONTROUTE"),
    (Flags::END_OF_RECORD, "MSG_EOR"),
    (Flags::CONFIRM, "MSG_CONFIRM"),
    (Flags::ERROR_QUEUE, "MSG_ERRQUEUE"),
];

impl Flags {
    /// None.
    pub const NONE: Flags = Flags(0);
    /// Look, and leave it in the queue.
    pub const PEEK: Flags = Flags(libc::MSG_PEEK);
    /// Receive until the buffer is full, or the end: on a blocking stream. With a timeout it does not wait for more than is
    /// there, as in Python.
    pub const WAIT_ALL: Flags = Flags(libc::MSG_WAITALL);
    /// Do not wait, this once.
    pub const DONT_WAIT: Flags = Flags(libc::MSG_DONTWAIT);
    /// Answer the datagram's true length, which may be larger than the buffer.
    pub const TRUE_LENGTH: Flags = Flags(libc::MSG_TRUNC);
    /// The urgent byte (tcp(7)).
    pub const OUT_OF_BAND: Flags = Flags(libc::MSG_OOB);
    /// More comes soon: hold a part-filled segment or datagram back.
    pub const MORE: Flags = Flags(libc::MSG_MORE);
    /// To directly connected networks only.
    pub const DONT_ROUTE: Flags = Flags(libc::MSG_DONTROUTE);
    /// The record ends here (seqpacket).
    pub const END_OF_RECORD: Flags = Flags(libc::MSG_EOR);
    /// The peer has answered, so that the kernel need not ask where it is (arp(7)).
    pub const CONFIRM: Flags = Flags(libc::MSG_CONFIRM);
    /// What was said of what was sent ([`SocketOption::ReceiveErrors`](super::SocketOption::ReceiveErrors)); never waits.
    pub const ERROR_QUEUE: Flags = Flags(libc::MSG_ERRQUEUE);

    /// The kernel's number.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Whether all of these are among them.
    pub fn has(self, others: Flags) -> bool {
        self.0 & others.0 == others.0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// As one more argument of a call in Python's notation: nothing at all where there are none.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = ", ";
        for (flag, name) in NAMES {
            if self.0 & flag.0 != 0 {
                write!(f, "{before}{name}")?;
                before = " | ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_printed_as_an_argument() {
        assert_eq!(Flags::NONE.to_string(), "");
        assert_eq!((Flags::PEEK | Flags::DONT_WAIT).to_string(), ", MSG_PEEK | MSG_DONTWAIT");
    }
}
