//! The protocols that an endpoint can name, and the words for them: each word stands for a protocol, for layers beneath
//! it, or for both, and has a port of its own.
//!
//! To add one: a row in [`TABLE`], or in [`SCHEMES`] where it is no more than a word for layers.

use crate::spec::{OptionSpec, Spec, ValueKind};

/// Every protocol. It is no layer: a verb or a service speaks it.
pub static TABLE: &[&Spec] = &[
    &Spec {
        name: "http",
        summary: "what get, serve http and bench speak",
        options: &[OptionSpec {
            name: PATH,
            kind: ValueKind::Text,
            default: "/",
            help: "what is asked for: a path, and a query behind it",
        }],
        examples: &["hobnob get http://127.0.0.1:8000/"],
        is_built_in: true,
    },
    &of_mail("smtp", "what mail send speaks, and a door of serve mail"),
    &of_mail("pop3", "what mail fetch speaks, and a door of serve mail"),
    &of_mail("imap", "what mail fetch speaks, and a door of serve mail"),
];

const fn of_mail(name: &'static str, summary: &'static str) -> Spec {
    Spec { name, summary, options: &[], examples: &[], is_built_in: cfg!(feature = "mail") }
}

/// The words that a stack may begin with in place of what they stand for.
pub static SCHEMES: &[Scheme] = &[
    Scheme { word: "http", protocol: Some("http"), layers: &[], port: 80 },
    Scheme { word: "https", protocol: Some("http"), layers: &["tls"], port: 443 },
    Scheme { word: "ws", protocol: None, layers: &["ws"], port: 80 },
    Scheme { word: "wss", protocol: None, layers: &["ws", "tls"], port: 443 },
    Scheme { word: "smtp", protocol: Some("smtp"), layers: &[], port: 25 },
    Scheme { word: "smtps", protocol: Some("smtp"), layers: &["tls"], port: 465 },
    Scheme { word: "pop3", protocol: Some("pop3"), layers: &[], port: 110 },
    Scheme { word: "pop3s", protocol: Some("pop3"), layers: &["tls"], port: 995 },
    Scheme { word: "imap", protocol: Some("imap"), layers: &[], port: 143 },
    Scheme { word: "imaps", protocol: Some("imap"), layers: &["tls"], port: 993 },
];

/// The option that a request path becomes.
pub(super) const PATH: &str = "path";

/// A word for a protocol with the layers beneath it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// The word.
    pub word: &'static str,
    /// The protocol; none where layers are all that it stands for.
    pub protocol: Option<&'static str>,
    /// The layers, application first.
    pub layers: &'static [&'static str],
    /// The port where a URL gives none.
    pub port: u16,
}

/// The protocol of this name.
pub fn find(name: &str) -> Option<&'static Spec> {
    TABLE.iter().find(|spec| spec.name == name).copied()
}

impl Scheme {
    /// The scheme that this word is.
    pub fn of(word: &str) -> Option<&'static Scheme> {
        SCHEMES.iter().find(|scheme| scheme.word == word)
    }
}

/// Whether a request path may follow the target where this protocol is spoken.
pub(super) fn has_path(protocol: &str) -> bool {
    find(protocol).is_some_and(|spec| spec.options.iter().any(|option| option.name == PATH))
}
