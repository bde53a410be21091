//! Which packets: the filter words of tcpdump that people use, as a program that the kernel runs (classic BPF, bpf(4)) and
//! that is run here on what comes from a file.

mod assembler;
mod compile;
mod machine;
mod parse;

use super::frame::{CapturedFrame, network_header};
use crate::error::{Error, Kind, Result};
use crate::socket::Instruction;
use machine::MachineStart;

/// A filter. Its words are those of pcap-filter(7): `tcp`, `udp`, `icmp`, `icmp6`, `igmp`, `arp`, `ip`, `ip6`, `host`, `net`,
/// `port` and `portrange`, with `src` or `dst` before them, `and`, `or`, `not` and parentheses. `and` and `or` bind alike,
/// from left to right, and `port 80 or 443` repeats the qualifier, both as for tcpdump. Names are not looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    text: String,
    /// Begins where the network header is known.
    body: Vec<Instruction>,
    /// Finds it first: the program that the kernel is given.
    whole: Vec<Instruction>,
}

/// The most instructions of a program that the kernel takes (`BPF_MAXINSNS`).
const LONGEST: usize = 4_096;

impl Filter {
    /// Reads the words; none at all let every packet pass. The error has the place of the word that is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let wanted = parse::parse(text)?;
        let (body, whole) = (compile::body(wanted.as_ref()), compile::whole(wanted.as_ref()));
        if whole.len() > LONGEST {
            let error = Error::new(Kind::BadFilter, "the filter is too long for the kernel");
            let size = whole.len();
            return Err(error.why(format!("it takes {LONGEST} instructions, and this has {size}")));
        }
        Ok(Filter { text: text.trim().to_owned(), body, whole })
    }

    /// Whether a filter may begin with this word: it is one of its words, or an address.
    pub fn begins_with(word: &str) -> bool {
        parse::is_word(word)
    }

    /// As it was typed; empty: every packet passes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a frame passes. The same program decides as in the kernel; a frame that ends before what is asked for does
    /// not pass.
    pub fn matches(&self, frame: &CapturedFrame<'_>) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let found = network_header(frame.link, frame.bytes);
        let start = found.map(|(kind, at)| MachineStart { kind: kind.into(), at });
        start.is_some_and(|start| machine::run(&self.body, frame.bytes, start) > 0)
    }

    /// The program for a socket of `AF_PACKET` that is given whole frames.
    pub(in crate::capture) fn program(&self) -> &[Instruction] {
        &self.whole
    }
}

#[cfg(test)]
mod tests;
