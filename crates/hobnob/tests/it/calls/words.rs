//! The words of scenarios.txt: what they stand for, and how an outcome is told.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use hobnob::error::{Error, Kind};
use hobnob::socket::{self, Family, Flags, LookUpFlags, NameFlags, SocketOption, Type};

/// What came of a command, or why nothing did.
pub(super) type Outcome = Result<String, Failure>;

pub(super) enum Failure {
    Ours(Error),
    /// Of a reader or a writer.
    Plain(io::Error),
    /// There is no such socket.
    Missing(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Ours(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Plain(error)
    }
}

/// An errno, the resolver's number, a timeout, or a refusal of the library.
pub(super) fn told(outcome: Outcome) -> String {
    match outcome {
        Ok(text) => text,
        Err(Failure::Missing(name)) => format!("there is no {name}"),
        Err(Failure::Ours(error)) => match (error.errno(), error.call(), error.kind()) {
            (Some(_), Some(call), _) => call.outcome.clone(),
            (_, _, Kind::TimedOut | Kind::ConnectTimeout) => "timeout".to_owned(),
            _ => "refused".to_owned(),
        },
        Err(Failure::Plain(error)) => match (error.raw_os_error(), error.kind()) {
            (Some(errno), _) => format!("{:?}", nix::errno::Errno::from_raw(errno)),
            (None, io::ErrorKind::TimedOut) if error.get_ref().is_none() => "timeout".to_owned(),
            _ => "refused".to_owned(),
        },
    }
}

pub(super) const FLAGS: &[(&str, Flags)] = &[
    ("peek", Flags::PEEK),
    ("waitall", Flags::WAIT_ALL),
    ("dontwait", Flags::DONT_WAIT),
    ("trunc", Flags::TRUE_LENGTH),
    ("oob", Flags::OUT_OF_BAND),
    ("eor", Flags::END_OF_RECORD),
    ("errqueue", Flags::ERROR_QUEUE),
];
pub(super) const LOOK_UP_FLAGS: &[(&str, LookUpFlags)] = &[
    ("passive", LookUpFlags::PASSIVE),
    ("canonname", LookUpFlags::CANONICAL_NAME),
    ("numerichost", LookUpFlags::NUMERIC_HOST),
    ("v4mapped", LookUpFlags::V4_MAPPED),
    ("numericserv", LookUpFlags::NUMERIC_SERVICE),
    ("-", LookUpFlags::NONE),
];
pub(super) const NAME_FLAGS: &[(&str, NameFlags)] = &[
    ("numerichost", NameFlags::NUMERIC_HOST),
    ("numericserv", NameFlags::NUMERIC_SERVICE),
    ("namereqd", NameFlags::NAME_REQUIRED),
];
pub(super) const FAMILIES: &[(&str, Family)] =
    &[("v4", Family::V4), ("v6", Family::V6), ("unix", Family::Unix)];
pub(super) const TYPES: &[(&str, Type)] = &[
    ("stream", Type::Stream),
    ("dgram", Type::Datagram),
    ("seqpacket", Type::Seqpacket),
    ("raw", Type::Raw),
];

pub(super) fn find<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

pub(super) fn known<T: Copy>(table: &[(&str, T)], word: &str) -> T {
    find(table, word).unwrap_or_else(|| panic!("{word} is in no table"))
}

pub(super) fn all<T: Copy + std::ops::BitOr<Output = T> + Default>(
    table: &[(&str, T)],
    words: &[&str],
) -> T {
    let each = words.iter().flat_map(|word| word.split(',')).map(|word| known(table, word));
    each.fold(T::default(), |flags, flag| flags | flag)
}

pub(super) fn option(name: &str) -> SocketOption {
    let row = socket::option::TABLE.iter().find(|row| row.spec.name == name);
    row.unwrap_or_else(|| panic!("{name} is no option")).option
}

pub(super) fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}

pub(super) fn seconds(word: &str) -> Option<Duration> {
    (word != "none").then(|| Duration::from_secs_f64(number(word)))
}

pub(super) fn text(word: &str) -> Vec<u8> {
    if word == "''" {
        return Vec::new();
    }
    let (what, count) = word.split_once('*').unwrap_or((word, "1"));
    what.replace("\\n", "\n").repeat(number(count)).into_bytes()
}

pub(super) fn words_of(word: &str) -> String {
    String::from_utf8(text(word)).expect("text")
}

pub(super) fn shown(bytes: &[u8]) -> String {
    if bytes.len() > 40 {
        return format!("{} bytes", bytes.len());
    }
    format!("'{}'", String::from_utf8_lossy(bytes).replace('\n', "\\n"))
}

pub(super) fn ok() -> Outcome {
    Ok("ok".to_owned())
}

pub(super) fn say(value: impl Display) -> Outcome {
    Ok(value.to_string())
}

pub(super) fn is(is_so: bool) -> Outcome {
    Ok(if is_so { "True" } else { "False" }.to_owned())
}

pub(super) fn done(result: hobnob::error::Result<()>) -> Outcome {
    result?;
    ok()
}

pub(super) fn asked<T>(
    result: hobnob::error::Result<T>,
    show: impl FnOnce(T) -> Outcome,
) -> Outcome {
    show(result?)
}
