//! Foreign text, made safe to print: what a peer sends is shown, and never obeyed.

use std::fmt::Write as _;
use std::time::Duration;

use hobnob::codec::hidden::is_hidden;
use unicode_width::UnicodeWidthStr as _;

/// What happens to newlines and tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaks {
    /// They stand: data on a terminal.
    Kept,
    /// They are escaped: one event is one line.
    Escaped,
}

/// Adds `bytes` to `out` as safe text: control characters and all others that are not seen as escapes, what is not UTF-8
/// as `\xff`.
pub(crate) fn escape_into(out: &mut String, bytes: &[u8], breaks: Breaks) {
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        if is_plain(valid.as_bytes()) {
            out.push_str(valid);
        } else {
            valid.chars().for_each(|c| push_safe(out, c, breaks));
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

/// The same as a string of its own, on one line.
pub(crate) fn one_line(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    escape_into(&mut out, bytes, Breaks::Escaped);
    out
}

/// A name, an address, a sentence: safe, on one line.
pub(crate) fn safe(text: &str) -> String {
    one_line(text.as_bytes())
}

/// Printable ASCII throughout: the common case, worth a fast answer.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
}

fn push_safe(out: &mut String, c: char, breaks: Breaks) {
    match c {
        '\n' | '\t' if breaks == Breaks::Kept => out.push(c),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        }
        _ if is_hidden(c) => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        _ => out.push(c),
    }
}

/// Bytes that go on a terminal in pieces: a character that is split over two pieces is still one.
#[derive(Debug, Default)]
pub(crate) struct SafeStream {
    /// The beginning of a character, or a `\r` that may belong to a newline.
    pending: Vec<u8>,
    /// Whether the last thing printed was a newline.
    ends_line: Option<bool>,
}

impl SafeStream {
    /// Adds a piece to `out`. `\r\n` is a newline here.
    pub(crate) fn push(&mut self, out: &mut String, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let keep = unfinished(&self.pending);
        let ready = self.pending.len() - keep;
        let text: Vec<u8> = self.pending.drain(..ready).collect();
        self.show(out, &text);
    }

    /// Adds what is left at the end.
    pub(crate) fn finish(&mut self, out: &mut String) {
        let text = std::mem::take(&mut self.pending);
        self.show(out, &text);
    }

    /// Adds what is left, and a newline where the last line has none.
    pub(crate) fn end_line(&mut self, out: &mut String) {
        self.finish(out);
        if self.ends_line.replace(true) == Some(false) {
            out.push('\n');
        }
    }

    fn show(&mut self, out: &mut String, mut text: &[u8]) {
        let Some(last) = text.last() else { return };
        self.ends_line = Some(*last == b'\n');
        while let Some(at) = text.windows(2).position(|pair| pair == b"\r\n") {
            escape_into(out, &text[..at], Breaks::Kept);
            text = &text[at + 1..];
        }
        escape_into(out, text, Breaks::Kept);
    }
}

/// How many bytes at the end may be the beginning of a character or of `\r\n`.
fn unfinished(bytes: &[u8]) -> usize {
    if bytes.last() == Some(&b'\r') {
        return 1;
    }
    (1..=3.min(bytes.len()))
        .find(|back| {
            let rest = &bytes[bytes.len() - back..];
            std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none())
                && rest[0] >= 0xc2
        })
        .unwrap_or(0)
}

/// Cells that a text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text, then spaces up to `cells`, at least one where anything follows.
pub(crate) fn pad(text: &str, cells: usize) -> String {
    let room = cells.saturating_sub(width(text));
    format!("{text}{:room$}", "")
}

/// A number of bytes: `8 B`, `1,256 B`, `24.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB")];
    match units.iter().find(|(shift, _)| bytes >> shift > 9) {
        #[allow(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{} B", grouped(bytes)),
    }
}

/// Bytes of which nobody wants to know the last one, as a rate's: `815 B`, `16.2 KiB`, `1.6 MiB`.
pub(crate) fn rough(bytes: f64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let of = |shift: u32| bytes / f64::from(1_u32 << shift);
    match units.iter().find(|(shift, _)| of(*shift) >= 1.0) {
        Some((shift, unit)) => format!("{:.1} {unit}", of(*shift)),
        None => format!("{bytes:.0} B"),
    }
}

/// `70,000`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 session`, `2 sessions`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A span of time as a person reads it: `0.2 ms`, `231 ms`, `8.1 s`, `2 min 5 s`.
pub(crate) fn span(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1_000.0;
    match time.as_secs() {
        0 if millis < 9.95 => format!("{millis:.1} ms"),
        0 if millis < 999.5 => format!("{millis:.0} ms"),
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A time as short as a round trip, to three digits: `38 us`, `1.02 ms`, `14.2 ms`, `1.20 s`.
pub(crate) fn fine(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    // What would be rounded up to a thousand of its unit is told in the next one.
    let (number, unit) = match micros {
        ..999.5 => (micros, "us"),
        ..999_500.0 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    match number {
        _ if unit == "us" && number >= 9.95 => format!("{number:.0} {unit}"),
        _ if unit == "us" => format!("{number:.1} {unit}"),
        ..9.995 => format!("{number:.2} {unit}"),
        ..99.95 => format!("{number:.1} {unit}"),
        _ => format!("{number:.0} {unit}"),
    }
}

/// A part of a whole in percent: `25 %`, `33.3 %`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
    let percent = part as f64 * 100.0 / whole.max(1) as f64;
    if percent.fract() < 0.05 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// Bytes of a row of a hex dump, and the cells that it takes.
const HEX_ROWS: [(usize, usize); 3] = [(16, 78), (8, 45), (4, 29)];

/// A hex dump in rows of sixteen bytes, or of eight or four where no more fit into so many cells, each after `indent`.
pub(crate) fn hex_into(out: &mut String, bytes: &[u8], indent: &str, cells: usize) {
    let fits = |(_, row): &&(usize, usize)| indent.len() + row <= cells;
    let size = HEX_ROWS.iter().find(fits).unwrap_or(&HEX_ROWS[2]).0;
    for (row, line) in bytes.chunks(size).enumerate() {
        let _ = write!(out, "{indent}{:08x} ", row * size);
        for at in 0..size {
            let gap = if at == 8 { "  " } else { " " };
            match line.get(at) {
                Some(byte) => {
                    let _ = write!(out, "{gap}{byte:02x}");
                }
                None => {
                    let _ = write!(out, "{gap}  ");
                }
            }
        }
        out.push_str("  |");
        out.extend(
            line.iter().map(|&b| if (0x20..0x7f).contains(&b) { char::from(b) } else { '.' }),
        );
        out.push_str("|\n");
    }
}

/// The text folded at spaces to lines of at most `cells`.
pub(crate) fn fold(text: &str, cells: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && width(line) + 1 + width(word) > cells {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_drive_a_terminal_is_left() {
        let hostile = "\x1b]52;c;AAAA\x07 \u{9b}31m \u{202e}abc\u{2028} \x7f\r".as_bytes();
        assert_eq!(one_line(hostile), r"\x1b]52;c;AAAA\x07 \u{9b}31m \u{202e}abc\u{2028} \x7f\r");
        assert_eq!(one_line(b"\x9b31m\xff"), r"\x9b31m\xff");
        assert_eq!(one_line("你好 é".as_bytes()), "你好 é");
    }

    #[test]
    fn what_only_looks_the_same_is_shown_to_differ() {
        for c in
            "\u{ad}\u{34f}\u{3164}\u{180e}\u{200b}\u{200d}\u{2060}\u{fe0f}\u{feff}\u{e0041}".chars()
        {
            assert_eq!(safe(&format!("A{c}da")), format!("A{}da", c.escape_unicode()));
        }
    }

    #[test]
    fn a_character_split_over_two_pieces_is_still_one() {
        let text = "a你\r\n😀\u{202e}";
        for cut in 0..=text.len() {
            let (mut stream, mut out) = (SafeStream::default(), String::new());
            stream.push(&mut out, &text.as_bytes()[..cut]);
            stream.push(&mut out, &text.as_bytes()[cut..]);
            stream.finish(&mut out);
            assert_eq!(out, "a你\n😀\\u{202e}", "cut at {cut}");
        }
    }

    #[test]
    fn a_stream_knows_whether_its_line_is_open() {
        let (mut stream, mut out) = (SafeStream::default(), String::new());
        stream.end_line(&mut out);
        stream.push(&mut out, b"68.0 F");
        stream.end_line(&mut out);
        stream.push(&mut out, b"32.0 F\n");
        stream.end_line(&mut out);
        assert_eq!(out, "68.0 F\n32.0 F\n");
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!((size(8), size(70_000)), ("8 B".to_owned(), "70,000 B".to_owned()));
        assert_eq!(size(25_690_112), "24.5 MiB");
        let rates = [0.4, 815.0, 16_600.0, 1_655_544.0, 3.3e9].map(rough);
        assert_eq!(rates, ["0 B", "815 B", "16.2 KiB", "1.6 MiB", "3.1 GiB"]);
        let times = [200, 231_000, 8_100_000, 125_000_000, 3_780_000_000];
        let shown: Vec<_> = times.map(|us| span(Duration::from_micros(us))).to_vec();
        assert_eq!(shown, ["0.2 ms", "231 ms", "8.1 s", "2 min 5 s", "1 h 3 min"]);
        let times =
            [400, 3_840, 38_000, 999_600, 1_020_000, 14_200_000, 231_000_000, 1_200_000_000];
        let shown: Vec<_> = times.map(|ns| fine(Duration::from_nanos(ns))).to_vec();
        let expected =
            ["0.4 us", "3.8 us", "38 us", "1.00 ms", "1.02 ms", "14.2 ms", "231 ms", "1.20 s"];
        assert_eq!(shown, expected);
        assert_eq!([percent(1, 4), percent(1, 3), percent(0, 0)], ["25 %", "33.3 %", "0 %"]);
    }

    #[test]
    fn a_hex_dump_has_as_many_bytes_a_row_as_fit() {
        let dump = |bytes, cells| {
            let mut out = String::new();
            hex_into(&mut out, bytes, "  ", cells);
            out
        };
        assert_eq!(
            dump(b"Welcome!\x1b\n", 80),
            "  00000000  57 65 6c 63 6f 6d 65 21  1b 0a                    |Welcome!..|\n"
        );
        assert_eq!(width(dump(&[b'x'; 16], 80).trim_end()), 80);
        assert_eq!(
            dump(b"Welcome!\x1b\n", 79),
            "  00000000  57 65 6c 63 6f 6d 65 21  |Welcome!|\n  \
             00000008  1b 0a                    |..|\n"
        );
    }

    #[test]
    fn folding_keeps_words() {
        assert_eq!(fold("one two three", 7), ["one two", "three"]);
    }
}
