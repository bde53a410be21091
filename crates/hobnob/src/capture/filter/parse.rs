//! From words to what is wanted.

use std::iter::Peekable;
use std::net::IpAddr;
use std::ops::Range;
use std::vec::IntoIter;

use crate::error::{Error, Kind, Result};
use crate::spec::nearest;

/// What a packet has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantedPacket {
    Not(Box<WantedPacket>),
    Both(Box<WantedPacket>, Box<WantedPacket>),
    Either(Box<WantedPacket>, Box<WantedPacket>),
    /// A protocol of the link or of IP.
    Spoken(Spoken),
    /// An address of this network.
    Within {
        bits: Prefix,
        way: WayThrough,
        only: Option<Spoken>,
    },
    /// A port in this range.
    Port {
        first: u16,
        last: u16,
        way: WayThrough,
        only: Option<Spoken>,
    },
}

/// The protocols that have a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Ip,
    Ip6,
    Arp,
    Icmp,
    Icmp6,
    Igmp,
    Tcp,
    Udp,
}

const SPOKEN: [(&str, Spoken); 8] = [
    ("ip", Spoken::Ip),
    ("ip6", Spoken::Ip6),
    ("arp", Spoken::Arp),
    ("icmp", Spoken::Icmp),
    ("icmp6", Spoken::Icmp6),
    ("igmp", Spoken::Igmp),
    ("tcp", Spoken::Tcp),
    ("udp", Spoken::Udp),
];

/// Which end of a packet is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum WayThrough {
    Source,
    Destination,
    #[default]
    Any,
}

/// An address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) base: IpAddr,
    pub(super) bits: u8,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ValueWord {
    #[default]
    Host,
    Net,
    Port,
    PortRange,
}

const VALUE_WORDS: [(&str, ValueWord); 4] = [
    ("host", ValueWord::Host),
    ("net", ValueWord::Net),
    ("port", ValueWord::Port),
    ("portrange", ValueWord::PortRange),
];
/// Every word, for the advice where one is mistyped.
const WORDS: [&str; 17] = [
    "ip",
    "ip6",
    "arp",
    "icmp",
    "icmp6",
    "igmp",
    "tcp",
    "udp",
    "host",
    "net",
    "port",
    "portrange",
    "src",
    "dst",
    "and",
    "or",
    "not",
];
/// Parentheses and negations within each other.
const DEEPEST: usize = 64;
/// Conditions of one filter: what is wanted is as deep as there are many, and is walked by recursion.
const MOST_CONDITIONS: usize = 1_024;

/// What stands before a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Qualifier {
    only: Option<Spoken>,
    way: WayThrough,
    what: ValueWord,
}

/// One word with its place.
#[derive(Debug, Clone)]
struct FilterToken {
    text: String,
    at: Range<usize>,
}

/// Reads the words; none: there are none.
pub(super) fn parse(text: &str) -> Result<Option<WantedPacket>> {
    let tokens = tokens(text);
    if tokens.is_empty() {
        return Ok(None);
    }
    let tokens = tokens.into_iter().peekable();
    let mut parser = Parser { text, tokens, depth: 0, conditions: 0, last: Qualifier::default() };
    let wanted = parser.expression()?;
    match parser.tokens.next() {
        None => Ok(Some(wanted)),
        Some(token) if token.text == ")" => Err(parser.wrong(&token, "no ( stands before it")),
        Some(token) => Err(parser.wrong(&token, "and, or, or nothing more is expected here")),
    }
}

/// Whether a filter may begin with this word, rightly or by a slip of the hand.
pub(super) fn is_word(word: &str) -> bool {
    WORDS.contains(&word) || word.starts_with(['(', '!']) || prefix(word).is_some()
}

fn tokens(text: &str) -> Vec<FilterToken> {
    let mut found: Vec<FilterToken> = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let length = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '(' | ')' | '!' => 1,
            _ => text[at..]
                .find(|c: char| c.is_whitespace() || "()!".contains(c))
                .unwrap_or(text.len() - at),
        };
        found.push(FilterToken { text: text[at..at + length].to_owned(), at: at..at + length });
        at += length;
    }
    found
}

struct Parser<'t> {
    text: &'t str,
    tokens: Peekable<IntoIter<FilterToken>>,
    depth: usize,
    conditions: usize,
    /// The qualifier before, which a value alone repeats.
    last: Qualifier,
}

impl Parser<'_> {
    /// `and` and `or` bind alike, from left to right (pcap-filter(7)).
    fn expression(&mut self) -> Result<WantedPacket> {
        let mut left = self.term()?;
        loop {
            let is_and = match self.peek() {
                Some("and" | "&&") => true,
                Some("or" | "||") => false,
                _ => return Ok(left),
            };
            self.tokens.next();
            let (first, second) = (Box::new(left), Box::new(self.term()?));
            left = if is_and {
                WantedPacket::Both(first, second)
            } else {
                WantedPacket::Either(first, second)
            };
        }
    }

    fn term(&mut self) -> Result<WantedPacket> {
        let Some(token) = self.tokens.next() else { return Err(self.missing("a word is missing")) };
        let is_nested = ["not", "!", "("].contains(&token.text.as_str());
        if is_nested && self.depth == DEEPEST {
            return Err(self.wrong(&token, "the filter is nested too deep"));
        }
        match token.text.as_str() {
            "not" | "!" => {
                self.depth += 1;
                let inner = self.term()?;
                self.depth -= 1;
                Ok(WantedPacket::Not(Box::new(inner)))
            }
            "(" => {
                self.depth += 1;
                let inner = self.expression()?;
                self.depth -= 1;
                match self.tokens.next() {
                    Some(close) if close.text == ")" => Ok(inner),
                    Some(other) => Err(self.wrong(&other, "and, or, or ) is expected here")),
                    None => Err(self.missing("a ) is missing")),
                }
            }
            _ => self.primitive(token),
        }
    }

    /// `[PROTOCOL] [src|dst] [host|net|port|portrange] VALUE`, or a protocol alone.
    fn primitive(&mut self, first: FilterToken) -> Result<WantedPacket> {
        self.conditions += 1;
        if self.conditions > MOST_CONDITIONS {
            return Err(self.wrong(&first, "these are too many conditions for the kernel"));
        }
        let mut token = Some(first);
        let mut qualifier = Qualifier::default();
        let mut is_qualified = false;
        if let Some(spoken) = token.as_ref().and_then(|token| find(&SPOKEN, &token.text)) {
            qualifier.only = Some(spoken);
            if !self.peek().is_some_and(begins_a_value) {
                self.last = qualifier;
                return Ok(WantedPacket::Spoken(spoken));
            }
            (token, is_qualified) = (self.tokens.next(), true);
        }
        let way = token.as_ref().and_then(|token| match token.text.as_str() {
            "src" => Some(WayThrough::Source),
            "dst" => Some(WayThrough::Destination),
            _ => None,
        });
        if let Some(way) = way {
            qualifier.way = way;
            (token, is_qualified) = (self.tokens.next(), true);
        }
        let mut named = None;
        if let Some(what) = token.as_ref().and_then(|token| find(&VALUE_WORDS, &token.text)) {
            qualifier.what = what;
            named = token;
            (token, is_qualified) = (self.tokens.next(), true);
        }
        let Some(value) = token else { return Err(self.missing(self.expected(qualifier))) };
        if let Some(named) = named {
            self.check_fit(&named, qualifier)?;
        }
        if is_qualified {
            self.last = qualifier;
        }
        self.value(&value, self.last, is_qualified)
    }

    /// Ports are of TCP and UDP, addresses of IP and ARP.
    fn check_fit(&self, named: &FilterToken, qualifier: Qualifier) -> Result<()> {
        let is_port = matches!(qualifier.what, ValueWord::Port | ValueWord::PortRange);
        match qualifier.only {
            Some(Spoken::Tcp | Spoken::Udp) if !is_port => {
                Err(self.wrong(named, "tcp and udp have ports; addresses are of ip, ip6 and arp"))
            }
            Some(Spoken::Tcp | Spoken::Udp) | None => Ok(()),
            Some(_) if is_port => Err(self.wrong(named, "only tcp and udp have ports")),
            Some(Spoken::Icmp | Spoken::Icmp6 | Spoken::Igmp) => {
                Err(self.wrong(named, "say it with and: icmp and host 10.0.0.1"))
            }
            Some(_) => Ok(()),
        }
    }

    fn value(
        &self,
        token: &FilterToken,
        by: Qualifier,
        is_qualified: bool,
    ) -> Result<WantedPacket> {
        let Qualifier { only, way, .. } = by;
        let found = match by.what {
            ValueWord::Host => token.text.parse().ok().map(|base: IpAddr| {
                let bits = if base.is_ipv4() { 32 } else { 128 };
                WantedPacket::Within { bits: Prefix { base, bits }, way, only }
            }),
            ValueWord::Net => {
                prefix(&token.text).map(|bits| WantedPacket::Within { bits, way, only })
            }
            ValueWord::Port => {
                let port = token.text.parse().ok();
                port.map(|port| WantedPacket::Port { first: port, last: port, way, only })
            }
            ValueWord::PortRange => {
                let ends = token.text.split_once('-');
                let ends =
                    ends.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
                ends.map(|(first, last): (u16, u16)| WantedPacket::Port {
                    first: first.min(last),
                    last: last.max(first),
                    way,
                    only,
                })
            }
        };
        found.ok_or_else(|| {
            let near = nearest(&token.text, WORDS);
            match near {
                Some(near) if near == token.text => {
                    self.wrong(token, "what a packet is is expected here, as tcp or port 80")
                }
                Some(near)
                    if !is_qualified && !token.text.contains(|c: char| c.is_ascii_digit()) =>
                {
                    self.wrong(token, &format!("did you mean {near}?"))
                }
                _ if !is_qualified && by == Qualifier::default() => {
                    self.wrong(token, "there is no filter word of that name")
                }
                _ => self.wrong(token, self.expected(by)),
            }
        })
    }

    #[allow(clippy::unused_self, reason = "it is one of the parser's ways of saying what is wrong")]
    fn expected(&self, by: Qualifier) -> &'static str {
        match by.what {
            ValueWord::Host => "an IP address is expected here; names are not looked up",
            ValueWord::Net => "a network is expected here, as in 10.0.0.0/8",
            ValueWord::Port => "a port is expected here, 0 to 65535",
            ValueWord::PortRange => "two ports are expected here, as in 9000-9010",
        }
    }

    fn peek(&mut self) -> Option<&str> {
        self.tokens.peek().map(|token| token.text.as_str())
    }

    fn wrong(&self, token: &FilterToken, why: &str) -> Error {
        refused(self.text, token.at.clone(), why)
    }

    fn missing(&self, why: &str) -> Error {
        refused(self.text, self.text.len()..self.text.len(), why)
    }
}

fn refused(text: &str, at: Range<usize>, why: &str) -> Error {
    Error::new(Kind::BadFilter, "I do not understand this filter")
        .at(text, at, why)
        .hint_topic("sniff", "the words of a filter")
}

/// Whether a word after a protocol goes on with it.
fn begins_a_value(word: &str) -> bool {
    ["src", "dst"].contains(&word) || find(&VALUE_WORDS, word).is_some()
}

fn find<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == word).map(|(_, found)| *found)
}

fn prefix(text: &str) -> Option<Prefix> {
    let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
    let base: IpAddr = base.parse().ok()?;
    let most = if base.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
    (bits <= most).then_some(Prefix { base, bits })
}
