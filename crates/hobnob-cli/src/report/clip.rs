//! Lines that are too long for where they stand: cut between words where that is possible, and never within a character
//! or within the escape of one.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar as _;

use crate::report::show::width;

/// What stands where something was left out.
const LEFT_OUT: &str = " ...";

/// The text in at most so many cells. What was escaped stands whole, or not at all.
pub(crate) fn clip(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    let room = cells.saturating_sub(LEFT_OUT.len());
    let end = end_within(text, room);
    let kept = &text[..end];
    // A word that is as long as half of the line is cut all the same: little else would be shown.
    let between = kept
        .rfind(' ')
        .filter(|at| !text[end..].starts_with(' ') && width(&kept[..*at]) >= room / 2);
    let kept = between.map_or(kept, |at| &kept[..at]);
    let mark = &LEFT_OUT[LEFT_OUT.len().saturating_sub(cells)..];
    Cow::Owned(format!("{}{mark}", kept.trim_end()))
}

/// How many bytes of the text fit into so many cells.
fn end_within(text: &str, cells: usize) -> usize {
    let (mut end, mut used) = (0, 0);
    while let Some(length) = unit(&text[end..]) {
        let piece = width(&text[end..end + length]);
        if used + piece > cells {
            break;
        }
        (end, used) = (end + length, used + piece);
    }
    end
}

/// Bytes of what stands or falls together: an escape, or a character with the marks that are drawn over it.
fn unit(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        return Some(escape(text).unwrap_or(1));
    }
    let next = chars.find(|(_, c)| c.width() != Some(0));
    Some(next.map_or(text.len(), |(at, _)| at))
}

/// Bytes of an escape as `show` writes it: `\n`, `\x1b`, `\u{202e}`.
fn escape(text: &str) -> Option<usize> {
    let length = match text.as_bytes().get(1)? {
        b'n' | b'r' | b't' => 2,
        b'x' => 4,
        b'u' => text.find('}')? + 1,
        _ => return None,
    };
    text.is_char_boundary(length.min(text.len())).then_some(length.min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::show::one_line;

    #[test]
    fn a_long_line_ends_with_a_word() {
        assert_eq!(clip("one two three four", 18), "one two three four");
        assert_eq!(clip("one two three four", 17), "one two three ...");
        assert_eq!(clip("one two three four", 16), "one two ...");
        assert_eq!(clip("a-single-word-of-some-length", 12), "a-single ...");
        assert_eq!(clip("two words-and-that-was-it", 12), "two word ...");
    }

    #[test]
    fn no_escape_and_no_character_is_cut_in_the_middle_at_any_width() {
        let hostile = "ab\x1b[2J\u{202e}e\u{301}\r\n李雷\t\\u{".as_bytes();
        let shown = one_line(&[hostile, b"\xff\x9b"].concat());
        let mut whole = vec![0];
        while let Some(length) = unit(&shown[whole[whole.len() - 1]..]) {
            whole.push(whole[whole.len() - 1] + length);
        }
        for cells in 0..=width(&shown) {
            let text = clip(&shown, cells);
            assert!(width(&text) <= cells, "{cells}: {text}");
            let kept = text.strip_suffix(LEFT_OUT).unwrap_or(text.trim_start_matches('.'));
            assert!(shown.starts_with(kept) && whole.contains(&kept.len()), "{cells}: {text}");
        }
        assert!(whole.iter().all(|at| {
            !["x1b", "1b", "{202e}", "301"].iter().any(|half| shown[*at..].starts_with(half))
        }));
    }
}
