//! Settings: `,key=value` in an endpoint, `-O key=value` beside it.

use std::fmt;
use std::sync::Arc;

use super::escape;
use super::piece::{Piece, Typed};
use crate::error::{Error, Kind, Result};

/// One option as it was given. Nothing is checked against a spec yet, and nothing is fetched: a secret that
/// is typed as `@env:NAME` or `@file:PATH` stays these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The word of the stack that it is for; none: the only one that knows the key.
    pub layer: Option<String>,
    /// The key: letters, digits, `-` and `_`.
    pub key: String,
    /// The value; none for a switch.
    pub value: Option<String>,
    /// Where it stands, for carets; the whole setting without its comma.
    pub typed: Typed,
}

/// With its comma, as it stands in an endpoint.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(",")?;
        if let Some(layer) = &self.layer {
            write!(f, "{layer}.")?;
        }
        f.write_str(&self.key)?;
        self.value.as_ref().map_or(Ok(()), |value| write!(f, "={}", escape::write_commas(value)))
    }
}

/// Reads the text of one `-O`: one option, or several with commas between them, as an endpoint has them.
pub(super) fn parse(text: &Arc<str>) -> Result<Vec<Given>> {
    Piece::of(text).split(',').map(read).collect()
}

/// Reads all options: nothing, or a comma and what follows it.
pub(super) fn read_all(options: Piece) -> Result<Vec<Given>> {
    if options.is_empty() {
        return Ok(Vec::new());
    }
    options.from(1).split(',').map(read).collect()
}

fn read(typed: Piece) -> Result<Given> {
    let (name, value) = typed.split_once('=').map_or((typed, None), |(n, v)| (n, Some(v)));
    let (layer, key) = name.split_once('.').map_or((None, name), |(l, k)| (Some(l), k));
    for word in layer.into_iter().chain([key]) {
        check_word(word)?;
    }
    if let Some(control) = value.and_then(|value| value.find(char::is_control)) {
        let label = format!("{:?} cannot stand here", control.str());
        return Err(
            wrong(control, label).why(r"where an option takes escapes, it is typed as \xHH")
        );
    }
    Ok(Given {
        layer: layer.map(|layer| layer.str().to_owned()),
        key: key.str().to_owned(),
        value: value.map(|value| escape::read_commas(value.str())),
        typed: typed.typed(),
    })
}

fn check_word(word: Piece) -> Result<()> {
    const SHAPE: &str =
        "an option is key or key=value, or layer.key=value; a comma in a value is %2C";
    if word.is_empty() {
        return Err(wrong(word, "a key is missing here").why(SHAPE));
    }
    let is_strange = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    match word.find(is_strange) {
        Some(found) => {
            let label = format!("{:?} is not part of a key", found.str());
            Err(wrong(found, label).why(SHAPE))
        }
        None => Ok(()),
    }
}

fn wrong(piece: Piece, label: impl Into<String>) -> Error {
    piece.wrong(Kind::BadOption, "I do not understand this option", label)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{caret, parsed, refused};
    use super::*;

    #[test]
    fn settings_keep_their_order_and_their_place() {
        let endpoint = parsed("tls://h:443,tls.name=a.b,no-resume,key=@env:KEY,empty=");
        let shown: Vec<_> = endpoint.settings().iter().map(Given::to_string).collect();
        assert_eq!(shown, [",tls.name=a.b", ",no-resume", ",key=@env:KEY", ",empty="]);
        let typed = &endpoint.settings()[1].typed;
        assert_eq!(&typed.text()[typed.range()], "no-resume");
        assert_eq!(endpoint.settings()[3].value.as_deref(), Some(""));
    }

    #[test]
    fn a_comma_in_a_value_is_escaped() {
        let endpoint = parsed(":9000,reply=a%2Cb 2%");
        assert_eq!(endpoint.settings()[0].value.as_deref(), Some("a,b 2%"));
        assert_eq!(endpoint.to_string(), "tcp://:9000,reply=a%2Cb 2%");
    }

    #[test]
    fn what_is_no_option_is_pointed_at() {
        for (text, wanted) in [
            (":9000,", ("", "a key is missing here")),
            (":9000,,a=b", ("", "a key is missing here")),
            (":9000,=b", ("", "a key is missing here")),
            (":9000,.a=b", ("", "a key is missing here")),
            (":9000,tls.=b", ("", "a key is missing here")),
            (":9000, a=b", (" ", r#"" " is not part of a key"#)),
            (":9000,a.b.c=d", (".", r#""." is not part of a key"#)),
            (":9000,a=x\ty", ("\t", r#""\t" cannot stand here"#)),
        ] {
            let error = refused(text);
            assert_eq!((error.kind(), caret(&error)), (Kind::BadOption, wanted), "{text}");
            assert!(!error.reasons().is_empty());
        }
    }
}
