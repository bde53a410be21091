//! Endpoints: what a person names. Inert text with a meaning, until a plan opens it.
//!
//! ```text
//! endpoint = "-" | URL | stack ( "://" target | ":" rest ) options | target options
//! stack    = layer *("+" layer)                  application first, wire last: ws+tls+tcp
//! target   = [host] [":" port] | port            a bare word without a port only where none makes sense
//! rest     = path | "@" name | command | number  for unix, unixgram, unixseq, exec, pty, fd, file
//! options  = *("," [layer "."] key ["=" value])
//! ```
//!
//! - The last word of a stack may be a transport; without one it is tcp.
//! - A stack may begin with the protocol `http`, which is no layer: `http+unix:/run/docker.sock`. `https`
//!   is `http+tls`, `wss` is `ws+tls`.
//! - A URL is `http`, `https`, `ws` or `wss` with `://` and a host. Commas are part of it, so its options
//!   come by `-O` alone; its path becomes the setting `ws.path` or `http.path`, its fragment is dropped, as
//!   no client sends one. `ws://:9001` has no host, so it is a stack and takes options; `/path` may follow.
//! - In a path or an abstract name `%HH` is that byte: a comma is `%2C`. In an option's value and in the path
//!   of a URL nothing but `%2C` is read, and `%252C` where `%2C` is meant, so `2%` and `/a%20b` stand for
//!   themselves.
//! - A command is the rest of the text, commas and all. To give it options, put it in single quotes, where
//!   a doubled quote is one: `exec:'echo it''s, done',dir=/tmp`. `exec:-- a 'b c',dir=/tmp` names the words
//!   of argv, quoted alike.
//! - A text with a `/` and no scheme is the path of a Unix stream socket; a colon before its first `/`
//!   needs `./` or `unix:`.
//!
//! The parser knows no transport or layer by itself: it is given their [`Grammar`], which the tables print.
//! The words it does know are those that the grammar above names: tcp, unix, stdio, and the table of protocols.

mod command;
mod escape;
mod grammar;
mod host;
mod net;
mod parse;
mod path;
mod piece;
mod ports;
mod print;
#[cfg(test)]
mod properties;
pub mod protocol;
mod setting;
mod stack;
mod target;
mod url;

use std::sync::Arc;

use self::piece::Piece;
use crate::error::Result;

pub use grammar::{Form, Grammar};
pub use host::Host;
pub use piece::Typed;
pub use ports::well_known_port;
pub use setting::Given;
pub use stack::Word;
pub use target::{Command, Target};

/// What a person named: layers on a transport, a target and settings. Two are equal when they mean the
/// same, however they were typed; the text stays for carets.
///
/// The canonical text is what `Display` prints, and parsing that gives an equal endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    protocol: Option<Word>,
    layers: Vec<Word>,
    transport: Word,
    target: Target,
    settings: Vec<Given>,
    typed: Typed,
}

impl Endpoint {
    /// Adds settings: `-O key=value` means what `,key=value` means.
    pub fn set(&mut self, text: &str) -> Result<()> {
        self.settings.extend(setting::parse(&Arc::from(text))?);
        Ok(())
    }

    /// A target on a transport, without layers and options, which nobody typed.
    pub fn of(transport: &str, target: Target) -> Self {
        let text = Arc::from(format!("{transport}:"));
        let place = Piece::of(&text);
        Endpoint {
            protocol: None,
            layers: Vec::new(),
            transport: Word::new(transport, place),
            target,
            settings: Vec::new(),
            typed: place.typed(),
        }
    }

    /// The protocol spoken above all layers, as the [table](protocol::TABLE) names it, or none. It is no layer: a verb
    /// or a service speaks it.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_ref().map(Word::name)
    }

    /// The layers, application first.
    pub fn layers(&self) -> &[Word] {
        &self.layers
    }

    /// Whether this layer is in the stack.
    pub fn has_layer(&self, name: &str) -> bool {
        self.layers.iter().any(|layer| layer.name() == name)
    }

    /// The transport; `tcp` where none was named.
    pub fn transport(&self) -> &Word {
        &self.transport
    }

    /// What the transport is to open.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether it is this process's own standard input and output (`-`).
    pub fn is_stdio(&self) -> bool {
        self.target == Target::Nothing
    }

    /// The settings in the order in which they were given.
    pub fn settings(&self) -> &[Given] {
        &self.settings
    }

    /// The host, where the target has one.
    pub fn host(&self) -> Option<&Host> {
        match &self.target {
            Target::Net { host, .. } => Some(host),
            _ => None,
        }
    }

    /// The port, where the target has one; 0 asks the kernel for a free one.
    pub fn port(&self) -> Option<u16> {
        match self.target {
            Target::Net { port, .. } => port,
            _ => None,
        }
    }

    /// The same endpoint on another host; unchanged where there is no host.
    pub fn with_host(mut self, other: Host) -> Self {
        if let Target::Net { host, .. } = &mut self.target {
            *host = other;
        }
        self
    }

    /// The same endpoint on another port; unchanged where there is none.
    pub fn with_port(mut self, other: u16) -> Self {
        if let Target::Net { port: Some(port), .. } = &mut self.target {
            *port = other;
        }
        self
    }

    /// The same endpoint without its settings: what a peer needs where they are the listener's alone.
    pub(crate) fn without_settings(mut self) -> Self {
        self.settings.clear();
        self
    }

    /// Takes away the settings that are meant for something else than this endpoint.
    pub(crate) fn take_settings(&mut self, is_other: impl Fn(&Given) -> bool) -> Vec<Given> {
        let all = std::mem::take(&mut self.settings);
        let (others, own) = all.into_iter().partition(|given| is_other(given));
        self.settings = own;
        others
    }

    /// The whole text as it was typed.
    pub fn typed(&self) -> &Typed {
        &self.typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::spec::Spec;

    pub(super) fn grammar() -> Grammar {
        const fn spec(name: &'static str) -> Spec {
            Spec { name, summary: "", options: &[], examples: &[], is_built_in: true }
        }
        static LAYERS: [Spec; 5] =
            [spec("ws"), spec("tls"), spec("lines"), spec("len32"), spec("telnet")];
        static TRANSPORTS: [(Spec, Form); 14] = [
            (spec("tcp"), Form::HostPort),
            (spec("udp"), Form::HostPort),
            (spec("quic"), Form::HostPort),
            (spec("raw"), Form::Host),
            (spec("icmp"), Form::Host),
            (spec("unix"), Form::SocketPath),
            (spec("unixgram"), Form::SocketPath),
            (spec("unixseq"), Form::SocketPath),
            (spec("file"), Form::Path),
            (spec("exec"), Form::Command),
            (spec("pty"), Form::Command),
            (spec("fd"), Form::Number),
            (spec("memory"), Form::Name),
            (spec("stdio"), Form::Nothing),
        ];
        Grammar {
            layers: LAYERS.iter().collect(),
            transports: TRANSPORTS.iter().map(|(spec, form)| (spec, *form)).collect(),
        }
    }

    pub(super) fn parsed(text: &str) -> Endpoint {
        Endpoint::parse(text, &grammar()).unwrap_or_else(|error| {
            panic!("{text}: {error:?} {:?} {:?}", error.span(), error.reasons())
        })
    }

    pub(super) fn refused(text: &str) -> Error {
        Endpoint::parse(text, &grammar()).expect_err(text)
    }

    /// The part under the caret and its label.
    pub(super) fn caret(error: &Error) -> (&str, &str) {
        let span = error.span().expect("every error has a span");
        (&span.text[span.at.clone()], &span.label)
    }

    /// The endpoints that the error proposes, each of which has to be one.
    pub(super) fn proposals(error: &Error) -> Vec<&str> {
        use crate::error::Advice;
        let endpoints = error.hints().iter().filter_map(|hint| match &hint.advice {
            Advice::Endpoint(endpoint) => Some(endpoint.as_str()),
            _ => None,
        });
        endpoints.inspect(|endpoint| drop(parsed(endpoint))).collect()
    }

    #[test]
    fn equality_is_of_meaning_not_of_text() {
        assert_eq!(parsed("9000"), parsed("tcp://:9000"));
        assert_eq!(parsed("wss://h/chat"), parsed("ws+tls+tcp://h:443,ws.path=/chat"));
        assert_ne!(parsed("tcp://:9000"), parsed("udp://:9000"));
        assert_eq!(parsed("9000").typed().text(), "9000");
    }

    #[test]
    fn host_and_port_can_be_replaced() {
        let endpoint = parsed("tls://:0,cert=c.pem").with_port(8443);
        assert_eq!(endpoint.port(), Some(8443));
        assert_eq!(endpoint.to_string(), "tls://:8443,cert=c.pem");
        let any = Host::V4(std::net::Ipv4Addr::UNSPECIFIED);
        assert_eq!(endpoint.with_host(any).to_string(), "tls://0.0.0.0:8443,cert=c.pem");
        assert_eq!(parsed("fd:3").with_port(1).to_string(), "fd:3");
    }

    #[test]
    fn an_option_flag_is_the_same_as_an_option_in_the_text() {
        let mut endpoint = parsed("tls://h:443");
        endpoint.set("tls.name=x").expect("a setting");
        endpoint.set("no-resume").expect("a switch");
        assert_eq!(endpoint, parsed("tls://h:443,tls.name=x,no-resume"));
        endpoint.set("greeting=a%2C b,ca=dev").expect("two settings");
        assert_eq!(endpoint.settings()[2].value.as_deref(), Some("a, b"));
        assert!(endpoint.to_string().ends_with(",greeting=a%2C b,ca=dev"));
        endpoint.set("greeting=a, b").expect_err("a comma is between two options");
        let error = endpoint.set("=x").expect_err("no key");
        assert!(error.span().is_some() && !error.reasons().is_empty());
    }
}
