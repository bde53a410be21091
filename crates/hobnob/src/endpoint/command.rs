//! Commands of `exec:` and `pty:`.
//!
//! A command line has commas of its own, so the rest of the text is taken whole, unless it is in single quotes.

use std::fmt;

use super::piece::Piece;
use super::target::{Command, Target};
use crate::error::{Error, Result};

/// Reads the command, and says where its options begin.
pub(super) fn read(typed: Piece) -> Result<(Target, Piece)> {
    if let Some(nul) = typed.find(|c| c == '\0') {
        return Err(nul
            .bad("a zero byte cannot be in a command")
            .why("the kernel ends each word there"));
    }
    let line = typed.trim_start();
    if let Some(words) = after_dashes(line) {
        let (words, options) = read_argv(words)?;
        if words.is_empty() {
            return Err(missing(typed));
        }
        return Ok((Target::Command(Command::Argv(words)), options));
    }
    let (command, options) =
        whole_quoted(line).unwrap_or_else(|| (line.trim().str().to_owned(), line.behind()));
    if command.trim().is_empty() {
        return Err(missing(typed));
    }
    Ok((Target::Command(Command::Line(command)), options))
}

/// A command whose words were given apart.
pub(super) fn from_argv(typed: Piece, argv: &[String]) -> Result<Target> {
    if argv.is_empty() {
        return Err(missing(typed));
    }
    if argv.iter().any(|word| word.contains('\0')) {
        let error = typed.behind().bad("a zero byte cannot be in a command");
        return Err(error.why("the kernel ends each word there"));
    }
    Ok(Target::Command(Command::Argv(argv.to_vec())))
}

/// Whether a line has to be quoted to be read back as it is.
fn needs_quotes(line: &str) -> bool {
    line.trim() != line || ["'", "--", "//"].iter().any(|start| line.starts_with(start))
}

fn missing(typed: Piece) -> Error {
    typed.bad("a command is missing here").hint_endpoint(typed.replaced("cat"), "")
}

/// What follows `--`, which is a word of its own.
fn after_dashes(line: Piece) -> Option<Piece> {
    let after = line.str().strip_prefix("--")?;
    (after.is_empty() || after.starts_with(char::is_whitespace)).then(|| line.from(2))
}

/// A command all in quotes, with the options behind it. A quoted word that is only the first of a line is
/// the shell's business.
fn whole_quoted(line: Piece) -> Option<(String, Piece)> {
    let (command, rest) = quoted(line)?;
    match rest.trim_start() {
        end if end.is_empty() => Some((command, end)),
        options if options.str().starts_with(',') => Some((command, options)),
        _ => None,
    }
}

/// The text in single quotes at the beginning, where a doubled quote is one, and what is behind it.
fn quoted(typed: Piece) -> Option<(String, Piece)> {
    let mut rest = typed.from(typed.str().strip_prefix('\'').map(|_| 1)?);
    let mut text = String::new();
    loop {
        let (head, tail) = rest.split_once('\'')?;
        text.push_str(head.str());
        if !tail.str().starts_with('\'') {
            return Some((text, tail));
        }
        text.push('\'');
        rest = tail.from(1);
    }
}

fn read_argv(words: Piece) -> Result<(Vec<String>, Piece)> {
    let mut argv = Vec::new();
    let mut rest = words.trim_start();
    while !(rest.is_empty() || rest.str().starts_with(',')) {
        let (word, tail) = if rest.str().starts_with('\'') {
            quoted(rest).ok_or_else(|| {
                rest.bad("the quote is not closed")
                    .why("a quote that is meant is typed twice: 'it''s'")
            })?
        } else {
            let end = rest.str().find(ends_word).unwrap_or(rest.str().len());
            (rest.until(end).str().to_owned(), rest.from(end))
        };
        argv.push(word);
        if !tail.is_empty() && !tail.str().starts_with(ends_word) {
            return Err(tail
                .bad("a word ends where its quote closes")
                .why("as in exec:-- echo 'a b' c"));
        }
        rest = tail.trim_start();
    }
    Ok((argv, rest))
}

fn ends_word(c: char) -> bool {
    c == ',' || c.is_whitespace()
}

/// A command as it stands behind `exec:`, so that options may follow if there are any.
pub(super) fn write(f: &mut fmt::Formatter, command: &Command, has_options: bool) -> fmt::Result {
    match command {
        Command::Line(line) if has_options || needs_quotes(line) => write_quoted(f, line),
        Command::Line(line) => f.write_str(line),
        Command::Argv(words) => {
            f.write_str("--")?;
            for word in words {
                f.write_str(" ")?;
                write_word(f, word)?;
            }
            Ok(())
        }
    }
}

fn write_word(f: &mut fmt::Formatter, word: &str) -> fmt::Result {
    let is_plain = |c: char| !(c == '\'' || ends_word(c));
    if !word.is_empty() && word.chars().all(is_plain) {
        return f.write_str(word);
    }
    write_quoted(f, word)
}

fn write_quoted(f: &mut fmt::Formatter, text: &str) -> fmt::Result {
    write!(f, "'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::super::Endpoint;
    use super::super::tests::{caret, grammar, parsed, proposals, refused};
    use super::*;

    fn line(text: &str) -> String {
        match parsed(text).target() {
            Target::Command(Command::Line(line)) => line.clone(),
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn a_command_is_the_rest_of_the_text() {
        assert_eq!(line("exec:python3 game.py"), "python3 game.py");
        assert_eq!(line("exec: echo a,b=c "), "echo a,b=c");
        assert_eq!(line("pty:bash -c \"a\nb\""), "bash -c \"a\nb\"");
        assert_eq!(line("exec:'my prog' 'b'"), "'my prog' 'b'");
        assert_eq!(line("exec:///bin/ls"), "/bin/ls");
    }

    #[test]
    fn a_quoted_command_takes_options() {
        let text = "exec:'echo it''s, done',dir=/tmp";
        assert_eq!(line(text), "echo it's, done");
        assert_eq!(parsed(text).settings()[0].key, "dir");
        assert_eq!(parsed(text).to_string(), text);
        let mut endpoint = parsed("exec:echo a,b");
        endpoint.set("dir=/tmp").expect("a setting");
        assert_eq!(endpoint.to_string(), "exec:'echo a,b',dir=/tmp");
    }

    #[test]
    fn words_given_apart_stay_apart() {
        let argv = ["echo", "a b", "", "it's", "x,y"].map(str::to_owned);
        let endpoint = Endpoint::parse_argv("lines+exec:", &argv, &grammar()).expect("an argv");
        assert_eq!(endpoint.target(), &Target::Command(Command::Argv(argv.to_vec())));
        assert_eq!(endpoint.to_string(), "lines+exec:-- echo 'a b' '' 'it''s' 'x,y'");
        assert_eq!(parsed(&endpoint.to_string()), endpoint);
        assert_eq!(parsed("exec: -- cat -n,dir=/tmp").settings()[0].key, "dir");
    }

    #[test]
    fn each_mistake_is_pointed_at() {
        for (text, at, label) in [
            ("exec:", "", "a command is missing here"),
            ("exec:  ", "  ", "a command is missing here"),
            ("exec:''", "''", "a command is missing here"),
            ("exec:--", "--", "a command is missing here"),
            ("exec:-- 'a", "'a", "the quote is not closed"),
            ("exec:-- 'a'b", "b", "a word ends where its quote closes"),
            ("exec:a\0b", "\0", "a zero byte cannot be in a command"),
        ] {
            assert_eq!(caret(&refused(text)), (at, label), "{text}");
        }
        assert_eq!(proposals(&refused("exec:")), ["exec:cat"]);
        for (text, argv) in [("exec:", vec![]), ("tcp:", vec!["a".to_owned()])] {
            let error = Endpoint::parse_argv(text, &argv, &grammar()).expect_err("no command");
            assert!(error.span().is_some() && !error.hints().is_empty(), "{text}");
        }
    }
}
