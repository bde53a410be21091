//! What passed in one piece, as the lines that a person reads: text as lines, the head of an HTTP message as its first
//! line and a count, and all else on one line with its control characters escaped.

use crate::report::clip::clip;
use crate::report::show::{count, one_line, width};

/// Lines of one piece that are shown before the rest is only counted.
const LINES: usize = 5;

/// One line of what passed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PassedLine {
    text: String,
    /// What was left out behind it. It is never cut.
    left_out: String,
}

impl PassedLine {
    /// A line that nothing is left out of.
    pub(crate) fn said(text: &str) -> Self {
        PassedLine { text: text.to_owned(), left_out: String::new() }
    }

    /// Bytes as they are.
    pub(crate) fn raw(bytes: &[u8], is_whole: bool) -> Self {
        let bytes = if is_whole { without_newline(bytes) } else { bytes };
        let rest = if is_whole { "" } else { " ..." };
        // What drives a terminal has no width, so that none of it is cut.
        let left_out = String::from_utf8_lossy(bytes).into_owned() + rest;
        PassedLine { text: String::new(), left_out }
    }

    fn of(bytes: &[u8]) -> Self {
        PassedLine::said(&one_line(bytes))
    }

    /// The line in so many cells.
    pub(crate) fn within(&self, cells: usize) -> String {
        let room = cells.saturating_sub(width(&self.left_out));
        format!("{}{}", clip(&self.text, room), self.left_out)
    }
}

/// The lines of a piece; `is_whole` is false where only its beginning was kept.
pub(crate) fn folded(mut bytes: &[u8], is_whole: bool) -> Vec<PassedLine> {
    let mut lines = Vec::new();
    while let Some(head) = FoldedHead::of(bytes) {
        bytes = head.rest;
        lines.push(head.folded(is_whole || !bytes.is_empty()));
    }
    let bytes = if is_whole { without_newline(bytes) } else { bytes };
    if lines.is_empty() || !bytes.is_empty() {
        let all: Vec<_> = text_lines(bytes).map_or_else(|| vec![bytes], Iterator::collect);
        let shown = if all.len() > LINES { LINES - 1 } else { all.len() };
        lines.extend(all[..shown].iter().map(|line| PassedLine::of(line)));
        if shown < all.len() {
            let more = count((all.len() - shown) as u64, "more line");
            lines.push(PassedLine { text: String::new(), left_out: format!("... {more}") });
        }
        if let Some(last) = lines.last_mut().filter(|_| !is_whole) {
            last.left_out.push_str(" ...");
        }
    }
    lines
}

/// The lines of a piece with all their newlines, and nothing left out but what was not kept.
pub(crate) fn unfolded(bytes: &[u8], is_whole: bool) -> Vec<PassedLine> {
    let is_text = text_lines(bytes).is_some() || FoldedHead::of(bytes).is_some();
    let all: Vec<_> = if is_text {
        bytes.split_inclusive(|byte| *byte == b'\n').map(PassedLine::of).collect()
    } else {
        vec![PassedLine::of(bytes)]
    };
    let mut lines = if all.is_empty() { vec![PassedLine::of(b"")] } else { all };
    if let Some(last) = lines.last_mut().filter(|_| !is_whole) {
        last.left_out.push_str(" ...");
    }
    lines
}

/// Text without the newline that ends it.
fn without_newline(bytes: &[u8]) -> &[u8] {
    let Some(line) = bytes.strip_suffix(b"\n") else { return bytes };
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The lines of a text, without their newlines; none: it is no text, or has a control character that moves nothing on.
fn text_lines(bytes: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let lines = || {
        let all = bytes.split(|byte| *byte == b'\n');
        all.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    };
    let is_readable =
        |line: &[u8]| line.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    let is_text = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // The end may be within a character.
        Err(error) => error.error_len().is_none(),
    };
    (is_text && lines().all(is_readable)).then(lines)
}

/// The head of an HTTP/1 message (RFC 9112, section 2.1), or as much of it as is there.
struct FoldedHead<'b> {
    first: &'b [u8],
    fields: usize,
    is_over: bool,
    rest: &'b [u8],
}

impl<'b> FoldedHead<'b> {
    fn of(bytes: &'b [u8]) -> Option<Self> {
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let first = lines.next().filter(|line| line.ends_with(b"\n"))?;
        let mut head =
            FoldedHead { first: without_newline(first), fields: 0, is_over: false, rest: b"" };
        let words: Vec<_> = head.first.split(|byte| *byte == b' ').collect();
        let is_version = |word: &&[u8]| word.len() == 8 && word.starts_with(b"HTTP/1.");
        let is_response = words.len() > 1 && words.first().is_some_and(is_version);
        let is_request = words.len() == 3 && words.last().is_some_and(is_version);
        if !is_response && !is_request {
            return None;
        }
        let mut length = first.len();
        for line in lines {
            length += line.len();
            if without_newline(line).is_empty() {
                head.is_over = true;
                break;
            }
            head.fields += 1;
        }
        head.rest = &bytes[length..];
        Some(head)
    }

    fn folded(&self, is_whole: bool) -> PassedLine {
        let mut line = PassedLine::of(self.first);
        let more = if self.is_over || is_whole { "" } else { " and more" };
        if self.fields > 0 {
            line.left_out = format!("  +{}{more}", count(self.fields as u64, "line"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[PassedLine], cells: usize) -> Vec<String> {
        lines.iter().map(|line| line.within(cells)).collect()
    }

    const REQUEST: &[u8] = b"GET /a/path HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";

    #[test]
    fn a_head_is_its_first_line_and_a_count_until_it_is_opened() {
        assert_eq!(shown(&folded(REQUEST, true), 80), ["GET /a/path HTTP/1.1  +2 lines"]);
        assert_eq!(
            shown(&folded(&[REQUEST, b"a=1", b"\x00"].concat(), true), 80),
            ["GET /a/path HTTP/1.1  +2 lines", r"a=1\x00"]
        );
        let two = [REQUEST, b"HTTP/1.0 200 OK\n\n<p>\n"].concat();
        let lines = ["GET /a/path HTTP/1.1  +2 lines", "HTTP/1.0 200 OK", "<p>"];
        assert_eq!(shown(&folded(&two, true), 80), lines);
        let begun = folded(&REQUEST[..30], false);
        assert_eq!(shown(&begun, 80), ["GET /a/path HTTP/1.1  +1 line and more"]);
        let opened = shown(&unfolded(REQUEST, true), 80);
        assert_eq!(
            opened,
            [r"GET /a/path HTTP/1.1\r\n", r"Host: x\r\n", r"Accept: */*\r\n", r"\r\n"]
        );
    }

    #[test]
    fn the_count_stays_where_the_line_is_cut() {
        let lines = folded(REQUEST, true);
        assert_eq!(shown(&lines, 24), ["GET /a/pat ...  +2 lines"]);
        assert!(width(&lines[0].within(36)) <= 36);
    }

    #[test]
    fn text_is_lines_and_what_is_none_is_one_line() {
        let mail = b"220 hello\r\nEHLO me\r\n";
        assert_eq!(shown(&folded(mail, true), 80), ["220 hello", "EHLO me"]);
        assert_eq!(shown(&folded(b"a\nb\x1b[2J\n", true), 80), [r"a\nb\x1b[2J"]);
        assert_eq!(shown(&folded(b"a\n\xff\n", true), 80), [r"a\n\xff"]);
        assert_eq!(shown(&folded(b"a\rb\n", true), 80), [r"a\rb"]);
        assert_eq!(shown(&folded(b"\n", true), 80), [""]);
        assert_eq!(shown(&folded(b"", true), 80), [""]);
        let many = folded(&b"x\n".repeat(9), true);
        assert_eq!(shown(&many, 80), ["x", "x", "x", "x", "... 5 more lines"]);
        assert_eq!(shown(&folded(b"ab", false), 80), ["ab ..."]);
        assert_eq!(shown(&unfolded(b"a\nb", true), 80), [r"a\n", "b"]);
    }
}
