//! Where the parts of letters lie, however the letters come.

use proptest::prelude::*;

use super::*;
use crate::codec::mime::PartPlace;

fn read(letter: &[u8], splits: &[usize]) -> MimePart {
    let (mut reader, mut from) = (MimeReader::default(), 0);
    for end in splits.iter().copied().chain([letter.len()]) {
        reader.push(&letter[from..end]);
        from = end;
    }
    reader.finish()
}

/// What a part holds, at every split of its letter.
fn section(letter: &str, path: &[u32], what: PartPlace) -> Option<String> {
    let whole = read(letter.as_bytes(), &[]);
    for split in 0..letter.len() {
        assert_eq!(read(letter.as_bytes(), &[split]), whole, "cut at {split}");
    }
    let each: Vec<_> = (0..letter.len()).collect();
    assert_eq!(read(letter.as_bytes(), &each), whole, "byte by byte");
    let place = whole.place(path, what)?;
    let place =
        usize::try_from(place.start).expect("small")..usize::try_from(place.end).expect("small");
    Some(letter[place].to_owned())
}

const NESTED: &str = "Subject: out\r\nContent-Type: multipart/mixed; boundary=\"a\"\r\n\r\npreamble\r\n\
--a\r\n\r\none\r\n--a \t\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\
Content-Type: multipart/alternative; boundary=a-b\r\n\r\n--a-b\r\nX: y\r\n\r\nin one\r\n\r\n--a-b\r\n\
Content-Type: text/html\r\n\r\nin two\r\n--a-b--\r\nepilogue\r\n--a\r\n\
Content-Type: text/x\r\n\r\n--a--\r\nepilogue\r\n--a\r\nno part\r\n";

#[test]
fn parts_lie_where_they_lie() {
    use PartPlace::{All, Header, Mime, Text};
    for (path, what, text) in [
        (&[][..], All, Some(NESTED)),
        (
            &[][..],
            Header,
            Some("Subject: out\r\nContent-Type: multipart/mixed; boundary=\"a\"\r\n\r\n"),
        ),
        (&[1], All, Some("one")),
        (&[1], Mime, Some("\r\n")),
        (&[1], Header, None),
        (&[2], Mime, Some("Content-Type: message/rfc822\r\n\r\n")),
        (
            &[2],
            Header,
            Some("Subject: in\r\nContent-Type: multipart/alternative; boundary=a-b\r\n\r\n"),
        ),
        (&[2, 1], All, Some("in one\r\n")),
        (&[2, 1], Mime, Some("X: y\r\n\r\n")),
        (&[2, 2], All, Some("in two")),
        (&[2, 2], Mime, Some("Content-Type: text/html\r\n\r\n")),
        (&[2, 3], All, None),
        (&[3], All, Some("")),
        (&[3], Mime, Some("Content-Type: text/x\r\n\r\n")),
        (&[4], All, None),
        (&[1, 1], All, None),
        (&[0], All, None),
        (&[], Text, NESTED.split_once("\r\n\r\n").map(|(_, body)| body)),
    ] {
        let found = section(NESTED, path, what);
        assert_eq!(found.as_deref(), text, "{path:?} {what:?}");
    }
    let text = section(NESTED, &[2], Text).expect("a letter");
    assert!(text.starts_with("--a-b\r\n") && text.ends_with("epilogue"), "{text:?}");
}

#[test]
fn a_letter_without_parts_is_its_part_one() {
    use PartPlace::{All, Header, Mime, Text};
    let plain = "Subject: x\r\n\r\nhello\r\nyou";
    assert_eq!(section(plain, &[1], All).as_deref(), Some("hello\r\nyou"));
    assert_eq!(section(plain, &[1], Mime).as_deref(), Some("Subject: x\r\n\r\n"));
    assert_eq!(section(plain, &[2], All), None);
    assert_eq!(section(plain, &[1], Text), None);
    assert_eq!(read(plain.as_bytes(), &[]).lines, 1);
    let root = "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nhello\r\n";
    assert_eq!(section(root, &[1], All).as_deref(), Some("Subject: in\r\n\r\nhello\r\n"));
    assert_eq!(section(root, &[1], Header).as_deref(), Some("Subject: in\r\n\r\n"));
    assert_eq!(section(root, &[1], Text).as_deref(), Some("hello\r\n"));
    assert_eq!(section(root, &[1, 1], All).as_deref(), Some("hello\r\n"));
    for (letter, head, body) in [
        ("", "", ""),
        ("\r\n", "\r\n", ""),
        ("Subject: x", "Subject: x", ""),
        ("Subject: x\r\n", "Subject: x\r\n", ""),
        ("a: b\n\nc\n", "a: b\n\n", "c\n"),
    ] {
        assert_eq!(section(letter, &[], Header).as_deref(), Some(head), "{letter:?}");
        assert_eq!(section(letter, &[], Text).as_deref(), Some(body), "{letter:?}");
    }
}

#[test]
fn the_parts_of_a_digest_are_letters_where_they_do_not_say_otherwise() {
    use PartPlace::{All, Header, Mime, Text};
    let digest = "Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\nSubject: one\r\n\r\nin one\r\n\
        --a\r\nX: y\r\n\r\nSubject: two\r\n\r\nin two\r\n--a\r\nContent-Type: text/plain\r\n\r\nA: b\r\n--a--\r\n";
    for (path, what, text) in [
        (&[1][..], Header, Some("Subject: one\r\n\r\n")),
        (&[1], Text, Some("in one")),
        (&[1], Mime, Some("\r\n")),
        (&[2], Mime, Some("X: y\r\n\r\n")),
        (&[2, 1], All, Some("in two")),
        (&[3], All, Some("A: b")),
        (&[3], Header, None),
    ] {
        assert_eq!(section(digest, path, what).as_deref(), text, "{path:?} {what:?}");
    }
}

#[test]
fn what_is_no_multipart_has_no_parts() {
    for letter in [
        "Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx\r\n----\r\n",
        "Content-Type: multipart/mixed; boundary=a\r\n\r\nno part\r\n",
        "Content-Type: multipart/mixed; boundary=a\r\n\r\n--ab\r\n\r\nx\r\n",
        "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a--\r\n",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==\r\n",
    ] {
        let part = read(letter.as_bytes(), &[]);
        assert_eq!(part.inside, PartBody::Bytes, "{letter:?}");
    }
}

#[test]
fn lines_of_a_part_are_those_of_its_body() {
    let part = read(NESTED.as_bytes(), &[]);
    let PartBody::Parts(parts) = &part.inside else { panic!("{part:?}") };
    let body = |part: &MimePart| {
        let range = usize::try_from(part.body.start).expect("small")
            ..usize::try_from(part.body.end).expect("small");
        NESTED[range].matches('\n').count() as u64
    };
    for part in parts.iter().chain([&part]) {
        assert_eq!(part.lines, body(part), "{part:?}");
    }
    let PartBody::Letter(letter) = &parts[1].inside else { panic!("{parts:?}") };
    assert_eq!(letter.lines, body(letter));
    assert_eq!(
        letter.text,
        b"Subject: in\r\nContent-Type: multipart/alternative; boundary=a-b\r\n\r\n"
    );
}

#[test]
fn what_never_ends_stays_bounded() {
    let mut many = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n".to_vec();
    many.extend(b"--a\r\n\r\n".repeat(200_000));
    let PartBody::Parts(parts) = read(&many, &[]).inside else { panic!("parts") };
    assert_eq!(parts.len(), MAX_PARTS - 1);
    let deep = b"Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let (mut part, mut depth) = (&read(&deep, &[]), 0);
    while let PartBody::Letter(letter) = &part.inside {
        (part, depth) = (letter, depth + 1);
    }
    assert_eq!(depth, MAX_DEPTH - 1);
    let mut nested = Vec::new();
    for n in 0..20_000 {
        nested.extend(
            format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n").bytes(),
        );
    }
    read(&nested, &[]);
    let mut reader = MimeReader::default();
    for _ in 0..100 {
        reader.push(&vec![b'x'; 100_000]);
        assert!(reader.line.len() <= MAX_HEADS + LOOKED_AT);
    }
    reader.push(b"\r\n\r\n");
    for _ in 0..100 {
        reader.push(&vec![b'y'; 100_000]);
        assert!(reader.line.len() <= LOOKED_AT);
    }
    assert_eq!(reader.finish().body.end, 20_000_004);
}

fn piece() -> impl Strategy<Value = &'static [u8]> {
    proptest::sample::select(vec![
        &b"\r\n"[..],
        b"\n",
        b"\r",
        b"--a",
        b"--a--",
        b"--a\r\n",
        b"\r\n--a--\r\n",
        b"--b\r\n",
        b"-",
        b"x",
        b" ",
        b":",
        b"\0",
        b"\xff",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: multipart/mixed;\r\n boundary=\"b\"\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Disposition: attachment; filename=\"",
        b"\"",
        b"(",
        b"\\",
    ])
}

/// Every part lies within its parent, and behind the one before it.
fn check(part: &MimePart) {
    assert!(part.head.start <= part.head.end && part.head.end <= part.body.start, "{part:?}");
    assert!(part.body.start <= part.body.end, "{part:?}");
    let children = match &part.inside {
        PartBody::Bytes => Vec::new(),
        PartBody::Parts(parts) => parts.iter().collect(),
        PartBody::Letter(letter) => vec![&**letter],
    };
    let mut from = part.body.start;
    for child in children {
        assert!(child.head.start >= from && child.body.end <= part.body.end, "{part:?}");
        from = child.body.end;
        check(child);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_letter_has_the_same_parts_however_it_is_cut(
        pieces in proptest::collection::vec(piece(), 0..40),
        first in any::<proptest::sample::Index>(),
        second in any::<proptest::sample::Index>(),
    ) {
        let all = pieces.concat();
        let mut splits = [first.index(all.len() + 1), second.index(all.len() + 1)];
        splits.sort_unstable();
        let whole = read(&all, &[]);
        check(&whole);
        prop_assert_eq!(read(&all, &splits), whole);
    }
}
