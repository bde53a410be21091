//! How many routers a packet may still pass, asked and set through the funnel.

use std::io;
use std::os::fd::AsFd;

use super::observe::{none, some};
use super::{Family, Socket};
use crate::sys::reach;

impl Socket {
    /// Asks the kernel to keep, of each connection that this listener accepts from now on, how many routers its first packet
    /// could still have passed.
    pub(crate) fn ask_for_reach(&self) -> io::Result<()> {
        let began = self.begin();
        let result = reach::ask_for_reach(self.as_fd());
        let option = self.named("IPPROTO_IP, IP_RECVTTL", "IPPROTO_IPV6, IPV6_RECVHOPLIMIT");
        self.end(began, "setsockopt", format_args!("{option}, 1"), none(&result));
        result
    }

    /// What the kernel has kept for an accepted connection, whose family its addresses have told already.
    pub(crate) fn reach(&self, is_v6: bool) -> io::Result<u8> {
        let began = self.begin();
        let result = reach::reach(self.as_fd(), is_v6);
        let option =
            if is_v6 { "IPPROTO_IPV6, IPV6_2292PKTOPTIONS" } else { "IPPROTO_IP, IP_PKTOPTIONS" };
        self.end(began, "getsockopt", format_args!("{option}"), some(&result.as_ref()));
        result
    }

    /// Sets how many routers what this socket sends may pass.
    pub(crate) fn set_reach(&self, reach: u8) -> io::Result<()> {
        let began = self.begin();
        let result = reach::set_reach(self.as_fd(), reach);
        let option = self.named("IPPROTO_IP, IP_TTL", "IPPROTO_IPV6, IPV6_UNICAST_HOPS");
        self.end(began, "setsockopt", format_args!("{option}, {reach}"), none(&result));
        result
    }

    /// The option's name in the socket's family. Only an observer needs it.
    fn named(&self, v4: &'static str, v6: &'static str) -> &'static str {
        if self.is_watched() && self.family() == Some(Family::V6) { v6 } else { v4 }
    }
}
