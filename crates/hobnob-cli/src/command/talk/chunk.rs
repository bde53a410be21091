//! What a person sees of one receive.

use std::fmt::Write as _;
use std::time::Duration;

use crate::report::look::{Look, Paint, View};
use crate::report::show::{hex_into, one_line, size, span, width};

/// The column where a size ends on a terminal that is wide enough.
const SIZE_ENDS: usize = 60;

/// Cells that the time behind it takes, as a rule.
const TIME: usize = 12;

/// One receive, as lines with the size and the time since the last event at the end of the last.
pub(super) fn chunk(
    bytes: &[u8],
    look: Look,
    view: View,
    is_verbose: bool,
    since: Duration,
    columns: usize,
) -> String {
    let mut out = String::new();
    let gutter = look.paint(Paint::Green, look.received());
    let tail = |used: usize| {
        let length = size(bytes.len() as u64);
        let end = SIZE_ENDS.min(columns.saturating_sub(TIME));
        let gap = end.saturating_sub(used + length.len()).max(2);
        look.paint(Paint::Dim, &format!("{:gap$}{length}    +{}", "", span(since)))
    };
    if view == View::Hex {
        let _ = writeln!(out, "{gutter}{}", tail(1));
        hex_into(&mut out, bytes, "  ", columns);
        return out;
    }
    let text = if is_verbose { bytes } else { bytes.strip_suffix(b"\n").unwrap_or(bytes) };
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    let mut is_first = true;
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        let line = match line.strip_suffix(b"\r") {
            Some(line) if !is_verbose => line,
            _ => line,
        };
        let mut shown = if view == View::Raw {
            String::from_utf8_lossy(line).into_owned()
        } else {
            one_line(line)
        };
        if is_verbose && !is_last {
            shown.push_str("\\n");
        }
        out.push_str(if is_first { &gutter } else { " " });
        let _ = write!(out, "  {shown}");
        if is_last {
            out.push_str(&tail(3 + width(&shown)));
        }
        out.push('\n');
        is_first = false;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_receive_is_one_block_with_its_size_at_the_end() {
        let show = |bytes: &[u8], is_verbose| {
            chunk(bytes, Look::default(), View::Text, is_verbose, Duration::from_micros(300), 80)
        };
        assert_eq!(
            show(b"Welcome!\n", false),
            "«  Welcome!                                              9 B    +0.3 ms\n"
        );
        assert_eq!(
            show(b"a\r\nb\x1b[2J\r\n", false),
            "«  a\n   b\\x1b[2J                                             10 B    +0.3 ms\n"
        );
        let narrow =
            |view| chunk(&[b'x'; 20], Look::default(), view, false, Duration::from_millis(231), 60);
        for line in narrow(View::Text).lines().chain(narrow(View::Hex).lines()) {
            assert!(width(line) <= 60, "{line}");
        }
        assert!(show(b"", false).starts_with("«  "));
        assert!(!show("\u{9b}2J\u{202e}".as_bytes(), true).contains(['\u{9b}', '\u{202e}']));
    }
}
