//! A line of a client, understood or refused.

use hobnob::error::{Error, Kind, Result};
use hobnob::spec::nearest;
use serde_json::{Map, Value};

use super::{SESSIONS, SNAP, VERSION};

/// What can be asked, as it is written.
pub(super) const ASKS: &[&str] = &["hello", "list", "watch", "kill", "drain", "fault"];

/// A request, with what the answer needs to be known by.
pub(super) struct ControlRequest {
    /// The client's own mark, as it came.
    pub(super) tag: Option<Value>,
    /// The word of it, where it is one of ours.
    pub(super) word: Option<&'static str>,
    pub(super) ask: Result<Demand>,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Who are you?
    Hello,
    /// The open sessions.
    List { name: Option<String>, after: u64, most: u64 },
    /// What happens from now on.
    Watch { name: Option<String>, data: bool, snap: u64 },
    /// The end of one session.
    Kill { name: Option<String>, id: u64 },
    /// The end of a server, once its sessions have come to theirs.
    Drain { name: Option<String> },
    /// What bends a relay; and what is to, from now on.
    Fault { name: Option<String>, like: Option<String>, set: Option<Vec<String>> },
}

impl ControlRequest {
    /// Reads a line, without its newline.
    pub(super) fn read(line: &[u8]) -> Self {
        let nothing = |error| ControlRequest { tag: None, word: None, ask: Err(error) };
        let object = match serde_json::from_slice(line) {
            Ok(Value::Object(object)) => object,
            Ok(_) => return nothing(malformed("it is JSON, and not an object")),
            Err(error) => return nothing(malformed(&error.to_string())),
        };
        let tag = object.get("tag").filter(|tag| tag.is_string() || tag.is_number()).cloned();
        let said = object.get("ask").and_then(Value::as_str);
        let word = said.and_then(|said| ASKS.iter().find(|ask| **ask == said)).copied();
        ControlRequest { tag, word, ask: UnreadRequest::of(object).ask(word) }
    }
}

/// The fields that nothing has taken yet.
struct UnreadRequest(Map<String, Value>);

impl UnreadRequest {
    fn of(object: Map<String, Value>) -> Self {
        UnreadRequest(object)
    }

    fn ask(mut self, word: Option<&'static str>) -> Result<Demand> {
        self.check_version()?;
        if self.0.get("tag").is_some_and(|tag| !tag.is_string() && !tag.is_number()) {
            return Err(bad("tag", "a string or a number"));
        }
        let said = self.0.remove("ask");
        self.0.remove("tag");
        let ask = match word {
            Some("hello") => Demand::Hello,
            Some("list") => Demand::List {
                name: self.text("name")?,
                after: self.number("after")?.unwrap_or(0),
                most: self.number("most")?.unwrap_or(SESSIONS).clamp(1, SESSIONS),
            },
            Some("watch") => Demand::Watch {
                name: self.text("name")?,
                data: self.switch("data")?.unwrap_or(true),
                snap: self.number("snap")?.unwrap_or(SNAP).min(SNAP),
            },
            Some("kill") => Demand::Kill {
                name: self.text("name")?,
                id: self.number("id")?.ok_or_else(|| missing("id", "a session's number"))?,
            },
            Some("drain") => Demand::Drain { name: self.text("name")? },
            Some("fault") => Demand::Fault {
                name: self.text("name")?,
                like: self.text("like")?,
                set: self.texts("set")?,
            },
            _ => return Err(unknown(said.as_ref())),
        };
        self.check_empty(word.unwrap_or_default())?;
        Ok(ask)
    }

    fn check_version(&mut self) -> Result<()> {
        match self.0.remove("v") {
            Some(version) if version.as_u64() == Some(VERSION) => Ok(()),
            Some(version) => {
                let text = format!("version {VERSION} is spoken here, and not {version}");
                Err(Error::new(Kind::Usage, text))
            }
            None => Err(missing("v", "the version, which is 1")),
        }
    }

    /// A misspelt `name` must not mean another server, nor `data` more than was asked for.
    fn check_empty(&self, ask: &str) -> Result<()> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(key) => {
                Err(Error::new(Kind::UnknownOption, format!("{ask} has no field {key:?}")))
            }
        }
    }

    fn text(&mut self, key: &str) -> Result<Option<String>> {
        match self.0.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad(key, "a string")),
        }
    }

    fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>> {
        let text = |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        };
        match self.0.remove(key) {
            None => Ok(None),
            Some(Value::Array(all)) => {
                let texts: Option<Vec<_>> = all.into_iter().map(text).collect();
                texts.map(Some).ok_or_else(|| bad(key, "a list of strings"))
            }
            Some(_) => Err(bad(key, "a list of strings")),
        }
    }

    fn number(&mut self, key: &str) -> Result<Option<u64>> {
        let Some(value) = self.0.remove(key) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| bad(key, "a whole number from 0 up"))
    }

    fn switch(&mut self, key: &str) -> Result<Option<bool>> {
        let Some(value) = self.0.remove(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| bad(key, "true or false"))
    }
}

fn malformed(why: &str) -> Error {
    let text = "the line is not a request: one is a JSON object on a line of its own";
    Error::new(Kind::BadFrame, text).why(why)
}

fn bad(key: &str, expected: &str) -> Error {
    Error::new(Kind::BadOption, format!("{key:?} has to be {expected}"))
}

fn missing(key: &str, expected: &str) -> Error {
    Error::new(Kind::Usage, format!("{key:?} is missing: {expected}"))
}

fn unknown(said: Option<&Value>) -> Error {
    let known = format!("there are: {}", ASKS.join(", "));
    let Some(said) = said.and_then(Value::as_str) else {
        return missing("ask", "what is asked").why(known);
    };
    let error = Error::new(Kind::Usage, format!("nothing is called {said:?} here"));
    match nearest(said, ASKS.iter().copied()) {
        Some(near) => error.why(format!("did you mean {near:?}?")),
        None => error.why(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Demand> {
        ControlRequest::read(line.as_bytes()).ask
    }

    #[test]
    fn what_goes_without_saying() {
        let list = Demand::List { name: None, after: 0, most: SESSIONS };
        assert_eq!(read(r#"{"v":1,"ask":"list"}"#), Ok(list));
        let list = Demand::List { name: Some("a".to_owned()), after: 7, most: SESSIONS };
        let line = r#"{"v":1,"ask":"list","name":"a","after":7,"most":1000000}"#;
        assert_eq!(read(line), Ok(list), "more than the limit is the limit");
        let watch = Demand::Watch { name: None, data: true, snap: SNAP };
        assert_eq!(read(r#"{"ask":"watch","v":1}"#), Ok(watch));
    }

    #[test]
    fn each_mistake_has_its_slug() {
        for (line, kind) in [
            ("", Kind::BadFrame),
            ("kill 7", Kind::BadFrame),
            ("[]", Kind::BadFrame),
            (r#"{"v":1,"ask":"hello"} {}"#, Kind::BadFrame),
            (r#"{"ask":"hello"}"#, Kind::Usage),
            (r#"{"v":2,"ask":"hello"}"#, Kind::Usage),
            (r#"{"v":1}"#, Kind::Usage),
            (r#"{"v":1,"ask":7}"#, Kind::Usage),
            (r#"{"v":1,"ask":"hallo"}"#, Kind::Usage),
            (r#"{"v":1,"ask":"kill"}"#, Kind::Usage),
            (r#"{"v":1,"ask":"kill","id":-1}"#, Kind::BadOption),
            (r#"{"v":1,"ask":"kill","id":"1"}"#, Kind::BadOption),
            (r#"{"v":1,"ask":"drain","name":1}"#, Kind::BadOption),
            (r#"{"v":1,"ask":"drain","nmae":"a"}"#, Kind::UnknownOption),
            (r#"{"v":1,"ask":"watch","data":1}"#, Kind::BadOption),
            (r#"{"v":1,"ask":"fault","set":"latency=1s"}"#, Kind::BadOption),
            (r#"{"v":1,"ask":"fault","set":[1]}"#, Kind::BadOption),
            (r#"{"v":1,"ask":"hello","tag":{}}"#, Kind::BadOption),
        ] {
            assert_eq!(read(line).map_err(|error| error.kind()), Err(kind), "{line}");
        }
        let near = read(r#"{"v":1,"ask":"hallo"}"#).expect_err("it is misspelt");
        assert_eq!(near.reasons(), [r#"did you mean "hello"?"#]);
    }

    #[test]
    fn a_refused_request_is_still_known_by_its_mark() {
        let request = ControlRequest::read(br#"{"v":1,"ask":"kill","tag":"x7"}"#);
        assert_eq!((request.tag, request.word), (Some(Value::from("x7")), Some("kill")));
        let deep = "[".repeat(60_000);
        assert!(ControlRequest::read(deep.as_bytes()).ask.is_err(), "and nesting ends no program");
    }
}
