//! Letters that say which one they are, and of which each byte is known.

use std::fmt::Write as _;

/// A number that looks like chance, and is the same for the same text.
pub(super) fn lot(text: &str) -> u64 {
    let mut lot = text.bytes().fold(0xcbf2_9ce4_8422_2325, |lot: u64, byte| {
        (lot ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The last step of SplitMix64: names differ in their last digits alone.
    lot = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    lot = (lot ^ (lot >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    lot ^ (lot >> 31)
}

/// The letter of this name: a few KiB, and one of thirty longer than what is held in memory.
pub(super) fn letter(name: &str) -> String {
    let lot = lot(name);
    let size = if lot.is_multiple_of(30) { 70_000 + lot % 60_000 } else { 100 + lot % 4_000 };
    let mut text = format!("Subject: {name}\r\n\r\n");
    for line in 0.. {
        if text.len() as u64 > size {
            break;
        }
        let dot = if line % 7 == 3 { "." } else { "" };
        write!(text, "{dot}{name} {line:05} {:-<60}\r\n", "").expect("a String takes all");
    }
    text + "the end\r\n"
}

/// The name of a letter that is whole. It is an error to be another one, or half of one.
pub(super) fn name_of(text: &[u8]) -> String {
    let text = std::str::from_utf8(text).expect("a letter of ours");
    let name = text.strip_prefix("Subject: ").and_then(|rest| rest.split_once("\r\n"));
    let (name, _) = name.unwrap_or_else(|| panic!("no letter of ours: {:?}", text.get(..80)));
    let whole = letter(name);
    assert_eq!(text.len(), whole.len(), "{name} is not as long as it was");
    assert!(text == whole, "{name} is not what was sent");
    name.to_owned()
}

/// As SMTP sends it.
pub(super) fn stuffed(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines.fold(String::new(), |all, line| all + if line.starts_with('.') { "." } else { "" } + line)
}
