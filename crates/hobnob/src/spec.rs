//! How an item of a table describes itself, once: the command line, the help pages, the reference and the
//! checks are all printed from this.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// One transport, layer or service, as it describes itself.
#[derive(Debug)]
pub struct Spec {
    /// The word a person types.
    pub name: &'static str,
    /// One line: what it does, without its name.
    pub summary: &'static str,
    /// The options it takes, as `,key=value` in an endpoint or as `--key value` of a service.
    pub options: &'static [OptionSpec],
    /// Command lines that work as they stand.
    pub examples: &'static [&'static str],
    /// False: the row is listed, so that the error says "not built in" and not "unknown".
    pub is_built_in: bool,
}

/// Whether a conn keeps the borders of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A stream without boundaries: TCP, Unix stream, TLS.
    Bytes,
    /// Boundaries are kept: UDP, Unix datagram and seqpacket, framed layers.
    Packets,
}

impl Shape {
    /// Both.
    pub const ALL: &'static [Shape] = &[Shape::Bytes, Shape::Packets];
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Bytes => "bytes",
            Shape::Packets => "packets",
        })
    }
}

/// One option of an item.
#[derive(Debug)]
pub struct OptionSpec {
    /// Kebab-case; the flag is `--NAME`, the endpoint option `,NAME=`.
    pub name: &'static str,
    /// What values it takes, with its unit.
    pub kind: ValueKind,
    /// The default as a person would type it; empty: unset.
    pub default: &'static str,
    /// One line.
    pub help: &'static str,
}

impl OptionSpec {
    /// A value that this option takes, for one that it does not take: of words the nearest, where one is near enough to
    /// be meant; of numbers the default, or the nearest bound where there is none. Other kinds propose nothing.
    pub fn near(&self, refused: &str) -> Option<String> {
        match self.kind {
            ValueKind::Choice(words) => nearest(refused, words.iter().copied()).map(str::to_owned),
            ValueKind::Within(..) if !self.default.is_empty() => Some(self.default.to_owned()),
            ValueKind::Within(least, most) => {
                let number = parse_count(refused).unwrap_or(least);
                Some(number.clamp(least, most).to_string())
            }
            _ => None,
        }
    }
}

/// What an option's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Present (`crlf`) or denied (`no-crlf`).
    Flag,
    /// `200ms`, `1s`, `2m`, `1h`; a bare number is refused, because nobody knows its unit.
    Duration,
    /// `512`, `64k` (65,536), `1m`; bytes.
    Bytes,
    /// A whole number.
    Count,
    /// A whole number, from the first to the second.
    Within(u64, u64),
    /// `2%`, `0.5%`: at most all of it.
    Percent,
    /// `64k` (65,536 bytes a second), `10mbit/s` (1,250,000); bytes a second.
    Rate,
    /// `10.0.0.7`, `[::1]:4000`: an IP address, with or without a port.
    IpAddress,
    /// `660`, `0660`: permission bits of a file in octal, as chmod(1) takes them.
    Mode,
    /// Any text, taken as it stands.
    Text,
    /// The same, with the word that stands for it in help: `FILE`.
    Named(&'static str),
    /// Text in which `\r \n \t \\ \xHH` are read as the bytes they name.
    Escaped,
    /// An endpoint to dial. A service cannot run without it, and it is planned before anything is open.
    Endpoint,
    /// An endpoint to dial, or none. It is planned before anything is open.
    NextEndpoint,
    /// A fault of a service's links. It may be given several times, and is read before anything is open.
    Fault,
    /// Any text, with the word that stands for it in help. It may be given several times.
    Several(&'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl ValueKind {
    /// Whether it may be given several times.
    pub fn repeats(self) -> bool {
        matches!(self, ValueKind::Fault | ValueKind::Several(_))
    }

    /// The placeholder in help: `DUR`, `N`, `TEXT`.
    pub fn placeholder(self) -> String {
        match self {
            ValueKind::Flag => String::new(),
            ValueKind::Duration => "DUR".to_owned(),
            ValueKind::Bytes => "BYTES".to_owned(),
            ValueKind::Count | ValueKind::Within(..) => "N".to_owned(),
            ValueKind::Text | ValueKind::Escaped => "TEXT".to_owned(),
            ValueKind::Named(word) | ValueKind::Several(word) => word.to_owned(),
            ValueKind::Endpoint | ValueKind::NextEndpoint => "ADDR".to_owned(),
            ValueKind::Percent => "P%".to_owned(),
            ValueKind::Rate => "BYTES/s".to_owned(),
            ValueKind::Fault => "SPEC".to_owned(),
            ValueKind::IpAddress => "IP[:PORT]".to_owned(),
            ValueKind::Mode => "MODE".to_owned(),
            ValueKind::Choice(words) => words.join("|"),
        }
    }

    /// Reads one value; the error says what would be understood.
    pub fn parse(self, name: &str, text: &str) -> Result<Value> {
        let bad = |expected: &str| {
            let wrong = format!("{name} does not take {text:?}");
            Error::expecting(Kind::BadOption, &wrong, expected)
        };
        match self {
            ValueKind::Flag => match text {
                "" | "true" | "yes" | "on" => Ok(Value::Flag(true)),
                "false" | "no" | "off" => Ok(Value::Flag(false)),
                _ => Err(bad(&format!("it is a switch, on with {name} and off with no-{name}"))),
            },
            ValueKind::Duration => parse_duration(text).map(Value::Duration).map_err(bad),
            ValueKind::Bytes => parse_bytes(text).map(Value::Count).map_err(bad),
            ValueKind::Count => parse_count(text).map(Value::Count).map_err(bad),
            ValueKind::Within(least, most) => match parse_count(text) {
                Ok(count) if (least..=most).contains(&count) => Ok(Value::Count(count)),
                _ if most == u64::MAX => {
                    Err(bad(&format!("it takes a whole number from {least} up")))
                }
                _ => Err(bad(&format!("it takes a whole number from {least} to {most}"))),
            },
            ValueKind::Percent => parse_percent(text).map(Value::Share).map_err(bad),
            ValueKind::Rate => parse_rate(text).map(Value::Count).map_err(bad),
            ValueKind::Fault | ValueKind::Several(_) => Ok(Value::Texts(vec![text.to_owned()])),
            ValueKind::IpAddress if parse_ip(text).is_none() => {
                Err(bad("it takes an IP address, as in 10.0.0.7 or [::1]:4000"))
            }
            ValueKind::IpAddress
            | ValueKind::Text
            | ValueKind::Named(_)
            | ValueKind::Endpoint
            | ValueKind::NextEndpoint => Ok(Value::Text(text.as_bytes().to_vec())),
            ValueKind::Mode => parse_mode(text)
                .map(|mode| Value::Text(format!("0{mode:03o}").into_bytes()))
                .map_err(bad),
            ValueKind::Escaped => unescape(text)
                .map(Value::Text)
                .map_err(|at| bad(&format!("{at:?} is none of \\r \\n \\t \\\\ \\xHH"))),
            ValueKind::Choice(words) if words.contains(&text) => {
                Ok(Value::Text(text.as_bytes().to_vec()))
            }
            ValueKind::Choice(words) => Err(bad(&format!("it takes one of {}", words.join(", ")))),
        }
    }
}

/// A value that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A switch.
    Flag(bool),
    /// A time.
    Duration(Duration),
    /// A number, a number of bytes, or bytes a second.
    Count(u64),
    /// A part of the whole, in millionths: 2% is 20,000.
    Share(u32),
    /// Several texts, in the order given.
    Texts(Vec<String>),
    /// Bytes: text as typed, or with its escapes read.
    Text(Vec<u8>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Flag(on) => write!(f, "{}", if *on { "yes" } else { "no" }),
            Value::Duration(duration) => f.write_str(&show_duration(*duration)),
            Value::Count(count) => write!(f, "{count}"),
            Value::Share(share) => f.write_str(&show_percent(*share)),
            Value::Texts(texts) => f.write_str(&texts.join(" ")),
            Value::Text(bytes) => write!(f, "{}", bytes.escape_ascii()),
        }
    }
}

/// Values of one item's options, checked against its spec; what was not given has the spec's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    given: BTreeMap<&'static str, Value>,
    defaults: BTreeMap<&'static str, Value>,
}

impl Options {
    /// The defaults of these options.
    pub fn of(specs: &'static [OptionSpec]) -> Self {
        let defaults = specs
            .iter()
            .filter(|spec| !spec.default.is_empty())
            .filter_map(|spec| Some((spec.name, spec.kind.parse(spec.name, spec.default).ok()?)))
            .collect();
        Options { given: BTreeMap::new(), defaults }
    }

    /// Sets one; `no-NAME` denies a switch. An unknown name is an error with the nearest one.
    pub fn set(
        &mut self,
        specs: &'static [OptionSpec],
        name: &str,
        value: Option<&str>,
    ) -> Result<()> {
        if let Some(spec) = specs.iter().find(|spec| spec.name == name) {
            let text = match (spec.kind, value) {
                (_, Some(text)) => text,
                (ValueKind::Flag, None) => "",
                (_, None) => {
                    let wrong = format!("{name} needs a value");
                    let example = format!("{name}={}", spec.kind.placeholder());
                    return Err(Error::expecting(Kind::BadOption, &wrong, &example));
                }
            };
            let value = spec.kind.parse(spec.name, text)?;
            match (self.given.get_mut(spec.name), value) {
                (Some(Value::Texts(all)), Value::Texts(more)) => all.extend(more),
                (_, value) => drop(self.given.insert(spec.name, value)),
            }
            return Ok(());
        }
        let denied = name.strip_prefix("no-").and_then(|name| {
            specs.iter().find(|spec| spec.name == name && spec.kind == ValueKind::Flag)
        });
        if let (Some(spec), None) = (denied, value) {
            self.given.insert(spec.name, Value::Flag(false));
            return Ok(());
        }
        let known = specs.iter().map(|spec| spec.name);
        let mut error =
            Error::new(Kind::UnknownOption, format!("there is no option {name:?} here"));
        if let Some(near) = nearest(name, known.clone()) {
            error = error.why(format!("did you mean {near}?"));
        } else if known.clone().next().is_some() {
            error = error.why(format!("known are: {}", known.collect::<Vec<_>>().join(", ")));
        }
        Err(error)
    }

    /// Whether the person gave it, as against a default.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The value given or the default.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.given.get(name).or_else(|| self.defaults.get(name))
    }

    /// A switch; off unless given.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Flag(true)))
    }

    /// A time.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        match self.value(name) {
            Some(Value::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }

    /// A number, or a number of bytes.
    pub fn count(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(Value::Count(count)) => Some(*count),
            _ => None,
        }
    }

    /// A share, in millionths.
    pub fn share(&self, name: &str) -> Option<u32> {
        match self.value(name) {
            Some(Value::Share(share)) => Some(*share),
            _ => None,
        }
    }

    /// Texts, of an option that may be given several times.
    pub fn texts(&self, name: &str) -> &[String] {
        match self.value(name) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// Bytes of a text.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.value(name) {
            Some(Value::Text(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The permission bits of a file.
    pub fn mode(&self, name: &str) -> Option<u32> {
        self.text(name).and_then(|text| parse_mode(text).ok())
    }

    /// A text, where it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// What the person gave, in the order of the names.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.given.iter().map(|(name, value)| (*name, value))
    }
}

/// The known name nearest to a mistyped one, if one is near enough to be meant.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (typed.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (edits(typed, name), name))
        .filter(|(edits, _)| *edits <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// Edits between two words, where swapping two neighbours is one (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// The longest time that can be asked for: a hundred years. Any clock's reading and this together are an instant still.
pub const LONGEST: Duration = Duration::from_hours(36_500 * 24);

/// Why a text is not the value that it should be: what would be understood.
type Expected = &'static str;

const TOO_LONG: Expected = "a time is at most 36500d, which is a hundred years";
const TOO_MANY: Expected = "it is at most 18446744073709551615, which is as far as is counted";

/// An IP address with a port, or without one, which is port 0: `10.0.0.7`, `::1`, `[::1]:4000`.
pub fn parse_ip(text: &str) -> Option<SocketAddr> {
    let bare = || text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    text.parse().ok().or_else(|| bare().ok().map(|ip| SocketAddr::new(ip, 0)))
}

/// `200ms`, `1.5s`, `2m`, `1h`, `3d`, up to [`LONGEST`]; a unit is needed. The error says what would be understood.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: Expected = "a time has a unit, as in 200ms, 1s, 5m";
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(EXPECTED)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(EXPECTED),
    };
    let is_number = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = number.parse().ok().filter(|_| is_number).ok_or(EXPECTED)?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| TOO_LONG)?;
    if time > LONGEST { Err(TOO_LONG) } else { Ok(time) }
}

/// A whole number of a unit of this size; the error is `expected` where it is none.
fn parse_whole(number: &str, unit: u64, expected: Expected) -> Result<u64, Expected> {
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(expected);
    }
    number.parse().ok().and_then(|number: u64| number.checked_mul(unit)).ok_or(TOO_MANY)
}

/// `5`: a whole number. The error says what would be understood.
pub(crate) fn parse_count(text: &str) -> Result<u64, &'static str> {
    parse_whole(text.strip_prefix('+').unwrap_or(text), 1, "it takes a whole number")
}

/// A time in the largest unit that keeps it whole: `200ms`, `90s`, `2m`.
pub fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let units = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    units.iter().find(|(size, _)| nanos != 0 && nanos.is_multiple_of(*size)).map_or_else(
        || if nanos == 0 { "0s".to_owned() } else { format!("{nanos}ns") },
        |(size, unit)| format!("{}{unit}", nanos / size),
    )
}

/// `512`, `64k`, `1m`, `2g`: powers of 1,024. The error says what would be understood.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: Expected = "a size is a number of bytes, as in 512, 64k, 1m";
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(EXPECTED),
    };
    parse_whole(number, 1 << shift, EXPECTED)
}

/// `64k`, `64k/s`: bytes a second in powers of 1,024; `10mbit/s`: bits a second in powers of 1,000. The error says what
/// would be understood.
pub(crate) fn parse_rate(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: Expected = "a rate is bytes or bits a second, as in 64k, 10mbit/s";
    let text = text.strip_suffix("/s").unwrap_or(text).to_ascii_lowercase();
    let Some(bits) = text.strip_suffix("bit") else {
        return parse_bytes(&text).map_err(|why| if why == TOO_MANY { why } else { EXPECTED });
    };
    let split = bits.find(|c: char| !c.is_ascii_digit()).unwrap_or(bits.len());
    let (number, unit) = bits.split_at(split);
    let scale = match unit {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        _ => return Err(EXPECTED),
    };
    Ok(parse_whole(number, scale, EXPECTED)? / 8)
}

/// `660`, `0660`: permission bits in octal, without those that mean nothing for a socket. The error says what would be
/// understood.
fn parse_mode(text: &str) -> Result<u32, &'static str> {
    const EXPECTED: Expected = "a mode is octal and at most 777, as in 660";
    let is_octal = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
    mode.ok_or(EXPECTED)
}

/// `2%`, `0.5%` in millionths, up to 100%; the sign is needed. The error says what would be understood.
pub(crate) fn parse_percent(text: &str) -> Result<u32, &'static str> {
    const EXPECTED: Expected = "a share is a number up to 100 with its sign, as in 2%, 0.5%";
    let number = text.strip_suffix('%').ok_or(EXPECTED)?;
    let is_number = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let percent: f64 = number.parse().ok().filter(|_| is_number).ok_or(EXPECTED)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000,000")]
    if percent <= 100.0 { Ok((percent * 10_000.0).round() as u32) } else { Err(EXPECTED) }
}

/// A share as it is typed: `0.5%`.
pub(crate) fn show_percent(share: u32) -> String {
    format!("{}%", f64::from(share) / 10_000.0)
}

/// Reads `\r \n \t \0 \\ \xHH`; the error is the escape that is none of them.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let escape = &rest[at..];
        let (byte, used) = match escape.get(1) {
            Some(b'r') => (b'\r', 2),
            Some(b'n') => (b'\n', 2),
            Some(b't') => (b'\t', 2),
            Some(b'0') => (0, 2),
            Some(b'\\') => (b'\\', 2),
            Some(b'x') => {
                let hex = escape.get(2..4).and_then(|hex| std::str::from_utf8(hex).ok());
                let byte = hex.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
                let byte = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                (byte.ok_or_else(|| shown(escape, 4))?, 4)
            }
            _ => return Err(shown(escape, 2)),
        };
        out.push(byte);
        rest = &escape[used..];
    }
    out.extend_from_slice(rest);
    Ok(out)
}

fn shown(escape: &[u8], length: usize) -> String {
    String::from_utf8_lossy(&escape[..length.min(escape.len())]).into_owned()
}

#[cfg(test)]
mod tests;
