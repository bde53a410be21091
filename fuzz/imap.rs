#![no_main]
//! Commands, literals and letters, as a server of IMAP reads them; and answers, as a client does.

use hobnob::codec::imap::{ImapAnswerReader, ImapCommand, ImapInput, ImapReader, ImapRequest};
use libfuzzer_sys::fuzz_target;

fn read(parts: [&[u8]; 2]) -> Vec<String> {
    let (mut reader, mut said, mut letter) = (ImapReader::default(), Vec::new(), Vec::new());
    for mut bytes in parts {
        while let Some(input) = reader.next(&mut bytes) {
            match &input {
                ImapInput::Letter(text) => {
                    letter.extend_from_slice(text);
                    continue;
                }
                ImapInput::Append { size, .. } if *size < 1_000 => reader.accept(),
                ImapInput::Append { .. } => drop(reader.refuse(10_000)),
                ImapInput::Request(Ok(ImapRequest {
                    command: ImapCommand::Idle | ImapCommand::Authenticate { .. },
                    ..
                })) => reader.expect_line(),
                _ => {}
            }
            said.push(format!("{input:?}"));
        }
        assert!(bytes.is_empty() && reader.held() < 128 * 1_024);
    }
    said.push(format!("{letter:?}"));
    said
}

fn answers(parts: [&[u8]; 2]) -> Vec<String> {
    let (mut reader, mut said) = (ImapAnswerReader::of(10_000), Vec::new());
    for mut bytes in parts {
        loop {
            match reader.next(&mut bytes) {
                Ok(Some(answer)) => said.push(format!("{answer:?}")),
                Ok(None) => break,
                Err(fault) => {
                    said.push(format!("{fault:?}"));
                    return said;
                }
            }
        }
    }
    said
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let (one, two) = data.split_at(usize::from(*first).min(data.len()));
    assert_eq!(read([one, two]), read([data, b""]));
    assert_eq!(answers([one, two]), answers([data, b""]));
});
