//! Stacks: `ws+tls+tcp`, application first, wire last.

use super::grammar::{DEFAULT_TRANSPORT, Form, Grammar};
use super::piece::{Piece, Typed};
use super::protocol::{Scheme, has_path};
use crate::error::{Error, Result};
use crate::spec::nearest;

/// A word of a stack: the name of a layer or of a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    name: String,
    typed: Typed,
}

impl Word {
    /// The name as the table has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it was typed; an empty place where it was understood without being typed.
    pub fn typed(&self) -> &Typed {
        &self.typed
    }

    pub(super) fn new(name: &str, place: Piece) -> Self {
        Word { name: name.to_owned(), typed: place.typed() }
    }
}

/// A stack that has been read, with what its transport wants to be followed by.
pub(super) struct StackText {
    pub(super) protocol: Option<Word>,
    pub(super) layers: Vec<Word>,
    pub(super) transport: Word,
    pub(super) form: Form,
}

impl StackText {
    /// No layers on the transport of this name, which nobody typed.
    pub(super) fn implied(transport: &str, place: Piece, form: Form) -> Self {
        let transport = Word::new(transport, place);
        StackText { protocol: None, layers: Vec::new(), transport, form }
    }

    /// Whether a request path may follow the target: whose it is.
    pub(super) fn path_owner(&self) -> Option<&str> {
        let is_websocket = self.layers.iter().any(|layer| layer.name == "ws");
        let spoken = self.protocol.as_ref().map(Word::name).filter(|name| has_path(name));
        if is_websocket { Some("ws") } else { spoken }
    }

    pub(super) fn read(stack: Piece, grammar: &Grammar) -> Result<Self> {
        let form = grammar.form(DEFAULT_TRANSPORT).unwrap_or(Form::HostPort);
        let mut read = StackText::implied(DEFAULT_TRANSPORT, stack.behind(), form);
        for piece in stack.split('+') {
            read.push(piece, stack, grammar)?;
        }
        Ok(read)
    }

    fn push(&mut self, piece: Piece, stack: Piece, grammar: &Grammar) -> Result<()> {
        match piece.str() {
            "" => return Err(nothing_here(piece, stack)),
            name if let Some(scheme) = Scheme::of(name) => {
                if let Some(protocol) = scheme.protocol {
                    self.protocol(protocol, piece, stack)?;
                }
                scheme.layers.iter().try_for_each(|layer| self.layer(layer, piece))?;
            }
            name => match grammar.form(name) {
                Some(_) if piece.typed().range().end < stack.typed().range().end => {
                    return Err(transport_in_the_middle(piece, stack, grammar));
                }
                Some(form) => (self.transport, self.form) = (Word::new(name, piece), form),
                None if grammar.has_layer(name) => self.layer(name, piece)?,
                None => return Err(unknown(piece, grammar)),
            },
        }
        Ok(())
    }

    fn protocol(&mut self, name: &str, piece: Piece, stack: Piece) -> Result<()> {
        if piece.typed().range().start > stack.typed().range().start {
            let error = piece.bad(format!("{} is no layer: it can only come first", piece.str()));
            return Err(error.why("a stack begins with the application and ends with the wire"));
        }
        self.protocol = Some(Word::new(name, piece));
        Ok(())
    }

    fn layer(&mut self, name: &str, piece: Piece) -> Result<()> {
        if self.layers.iter().any(|layer| layer.name == name) {
            let error = piece.bad(format!("{name} is in this stack already"));
            return Err(
                error.why("an option is given to a layer by its name, so each name comes once")
            );
        }
        self.layers.push(Word::new(name, piece));
        Ok(())
    }
}

/// Whether each word between the plus signs is known.
pub(super) fn is_known(stack: Piece, grammar: &Grammar) -> bool {
    stack.split('+').all(|piece| grammar.words().any(|word| word == piece.str()))
}

fn nothing_here(piece: Piece, stack: Piece) -> Error {
    let words: Vec<_> = stack.split('+').map(Piece::str).filter(|word| !word.is_empty()).collect();
    let error = piece.bad("a layer or a transport is missing here");
    if words.is_empty() {
        return error.why("a stack is a word or several, as in udp, tls, ws+tls");
    }
    error.hint_endpoint(stack.replaced(&words.join("+")), "")
}

fn transport_in_the_middle(piece: Piece, stack: Piece, grammar: &Grammar) -> Error {
    let name = piece.str();
    let error = piece.bad(format!("{name} is a transport: it comes last"));
    let others: Vec<_> = stack.split('+').map(Piece::str).filter(|word| *word != name).collect();
    match others.iter().find(|word| grammar.form(word).is_some()) {
        Some(other) => {
            error.why(format!("{name} and {other} both carry: a stack ends in one of them"))
        }
        None => error.hint_endpoint(stack.replaced(&format!("{}+{name}", others.join("+"))), ""),
    }
}

/// The error for a word that no table has.
pub(super) fn unknown(piece: Piece, grammar: &Grammar) -> Error {
    let error = piece.bad(format!("there is no transport or layer {:?}", piece.str()));
    let lower = piece.str().to_lowercase();
    // Each word comes once in a stack, so one that is there already was not meant.
    let typed = piece.typed();
    let stack = typed.text().split([':', ',']).next().unwrap_or_default();
    let missing = grammar.built_in().filter(|word| !stack.split('+').any(|other| other == *word));
    match nearest(&lower, missing) {
        Some(near) => error.hint_endpoint(piece.replaced(near), "did you mean this?"),
        None => {
            error.why(format!("known are: {}", grammar.built_in().collect::<Vec<_>>().join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{caret, grammar, parsed, proposals, refused};

    fn names(text: &str) -> (Vec<String>, String) {
        let endpoint = parsed(text);
        let layers = endpoint.layers().iter().map(|word| word.name().to_owned()).collect();
        (layers, endpoint.transport().name().to_owned())
    }

    #[test]
    fn a_word_that_stands_there_already_is_not_proposed() {
        assert!(proposals(&refused("tls+tsl+tcp://h:443")).is_empty());
        assert_eq!(proposals(&refused("tsl+tcp://h:443")), ["tls+tcp://h:443"]);
    }

    #[test]
    fn the_last_word_may_be_left_out() {
        assert_eq!(names("tls://h:443"), (vec!["tls".into()], "tcp".into()));
        assert_eq!(names("tls+tcp://h:443"), names("tls://h:443"));
        assert_eq!(names("lines+quic://h:443"), (vec!["lines".into()], "quic".into()));
    }

    #[test]
    fn aliases_are_nothing_more() {
        assert_eq!(names("wss+unix:/x"), (vec!["ws".into(), "tls".into()], "unix".into()));
        let endpoint = parsed("https+unix:/x");
        assert_eq!((endpoint.protocol(), endpoint.has_layer("tls")), (Some("http"), true));
    }

    #[test]
    fn a_word_knows_where_it_was_typed() {
        let endpoint = parsed("lines+tls://h:993");
        assert_eq!(endpoint.layers()[1].typed().range(), 6..9);
        assert_eq!(endpoint.transport().typed().range(), 9..9);
    }

    #[test]
    fn each_mistake_is_pointed_at() {
        for (text, at, label, proposal) in [
            ("upd://:9000", "upd", "there is no transport or layer \"upd\"", "udp://:9000"),
            ("UDP://:9000", "UDP", "there is no transport or layer \"UDP\"", "udp://:9000"),
            ("htps://h/x", "htps", "there is no transport or layer \"htps\"", "https://h/x"),
            ("tls++tcp://:1", "", "a layer or a transport is missing here", "tls+tcp://:1"),
            ("tls+://:1", "", "a layer or a transport is missing here", "tls://:1"),
            ("tcp+tls://:1", "tcp", "tcp is a transport: it comes last", "tls+tcp://:1"),
            ("unx:/tmp/x", "unx", "there is no transport or layer \"unx\"", "unix:/tmp/x"),
        ] {
            let error = refused(text);
            assert_eq!((caret(&error), proposals(&error)), ((at, label), vec![proposal]), "{text}");
        }
    }

    #[test]
    fn mistakes_without_one_remedy_say_why() {
        for (text, at, label) in [
            ("://x", "", "a layer or a transport is missing here"),
            ("tls+tls://:1", "tls", "tls is in this stack already"),
            ("wss+tls://:1", "tls", "tls is in this stack already"),
            ("tls+http://:1", "http", "http is no layer: it can only come first"),
            ("tcp+udp://:1", "tcp", "tcp is a transport: it comes last"),
            ("echo://:1", "echo", "there is no transport or layer \"echo\""),
        ] {
            let error = refused(text);
            assert_eq!(caret(&error), (at, label), "{text}");
            assert!(!error.reasons().is_empty(), "{text}");
        }
    }

    #[test]
    fn words_that_are_not_built_in_are_read() {
        assert!(grammar().has_layer("telnet"));
        assert_eq!(names("telnet://h:23").0, ["telnet"]);
    }
}
