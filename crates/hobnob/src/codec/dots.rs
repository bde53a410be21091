//! Texts that end with a line that is a dot: letters behind DATA (RFC 5321 section 4.5.2), answers of POP3 (RFC 1939
//! section 3). Only CR LF, the dot and CR LF end one.

/// Reads such a text, and takes away the dots that the sender doubled.
#[derive(Debug, Default)]
pub(super) struct DotReader {
    place: DotPlace,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum DotPlace {
    /// At the beginning of a line, which is behind CR LF and nowhere else.
    #[default]
    LineStart,
    /// In a line.
    Inside,
    /// Behind a CR in a line.
    Cr,
    /// Behind the dot that a line began with.
    Dot,
    /// Behind that dot and a CR.
    DotCr,
}

/// What stands next.
pub(super) enum Dotted<'a> {
    Text(&'a [u8]),
    /// The line that began there with a dot was not stuffed.
    NotStuffed,
    End,
}

impl DotReader {
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Dotted<'a>> {
        let all = *bytes;
        let mut at = 0;
        while at < all.len() {
            match (self.place, all[at]) {
                (DotPlace::LineStart, b'.') => {
                    if at > 0 {
                        break;
                    }
                    *bytes = &all[1..];
                    self.place = DotPlace::Dot;
                    return self.after_dot(bytes);
                }
                (DotPlace::Dot | DotPlace::DotCr, _) => return self.after_dot(bytes),
                (DotPlace::Cr, b'\n') => {
                    self.place = DotPlace::LineStart;
                    at += 1;
                }
                _ => {
                    self.place = DotPlace::Inside;
                    let stop = memchr::memchr(b'\r', &all[at..]);
                    at = stop.map_or(all.len(), |stop| at + stop + 1);
                    if stop.is_some() {
                        self.place = DotPlace::Cr;
                    }
                }
            }
        }
        let (text, rest) = all.split_at(at);
        *bytes = rest;
        (!text.is_empty()).then_some(Dotted::Text(text))
    }

    /// What a line is that began with a dot, once that can be told.
    fn after_dot<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Dotted<'a>> {
        loop {
            let first = *bytes.first()?;
            match (self.place, first) {
                (DotPlace::Dot, b'\r') => {
                    *bytes = &bytes[1..];
                    self.place = DotPlace::DotCr;
                }
                (DotPlace::Dot, b'.') => {
                    self.place = DotPlace::Inside;
                    return self.next(bytes);
                }
                (DotPlace::Dot, _) => {
                    self.place = DotPlace::Inside;
                    return Some(Dotted::NotStuffed);
                }
                (DotPlace::DotCr, b'\n') => {
                    *bytes = &bytes[1..];
                    self.place = DotPlace::LineStart;
                    return Some(Dotted::End);
                }
                // The CR belongs to the letter.
                _ => {
                    self.place = DotPlace::Cr;
                    return Some(Dotted::Text(b"\r"));
                }
            }
        }
    }
}
