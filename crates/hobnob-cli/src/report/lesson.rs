//! What a call to the kernel shows that a person may not have expected.

use hobnob::address::Address;
use hobnob::event::Called;
use hobnob::socket::holder;

use crate::report::show::{count, grouped};

/// What an event can teach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lesson {
    SeveralLines,
    CutCharacter,
    PartOnly,
    LingeringPort,
}

/// What this call teaches, if anything. `stream` is how a person calls the stream that it was made on, if it was one.
pub(super) fn lesson(call: &Called, stream: Option<&str>) -> Option<(Lesson, String)> {
    call.result.as_ref().ok()?;
    match call.name {
        "recv" => {
            let medium = stream?;
            let lines = call.bytes.split_inclusive(|byte| *byte == b'\n').count();
            if lines > 1 {
                let text =
                    format!("one recv returned {lines} lines: {medium} keeps bytes, not messages");
                return Some((Lesson::SeveralLines, text));
            }
            ends_within_a_character(&call.bytes).then(|| {
                let text = "a character was cut in two: decode() of this piece alone would fail";
                (Lesson::CutCharacter, text.to_owned())
            })
        }
        "send" if call.count < call.bytes.len() => {
            let (sent, all) = (grouped(call.count as u64), grouped(call.bytes.len() as u64));
            let text = format!(
                "send took {sent} of {all} bytes: the rest goes with the next call, as sendall does it"
            );
            Some((Lesson::PartOnly, text))
        }
        "bind" if stream.is_some() => {
            let Some(Address::Ip(at)) = &call.address else { return None };
            let lingering = if at.port() > 0 { holder::lingering(*at) } else { 0 };
            (lingering > 0).then(|| {
                let old = count(lingering as u64, "old connection");
                let text = format!(
                    "bind works although this port has {old} in TIME_WAIT: SO_REUSEADDR is set"
                );
                (Lesson::LingeringPort, text)
            })
        }
        _ => None,
    }
}

/// Whether the bytes are UTF-8 whose last character is not whole.
fn ends_within_a_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
