//! Answers of all kinds, each cut in every way that there is.

use proptest::prelude::*;

use super::*;

/// What an answer came to: the statuses of its interim heads, the head, the body, trailers, and what was left over.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    interim: Vec<u16>,
    head: Option<Head>,
    body: Vec<u8>,
    trailers: Vec<u8>,
    is_whole: bool,
    surplus: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Unreadable(Unreadable),
    Cut(Missing),
}

/// Reads an answer that comes in these pieces; with the last one the conn ends.
fn read_pieces<'p>(method: &str, pieces: impl Iterator<Item = &'p [u8]>) -> (Read, Option<Wrong>) {
    let (mut answer, mut read) = (AnswerReader::to(method), Read::default());
    for mut piece in pieces {
        if let Err(unreadable) = take(&mut answer, &mut piece, &mut read) {
            return (read, Some(Wrong::Unreadable(unreadable)));
        }
        read.surplus += piece.len();
    }
    let cut = answer.end().err().map(Wrong::Cut);
    take(&mut answer, &mut &[][..], &mut read).expect("nothing is left to be wrong");
    assert!(read.is_whole == answer.is_over());
    (read, cut)
}

fn take(answer: &mut AnswerReader, piece: &mut &[u8], read: &mut Read) -> Result<(), Unreadable> {
    while let Some(part) = answer.next(piece)? {
        match part {
            AnswerPart::Interim(head) => read.interim.push(head.status),
            AnswerPart::Head(head) => assert!(read.head.replace(head).is_none(), "one head"),
            AnswerPart::Body(bytes) => read.body.extend_from_slice(bytes),
            AnswerPart::Trailers(lines) => read.trailers = lines,
            AnswerPart::End => read.is_whole = true,
        }
    }
    Ok(())
}

fn read(text: &str) -> (Read, Option<Wrong>) {
    read_pieces("GET", std::iter::once(text.as_bytes()))
}

fn body(text: &str) -> String {
    let (read, wrong) = read(text);
    assert_eq!(wrong, None, "{text:?}");
    assert!(read.is_whole, "{text:?}");
    String::from_utf8(read.body).expect("text")
}

/// Answers that are whole.
const GOOD: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200\r\ncontent-length:5\r\n\r\nhello",
    "HTTP/1.0 200 OK\r\n\r\nhello",
    "HTTP/1.1 200 OK\n\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5, 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\nhe\r\n003\r\nllo\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\t c\r\nContent-Length:\r\n 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\nX: a\n b\nTransfer-Encoding:\n chunked\n\n5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 2 \r\nhe\r\n3\t ; a = b \r\nllo\r\n0 ;\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
    "HTTP/1.1 999 \u{e9}t\u{e9}\r\nX:\u{e9}\r\nContent-Length: 5\r\n\r\nhello",
];

#[test]
fn a_body_is_as_long_as_it_says() {
    for text in GOOD {
        assert_eq!(body(text), "hello", "{text:?}");
    }
    let (read, _) = read(&format!("{}more", GOOD[0]));
    assert_eq!((read.body.as_slice(), read.surplus), (&b"hello"[..], 4));
}

#[test]
fn some_answers_have_no_body_whatever_they_say() {
    for (method, status) in [("GET", 204), ("GET", 304), ("GET", 101), ("HEAD", 200)] {
        let text = format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n");
        let (read, wrong) = read_pieces(method, std::iter::once(text.as_bytes()));
        assert_eq!((read.is_whole, wrong), (true, None), "{method} {status}");
        assert_eq!(read.head.map(|head| head.length), Some(Length::Nothing));
    }
}

#[test]
fn a_head_is_kept_as_it_came() {
    let text = "HTTP/1.1 404 Not  Found\r\nX-a:  1 \r\nSERVER: b\r\nx-A: 2\r\n\r\n";
    let head = read(text).0.head.expect("a head");
    assert_eq!((head.status, head.reason()), (404, &b"Not  Found"[..]));
    assert_eq!((head.field("x-a"), head.field("server")), (Some(&b"1"[..]), Some(&b"b"[..])));
    assert_eq!(head.field("y"), None);
    assert_eq!(head.raw, text.as_bytes());
    assert_eq!(head.fields().count(), 3);
}

#[test]
fn a_field_that_goes_on_in_the_next_line_is_one_with_spaces() {
    let text = "HTTP/1.1 302 x\r\nLocation:\r\n  /a\r\n\t/b\r\nX: y\r\n\r\n";
    let head = read(text).0.head.expect("a head");
    assert_eq!(head.field("location"), Some(&b"/a  \t/b"[..]));
    assert_eq!((head.field("x"), head.fields().count()), (Some(&b"y"[..]), 2));
    assert_eq!(head.raw.len(), text.len());
}

#[test]
fn a_head_that_is_refused_is_whole_and_can_be_shown() {
    for rest in
        ["X Y: z\r\nA: b\r\n\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"]
    {
        let text = format!("HTTP/1.1 200 OK\r\n{rest}hello");
        let (mut answer, mut read) = (AnswerReader::to("GET"), Read::default());
        assert!(take(&mut answer, &mut text.as_bytes(), &mut read).is_err());
        let refused = answer.refused().expect("a head");
        assert_eq!(refused.raw, text.strip_suffix("hello").expect("it ends so").as_bytes());
    }
}

#[test]
fn a_lenient_reader_takes_the_likelier_of_two_readings() {
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    for rest in [
        format!("Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
        format!("Transfer-Encoding: chunked, chunked\r\n\r\n{chunks}"),
        format!("Transfer-Encoding : chunked\r\n\r\n{}", chunks.replace("\r\n", "\n")),
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n".to_owned(),
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(),
        "Content-Length: five\r\n\r\nhello".to_owned(),
        "no colon\r\nX\0: \r y\r\n: z\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        " X: y\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
    ] {
        for version in ["1.0", "1.1"] {
            let text = format!("HTTP/{version} 200 OK\r\n{rest}");
            let (mut answer, mut read) = (AnswerReader::to("GET").lenient(true), Read::default());
            take(&mut answer, &mut text.as_bytes(), &mut read).expect(&text);
            answer.end().expect(&text);
            assert_eq!(read.body, b"hello", "{text:?}");
            assert!(self::read(&text).1.is_some(), "a strict one refuses {text:?}");
        }
    }
    let (mut answer, mut read) = (AnswerReader::to("GET").lenient(true), Read::default());
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
    take(&mut answer, &mut cut.as_bytes(), &mut read).expect("it can be read");
    assert_eq!(answer.end(), Err(Missing::Body(Some(4))), "what is missing is missing");
}

/// Answers that can be read in two ways or in none; the part behind the status line.
const BAD: &[&str] = &[
    "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "Content-Length: 5, 6\r\n\r\nhello",
    "Content-Length: -5\r\n\r\nhello",
    "Content-Length: +5\r\n\r\nhello",
    "Content-Length: 0x5\r\n\r\nhello",
    "Content-Length: 5 5\r\n\r\nhello",
    "Content-Length:\r\n\r\nhello",
    "Content-Length: 99999999999999999999\r\n\r\nhello",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nhello\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloxx\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
    "Content-Length : 5\r\n\r\nhello",
    " X: a\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5 5\r\nhello\r\n0\r\n\r\n",
    "no colon\r\n\r\n",
    ": x\r\n\r\n",
    "X Y: z\r\n\r\n",
    "X: a\rb\r\n\r\n",
    "X: a\0b\r\n\r\n",
];

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for rest in BAD {
        let (_, wrong) = read(&format!("HTTP/1.1 200 OK\r\n{rest}"));
        assert!(matches!(wrong, Some(Wrong::Unreadable(Unreadable::Bad(_)))), "{rest:?} {wrong:?}");
    }
    let (_, wrong) = read("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert!(matches!(wrong, Some(Wrong::Unreadable(Unreadable::Bad(_)))), "{wrong:?}");
}

#[test]
fn what_is_no_answer_is_known_without_a_newline() {
    for text in ["W", "Welcome!", "GET / HTTP/1.1", "HTTP/2", "http/1.1", "\r\n", "\x16\x03\x01"] {
        assert_eq!(read(text).1, Some(Wrong::Unreadable(Unreadable::NotHttp)), "{text:?}");
    }
    let lines = ["", "1", "1 200", "1  200 OK", "1 20 OK", "1 2000", "1 099 x", "1\t200", "x 200"];
    for line in lines.map(|line| format!("HTTP/1.{line}\r\n\r\n")) {
        let wrong = read(&line).1;
        let is_bad = matches!(wrong, Some(Wrong::Unreadable(Unreadable::Bad(_))));
        assert!(is_bad || line.contains("1 200\r"), "{line:?} {wrong:?}");
    }
}

/// Feeds the same piece over and over, and answers after how many bytes it was refused, and how.
fn endless(begin: &str, piece: &str) -> (usize, Unreadable) {
    let (mut answer, mut read) = (AnswerReader::to("GET"), Read::default());
    let mut all = 0;
    let mut feed = |text: &str| {
        all += text.len();
        take(&mut answer, &mut text.as_bytes(), &mut read).err().map(|wrong| (all, wrong))
    };
    if let Some(refused) = feed(begin) {
        return refused;
    }
    (0..10_000_000).find_map(|_| feed(piece)).expect("it is refused in the end")
}

#[test]
fn nothing_but_a_body_is_without_end() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\n";
    for (begin, piece, most) in [
        ("HTTP/1.1 200 ", "x", MAX_HEAD),
        (ok, "x", MAX_HEAD),
        (ok, "X: y\r\n", MAX_FIELDS * 6 + 32),
        (
            ok,
            "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
            MAX_HEAD,
        ),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", MAX_HEAD),
        (chunked, "1;xxxxxxxx\r\na\r\n", 64 * 1_024),
        (&format!("{chunked}1;"), "x", 2 * 1_024),
        (&format!("{chunked}0\r\n"), "X: y\r\n", MAX_FIELDS * 6 + 128),
        (&format!("{chunked}0\r\nX"), "x", MAX_HEAD + 128),
    ] {
        let (after, wrong) = endless(begin, piece);
        assert!(matches!(wrong, Unreadable::TooLarge(_)), "{begin:?} {piece:?} {wrong:?}");
        assert!(after <= most + piece.len() + begin.len(), "{begin:?} {piece:?}: {after}");
    }
}

#[test]
fn an_answer_that_is_cut_anywhere_is_not_whole() {
    for text in GOOD {
        let is_to_the_end = read(text).0.head.expect("a head").length == Length::ToTheEnd;
        for at in 0..text.len() {
            let Some(cut) = text.get(..at) else { continue };
            let (read, wrong) = read(cut);
            let is_in_a_body_to_the_end = is_to_the_end && read.head.is_some();
            assert_eq!(read.is_whole, is_in_a_body_to_the_end, "{cut:?}");
            assert_eq!(wrong.is_none(), is_in_a_body_to_the_end, "{cut:?}: {wrong:?}");
            assert_eq!(wrong == Some(Wrong::Cut(Missing::Everything)), at == 0, "{cut:?}");
        }
    }
    let cut = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").1;
    assert_eq!(cut, Some(Wrong::Cut(Missing::Body(Some(3)))));
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        which in 0..GOOD.len() + BAD.len(),
        cuts in proptest::collection::vec(0_usize..200, 0..12),
    ) {
        let text = match which.checked_sub(GOOD.len()) {
            None => GOOD[which].to_owned(),
            Some(bad) => format!("HTTP/1.1 200 OK\r\n{}", BAD[bad]),
        };
        let bytes = text.as_bytes();
        let mut cuts: Vec<_> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(read_pieces("GET", pieces), read_pieces("GET", std::iter::once(bytes)));
    }

    #[test]
    fn a_body_comes_out_as_it_went_in(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        sizes in proptest::collection::vec(1_usize..40, 1..20),
        cut in 1_usize..50,
    ) {
        let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let (mut rest, mut sizes) = (body.as_slice(), sizes.into_iter().cycle());
        while !rest.is_empty() {
            let length = sizes.next().expect("it cycles").min(rest.len());
            wire.extend(format!("{length:x}\r\n").bytes());
            wire.extend(&rest[..length]);
            wire.extend(b"\r\n");
            rest = &rest[length..];
        }
        wire.extend(b"0\r\n\r\n");
        let (read, wrong) = read_pieces("GET", wire.chunks(cut));
        prop_assert_eq!(wrong, None);
        prop_assert_eq!(read.body, body);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 1_usize..50) {
        let mut wire = b"HTTP/1.1 200 OK\r\n".to_vec();
        wire.extend(bytes);
        let (_, one) = read_pieces("GET", wire.chunks(cut));
        let (_, all) = read_pieces("GET", std::iter::once(wire.as_slice()));
        prop_assert_eq!(one, all);
    }
}
