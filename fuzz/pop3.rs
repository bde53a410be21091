#![no_main]
//! Commands of POP3, as a server reads them.

use hobnob::codec::pop3::{Pop3Command, Pop3Input, Pop3Reader};
use libfuzzer_sys::fuzz_target;

fn read(parts: [&[u8]; 2]) -> Vec<String> {
    let (mut reader, mut said) = (Pop3Reader::default(), Vec::new());
    for mut bytes in parts {
        while let Some(input) = reader.next(&mut bytes) {
            if let Pop3Input::Command(Ok(Pop3Command::Auth(Some(_)))) = &input {
                reader.expect_response();
            }
            said.push(format!("{input:?}"));
        }
        assert!(bytes.is_empty() && reader.held() < 64 * 1_024);
    }
    said
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let (one, two) = data.split_at(usize::from(*first).min(data.len()));
    assert_eq!(read([one, two]), read([data, b""]));
});
