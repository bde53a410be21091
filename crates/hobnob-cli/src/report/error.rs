//! Errors for people: a sentence, the call, why, where, and commands to try.

use std::fmt::Write as _;

use hobnob::error::{Error, Span, quoted};

use crate::advice::{Added, Remedy, Try, spelt};
use crate::args::{Flag, Usages};
use crate::report::look::{Look, Paint};
use crate::report::show::{fold, safe, width};

/// Columns that a page has.
const COLUMNS: usize = 80;
/// Columns before the text of `call`, `why` and `try`.
const INDENT: usize = 9;

/// The command as it was typed, so that what to try is a command that can be pasted.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypedCommand {
    /// How every verb is typed.
    pub(crate) usages: Usages,
    /// The words after the program's name.
    pub(crate) words: Vec<String>,
    /// Those of them that are endpoints.
    pub(crate) endpoints: Vec<String>,
}

impl TypedCommand {
    /// A whole command for a suggestion, and a word on when it is the right one.
    /// None where the verb has no such flag.
    pub(crate) fn suggest(&self, suggestion: &Try, error: &Error) -> Option<(String, String)> {
        let command = match &suggestion.way {
            Remedy::Command(command) => command.clone(),
            Remedy::Flag(added) => self.with_flag(added, error)?,
            Remedy::Endpoint(endpoint) => self.with_endpoint(endpoint, error),
        };
        Some((command, suggestion.note.clone()))
    }

    /// The command with this flag, in place of the same one with another value.
    fn with_flag(&self, added: &Added, error: &Error) -> Option<String> {
        let usage = self.words.iter().find_map(|word| self.usages.of(word))?;
        let Some(spellings) = usage.spellings(&added.flag) else {
            return self.with_flag(&added.of_an_endpoint()?, error);
        };
        // What stands behind -- is no flag any more.
        let end = self.words.iter().position(|word| word == "--").unwrap_or(self.words.len());
        let (flags, messages) = self.words.split_at(end);
        let mut words = flags.to_vec();
        // Of several, the one under the caret is the one that is wrong.
        let spanned = error.span().map(|span| span.text.as_str());
        let is_wrong =
            |two: &[String]| spellings.contains(&two[0]) && Some(two[1].as_str()) == spanned;
        if let (Some(at), Some(value)) = (words.windows(2).position(is_wrong), &added.value) {
            value.clone_into(&mut words[at + 1]);
        } else {
            let is_it = |flag: &&Flag| spellings.contains(&format!("--{}", flag.long));
            let is_joined = usage.own_flags().find(is_it).is_some_and(Flag::may_stand_alone);
            if !added.joins() {
                take_away(&mut words, &spellings, added.value.is_some() && !is_joined);
            }
            match &added.value {
                Some(value) if is_joined => words.push(format!("{}={value}", added.flag)),
                value => words.extend(std::iter::once(added.flag.clone()).chain(value.clone())),
            }
        }
        words.extend_from_slice(messages);
        Some(self.command(&words))
    }

    /// The command without this switch.
    pub(crate) fn without(&self, flag: &str) -> String {
        let words: Vec<_> = self.words.iter().filter(|word| *word != flag).cloned().collect();
        self.command(&words)
    }

    fn with_endpoint(&self, endpoint: &str, error: &Error) -> String {
        let mut words = self.words.clone();
        let at = self.failing(error).and_then(|bad| words.iter().rposition(|word| *word == *bad));
        match at {
            Some(at) => endpoint.clone_into(&mut words[at]),
            None => words.push(endpoint.to_owned()),
        }
        self.command(&words)
    }

    /// The endpoint that the error is about: the one under the caret, or the one whose port or path the call names.
    fn failing(&self, error: &Error) -> Option<&String> {
        let spanned = error.span().map(|span| span.text.as_str());
        let called = error.call().map_or("", |call| call.text.trim_end_matches(')'));
        let tail = |text: &str| {
            let text = text.split(',').next().unwrap_or_default();
            text.rsplit(['/', ':']).next().unwrap_or_default().to_owned()
        };
        // One that was not understood is a word like any other.
        let words = || self.endpoints.iter().chain(&self.words);
        words()
            .find(|word| Some(word.as_str()) == spanned)
            .or_else(|| {
                self.endpoints.iter().find(|endpoint| {
                    let tail = tail(endpoint);
                    !tail.is_empty()
                        && [':', '/'].iter().any(|mark| called.ends_with(&format!("{mark}{tail}")))
                })
            })
            .or_else(|| self.endpoints.first())
    }

    #[allow(clippy::unused_self, reason = "it is one way of saying the command")]
    fn command(&self, words: &[String]) -> String {
        std::iter::once("hobnob".to_owned())
            .chain(words.iter().map(|word| quoted(word)))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Takes a flag out, in any of its spellings, with its values.
fn take_away(words: &mut Vec<String>, spellings: &[String], has_value: bool) {
    while let Some(at) = words.iter().position(|word| spellings.contains(word)) {
        let end = words.len().min(at + 1 + usize::from(has_value));
        words.drain(at..end);
    }
    let is_joined = |word: &str| {
        let flag = word.split_once('=').map(|(flag, _)| flag);
        flag.is_some_and(|flag| spellings.iter().any(|one| one == flag))
    };
    words.retain(|word| !is_joined(word));
}

/// What to try, as commands with notes; there is always something.
pub(crate) fn tries(error: &Error, typed: &TypedCommand) -> Vec<(String, String)> {
    // Of an event nobody knows the command that it is to be a part of.
    let is_whole = |one: &&Try| !typed.words.is_empty() || matches!(one.way, Remedy::Command(_));
    let suggest = |one| typed.suggest(one, error);
    let mut tries: Vec<_> = spelt(error).iter().filter(is_whole).filter_map(suggest).collect();
    if tries.is_empty() {
        tries.push((format!("hobnob help {}", error.kind().slug()), String::new()));
    }
    tries
}

/// The whole error as it goes to stderr, with its last newline.
pub(crate) fn tell(error: &Error, typed: &TypedCommand, look: Look) -> String {
    let mut out = String::new();
    headline(&mut out, error, look);
    if let Some(span) = error.span() {
        caret(&mut out, span, look);
    }
    if let Some(call) = error.call() {
        let number = call.errno.map(|errno| format!(" ({errno})")).unwrap_or_default();
        entry(
            &mut out,
            "call",
            &format!("{} -> {}{number}", safe(&call.text), safe(&call.outcome)),
        );
    }
    for why in error.reasons() {
        entry(&mut out, "why", &safe(why));
    }
    let tries = tries(error, typed);
    let column = tries.iter().map(|(command, _)| width(&safe(command))).max().unwrap_or(0);
    for (at, (command, note)) in tries.iter().enumerate() {
        let label = if at == 0 { "try" } else { "" };
        let command = safe(command);
        let painted = look.paint(Paint::Cyan, &command);
        let _ = write!(out, "  {label:<6} {painted}");
        if note.is_empty() {
            out.push('\n');
        } else if INDENT + column + 4 + width(note) <= COLUMNS {
            let gap = column - width(&command) + 4;
            let _ = writeln!(out, "{:gap$}{}", "", safe(note));
        } else {
            let _ = writeln!(out, "\n{:INDENT$}  {}", "", safe(note));
        }
    }
    out
}

fn headline(out: &mut String, error: &Error, look: Look) {
    let slug = error.kind().slug();
    let head = format!("error[{slug}]: ");
    let sentence = safe(error.message());
    let mut lines = fold(&format!("{head}{sentence}"), COLUMNS).into_iter();
    let first = lines.next().unwrap_or_default();
    let rest = first.strip_prefix("error").unwrap_or(&first);
    let _ = writeln!(out, "{}{rest}", look.paint(Paint::RedBold, "error"));
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
}

fn entry(out: &mut String, label: &str, text: &str) {
    for (at, line) in fold(text, COLUMNS - INDENT).iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        let _ = writeln!(out, "  {label:<6} {line}");
    }
}

/// The typed text with a caret under what is wrong.
fn caret(out: &mut String, span: &Span, look: Look) {
    let cut = |at: usize| span.text.get(..at).unwrap_or(&span.text);
    let before = safe(cut(span.at.start));
    let upto = safe(cut(span.at.end.max(span.at.start)));
    let carets = "^".repeat((width(&upto) - width(&before)).max(1));
    let room = width(&before);
    let carets = look.paint(Paint::RedBold, &carets);
    let _ = writeln!(out, "     {}", safe(&span.text));
    let line = format!("     {:room$}{carets} {}", "", safe(&span.label));
    let _ = writeln!(out, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::Propose as _;
    use crate::command::usages;
    use hobnob::error::Kind;

    fn typed(words: &[&str], endpoints: &[&str]) -> TypedCommand {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        TypedCommand { usages: usages(), words: own(words), endpoints: own(endpoints) }
    }

    #[test]
    fn the_shape_of_an_error() {
        let io = std::io::Error::from_raw_os_error(98);
        let error = Error::new(Kind::PortInUse, "port 9000 is already in use on 127.0.0.1")
            .with_call("bind(127.0.0.1:9000)", &io)
            .why("python3 server.py (pid 41233) has been listening there since 14:02")
            .try_endpoint(":9001", "")
            .try_endpoint(":0", "any free port");
        let typed = typed(&["serve", "x", "udp://:7", ":9000"], &["udp://:7", ":9000"]);
        assert_eq!(
            tell(&error, &typed, Look::default()),
            "error[port-in-use]: port 9000 is already in use on 127.0.0.1\n\
             \x20 call   bind(127.0.0.1:9000) -> EADDRINUSE (98)\n\
             \x20 why    python3 server.py (pid 41233) has been listening there since 14:02\n\
             \x20 try    hobnob serve x udp://:7 :9001\n\
             \x20        hobnob serve x udp://:7 :0       any free port\n"
        );
    }

    #[test]
    fn a_flag_that_may_repeat_replaces_none() {
        let error = Error::new(Kind::Usage, "x").try_flag("-O b=2", "").try_flag("--wait 2s", "");
        let typed = typed(&["talk", "h:1", "-O", "a=1", "--wait", "1s"], &["h:1"]);
        let tries: Vec<_> = tries(&error, &typed).into_iter().map(|(command, _)| command).collect();
        let expected =
            ["hobnob talk h:1 -O a=1 --wait 1s -O b=2", "hobnob talk h:1 -O a=1 --wait 2s"];
        assert_eq!(tries, expected);
    }

    #[test]
    fn a_flag_stands_before_what_is_no_flag_any_more() {
        let error = Error::new(Kind::Usage, "x").try_flag("--wait 2s", "");
        let typed = typed(&["talk", "h:1", "--", "--wait"], &["h:1"]);
        assert_eq!(tries(&error, &typed)[0].0, "hobnob talk h:1 --wait 2s -- --wait");
    }

    #[test]
    fn a_flag_that_the_verb_does_not_have_is_an_option_of_the_endpoint_or_not_proposed() {
        let error =
            Error::new(Kind::Usage, "x").hint_switch("retry", "").hint_switch("both-dial", "");
        let told = tries(&error, &typed(&["serve", "echo", "h:1,dial"], &["h:1,dial"]));
        assert_eq!(told, [("hobnob serve echo h:1,dial -O retry".to_owned(), String::new())]);
    }

    #[test]
    fn a_field_that_cannot_be_sent_is_replaced_however_it_was_typed() {
        let error = Error::new(Kind::BadOption, "x").hint_option("header", "A: b", "");
        let told = tries(&error, &typed(&["get", "h:1", "-H", "x", "--header=y"], &["h:1"]));
        assert_eq!(told[0].0, "hobnob get h:1 -H 'A: b'");
    }

    #[test]
    fn what_is_no_command_is_not_proposed() {
        let error = Error::new(Kind::Usage, "x").try_flag("-k", "").try_endpoint(":1", "");
        let told = tries(&error, &TypedCommand::default());
        assert_eq!(told, [("hobnob help usage".to_owned(), String::new())]);
    }

    #[test]
    fn the_caret_stands_under_the_mistake() {
        let text = "tcp://127.0.0.1:90000";
        let error = Error::new(Kind::BadAddress, "I do not understand this address").at(
            text,
            16..21,
            "a port is 0 to 65535",
        );
        assert_eq!(
            tell(&error, &typed(&["talk", text], &[text]), Look::default()),
            "error[bad-address]: I do not understand this address\n\
             \x20    tcp://127.0.0.1:90000\n\
             \x20                    ^^^^^ a port is 0 to 65535\n\
             \x20 try    hobnob help bad-address\n"
        );
    }

    #[test]
    fn what_was_typed_cannot_drive_the_terminal() {
        let error = Error::new(Kind::Usage, "no such thing: \x1b[2J").try_flag("--hex", "");
        let told = tell(&error, &typed(&["talk", "\x1b[2J a"], &[]), Look::default());
        assert!(!told.contains('\x1b'), "{told}");
        assert!(told.contains(r"hobnob talk '\x1b[2J a' --hex"), "{told}");
    }
}
