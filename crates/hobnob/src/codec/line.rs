//! Lines that end with CR LF and with nothing else, up to a bound. What a neighbour could read as the end of a line is a
//! fault of the line that it stands in, so that nothing behind it is ever a line of its own. Where nobody hands on what was
//! read, LF alone may end a line too, as it does where a person types.

/// Bytes of a faulty line that are passed over before there is no hope that it ends.
const MAX_SKIPPED: usize = 1 << 20;
const TOLD: usize = usize::MAX;

/// Cuts a stream into lines. However the bytes are cut, the lines are the same.
#[derive(Debug)]
pub(super) struct LineReader {
    /// Bytes of the longest line, its end not counted.
    cap: usize,
    /// Whether LF alone ends a line.
    takes_lf: bool,
    /// The beginning of the line that is not whole yet. Without room where there is none: idle sessions are many.
    line: Vec<u8>,
    is_after_cr: bool,
    /// Whether the line that comes is faulty, which was told.
    is_skipping: bool,
    /// Bytes of it that were passed over; [`TOLD`]: too many, which was told.
    skipped: usize,
}

/// What is wrong with a line. It is told as soon as it is seen; the rest of the line is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    BareLf,
    BareCr,
    TooLong,
    /// It was faulty, and goes on without an end: who sends it is not to be read any more.
    Endless,
}

impl LineReader {
    pub(super) fn new(cap: usize) -> Self {
        let (line, takes_lf) = (Vec::new(), false);
        LineReader { cap, takes_lf, line, is_after_cr: false, is_skipping: false, skipped: 0 }
    }

    /// The same, where LF alone ends a line too.
    pub(super) fn lenient(cap: usize) -> Self {
        LineReader { takes_lf: true, ..LineReader::new(cap) }
    }

    /// The next line, without its end, or what is wrong with it. None: more must come.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Result<Vec<u8>, LineFault>> {
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.is_after_cr) {
                if *first == b'\n' {
                    *bytes = &bytes[1..];
                    if std::mem::take(&mut self.is_skipping) {
                        continue;
                    }
                    return Some(Ok(std::mem::take(&mut self.line)));
                }
                if let Some(fault) = self.fail(LineFault::BareCr) {
                    return Some(Err(fault));
                }
            }
            let stop = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
            if !self.is_skipping {
                if self.line.len() + stop > self.cap {
                    return self.fail(LineFault::TooLong).map(Err);
                }
                self.line.extend_from_slice(&bytes[..stop]);
            }
            if self.is_skipping && self.is_too_much(stop) {
                *bytes = &bytes[stop..];
                return Some(Err(LineFault::Endless));
            }
            let end = bytes.get(stop).copied();
            *bytes = &bytes[stop + usize::from(end.is_some())..];
            self.is_after_cr = end == Some(b'\r');
            self.skipped = self.skipped.saturating_add(usize::from(end.is_some()));
            if end == Some(b'\n') && self.takes_lf {
                if std::mem::take(&mut self.is_skipping) {
                    continue;
                }
                return Some(Ok(std::mem::take(&mut self.line)));
            }
            if end == Some(b'\n')
                && let Some(fault) = self.fail(LineFault::BareLf)
            {
                return Some(Err(fault));
            }
        }
        None
    }

    /// Whether nothing of a next line has come.
    pub(super) fn is_between(&self) -> bool {
        self.line.is_empty() && !self.is_after_cr && !self.is_skipping
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.line.capacity()
    }

    /// Whether a faulty line has no hope of an end, with so many bytes more. It is told once.
    fn is_too_much(&mut self, more: usize) -> bool {
        if self.skipped == TOLD {
            return false;
        }
        self.skipped = self.skipped.saturating_add(more);
        let is_too_much = self.skipped > MAX_SKIPPED;
        if is_too_much {
            self.skipped = TOLD;
        }
        is_too_much
    }

    /// The fault, where this line had none before.
    fn fail(&mut self, fault: LineFault) -> Option<LineFault> {
        self.line = Vec::new();
        if !self.is_skipping {
            self.skipped = 0;
        }
        (!std::mem::replace(&mut self.is_skipping, true)).then_some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(all: &[u8], splits: &[usize]) -> Vec<Result<String, LineFault>> {
        let (mut reader, mut lines, mut from) = (LineReader::new(8), Vec::new(), 0);
        for end in splits.iter().copied().chain([all.len()]) {
            let mut bytes = &all[from..end];
            while let Some(line) = reader.next(&mut bytes) {
                lines.push(line.map(|line| String::from_utf8_lossy(&line).into_owned()));
            }
            assert!(bytes.is_empty() && reader.line.len() <= 8, "it holds no more than a line");
            from = end;
        }
        lines
    }

    #[test]
    fn only_cr_lf_ends_a_line_and_a_faulty_one_is_told_once() {
        let line = |text: &str| Ok(text.to_owned());
        let (lf, cr, long) =
            (Err(LineFault::BareLf), Err(LineFault::BareCr), Err(LineFault::TooLong));
        for (text, lines) in [
            ("a\r\n\r\nb\r\n", vec![line("a"), line(""), line("b")]),
            ("a\nb\nc\r\nd\r\n", vec![lf.clone(), line("d")]),
            ("a\rb\nc\r\nd\r\n", vec![cr.clone(), line("d")]),
            ("a\r\r\nd\r\n", vec![cr.clone(), line("d")]),
            ("12345678\r\n", vec![line("12345678")]),
            ("123456789\nx\rx\r\nd\r\n", vec![long.clone(), line("d")]),
            ("a\n", vec![lf.clone()]),
            ("a\r", vec![]),
            ("\n\r\nd\r\n", vec![lf.clone(), line("d")]),
            ("\r\rd\r\n", vec![cr]),
        ] {
            for split in 0..text.len() {
                assert_eq!(read(text.as_bytes(), &[split]), lines, "{text:?} at {split}");
            }
            let each: Vec<_> = (0..text.len()).collect();
            assert_eq!(read(text.as_bytes(), &each), lines, "{text:?}");
        }
        assert_eq!(read(&vec![b'x'; 100_000], &[50_000]), std::slice::from_ref(&long));
        let endless = Err(LineFault::Endless);
        for (all, first) in [(vec![b'x'; 3 << 20], &long), (vec![b'\n'; 3 << 20], &lf)] {
            for split in [MAX_SKIPPED, 2 << 20] {
                let lines = [first.clone(), endless.clone(), line("d")];
                let all = [&all[..], b"\r\nd\r\n"].concat();
                assert_eq!(read(&all, &[split]), lines, "it is told once more, and once");
            }
        }
        let mut lenient = LineReader::lenient(8);
        let mut bytes = &b"a\nb\r\n123456789\nc\n"[..];
        let lines: Vec<_> = std::iter::from_fn(|| lenient.next(&mut bytes)).collect();
        let whole = |text: &[u8]| Ok(text.to_vec());
        assert_eq!(lines, [whole(b"a"), whole(b"b"), Err(LineFault::TooLong), whole(b"c")]);
    }
}
