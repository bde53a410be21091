//! Envelopes and structures of letters as FETCH answers them (RFC 3501 section 7.4.2).

use super::quoting::{write_nstring, write_string};
use crate::codec::mime::{ContentType, Envelope, EnvelopeAddress, MimePart, PartBody};

/// Writes an envelope in its brackets.
pub fn write_envelope(envelope: &Envelope, out: &mut Vec<u8>) {
    out.push(b'(');
    write_nstring(envelope.date.as_deref(), out);
    out.push(b' ');
    write_nstring(envelope.subject.as_deref(), out);
    let lists = [
        &envelope.from,
        &envelope.sender,
        &envelope.reply_to,
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ];
    for list in lists {
        out.push(b' ');
        write_addresses(list, out);
    }
    for text in [&envelope.in_reply_to, &envelope.message_id] {
        out.push(b' ');
        write_nstring(text.as_deref(), out);
    }
    out.push(b')');
}

fn write_addresses(list: &[EnvelopeAddress], out: &mut Vec<u8>) {
    if list.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for address in list {
        let parts = [&address.name, &address.route, &address.mailbox, &address.host];
        for (at, part) in parts.into_iter().enumerate() {
            out.push(if at == 0 { b'(' } else { b' ' });
            write_nstring(part.as_deref(), out);
        }
        out.push(b')');
    }
    out.push(b')');
}

/// Writes `BODYSTRUCTURE`, or `BODY` where it is not extended.
pub fn write_structure(part: &MimePart, is_extended: bool, out: &mut Vec<u8>) {
    out.push(b'(');
    if let PartBody::Parts(parts) = &part.inside {
        for part in parts {
            write_structure(part, is_extended, out);
        }
        out.push(b' ');
        let subtype = part.kind.as_ref().map_or(&b"mixed"[..], |kind| &kind.subtype);
        write_string(subtype, out);
        if is_extended {
            out.push(b' ');
            write_parameters(part.kind.as_ref(), out);
            write_rest(part, out);
        }
    } else {
        write_one(part, is_extended, out);
        if is_extended {
            out.push(b' ');
            write_nstring(part.md5.as_deref(), out);
            write_rest(part, out);
        }
    }
    out.push(b')');
}

/// A part that has no parts. What does not say what it is, or says that it has parts and has none, is plain text.
fn write_one(part: &MimePart, is_extended: bool, out: &mut Vec<u8>) {
    let has_parts = |kind: &&ContentType| kind.kind.eq_ignore_ascii_case(b"multipart");
    let kind = part.kind.as_ref().filter(|kind| !has_parts(kind));
    write_string(kind.map_or(b"text", |kind| &kind.kind), out);
    out.push(b' ');
    write_string(kind.map_or(b"plain", |kind| &kind.subtype), out);
    out.push(b' ');
    match kind {
        Some(_) => write_parameters(kind, out),
        None => out.extend_from_slice(b"(\"charset\" \"us-ascii\")"),
    }
    for text in [&part.id, &part.description] {
        out.push(b' ');
        write_nstring(text.as_deref(), out);
    }
    out.push(b' ');
    write_string(part.encoding.as_deref().unwrap_or(b"7bit"), out);
    out.extend_from_slice(format!(" {}", part.body.end - part.body.start).as_bytes());
    if let PartBody::Letter(letter) = &part.inside {
        out.push(b' ');
        write_envelope(&Envelope::of(&letter.text), out);
        out.push(b' ');
        write_structure(letter, is_extended, out);
        out.extend_from_slice(format!(" {}", part.lines).as_bytes());
    } else if kind.is_none_or(|kind| kind.kind.eq_ignore_ascii_case(b"text")) {
        out.extend_from_slice(format!(" {}", part.lines).as_bytes());
    }
}

fn write_parameters(kind: Option<&ContentType>, out: &mut Vec<u8>) {
    let parameters = kind.map_or(&[][..], |kind| &kind.parameters);
    if parameters.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    for (at, (name, value)) in parameters.iter().enumerate() {
        out.push(if at == 0 { b'(' } else { b' ' });
        write_string(name, out);
        out.push(b' ');
        write_string(value, out);
    }
    out.push(b')');
}

/// Disposition, language and location.
fn write_rest(part: &MimePart, out: &mut Vec<u8>) {
    out.push(b' ');
    match &part.disposition {
        Some(disposition) => {
            out.push(b'(');
            write_string(&disposition.kind, out);
            out.push(b' ');
            write_parameters(Some(disposition), out);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    for text in [&part.language, &part.location] {
        out.push(b' ');
        write_nstring(text.as_deref(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::mime::MimeReader;

    fn structure(letter: &str, is_extended: bool) -> String {
        let mut reader = MimeReader::default();
        reader.push(letter.as_bytes());
        let mut out = Vec::new();
        write_structure(&reader.finish(), is_extended, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn structures_and_envelopes_are_written_as_clients_read_them() {
        let text = "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 1)";
        assert_eq!(structure("A: b\r\n\r\nhi\r\n", false), text);
        assert_eq!(structure("Content-Type: multipart/mixed\r\n\r\nhi\r\n", false), text);
        let letter = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\
            Content-Type: image/png; name=\"a \\\"b\"\r\nContent-Disposition: attachment; filename=x\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n\
            Subject: caf\u{e9}\r\nFrom: Li <li@test>\r\n\r\nhi\r\n--a--\r\n";
        assert_eq!(
            structure(letter, false),
            "((\"image\" \"png\" (\"name\" \"a \\\"b\") NIL NIL \"base64\" 4)\
             (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 40 (NIL {5}\r\ncaf\u{e9} ((\"Li\" NIL \"li\" \"test\")) \
             ((\"Li\" NIL \"li\" \"test\")) ((\"Li\" NIL \"li\" \"test\")) NIL NIL NIL NIL NIL) \
             (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 2 0) 3) \"mixed\")"
        );
        let extended = structure(letter, true);
        assert!(
            extended.contains(" 4 NIL (\"attachment\" (\"filename\" \"x\")) NIL NIL)"),
            "{extended}"
        );
        assert!(extended.ends_with(" \"mixed\" (\"boundary\" \"a\") NIL NIL NIL)"), "{extended}");
    }
}
