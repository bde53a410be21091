//! What can go wrong, said so that a person can act on it.
//!
//! An [`Error`] is one plain sentence with a stable [`Kind`] (its slug), and, where they are known, the call
//! that was asked of the kernel with its errno, why it failed, and what to try. It is one pointer wide, so a
//! `Result` on the data path costs nothing.

mod hint;

use std::fmt;
use std::ops::Range;

pub use hint::{Advice, Hint, MACHINE, SERVICES};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $slug:literal $exit:literal),* $(,)?) => {
        /// What kind of thing went wrong: the stable slug of `error[SLUG]` and of `hobnob help SLUG`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])* $name),* }

        impl Kind {
            /// Every kind, in the order of the reference page.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];

            /// The stable name, in kebab-case.
            pub fn slug(self) -> &'static str {
                match self { $(Kind::$name => $slug),* }
            }

            /// The exit code of a program that ends because of it.
            pub fn exit_code(self) -> u8 {
                match self { $(Kind::$name => $exit),* }
            }
        }
    };
}

kinds! {
    /// The text is not an endpoint.
    BadAddress "bad-address" 2,
    /// A transport that needs a port was given none.
    MissingPort "missing-port" 2,
    /// No service of that name.
    UnknownService "unknown-service" 2,
    /// No flag or endpoint option of that name, or one that does not belong here.
    UnknownOption "unknown-option" 2,
    /// An option's value cannot be understood, or is out of range.
    BadOption "bad-option" 2,
    /// Known to the tables, but not part of this build.
    NotBuiltIn "not-built-in" 2,
    /// Several things have that name, and nothing says which is meant.
    AmbiguousName "ambiguous-name" 2,
    /// Two parts that cannot be put together: a layer or service on a shape it does not take.
    DoesNotFit "does-not-fit" 2,
    /// A fault that loses, repeats or reorders packets, on bytes, which have none.
    FaultNeedsDatagrams "fault-needs-datagrams" 2,
    /// No fault of that name.
    UnknownFault "unknown-fault" 2,
    /// A dial that would come back to where it is made from.
    Loop "loop" 2,
    /// The command line is not understood.
    Usage "usage" 2,
    /// The words of a packet filter are not understood.
    BadFilter "bad-filter" 2,
    /// A file of settings that does not say what such a file says.
    BadConfig "bad-config" 2,
    /// Somebody listens there already.
    PortInUse "port-in-use" 3,
    /// A port below 1024 without the right to it.
    PrivilegedPort "privileged-port" 3,
    /// An address that no interface of this machine has.
    AddressNotHere "address-not-here" 3,
    /// A network interface that is not there, or not any more.
    InterfaceNotHere "interface-not-here" 3,
    /// The path of a Unix socket is taken.
    SocketFileExists "socket-file-exists" 3,
    /// The limit of open files is reached.
    TooManyFiles "too-many-files" 3,
    /// No address for that name.
    HostNotFound "host-not-found" 4,
    /// The machine answered: nothing listens there.
    ConnectionRefused "connection-refused" 5,
    /// The peer tore the connection down.
    ConnectionReset "connection-reset" 5,
    /// No route to that network or host.
    Unreachable "unreachable" 5,
    /// No server or session of that name or number runs.
    NotRunning "not-running" 5,
    /// The connection broke in another way.
    ConnectionBroken "connection-broken" 5,
    /// No answer to the dial within `--timeout`.
    ConnectTimeout "connect-timeout" 6,
    /// Silence for longer than `--idle`.
    IdleTimeout "idle-timeout" 6,
    /// No answer within `--wait`, or an operation ran out of its time.
    TimedOut "timed-out" 6,
    /// The certificate is for others than the one that was dialled.
    TlsNameMismatch "tls-name-mismatch" 7,
    /// Nobody that is trusted vouches for the certificate.
    TlsUntrusted "tls-untrusted" 7,
    /// The certificate is out of its time.
    TlsExpired "tls-expired" 7,
    /// The peer speaks something else than TLS.
    NotTls "not-tls" 7,
    /// TLS failed in another way: no common version, a refused certificate.
    TlsFailed "tls-failed" 7,
    /// The connection ended without TLS having ended: something may be missing.
    TlsTruncated "tls-truncated" 7,
    /// A raw or capture socket without the right to it.
    RawSocketDenied "raw-socket-denied" 8,
    /// The kernel says no.
    PermissionDenied "permission-denied" 8,
    /// A file is there already and is not overwritten.
    FileExists "file-exists" 9,
    /// A file or socket path that is not there.
    NotFound "not-found" 9,
    /// A Unix socket path over 107 bytes.
    PathTooLong "path-too-long" 9,
    /// A file of captured packets that is none, or ends in the middle of one.
    BadCapture "bad-capture" 9,
    /// Writing failed: a full disk, a closed descriptor.
    OutputFailed "output-failed" 9,
    /// Bytes that had to be UTF-8 are not.
    InvalidUtf8 "invalid-utf8" 10,
    /// A message larger than its medium or its limit carries.
    MessageTooLong "message-too-long" 10,
    /// Bytes that a framing layer or a protocol cannot read.
    BadFrame "bad-frame" 10,
    /// The connection ended in the middle of an answer, or before it.
    CutShort "cut-short" 10,
    /// A redirect that is not followed: to http from https, to no URL, or one too many.
    BadRedirect "bad-redirect" 10,
    /// A server that was asked to do something says no, in its own words.
    Rejected "rejected" 1,
    /// The text does not name the servers of a cluster.
    ClusterUrl "cluster-url" 2,
    /// No room can be called that.
    ClusterRoom "cluster-room" 2,
    /// Nobody answers at the servers of a cluster.
    ClusterUnreachable "cluster-unreachable" 5,
    /// The servers of a cluster do not let us in.
    ClusterRefused "cluster-refused" 5,
    /// No TLS with the servers of a cluster.
    ClusterTls "cluster-tls" 7,
    /// The servers of a cluster keep no streams, or not for us.
    ClusterNoJetstream "cluster-no-jetstream" 5,
    /// The stream of a room is there and is another kind of stream.
    ClusterStream "cluster-stream" 5,
    /// Somebody else speaks in the name of this node of a cluster.
    ClusterTwin "cluster-twin" 5,
    /// A limit of ours cut it; the message names the limit.
    Limit "limit" 5,
    /// A fault that was asked for tore it down.
    Fault "fault" 5,
    /// The operation would block, on a socket in non-blocking mode.
    WouldBlock "would-block" 5,
    /// Something else that the system said.
    System "system" 5,
    /// A bug in hobnob.
    Bug "bug" 70,
}

/// The kernel (or resolver) call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// As a person would write it: `bind(127.0.0.1:9000)`.
    pub text: String,
    /// `errno`, or an `EAI_*` number (negative) of the resolver; none when nothing came back at all.
    pub errno: Option<i32>,
    /// `EADDRINUSE`, or words such as `no reply to SYN`.
    pub outcome: String,
}

/// Where in a text the mistake is, for the caret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The whole text as the person typed it.
    pub text: String,
    /// The part that is wrong, in bytes of `text`; empty at the place where something is missing.
    pub at: Range<usize>,
    /// What is wrong with that part.
    pub label: String,
}

/// An error: kind, sentence, and everything that helps to act on it.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    kind: Kind,
    message: String,
    /// Where a colon in the message ends what is wrong: behind it stands what was expected.
    colon: Option<usize>,
    call: Option<Call>,
    why: Vec<String>,
    hints: Vec<Hint>,
    span: Option<Span>,
    limit: Option<&'static str>,
}

impl Error {
    /// An error of this kind with its one sentence: lower case, no full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Parts {
            kind,
            message: message.into(),
            colon: None,
            call: None,
            why: Vec::new(),
            hints: Vec::new(),
            span: None,
            limit: None,
        }))
    }

    /// An error that says what was expected in place of what is wrong: both in one message, and each by itself.
    pub fn expecting(kind: Kind, wrong: &str, expected: &str) -> Self {
        let mut error = Error::new(kind, format!("{wrong}: {expected}"));
        error.0.colon = Some(wrong.len());
        error
    }

    /// A failed system call on the data path: `operation` is the call's name.
    pub fn from_io(operation: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::ConnectionRefused => Kind::ConnectionRefused,
            Io::ConnectionReset => Kind::ConnectionReset,
            Io::BrokenPipe | Io::ConnectionAborted | Io::NotConnected => Kind::ConnectionBroken,
            Io::HostUnreachable | Io::NetworkUnreachable | Io::NetworkDown => Kind::Unreachable,
            Io::TimedOut => Kind::TimedOut,
            Io::WouldBlock => Kind::WouldBlock,
            Io::PermissionDenied => Kind::PermissionDenied,
            Io::NotFound => Kind::NotFound,
            Io::AlreadyExists => Kind::FileExists,
            Io::StorageFull | Io::FileTooLarge | Io::QuotaExceeded => Kind::OutputFailed,
            _ => match error.raw_os_error() {
                Some(libc::EMSGSIZE) => Kind::MessageTooLong,
                Some(libc::EMFILE | libc::ENFILE) => Kind::TooManyFiles,
                _ => Kind::System,
            },
        };
        Error::new(kind, plain(error)).with_call(operation, error)
    }

    /// A limit of ours refused or cut something; `limit` is its name as the reference page has it.
    pub fn limit(limit: &'static str, message: impl Into<String>) -> Self {
        let mut error = Error::new(Kind::Limit, message);
        error.0.limit = Some(limit);
        error
    }

    /// The same error as another kind: for a caller that knows more than the errno says.
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same error with another sentence.
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self.0.colon = None;
        self
    }

    /// The call that was asked of the kernel, and what it said.
    pub fn with_call(mut self, text: impl Into<String>, error: &std::io::Error) -> Self {
        let errno = error.raw_os_error();
        let outcome = errno.map_or_else(|| plain(error), errno_name);
        self.0.call = Some(Call { text: text.into(), errno, outcome });
        self
    }

    /// A call whose outcome is not an errno: a resolver's answer, or silence.
    pub fn with_outcome(
        mut self,
        text: impl Into<String>,
        errno: Option<i32>,
        outcome: impl Into<String>,
    ) -> Self {
        self.0.call = Some(Call { text: text.into(), errno, outcome: outcome.into() });
        self
    }

    /// What is known beyond the call; may be said several times.
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.0.why.push(why.into());
        self
    }

    /// Where in the typed text the mistake is.
    pub fn at(mut self, text: &str, at: Range<usize>, label: impl Into<String>) -> Self {
        self.0.span = Some(Span { text: text.to_owned(), at, label: label.into() });
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// One plain sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is wrong, without what was expected, and that; empty where it is not said.
    pub fn parts(&self) -> (&str, &str) {
        let Some(colon) = self.0.colon else { return (&self.0.message, "") };
        (&self.0.message[..colon], &self.0.message[colon + ": ".len()..])
    }

    /// The failed call, if a call failed.
    pub fn call(&self) -> Option<&Call> {
        self.0.call.as_ref()
    }

    /// What is known beyond the call.
    pub fn reasons(&self) -> &[String] {
        &self.0.why
    }

    /// Where the mistake is in the typed text.
    pub fn span(&self) -> Option<&Span> {
        self.0.span.as_ref()
    }

    /// The name of the limit that cut or refused, where one did.
    pub fn limit_name(&self) -> Option<&'static str> {
        self.0.limit
    }

    /// The errno of the failed call.
    pub fn errno(&self) -> Option<i32> {
        self.call().and_then(|call| call.errno)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.0.kind.slug(), self.0.message)?;
        if let Some(call) = &self.0.call {
            write!(f, " ({} -> {})", call.text, call.outcome)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The system's words without std's ` (os error N)`, which the call line says better.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A word as a shell needs it, for a command to try.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@+%".contains(c) || !c.is_ascii();
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `EADDRINUSE` for 98: the name that a person can search for.
pub fn errno_name(errno: i32) -> String {
    let name = format!("{:?}", nix::errno::Errno::from_raw(errno));
    if name == "UnknownErrno" { format!("errno {errno}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_kebab_case() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert!(
            slugs.iter().all(|s| s
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        );
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }

    #[test]
    fn an_io_error_keeps_its_errno_and_loses_the_noise() {
        let error = Error::from_io("recv", &std::io::Error::from_raw_os_error(libc::ECONNRESET));
        assert_eq!(error.kind(), Kind::ConnectionReset);
        assert_eq!(error.message(), "connection reset by peer");
        let call = error.call().expect("the call was given");
        assert_eq!((call.errno, call.outcome.as_str()), (Some(104), "ECONNRESET"));
    }

    #[test]
    fn what_is_wrong_and_what_was_expected_are_told_apart() {
        let error = Error::expecting(Kind::BadOption, "there is no a: b", "it takes c: d");
        assert_eq!(error.message(), "there is no a: b: it takes c: d");
        assert_eq!(error.parts(), ("there is no a: b", "it takes c: d"));
        assert_eq!(error.with_message("e: f").parts(), ("e: f", ""));
    }

    #[test]
    fn a_result_is_one_pointer() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
