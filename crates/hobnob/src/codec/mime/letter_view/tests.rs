//! What people see of a letter, whatever its bytes are.

use proptest::prelude::*;

use super::*;
use crate::codec::mime::{MAX_DEPTH, MAX_PARTS, ShownLetter};

const LETTER: &str = "From: =?utf-8?q?L=C3=AF?= <li@test>\r\nSubject: =?utf-8?B?5L2g5aW9?=\r\nReceived: a\r\n\
Received: b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n\
--y\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
caf=E9 https://a.test/b?c=1.\r\n--y\r\nContent-Type: text/html\r\n\r\n<a href=\"https://a.test/reset?x=1&amp;y=2\">Go</a>\r\n\
--y--\r\n--x\r\nContent-Type: image/png; name=m.png\r\nContent-Disposition: attachment; filename=\"../map.png\"\r\n\
Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nin\r\n--x--\r\n";

#[test]
fn what_a_letter_holds_is_attached_and_not_read_as_its_own() {
    let letter = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nmine\r\n\
--x\r\nContent-Type: text/plain; name=log.txt\r\nContent-Disposition: inline\r\n\r\nhttp://log.test\r\n\
--x\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: text/html\r\n\r\n<a href='http://theirs.test'>theirs</a>\r\n\
--x\r\nContent-Type: image/png\r\nContent-ID: <map@test>\r\n\r\nPNG\r\n--x--\r\n";
    let view = LetterView::read(letter.as_bytes().to_vec());
    assert_eq!((view.text().as_deref(), view.html()), (Some("mine"), None));
    assert_eq!(view.links(), [""; 0]);
    let files: Vec<_> =
        view.files().map(|part| (&*part.kind, part.id.as_deref(), part.is_inline)).collect();
    assert_eq!(
        files,
        [
            ("text/plain", None, true),
            ("message/rfc822", None, false),
            ("image/png", Some("map@test"), true),
        ]
    );
    let alone = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nread me\r\n";
    let alone = LetterView::read(alone.to_vec());
    assert_eq!(alone.text().as_deref(), Some("read me\r\n"));
    assert_eq!(alone.files().count(), 0);
}

/// The most that a letter may have of everything, at once: what is beyond costs no memory and no stack.
#[test]
fn parts_without_end_are_bounded_by_count_and_by_depth() {
    let holding = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let view = LetterView::read(holding.into_bytes());
    assert!(view.parts().len() <= MAX_DEPTH + 2, "{}", view.parts().len());
    let mut many = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n".to_vec();
    many.extend_from_slice(&b"--x\r\nContent-Type: image/png\r\n\r\nP\r\n".repeat(200_000));
    let view = LetterView::read(many);
    assert_eq!(view.parts().len(), MAX_PARTS);
    view.links();
    assert!(ShownLetter::of(&view).attachments.len() < MAX_PARTS);
}

#[test]
fn a_letter_is_seen_as_it_was_meant() {
    let view = LetterView::read(LETTER.as_bytes().to_vec());
    assert_eq!(view.field("subject").as_deref(), Some("你好"));
    assert_eq!(view.field("FROM").as_deref(), Some("Lï <li@test>"));
    assert_eq!(view.all("received"), ["a", "b"]);
    assert_eq!(view.text().as_deref(), Some("café https://a.test/b?c=1."));
    assert_eq!(view.links(), ["https://a.test/b?c=1", "https://a.test/reset?x=1&y=2"]);
    let files: Vec<_> = view.files().collect();
    assert_eq!(files.len(), 2, "a picture, and the letter that it holds");
    assert_eq!(files[0].name.as_deref(), Some("../map.png"), "as the sender says");
    assert_eq!((view.part_bytes(files[0]), files[0].size), (b"hello".to_vec(), 5));
    let parts = view.parts();
    let tree: Vec<_> = parts.iter().map(|p| format!("{} {} {}", p.depth, p.path, p.kind)).collect();
    assert_eq!(
        tree,
        [
            "0  multipart/mixed",
            "1 1 multipart/alternative",
            "2 1.1 text/plain",
            "2 1.2 text/html",
            "1 2 image/png",
            "1 3 message/rfc822",
            "2 3.1 text/plain",
        ]
    );
    let html = LetterView::read(
        b"Content-Type: text/html\r\n\r\n<p>a<br>b</p><script>x</script>".to_vec(),
    );
    assert_eq!(html.text().as_deref().map(str::trim), Some("a\nb"));
}

proptest! {
    #[test]
    fn any_bytes_are_a_letter(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            &b"\r\n"[..], b"--x\r\n", b"--x--\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n", b"\r\n\r\n",
            b"Content-Type: text/html\r\n", b"Content-Type: message/rfc822\r\n", b"<a href='", b"http://", b"\xff", b"=?",
            b"Content-Transfer-Encoding: base64\r\n", b"Subject: x", b"&#x", b"<script>", b"]", b"\0",
        ]), 0..24),
    ) {
        let view = LetterView::read(pieces.concat());
        for part in view.parts() {
            view.part_text(part);
        }
        view.text();
        view.links();
    }
}
