//! What is read is the same at every split, and no neighbour can read another end in it.

use proptest::prelude::*;

use super::*;

/// What was read: commands, and letters as they came out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Read {
    Command(Result<SmtpCommand, SmtpFault>),
    Letter(Vec<u8>, TextNotes),
    Unfinished(Vec<u8>),
}

/// Reads all, cut at these places. A DATA is answered with 354, a BDAT is taken, as are no others.
fn read(all: &[u8], splits: &[usize]) -> Vec<Read> {
    let (mut reader, mut said, mut letter, mut from) =
        (SmtpReader::default(), Vec::new(), None::<Vec<u8>>, 0);
    let mut is_last = false;
    for end in splits.iter().copied().chain([all.len()]) {
        let mut bytes = &all[from..end];
        from = end;
        while let Some(input) = reader.next(&mut bytes) {
            match input {
                SmtpInput::Text(text) => letter.get_or_insert_default().extend_from_slice(text),
                SmtpInput::End(notes) => {
                    said.push(Read::Letter(letter.take().unwrap_or_default(), notes));
                }
                SmtpInput::ChunkEnd if is_last => {
                    let notes = reader.end_chunks();
                    said.push(Read::Letter(letter.take().unwrap_or_default(), notes));
                }
                SmtpInput::ChunkEnd => {}
                SmtpInput::Response(line) => panic!("nobody asked for {line:?}"),
                SmtpInput::Command(command) => {
                    match &command {
                        Ok(SmtpCommand::Data) => reader.expect_text(),
                        Ok(SmtpCommand::Bdat { size, is_last: last }) => {
                            is_last = *last;
                            reader.expect_chunk(*size);
                        }
                        _ => {}
                    }
                    said.push(Read::Command(command));
                }
            }
        }
        assert!(bytes.is_empty(), "all is read");
        assert!(reader.held() <= 4 * MAX_RESPONSE, "{} bytes are held", reader.held());
    }
    said.extend(letter.map(Read::Unfinished));
    said
}

/// The letter that a stream after DATA brings, at every split, and what is read behind it.
fn letter(text: &[u8]) -> Option<(Vec<u8>, TextNotes, usize)> {
    let all = [b"DATA\r\n", text].concat();
    let each: Vec<_> = (0..all.len()).collect();
    let whole = read(&all, &[]);
    assert_eq!(read(&all, &each), whole, "{text:?} byte by byte");
    for split in 0..all.len() {
        assert_eq!(read(&all, &[split]), whole, "{text:?} at {split}");
    }
    match &whole[..] {
        [_, Read::Letter(letter, notes), behind @ ..] => {
            Some((letter.clone(), *notes, behind.len()))
        }
        [_] | [_, Read::Unfinished(_)] => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_a_dot_between_cr_lf_ends_a_letter() {
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r\n.\r",
        "\r.\r\n",
        "\r\n.\r\r\n",
        "\r\n.\r\x00\n",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\r\n\0.\0\r\n",
        "\r\n .\r\n",
        "\r\n. \r\n",
        "\n\r.\r\n",
        "\r\r\n.\r\r\n",
    ] {
        let text = format!("a: b\r\n\r\nhello{end}MAIL FROM:<x@y>\r\n");
        assert_eq!(letter(text.as_bytes()), None, "{end:?}");
        let (bytes, ..) = letter(format!("{text}.\r\n").as_bytes()).expect("it ends there");
        assert!(bytes.ends_with(b"MAIL FROM:<x@y>\r\n"), "{end:?}: nothing of it is a command");
    }
}

#[test]
fn dots_are_taken_away_where_they_were_doubled() {
    for (sent, kept, not_stuffed) in [
        (".\r\n", "", 0),
        ("\r\n.\r\n", "\r\n", 0),
        ("..\r\n.\r\n", ".\r\n", 0),
        ("..x\r\n.\r\n", ".x\r\n", 0),
        ("...\r\n.\r\n", "..\r\n", 0),
        ("a..\r\n..b\r\n.\r\n", "a..\r\n.b\r\n", 0),
        (".x\r\n.\r\n", "x\r\n", 1),
        (".\rx\r\n.\r\n", "\rx\r\n", 0),
        (".\r\r\n.\r\n", "\r\r\n", 0),
        (".\n.\r\n.\r\n", "\n.\r\n", 1),
    ] {
        let (bytes, notes, behind) = letter(sent.as_bytes()).expect(sent);
        assert_eq!(String::from_utf8_lossy(&bytes), kept, "{sent:?}");
        assert_eq!((notes.not_stuffed, behind), (not_stuffed, 0), "{sent:?}");
        assert_eq!(notes.bytes, bytes.len() as u64);
    }
    let (_, _, behind) = letter(b"x\r\n.\r\nNOOP\r\nQUIT\r\n").expect("a letter");
    assert_eq!(behind, 2, "commands in the same packet are commands");
}

#[test]
fn what_is_odd_is_kept_and_noted() {
    let long = format!("{}\r\n{}\r\n.\r\n", "x".repeat(998), "y".repeat(999));
    for (sent, notes) in [
        (
            "a\nb\r\n.\r\n",
            TextNotes { bytes: 5, bare_lf: 1, is_ended: true, ..TextNotes::default() },
        ),
        (
            "a\rb\r\n.\r\n",
            TextNotes { bytes: 5, bare_cr: 1, is_ended: true, ..TextNotes::default() },
        ),
        (
            "a\r\r\n.\r\n",
            TextNotes { bytes: 4, bare_cr: 1, is_ended: true, ..TextNotes::default() },
        ),
        (
            "\0\u{e9}\r\n.\r\n",
            TextNotes {
                bytes: 5,
                has_8bit: true,
                has_nul: true,
                is_ended: true,
                ..TextNotes::default()
            },
        ),
        (&long, TextNotes { bytes: 2_001, long_lines: 1, is_ended: true, ..TextNotes::default() }),
    ] {
        let all = [b"DATA\r\n", sent.as_bytes()].concat();
        for split in [0, 6, 7, 8, 9, 10] {
            let said = read(&all, &[split]);
            assert!(matches!(&said[1], Read::Letter(_, found) if *found == notes), "{said:?}");
        }
    }
}

#[test]
fn chunks_are_taken_as_they_are_and_are_one_letter() {
    let all = b"BDAT 7\r\n.\r\n.\r\n\nBDAT 3 LAST\r\na\r\nBDAT 0 LAST\r\nNOOP\r\n";
    let notes = TextNotes { bytes: 10, bare_lf: 1, is_ended: true, ..TextNotes::default() };
    let each: Vec<_> = (0..all.len()).collect();
    for splits in (0..all.len()).map(|split| vec![split]).chain([each]) {
        let said = read(all, &splits);
        let letters: Vec<_> =
            said.iter().filter(|read| matches!(read, Read::Letter(..))).cloned().collect();
        let empty = TextNotes { is_ended: true, ..TextNotes::default() };
        assert_eq!(
            letters,
            [Read::Letter(b".\r\n.\r\n\na\r\n".to_vec(), notes), Read::Letter(Vec::new(), empty)],
            "{splits:?}"
        );
        assert_eq!(said.last(), Some(&Read::Command(Ok(SmtpCommand::Noop))));
    }
    let mut reader = SmtpReader::default();
    reader.expect_waste(5);
    let mut bytes = &b"DATA\nNOOP\r\n"[..];
    assert_eq!(reader.next(&mut bytes), Some(SmtpInput::ChunkEnd));
    assert_eq!(reader.next(&mut bytes), Some(SmtpInput::Command(Ok(SmtpCommand::Noop))));
}

#[test]
fn an_overlong_line_is_one_error_and_what_follows_is_in_step() {
    let all = [vec![b'x'; 100_000], b"\r\nNOOP\r\n".to_vec()].concat();
    for splits in [vec![], vec![MAX_RESPONSE], vec![MAX_RESPONSE + 1], (0..all.len()).collect()] {
        let said = read(&all, &splits);
        assert_eq!(said, [Read::Command(Err(TOO_LONG)), Read::Command(Ok(SmtpCommand::Noop))]);
    }
    let said = read(b"NOOP\nMAIL FROM:<a@b>\r\nNOOP\r\n", &[]);
    assert_eq!(said.len(), 2, "one error, no second command: {said:?}");
    assert!(matches!(&said[0], Read::Command(Err(fault)) if fault.code == 500));
}

#[test]
fn what_came_before_a_handshake_does_not_count() {
    let mut reader = SmtpReader::default();
    let mut bytes = &b"STARTTLS\r\nMAIL FR"[..];
    assert_eq!(reader.next(&mut bytes), Some(SmtpInput::Command(Ok(SmtpCommand::StartTls))));
    assert_eq!(reader.next(&mut bytes), None);
    assert!(!reader.is_between());
    reader.forget();
    assert!(reader.is_between());
    let mut bytes = &b"OM:<a@b>\r\nNOOP\r\n"[..];
    assert!(matches!(reader.next(&mut bytes), Some(SmtpInput::Command(Err(_)))));
    assert_eq!(reader.next(&mut bytes), Some(SmtpInput::Command(Ok(SmtpCommand::Noop))));
}

/// Pieces of which inputs are made that go wrong in readers.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        &b"\r\n"[..],
        b"\r",
        b"\n",
        b".",
        b"\r\n.\r\n",
        b"\r\n.",
        b"\0",
        b"DATA\r\n",
        b"BDAT 3\r\n",
        b"BDAT 9 LAST\r\n",
        b"BDAT 18446744073709551615\r\n",
        b"MAIL FROM:<a@b> SIZE=9\r\n",
        b"RCPT TO:<\"a\\\"\"@[IPv6:::1]> NOTIFY=NEVER\r\n",
        b"EHLO x\r\n",
        b"<",
        b">",
        b"@",
        b"\"",
        b"\\",
        b"[",
        b"]",
        b" ",
        b"=",
        b"+",
        b"\xff",
        b"\xc3\xa9",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.map(<[u8]>::to_vec).to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_input_is_read_the_same_however_it_is_cut(
        pieces in proptest::collection::vec(piece(), 0..24),
        first in any::<proptest::sample::Index>(),
        second in any::<proptest::sample::Index>(),
    ) {
        let all = pieces.concat();
        let mut splits = [first.index(all.len() + 1), second.index(all.len() + 1)];
        splits.sort_unstable();
        prop_assert_eq!(read(&all, &splits), read(&all, &[]));
    }

    /// One letter in, one letter out, its bytes as they are.
    #[test]
    fn a_letter_that_is_stuffed_comes_out_as_it_was(
        lines in proptest::collection::vec("[.a]{0,4}", 0..8),
        split in any::<proptest::sample::Index>(),
    ) {
        let letter: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        let mut sent = b"DATA\r\n".to_vec();
        let mut stuffer = super::super::Stuffer::default();
        stuffer.push(letter.as_bytes(), &mut sent);
        stuffer.finish(&mut sent);
        let said = read(&sent, &[split.index(sent.len())]);
        prop_assert_eq!(said.len(), 2);
        prop_assert!(matches!(&said[1], Read::Letter(bytes, _) if bytes == letter.as_bytes()));
    }
}
