//! Says it louder.

use super::{Ask, Door, Made, Reply, Responder, ServiceRow};
use crate::spec::{Shape, Spec};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "upper",
        summary: "shouts",
        options: &[],
        examples: &["hobnob serve upper"],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(|_| Ok(Made::Responder(Box::new(Upper)))),
};

struct Upper;

impl Responder for Upper {
    /// By Unicode's rules, so that text may grow (`ß` is `SS`), at most threefold. Text that is not UTF-8 keeps each byte
    /// that is no ASCII letter.
    fn answer(&self, ask: &Ask<'_>, out: &mut Reply) {
        match std::str::from_utf8(ask.message) {
            Ok(text) if !text.is_ascii() => out.push(text.to_uppercase().as_bytes()),
            _ => {
                let start = out.bytes().len();
                out.push(ask.message);
                out.buffer()[start..].make_ascii_uppercase();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, make};
    use super::*;

    #[test]
    fn unicode_shouts_too() {
        let upper = make(&ROW, &[]);
        for (message, shout) in [("abc 1", "ABC 1"), ("straße", "STRASSE"), ("é 张三", "É 张三")]
        {
            assert_eq!(answer(&*upper, Shape::Bytes, message.as_bytes()).bytes(), shout.as_bytes());
        }
    }

    #[test]
    fn what_is_not_utf8_keeps_its_other_bytes() {
        let upper = make(&ROW, &[]);
        assert_eq!(answer(&*upper, Shape::Bytes, b"a\xFFb\xE9").bytes(), b"A\xFFB\xE9");
    }

    /// Case 18: off loopback an answer is at most three times what was asked.
    #[test]
    fn case_18_no_character_grows_more_than_threefold() {
        for character in (0..=0x0010_FFFF).filter_map(char::from_u32) {
            let grown: usize = character.to_uppercase().map(char::len_utf8).sum();
            assert!(grown <= 3 * character.len_utf8(), "{character}");
        }
    }
}
