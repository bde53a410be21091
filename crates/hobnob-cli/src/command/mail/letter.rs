//! How a letter looks: as a line of a list, and whole. Nothing of it drives the terminal.

use std::fmt::Write as _;

use hobnob::codec::mime::{LetterView, PartView, field_of};
use hobnob::error::{Error, Kind, Result};
use hobnob::post::PickedHead;
use hobnob::store::LetterJourney;

use super::journey;
use crate::advice::Propose as _;
use crate::job::Job;
use crate::report::clip::clip;
use crate::report::look::{Look, Paint, View};
use crate::report::show::{Breaks, escape_into, pad, safe, size};

/// Fields that are shown of every letter.
const FIELDS: &[&str] = &["From", "To", "Cc", "Subject", "Date"];
/// Cells of a sender in a list, and of a subject.
const SENDER: usize = 22;
const SUBJECT: usize = 30;

/// What of a letter is to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LetterPiece {
    /// What a person reads.
    Whole,
    Links,
    Source,
    Part(String),
}

impl LetterPiece {
    pub(super) fn read(job: &Job) -> Result<Self> {
        let part = job.text("part").map(|part| LetterPiece::Part(part.to_owned()));
        let links = job.is_on("links").then_some(LetterPiece::Links);
        let source = job.is_on("source").then_some(LetterPiece::Source);
        let mut all = [part, links, source].into_iter().flatten();
        let first = all.next().unwrap_or(LetterPiece::Whole);
        if all.next().is_some() {
            let error = Error::new(Kind::Usage, "--part, --links and --source exclude each other");
            return Err(error.try_command("hobnob mail -h", ""));
        }
        Ok(first)
    }

    /// The bytes that go to stdout.
    pub(super) fn of(
        &self,
        view: &LetterView,
        way: Option<&LetterJourney>,
        job: &Job,
    ) -> Result<Vec<u8>> {
        Ok(match self {
            LetterPiece::Whole => {
                let is_verbose = job.is_on("verbose");
                let mut out = whole(view, job.out, is_verbose);
                let way = way.map(|way| journey::lines(way, job.out, is_verbose));
                if let Some(way) = way.filter(|way| !way.is_empty()) {
                    let _ = write!(out, "\n{}\n{way}", job.out.paint(Paint::Bold, "journey"));
                }
                out.into_bytes()
            }
            LetterPiece::Links => {
                let mut lines = Vec::new();
                for link in view.links() {
                    lines.extend_from_slice(safe(&link).as_bytes());
                    lines.push(b'\n');
                }
                lines
            }
            LetterPiece::Source => exact(view.raw().to_vec(), job),
            LetterPiece::Part(path) => {
                let part = view.parts().iter().find(|part| part.path == *path);
                exact(view.part_bytes(part.ok_or_else(|| no_part(view, path))?), job)
            }
        })
    }
}

/// Bytes as they are where they go to a program, and escaped on a terminal.
fn exact(bytes: Vec<u8>, job: &Job) -> Vec<u8> {
    use std::io::IsTerminal as _;
    if job.view == View::Raw || !std::io::stdout().is_terminal() {
        return bytes;
    }
    shown_text(&String::from_utf8_lossy(&bytes)).into_bytes()
}

fn no_part(view: &LetterView, path: &str) -> Error {
    let known: Vec<_> = view.parts().iter().skip(1).map(|part| part.path.as_str()).collect();
    let error = Error::new(Kind::NotFound, format!("the letter has no part {path:?}"));
    match known.as_slice() {
        [] => error.why("it has no parts").try_flag("--source", "it as it came"),
        [first, ..] => error
            .why(format!("its parts are {}", known.join(", ")))
            .try_flag(format!("--part {first}"), ""),
    }
}

/// A letter as a person reads it: fields, text, parts, links.
fn whole(view: &LetterView, look: Look, is_verbose: bool) -> String {
    let mut out = String::new();
    if is_verbose {
        for (name, value) in view.fields() {
            let _ = writeln!(out, "{}: {}", safe(&name), safe(&value));
        }
    } else {
        for name in FIELDS {
            for value in view.all(name) {
                let _ = writeln!(out, "{}{}", look.paint(Paint::Dim, &pad(name, 10)), safe(&value));
            }
        }
    }
    if let Some(text) = view.text().filter(|text| !text.trim().is_empty()) {
        out.push('\n');
        out.push_str(&shown_text(&text));
    }
    if view.parts().len() > 1 || view.files().next().is_some() {
        let _ = writeln!(out, "\n{}", look.paint(Paint::Bold, "parts"));
        view.parts().iter().for_each(|part| push_part(&mut out, part));
    }
    let links = view.links();
    if !links.is_empty() {
        let _ = writeln!(out, "\n{}", look.paint(Paint::Bold, "links"));
        for link in &links {
            let _ = writeln!(out, "  {}", safe(link));
        }
    }
    out
}

/// A text with its lines, and everything else that could drive a terminal escaped.
fn shown_text(text: &str) -> String {
    let mut out = String::new();
    escape_into(&mut out, text.replace("\r\n", "\n").as_bytes(), Breaks::Kept);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn push_part(out: &mut String, part: &PartView) {
    let indent = "  ".repeat(part.depth.min(16) + 1);
    let path = if part.path.is_empty() { String::new() } else { format!("{} ", part.path) };
    let _ = write!(out, "{indent}{path}{}   {}", safe(&part.kind), size(part.size));
    if let Some(name) = &part.name {
        let _ = write!(out, "   {}", safe(name));
    }
    if !part.encoding.is_empty() {
        let _ = write!(out, "   {}", safe(&part.encoding));
    }
    if part.is_attached {
        out.push_str("   attached");
    }
    out.push('\n');
}

/// A letter as a line of a list.
pub(super) fn line(head: &PickedHead) -> String {
    let field = |name| field_of(&head.head, name).unwrap_or_default();
    let from = field("from");
    let address = from.split_once('<').map(|(_, rest)| rest.trim_end().trim_end_matches('>'));
    let sender = safe(address.unwrap_or(&from));
    let subject = safe(&field("subject"));
    format!(
        "{:>4}  {}  {}  {}  {}\n",
        head.number,
        pad(&clip(&day(&field("date")), 12), 12),
        pad(&clip(&sender, SENDER), SENDER),
        pad(&clip(&subject, SUBJECT), SUBJECT),
        size(head.size),
    )
}

/// `26 Nov 14:21` of `Thu, 26 Nov 2026 14:21:00 +0100`, as the sender has it.
fn day(date: &str) -> String {
    let text = date.split_once(',').map_or(date, |(_, rest)| rest);
    let words: Vec<_> = text.split_whitespace().collect();
    let [day, month, _, time, ..] = words.as_slice() else { return String::new() };
    let is_day = day.len() <= 2 && day.bytes().all(|byte| byte.is_ascii_digit());
    let time =
        time.get(..5).filter(|time| time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':'));
    match time {
        Some(time) if is_day && month.chars().all(char::is_alphabetic) => {
            format!("{day:>2} {} {time}", month.chars().take(3).collect::<String>())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_list_is_one_line_whatever_a_sender_says() {
        let head = PickedHead {
            number: 2,
            uid: "9".to_owned(),
            size: 41_052,
            head: b"Date: Thu, 6 Nov 2026 14:21:00 +0100\r\nFrom: Li <app@test>\r\nSubject: =?utf-8?q?a=0A=1B[31m?=\r\n\r\n".to_vec(),
        };
        let shown = line(&head);
        assert!(shown.starts_with("   2   6 Nov 14:21  app@test "), "{shown}");
        assert!(shown.contains(r"a\n\x1b[31m") && shown.lines().count() == 1, "{shown}");
        for odd in
            ["", "yesterday", "Thu, x Nov 2026 14:21", "1 \x1b[1m 2026 14:21", "1 Nov 2026 ab:cd"]
        {
            assert_eq!(day(odd), "", "{odd}");
        }
    }

    #[test]
    fn a_letter_that_is_shown_drives_no_terminal() {
        let raw = b"From: a\x1b[31m\r\nSubject: \xe2\x80\xae x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n\x1b]52;c;x\x07\r\n\
            http://a.test/\xe2\x80\x8b\r\n--x\r\nContent-Type: image/png; name=\"\x1b[2J\"\r\n\r\n--x--\r\n";
        let view = LetterView::read(raw.to_vec());
        for is_verbose in [false, true] {
            let text = whole(&view, Look::default(), is_verbose);
            assert!(!text.contains(['\x1b', '\x07', '\u{202e}', '\u{200b}']), "{text:?}");
            assert!(text.contains("1 text/plain") && text.contains("2 image/png"), "{text}");
        }
    }
}
