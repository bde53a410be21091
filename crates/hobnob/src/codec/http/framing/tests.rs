//! What is in order at every split, and what is refused at every split.

use super::*;
use crate::codec::http::MAX_FIELDS;

/// Feeds `all` in pieces that end at these places; the bytes of heads that came through, in whole requests.
fn feed(all: &[u8], splits: &[usize]) -> Result<(usize, RequestPlace), RequestFault> {
    let mut framing = RequestFraming::default();
    let (mut taken, mut requests) = (0, 0);
    for end in splits.iter().copied().chain([all.len()]) {
        loop {
            let was_before_one = framing.is_at_a_request();
            let Some(length) = framing.advance(&all[taken..end])? else { break };
            taken += length;
            assert!(taken <= end, "it takes no more than there is");
            requests += usize::from(!was_before_one && framing.is_at_a_request());
        }
    }
    Ok((requests, framing.place()))
}

fn each_split(all: &[u8], check: impl Fn(Result<(usize, RequestPlace), RequestFault>)) {
    for split in 0..all.len() {
        check(feed(all, &[split]));
    }
    check(feed(all, &(0..all.len()).collect::<Vec<_>>()));
}

#[test]
fn what_is_in_order_comes_through_at_every_split() {
    for (requests, text) in [
        (1, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        (1, "GET / HTTP/1.0\r\n\r\n"),
        (1, "GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
        (1, "GET / HTTP/1.9\r\nHost: x\r\n\r\n"),
        (1, "GET /a?b=%20;c HTTP/1.1\r\nhost:x:80\r\nX:\r\nY: \t a\tb \u{ff}\r\n\r\n"),
        (1, "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
        (1, "GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n"),
        (1, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n\n\0\r\nx"),
        (1, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:0\r\n\r\n"),
        (2, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.0\r\n\r\n"),
        (
            2,
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n\
             5;a=b;c=\"d\"\r\n\r\n\0ab\r\n0A\r\n0123456789\r\n0\r\nT: x\r\n\r\n\
             GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        (1, "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        (1, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n"),
        (3, &"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3)),
    ] {
        // Each character is a byte: 0xff is one too.
        let bytes = text.chars().map(|c| c as u8).collect::<Vec<_>>();
        each_split(&bytes, |read| {
            assert_eq!(read, Ok((requests, RequestPlace::Between)), "{text:?}");
        });
    }
}

#[test]
fn where_the_next_byte_stands_is_known() {
    for (text, place) in [
        ("", RequestPlace::Between),
        ("G", RequestPlace::Head),
        ("GET / HTTP/1.1\r\n", RequestPlace::Head),
        ("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\n", RequestPlace::Body),
        ("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nx", RequestPlace::Body),
        ("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nxx", RequestPlace::Between),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            RequestPlace::Body,
        ),
    ] {
        assert_eq!(feed(text.as_bytes(), &[]).map(|(_, place)| place), Ok(place), "{text:?}");
    }
}

#[test]
fn a_request_that_wants_the_end_is_the_last() {
    for (is_last, text) in [
        (false, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        (false, "GET / HTTP/1.1\r\nHost: x\r\nConnection: closed, x\r\n\r\n"),
        (false, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
        (true, "GET / HTTP/1.0\r\n\r\n"),
        (true, "GET / HTTP/1.1\r\nHost: x\r\nconnection: x ,Close\r\n\r\n"),
        (true, "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"),
        (true, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"),
    ] {
        let (mut framing, mut taken) = (RequestFraming::default(), 0);
        while let Some(length) = framing.advance(&text.as_bytes()[taken..]).expect("in order") {
            assert!(!framing.is_over() || taken + length == text.len(), "{text:?}");
            taken += length;
        }
        assert_eq!((taken, framing.is_over()), (text.len(), is_last), "{text:?}");
    }
}

#[test]
fn empty_lines_before_a_request_are_few() {
    let text = format!("{}GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n".repeat(MAX_EMPTY));
    assert_eq!(feed(text.as_bytes(), &[]).map_err(|fault| fault.status), Err(400));
}

/// First lines that are none.
const LINES: &[&str] = &[
    " ",
    "GET",
    "GET /",
    "GET / ",
    "GET  / HTTP/1.1",
    "GET /  HTTP/1.1",
    "GET / HTTP/1.1 ",
    " GET / HTTP/1.1",
    "GET\t/ HTTP/1.1",
    "GET /\tHTTP/1.1",
    "GET / a HTTP/1.1",
    "GET / HTTP/1.1 x",
    "GET / http/1.1",
    "GET / HTTP/1",
    "GET / HTTP/1.",
    "GET / HTTP/.1",
    "GET / HTTP/01.1",
    "GET / HTTP/1.10",
    "GET / HTTP/1,1",
    "GET / HTTPS/1.1",
    "GET / HTTP1.1",
    "GET / HTTP /1.1",
    "GET / HTTP/2.0",
    "GET / HTTP/0.9",
    "GET / HTTP/9.9",
    "PRI * HTTP/2.0",
    "GET * HTTP/1.1",
    "GET x HTTP/1.1",
    "GET ?x HTTP/1.1",
    "GET x:80 HTTP/1.1",
    "GET ftp://x/ HTTP/1.1",
    "GET http:// HTTP/1.1",
    "GET http:/x HTTP/1.1",
    "GET /# HTTP/1.1",
    "GET /< HTTP/1.1",
    "GET /\\ HTTP/1.1",
    "GET /\u{e9} HTTP/1.1",
    "GET /\0 HTTP/1.1",
    "GET /\x7f HTTP/1.1",
    "GET /\x0b HTTP/1.1",
    "GET /\x1b[2J HTTP/1.1",
    "GET /\r HTTP/1.1",
    "G\rET / HTTP/1.1",
    "GET / HTTP/1.1\r",
    "\rGET / HTTP/1.1",
    "xxGET / HTTP/1.1",
    "get / HTTP/1.1",
    "M-SEARCH / HTTP/1.1",
    "CONNECT x:80 HTTP/1.1",
    "CONNECT / HTTP/1.1",
    "G(T / HTTP/1.1",
    "G:T / HTTP/1.1",
    "\"GET\" / HTTP/1.1",
    "G\u{e9}T / HTTP/1.1",
    "\x16\x03\x01 / HTTP/1.1",
    "GETGETGETGETGETGETGETGETGETGETGET / HTTP/1.1",
    "SSH-2.0-OpenSSH_9.6",
    "HTTP/1.1 200 OK",
];

/// Fields that make a head doubtful beside `Host: x`.
const FIELDS: &[&str] = &[
    "Host: x",
    "Host: y",
    "host:x",
    "Host:",
    "x",
    ":",
    ": x",
    " X: x",
    "\tX: x",
    " folded",
    "X : x",
    "X\t: x",
    "X Y: x",
    "(X): x",
    "X\u{e9}: x",
    "X/Y: x",
    "X: a\0b",
    "X: a\x01b",
    "X: a\x08b",
    "X: a\x0bb",
    "X: a\x0cb",
    "X: a\x1bb",
    "X: a\x7fb",
    "X: a\rb",
    "X: a\nb",
    "X: a\r",
    "X: a\r\n b",
    "X: a\nHost: y",
    "\0: x",
    "X\r: x",
    "\rX: x",
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length: 0x5",
    "Content-Length: 5 5",
    "Content-Length: 5,5",
    "Content-Length: 5, 5",
    "Content-Length: 5;",
    "Content-Length: 5.0",
    "Content-Length: 5e1",
    "Content-Length: 5a",
    "Content-Length: a",
    "Content-Length:",
    "Content-Length: ",
    "Content-Length:  5",
    "Content-Length:\t5",
    "Content-Length: 5 ",
    "Content-Length: \"5\"",
    "Content-Length: 1_0",
    "Content-Length: \u{b2}",
    "Content-Length: 18446744073709551616",
    "Content-Length: 99999999999999999999",
    "Content-Length : 5",
    "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 0\r\ncontent-length: 0",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Transfer-Encoding: chunked\r\nContent-Length: 0",
    "Transfer-Encoding:  chunked",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding : chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked,identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding:",
    "Transfer-Encoding: \r\n chunked",
];

/// Hosts that are none.
const HOSTS: &[&str] =
    &["", " ", "a b", "a,b", "a/b", "a@b", "a?b", "a#b", "a\\b", "a\"b", "<a>", "a|b", "\u{e9}"];

/// Chunked bodies that are none.
const CHUNKS: &[&str] = &[
    "\r\n",
    ";a\r\n",
    " 5\r\nhello\r\n",
    "5 \r\nhello\r\n",
    "5 ;a\r\nhello\r\n",
    "+5\r\nhello\r\n",
    "-5\r\nhello\r\n",
    "-1\r\n",
    "0x5\r\nhello\r\n",
    "5h\r\nhello\r\n",
    "g\r\n",
    "5,5\r\nhello\r\n",
    "5_0\r\nhello\r\n",
    "10000000000000000\r\n",
    "00000000000000005\r\nhello\r\n",
    "fffffffffffffffff\r\n",
    "5\nhello\r\n",
    "5\rhello\r\n",
    "5;a\nhello\r\n",
    "5;a\n\r\nhello\r\n",
    "5;a\rb\r\nhello\r\n",
    "5;\0\r\nhello\r\n",
    "5;\x7f\r\nhello\r\n",
    "5\0\r\nhello\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello!\r\n0\r\n\r\n",
    "5\r\nhelloxx\r\n0\r\n\r\n",
    "5\r\nhell\r\n0\r\n\r\n",
    "5\r\nhello\r\n\r\n",
    "5\r\nhello\rx0\r\n\r\n",
    "0\n\n",
    "0\r\n\n",
    "0\r\n\rx",
    "0\r\nX\r\n\r\n",
    "0\r\nX : x\r\n\r\n",
    "0\r\n X: x\r\n\r\n",
    "0\r\nX: a\0\r\n\r\n",
    "0\r\nContent-Length: 5\r\n\r\n",
    "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "0\r\nHost: x\r\n\r\n",
];

fn shapes() -> Vec<String> {
    let lines = LINES.iter().map(|line| format!("{line}\r\nHost: x\r\n\r\n"));
    let fields = FIELDS.iter().map(|f| format!("POST / HTTP/1.1\r\nHost: x\r\n{f}\r\n\r\nhello"));
    let hosts = HOSTS.iter().map(|host| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = CHUNKS.iter().map(|chunks| format!("{head}{chunks}"));
    let whole = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\rX",
        "GET / HTTP/1.1\r\nX-Host: x\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloxx\r\n",
    ];
    lines.chain(fields).chain(hosts).chain(chunks).chain(whole.map(String::from)).collect()
}

#[test]
fn case_27_every_doubtful_shape_is_refused_at_every_split() {
    let shapes = shapes();
    assert!(shapes.len() >= 120, "{}", shapes.len());
    for text in shapes {
        let bytes = text.chars().map(|c| c as u8).collect::<Vec<_>>();
        each_split(&bytes, |read| {
            let fault = read.expect_err(&format!("{text:?} came through"));
            assert!([400, 501, 505].contains(&fault.status), "{text:?}: {fault:?}");
        });
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_whole() {
    let head = "GET / HTTP/1.1\r\nHost: x\r\n";
    let long = |length: usize| "x".repeat(length);
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (status, text) in [
        (414, format!("GET /{}", long(MAX_HEAD))),
        (431, format!("{head}X: {}", long(MAX_HEAD))),
        (431, format!("{head}{}", "X: y\r\n".repeat(MAX_FIELDS))),
        (431, format!("{head}{}", format!("X: {}\r\n", long(1_000)).repeat(17))),
        (400, format!("{chunked}5;{}", long(MAX_SIZE_LINE))),
        (431, format!("{chunked}0\r\nX: {}", long(MAX_HEAD))),
        (431, format!("{chunked}0\r\n{}", "X: y\r\n".repeat(MAX_FIELDS + 1))),
    ] {
        let read = feed(text.as_bytes(), &[]).map_err(|fault| fault.status);
        assert_eq!(read, Err(status), "{}", &text[..60.min(text.len())]);
    }
    let most = format!("{head}{}\r\n", "X: y\r\n".repeat(MAX_FIELDS - 1));
    assert_eq!(feed(most.as_bytes(), &[]), Ok((1, RequestPlace::Between)));
    let room = MAX_HEAD - head.len() - "X: \r\n\r\n".len();
    let full = format!("{head}X: {}\r\n\r\n", long(room));
    assert_eq!(feed(full.as_bytes(), &[]), Ok((1, RequestPlace::Between)));
}
