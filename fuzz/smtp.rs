#![no_main]
//! Commands, letters and responses, as a server of SMTP reads them.

use hobnob::codec::smtp::{SmtpCommand, SmtpInput, SmtpReader};
use libfuzzer_sys::fuzz_target;

fn read(parts: [&[u8]; 2]) -> Vec<String> {
    let (mut reader, mut said, mut letter) = (SmtpReader::default(), Vec::new(), Vec::new());
    for mut bytes in parts {
        while let Some(input) = reader.next(&mut bytes) {
            match &input {
                SmtpInput::Text(text) => {
                    letter.extend_from_slice(text);
                    continue;
                }
                SmtpInput::Command(Ok(SmtpCommand::Data)) => reader.expect_text(),
                SmtpInput::Command(Ok(SmtpCommand::Bdat { size, is_last: true })) => {
                    reader.expect_waste(*size);
                }
                SmtpInput::Command(Ok(SmtpCommand::Bdat { size, .. })) => reader.expect_chunk(*size),
                SmtpInput::Command(Ok(SmtpCommand::Auth { .. })) => reader.expect_response(),
                _ => {}
            }
            said.push(format!("{input:?}"));
        }
        assert!(bytes.is_empty() && reader.held() < 64 * 1_024);
    }
    said.push(format!("{letter:?}"));
    said
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let (one, two) = data.split_at(usize::from(*first).min(data.len()));
    assert_eq!(read([one, two]), read([data, b""]));
});
