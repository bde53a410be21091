//! Names of mailboxes on the wire: modified UTF-7 (RFC 3501 section 5.1.3).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

/// Base64 with a comma for the slash, and without padding.
const MUTF7: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// What a name says. None where it is not encoded as it has to be, so that no name can be written in two ways.
pub fn decode_name(name: &str) -> Option<String> {
    let (mut said, mut rest) = (String::new(), name);
    while let Some(at) = rest.find('&') {
        said.push_str(&rest[..at]);
        let (encoded, after) = rest[at + 1..].split_once('-')?;
        rest = after;
        if encoded.is_empty() {
            said.push('&');
            continue;
        }
        let bytes = MUTF7.decode(encoded).ok()?;
        let units: Vec<u16> = bytes
            .chunks(2)
            .map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)))
            .collect::<Option<_>>()?;
        said.push_str(&String::from_utf16(&units).ok()?);
    }
    said.push_str(rest);
    (encode_name(&said) == name).then_some(said)
}

/// A name as it goes over the wire.
pub fn encode_name(name: &str) -> String {
    let (mut out, mut run) = (String::new(), String::new());
    let end_run = |run: &mut String, out: &mut String| {
        if !run.is_empty() {
            let bytes: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let _ = write!(out, "&{}-", MUTF7.encode(bytes)); // a String takes all
            run.clear();
        }
    };
    for c in name.chars() {
        if !matches!(c, ' '..='~') {
            run.push(c);
            continue;
        }
        end_run(&mut run, &mut out);
        out.push(c);
        if c == '&' {
            out.push('-');
        }
    }
    end_run(&mut run, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_over_the_wire_and_back_in_one_way_only() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("a&b", "a&-b"),
            (
                "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}",
                "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
            ),
            ("\u{1f600}", "&2D3eAA-"),
            ("\u{e9}t\u{e9}", "&AOk-t&AOk-"),
        ] {
            assert_eq!(encode_name(name), wire);
            assert_eq!(decode_name(wire).as_deref(), Some(name));
        }
        for wrong in [
            "&",
            "a&b",
            "&AGEAYg-",
            "&U,BTFw",
            "&U/BTFw-",
            "&2D0-",
            "&AOk-&AOk-",
            "\u{e9}",
            "&AOk=-",
        ] {
            assert_eq!(decode_name(wrong), None, "{wrong}");
        }
    }
}
