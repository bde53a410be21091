#![no_main]
//! The parts of a letter, its envelope, and what IMAP says of both.

use hobnob::codec::imap::{write_envelope, write_structure};
use hobnob::codec::mime::{Envelope, MimePart, MimeReader};
use libfuzzer_sys::fuzz_target;

fn read(parts: [&[u8]; 2]) -> MimePart {
    let mut reader = MimeReader::default();
    parts.iter().for_each(|part| reader.push(part));
    reader.finish()
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let (one, two) = data.split_at(usize::from(*first).min(data.len()));
    let letter = read([data, b""]);
    assert_eq!(read([one, two]), letter);
    let mut out = Vec::new();
    write_structure(&letter, true, &mut out);
    write_envelope(&Envelope::of(&letter.text), &mut out);
});
