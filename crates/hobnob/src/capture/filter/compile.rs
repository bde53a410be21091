//! From what is wanted to a program of the kernel (classic BPF; Linux's `networking/filter`).
//!
//! Every program keeps two facts in its scratch memory: the type of the network layer, and where its header begins.

use std::net::IpAddr;

use libc::{
    BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JEQ, BPF_JGE, BPF_JGT,
    BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_LSH, BPF_MEM, BPF_MISC, BPF_RET, BPF_ST, BPF_TAX, BPF_W,
    BPF_X,
};

use super::assembler::{Assembler, Label};
use super::parse::{Prefix, Spoken, WantedPacket, WayThrough};
use crate::capture::frame::{
    ARP, ETHERNET_HARDWARE, ETHERNET_HEADER, IPV4, IPV6, MOST_TAGS, RARP, TAGGED, VLAN_TAG,
};
use crate::socket::Instruction;

/// Scratch memory: the type of the network layer.
pub(super) const KIND: u32 = 0;
/// Scratch memory: where the network header begins.
pub(super) const AT: u32 = 1;
/// What a program answers for a packet that passes: keep all of it.
const ALL: u32 = 0x0004_0000;
/// `SKF_AD_PKTTYPE` and `SKF_AD_HATYPE` (`linux/filter.h`): what kind of packet, and of which hardware.
const PACKET_TYPE: u32 = 4;
const HARDWARE: u32 = 28;
/// `PACKET_OUTGOING` (packet(7)).
const OUTGOING: u32 = 4;
/// Fields of the headers, in bytes from their beginnings.
const V4_PROTOCOL: u32 = 9;
const V4_FRAGMENT: u32 = 6;
const V4_ADDRESSES: (u32, u32) = (12, 16);
const V6_NEXT: u32 = 6;
const V6_ADDRESSES: (u32, u32) = (8, 24);
const V6_HEADER: u32 = 40;
const ARP_ADDRESSES: (u32, u32) = (14, 24);
/// The extension header of a fragment of IPv6.
const V6_FRAGMENT: u32 = 44;
/// Protocols with ports: TCP, UDP and SCTP, all three as for tcpdump.
const TCP: u32 = 6;
const UDP: u32 = 17;
const SCTP: u32 = 132;
const ICMP: u32 = 1;
const IGMP: u32 = 2;
const ICMP6: u32 = 58;

/// The program that begins where both facts are known.
pub(super) fn body(wanted: Option<&WantedPacket>) -> Vec<Instruction> {
    let mut compiler = Compiler::new();
    compiler.decide(wanted);
    compiler.assembler.finish()
}

/// The program for the kernel, which finds out the facts first, by the hardware of the interface, and counts what passes
/// the loopback once: as it arrives.
pub(super) fn whole(wanted: Option<&WantedPacket>) -> Vec<Instruction> {
    let mut compiler = Compiler::new();
    compiler.prologue(wanted.is_some());
    compiler.decide(wanted);
    compiler.assembler.finish()
}

struct Compiler {
    assembler: Assembler,
    accept: Label,
    reject: Label,
}

impl Compiler {
    fn new() -> Self {
        let mut assembler = Assembler::default();
        let (accept, reject) = (assembler.label(), assembler.label());
        Compiler { assembler, accept, reject }
    }

    fn decide(&mut self, wanted: Option<&WantedPacket>) {
        if let Some(wanted) = wanted {
            self.test(wanted, self.accept, self.reject);
        }
        self.assembler.place(self.accept);
        self.assembler.plain(BPF_RET | BPF_K, ALL);
        self.assembler.place(self.reject);
        self.assembler.plain(BPF_RET | BPF_K, 0);
    }

    fn prologue(&mut self, needs_facts: bool) {
        let [loopback, other, ethernet, raw, done] =
            std::array::from_fn(|_| self.assembler.label());
        self.ancillary(HARDWARE);
        self.assembler.branch(BPF_JEQ, libc::ARPHRD_LOOPBACK.into(), loopback, other);
        self.assembler.place(loopback);
        self.ancillary(PACKET_TYPE);
        let incoming = if needs_facts { ethernet } else { self.accept };
        self.assembler.branch(BPF_JEQ, OUTGOING, self.reject, incoming);
        self.assembler.place(other);
        if !needs_facts {
            return self.assembler.goto(self.accept);
        }
        self.ancillary(HARDWARE);
        self.one_of(&ETHERNET_HARDWARE.map(u32::from), ethernet, raw);
        self.assembler.place(raw);
        self.raw_facts(done);
        self.assembler.place(ethernet);
        self.ethernet_facts(done);
        self.assembler.place(done);
    }

    fn ethernet_facts(&mut self, done: Label) {
        let mut at = small(ETHERNET_HEADER);
        for tags in 0..=MOST_TAGS {
            self.assembler.plain(BPF_LD | BPF_H | BPF_ABS, at - 2);
            let [found, tagged] = std::array::from_fn(|_| self.assembler.label());
            let is_last = tags == MOST_TAGS;
            if !is_last {
                self.one_of(&TAGGED.map(u32::from), tagged, found);
            }
            self.assembler.place(found);
            self.assembler.plain(BPF_ST, KIND);
            self.known(at, done);
            if !is_last {
                self.assembler.place(tagged);
                at += small(VLAN_TAG);
            }
        }
    }

    fn raw_facts(&mut self, done: Label) {
        let [v4, other, v6] = std::array::from_fn(|_| self.assembler.label());
        self.assembler.plain(BPF_LD | BPF_B | BPF_ABS, 0);
        self.assembler.plain(BPF_ALU | BPF_AND | BPF_K, 0xf0);
        self.assembler.branch(BPF_JEQ, 0x40, v4, other);
        self.assembler.place(other);
        self.assembler.branch(BPF_JEQ, 0x60, v6, self.reject);
        for (version, kind) in [(v4, IPV4), (v6, IPV6)] {
            self.assembler.place(version);
            self.assembler.plain(BPF_LD | BPF_IMM, kind.into());
            self.assembler.plain(BPF_ST, KIND);
            self.known(0, done);
        }
    }

    fn known(&mut self, at: u32, done: Label) {
        self.assembler.plain(BPF_LD | BPF_IMM, at);
        self.assembler.plain(BPF_ST, AT);
        self.assembler.goto(done);
    }

    /// A fact of the kernel's about the packet (`SKF_AD_OFF`).
    fn ancillary(&mut self, what: u32) {
        self.assembler.plain(BPF_LD | BPF_W | BPF_ABS, 0xffff_f000 + what);
    }

    fn test(&mut self, wanted: &WantedPacket, yes: Label, no: Label) {
        match wanted {
            WantedPacket::Not(inner) => self.test(inner, no, yes),
            WantedPacket::Both(first, second) => {
                let then = self.assembler.label();
                self.test(first, then, no);
                self.assembler.place(then);
                self.test(second, yes, no);
            }
            WantedPacket::Either(first, second) => {
                let otherwise = self.assembler.label();
                self.test(first, yes, otherwise);
                self.assembler.place(otherwise);
                self.test(second, yes, no);
            }
            WantedPacket::Spoken(spoken) => self.spoken(*spoken, yes, no),
            WantedPacket::Within { bits, way, only } => self.within(*bits, *way, *only, yes, no),
            WantedPacket::Port { first, last, way, only } => {
                self.port((*first).into()..=(*last).into(), *way, *only, yes, no);
            }
        }
    }

    fn spoken(&mut self, spoken: Spoken, yes: Label, no: Label) {
        match spoken {
            Spoken::Ip => self.is_kind(&[IPV4], yes, no),
            Spoken::Ip6 => self.is_kind(&[IPV6], yes, no),
            Spoken::Arp => self.is_kind(&[ARP], yes, no),
            Spoken::Icmp => self.v4_protocol(ICMP, yes, no),
            Spoken::Igmp => self.v4_protocol(IGMP, yes, no),
            Spoken::Icmp6 => self.v6_protocol(ICMP6, yes, no),
            Spoken::Tcp => self.either_protocol(TCP, yes, no),
            Spoken::Udp => self.either_protocol(UDP, yes, no),
        }
    }

    fn is_kind(&mut self, kinds: &[u16], yes: Label, no: Label) {
        self.assembler.plain(BPF_LD | BPF_MEM, KIND);
        let kinds: Vec<u32> = kinds.iter().map(|kind| u32::from(*kind)).collect();
        self.one_of(&kinds, yes, no);
    }

    fn either_protocol(&mut self, protocol: u32, yes: Label, no: Label) {
        let other = self.assembler.label();
        self.v4_protocol(protocol, yes, other);
        self.assembler.place(other);
        self.v6_protocol(protocol, yes, no);
    }

    fn v4_protocol(&mut self, protocol: u32, yes: Label, no: Label) {
        let v4 = self.assembler.label();
        self.is_kind(&[IPV4], v4, no);
        self.assembler.place(v4);
        self.field(BPF_B, V4_PROTOCOL);
        self.one_of(&[protocol], yes, no);
    }

    /// The protocol behind the IPv6 header, or behind the header of a fragment that follows it at once, as for tcpdump.
    fn v6_protocol(&mut self, protocol: u32, yes: Label, no: Label) {
        let [v6, other, fragment] = std::array::from_fn(|_| self.assembler.label());
        self.is_kind(&[IPV6], v6, no);
        self.assembler.place(v6);
        self.field(BPF_B, V6_NEXT);
        self.one_of(&[protocol], yes, other);
        self.assembler.place(other);
        self.assembler.branch(BPF_JEQ, V6_FRAGMENT, fragment, no);
        self.assembler.place(fragment);
        self.field(BPF_B, V6_HEADER);
        self.one_of(&[protocol], yes, no);
    }

    fn within(
        &mut self,
        bits: Prefix,
        way: WayThrough,
        only: Option<Spoken>,
        yes: Label,
        no: Label,
    ) {
        let ip = self.assembler.label();
        match bits.base {
            IpAddr::V4(base) if only != Some(Spoken::Ip6) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits.bits)).unwrap_or(0);
                let words = [(base.to_bits(), mask)];
                let arp = self.assembler.label();
                let kinds: &[u16] = if only == Some(Spoken::Arp) { &[] } else { &[IPV4] };
                self.is_kind(kinds, ip, arp);
                self.assembler.place(ip);
                self.addresses(V4_ADDRESSES, &words, way, yes, no);
                self.assembler.place(arp);
                let kinds: &[u16] = match only {
                    None => &[ARP, RARP],
                    Some(Spoken::Arp) => &[ARP],
                    Some(_) => &[],
                };
                let asked = self.assembler.label();
                self.is_kind(kinds, asked, no);
                self.assembler.place(asked);
                self.addresses(ARP_ADDRESSES, &words, way, yes, no);
            }
            IpAddr::V6(base) if !matches!(only, Some(Spoken::Ip | Spoken::Arp)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits.bits)).unwrap_or(0);
                let word = |value: u128, at: u32| {
                    let part = (value >> (96 - 32 * at)) & u128::from(u32::MAX);
                    u32::try_from(part).expect("32 bits of it were taken")
                };
                let words = [0, 1, 2, 3].map(|at| (word(base.to_bits(), at), word(mask, at)));
                self.is_kind(&[IPV6], ip, no);
                self.assembler.place(ip);
                self.addresses(V6_ADDRESSES, &words, way, yes, no);
            }
            // ip host ::1: nothing can be both.
            _ => self.assembler.goto(no),
        }
    }

    fn addresses(
        &mut self,
        fields: (u32, u32),
        words: &[(u32, u32)],
        way: WayThrough,
        yes: Label,
        no: Label,
    ) {
        match way {
            WayThrough::Source => self.address(fields.0, words, yes, no),
            WayThrough::Destination => self.address(fields.1, words, yes, no),
            WayThrough::Any => {
                let other = self.assembler.label();
                self.address(fields.0, words, yes, other);
                self.assembler.place(other);
                self.address(fields.1, words, yes, no);
            }
        }
    }

    /// Compares an address word by word, each under its mask.
    fn address(&mut self, field: u32, words: &[(u32, u32)], yes: Label, no: Label) {
        for (at, (value, mask)) in words.iter().enumerate().filter(|(_, (_, mask))| *mask != 0) {
            let next = self.assembler.label();
            self.field(BPF_W, field + 4 * small(at));
            if *mask != u32::MAX {
                self.assembler.plain(BPF_ALU | BPF_AND | BPF_K, *mask);
            }
            self.assembler.branch(BPF_JEQ, value & mask, next, no);
            self.assembler.place(next);
        }
        self.assembler.goto(yes);
    }

    fn port(
        &mut self,
        ports: std::ops::RangeInclusive<u32>,
        way: WayThrough,
        only: Option<Spoken>,
        yes: Label,
        no: Label,
    ) {
        let protocols: &[u32] = match only {
            Some(Spoken::Tcp) => &[TCP],
            Some(Spoken::Udp) => &[UDP],
            _ => &[TCP, UDP, SCTP],
        };
        let [v4, other, carries, first, v6, six] = std::array::from_fn(|_| self.assembler.label());
        self.is_kind(&[IPV4], v4, other);
        self.assembler.place(v4);
        self.field(BPF_B, V4_PROTOCOL);
        self.one_of(protocols, carries, no);
        self.assembler.place(carries);
        // Only the first fragment has the ports.
        self.field(BPF_H, V4_FRAGMENT);
        self.assembler.branch(BPF_JSET, 0x1fff, no, first);
        self.assembler.place(first);
        self.field(BPF_B, 0);
        self.assembler.plain(BPF_ALU | BPF_AND | BPF_K, 0x0f);
        self.assembler.plain(BPF_ALU | BPF_LSH | BPF_K, 2);
        self.assembler.plain(BPF_ALU | BPF_ADD | BPF_X, 0);
        self.assembler.plain(BPF_MISC | BPF_TAX, 0);
        self.ports(0, &ports, way, yes, no);
        self.assembler.place(other);
        self.is_kind(&[IPV6], v6, no);
        self.assembler.place(v6);
        self.field(BPF_B, V6_NEXT);
        self.one_of(protocols, six, no);
        self.assembler.place(six);
        self.ports(V6_HEADER, &ports, way, yes, no);
    }

    /// Compares the ports of a header that begins at X and so many bytes.
    fn ports(
        &mut self,
        at: u32,
        ports: &std::ops::RangeInclusive<u32>,
        way: WayThrough,
        yes: Label,
        no: Label,
    ) {
        let fields: &[u32] = match way {
            WayThrough::Source => &[0],
            WayThrough::Destination => &[2],
            WayThrough::Any => &[0, 2],
        };
        for field in fields {
            let [enough, next] = std::array::from_fn(|_| self.assembler.label());
            self.assembler.plain(BPF_LD | BPF_H | BPF_IND, at + field);
            self.assembler.branch(BPF_JGE, *ports.start(), enough, next);
            self.assembler.place(enough);
            self.assembler.branch(BPF_JGT, *ports.end(), next, yes);
            self.assembler.place(next);
        }
        self.assembler.goto(no);
    }

    /// Loads a field of the network header; X is where that begins.
    fn field(&mut self, size: u32, at: u32) {
        self.assembler.plain(BPF_LDX | BPF_MEM, AT);
        self.assembler.plain(BPF_LD | size | BPF_IND, at);
    }

    /// Whether the accumulator is one of these.
    fn one_of(&mut self, values: &[u32], yes: Label, no: Label) {
        let Some((last, others)) = values.split_last() else { return self.assembler.goto(no) };
        for value in others {
            let next = self.assembler.label();
            self.assembler.branch(BPF_JEQ, *value, yes, next);
            self.assembler.place(next);
        }
        self.assembler.branch(BPF_JEQ, *last, yes, no);
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("offsets in headers are small")
}
