//! Characters that are not seen: two texts that differ in them alone look the same.

/// `Default_Ignorable_Code_Point` of the Unicode Character Database 16.0 (`DerivedCoreProperties.txt`), each range with
/// its last.
const IGNORABLE: [(char, char); 17] = [
    ('\u{ad}', '\u{ad}'),       // soft hyphen
    ('\u{34f}', '\u{34f}'),     // combining grapheme joiner
    ('\u{61c}', '\u{61c}'),     // Arabic letter mark
    ('\u{115f}', '\u{1160}'),   // Hangul fillers
    ('\u{17b4}', '\u{17b5}'),   // Khmer inherent vowels
    ('\u{180b}', '\u{180f}'),   // Mongolian variation selectors and vowel separator
    ('\u{200b}', '\u{200f}'),   // zero-width space, joiners, marks of direction
    ('\u{202a}', '\u{202e}'),   // embeddings and overrides of direction
    ('\u{2060}', '\u{206f}'),   // word joiner, invisible operators, isolates of direction
    ('\u{3164}', '\u{3164}'),   // Hangul filler
    ('\u{fe00}', '\u{fe0f}'),   // variation selectors
    ('\u{feff}', '\u{feff}'),   // byte order mark
    ('\u{ffa0}', '\u{ffa0}'),   // halfwidth Hangul filler
    ('\u{fff0}', '\u{fff8}'),   // not assigned
    ('\u{1bca0}', '\u{1bca3}'), // shorthand format controls
    ('\u{1d173}', '\u{1d17a}'), // musical format controls
    ('\u{e0000}', '\u{e0fff}'), // tags, more variation selectors
];

/// Whether a character has no shape of its own: a control character, one that Unicode says to ignore where it cannot be
/// shown, or one that ends a line or annotates it (U+2028, U+2029, U+FFF9 to U+FFFB).
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}')
        || IGNORABLE.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_shape_is_known_and_what_has_one_is_not() {
        for c in
            "\0\x1b\x7f\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180e}"
                .chars()
        {
            assert!(is_hidden(c), "{}", c.escape_unicode());
        }
        for c in "\u{200b}\u{200d}\u{200f}\u{2028}\u{202e}\u{2060}\u{2066}\u{206f}\u{3164}\u{fe0f}"
            .chars()
        {
            assert!(is_hidden(c), "{}", c.escape_unicode());
        }
        for c in "\u{feff}\u{ffa0}\u{fffb}\u{1bca0}\u{1d173}\u{e0001}\u{e0041}\u{e01ef}".chars() {
            assert!(is_hidden(c), "{}", c.escape_unicode());
        }
        for c in "a ~é李雷👩💻ก\u{301}\u{3000}\u{a0}\u{fffd}".chars() {
            assert!(!is_hidden(c), "{}", c.escape_unicode());
        }
    }
}
