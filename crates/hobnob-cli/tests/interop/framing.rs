//! Malformed requests, ours and h11's opinion of each (python3-h11, a strict parser of another make).
//!
//! Behind every request stands another one. Whoever takes more requests out of the same bytes than a strict neighbour
//! does can be smuggled past, so `serve http` never answers more of them than h11 finds.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use crate::peer::{PATIENCE, Running, has, serve};

/// What stands behind each.
const BEHIND: &str = "GET /behind HTTP/1.1\r\nHost: x\r\n\r\n";
/// How many are made by mutation.
const MUTANTS: usize = 600;
/// Of the mutation: the same requests in every run.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Requests in order, from which the mutants are made.
const GOOD: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a?b=c HTTP/1.1\r\nHost: x:80\r\nAccept: */*\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nT: u\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\nGET /in HTTP/1.1\r\nHost: x\r\n\r\nab",
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nCookie: a=b; c=d\r\n\r\n",
];

/// First lines that are none, or odd.
const LINES: &[&str] = &[
    "",
    " ",
    "GET",
    "GET /",
    "GET / ",
    " GET / HTTP/1.1",
    "GET  / HTTP/1.1",
    "GET /  HTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET\t/\tHTTP/1.1",
    "GET / HTTP/1.1 x",
    "GET / http/1.1",
    "GET / HTTP/1",
    "GET / HTTP/1.",
    "GET / HTTP/11",
    "GET / HTTP/1.10",
    "GET / HTTP/01.1",
    "GET / HTTP/2.0",
    "GET / HTTP/0.9",
    "GET / HTTP/1.2",
    "GET / HTTP/9.9",
    "GET / XTTP/1.1",
    "GET /a b HTTP/1.1",
    "GET /\x7f HTTP/1.1",
    "GET /\0 HTTP/1.1",
    "GET /\u{e9} HTTP/1.1",
    "G\0T / HTTP/1.1",
    "G(T / HTTP/1.1",
    "G:T / HTTP/1.1",
    "\u{e9} / HTTP/1.1",
    "GET / HTTP/1.1\r",
    "\0GET / HTTP/1.1",
    "\rGET / HTTP/1.1",
    "\nGET / HTTP/1.1",
    "GET / HTTP/1.1\u{b}",
    "/ GET HTTP/1.1",
    "HTTP/1.1 200 OK",
    "PRI * HTTP/2.0",
];

/// Fields that are none, odd, or frame a body in a way that is not clear.
const FIELDS: &[&str] = &[
    "X",
    "X ",
    "X Y: z",
    ": x",
    " X: y",
    "\tX: y",
    "X : y",
    "X\t: y",
    "X\0: y",
    "X: \0",
    "X: a\rb",
    "X: a\nb",
    "X(: y",
    "X: \u{1}",
    "X: \u{7f}",
    "\u{e9}: x",
    "Host: y",
    "Host : x",
    "Host: a b",
    "Host:",
    "Host: a/b",
    "Host: a,b",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 5, 6",
    "Content-Length: 5,5",
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length: 0x5",
    "Content-Length: 5 ",
    "Content-Length: 5 5",
    "Content-Length: 5a",
    "Content-Length: ",
    "Content-Length: \u{663}",
    "Content-Length: 5;a",
    "Content-Length: 1e1",
    "Content-Length: 5.0",
    "Content-Length: 99999999999999999999999",
    "Content-Length: 18446744073709551621",
    "Content-Length : 5",
    "Content-Length\t: 5",
    "Content_Length: 5",
    "Content-Length:\u{b}5",
    "Content-Length: 5\r\n 6",
    "Content-Length: 0\r\n5",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunke",
    "Transfer-Encoding: \u{b}chunked",
    "Transfer-Encoding: chunked\u{c}",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding\u{b}: chunked",
    "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "transfer-encoding:chunked\r\ncontent-length:5",
    "Transfer-Encoding:",
];

/// Bodies in chunks that are none, or odd.
const CHUNKS: &[&str] = &[
    "5\nhello\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\r\nhello\r\n0\n\r\n",
    "5\r\nhello\r\n0\r\n\n",
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "5\rhello\r\n0\r\n\r\n",
    "\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "5h\r\nhello\r\n0\r\n\r\n",
    "g\r\nhello\r\n0\r\n\r\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "00000000000000000000005\r\nhello\r\n0\r\n\r\n",
    "5\r\nhelloxx\r\n0\r\n\r\n",
    "5\r\nhell\r\n0\r\n\r\n",
    "6\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello\r\n\r\n0\r\n\r\n",
    "5;\r\nhello\r\n0\r\n\r\n",
    "5;\0\r\nhello\r\n0\r\n\r\n",
    "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
    "5,a\r\nhello\r\n0\r\n\r\n",
    "5\u{b}\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
    "5\r\nhello\r\n0\r\nX\r\n\r\n",
    "5\r\nhello\r\n0\r\n X: y\r\n\r\n",
    "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
    "5\r\nhello\r\n0\r\nX: \0\r\n\r\n",
    "5\r\nhello\r\n-0\r\n\r\n",
    "5\r\nhello\r\n0;\n\r\n\r\n",
    "0\r\n",
    "0\r\n\r",
    "5\r\nhello\r\n00\r\n\r\n",
    "\u{ff15}\r\nhello\r\n0\r\n\r\n",
];

/// What a mutation puts in.
const BITS: &[&str] = &[
    "\r",
    "\n",
    "\r\n",
    "\r\n\r\n",
    " ",
    "\t",
    "\0",
    "\u{b}",
    "\u{c}",
    "\u{7f}",
    "\u{80}",
    "\u{ff}",
    ":",
    ",",
    ";",
    "\"",
    "0",
    "5",
    "-",
    "+",
    "0x",
    "chunked",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Host: y\r\n",
    "HTTP/1.0",
    "X: y\r\n",
];

/// Each character is a byte.
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

fn from_the_table() -> Vec<Vec<u8>> {
    let post = "POST / HTTP/1.1\r\nHost: x\r\n";
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
    let mut all: Vec<String> = GOOD.iter().map(|good| (*good).to_owned()).collect();
    all.extend(LINES.iter().map(|line| format!("{line}\r\nHost: x\r\n\r\n")));
    for field in FIELDS {
        all.push(format!("{post}{field}\r\n\r\n"));
        all.push(format!("{post}{field}\r\n\r\nhello"));
        all.push(format!("{post}{field}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
        all.push(format!("POST / HTTP/1.0\r\n{field}\r\n\r\nhello"));
    }
    all.extend(CHUNKS.iter().map(|chunks| format!("{chunked}{chunks}")));
    // Every line end of a good one as a bare LF, and without its LF.
    for good in GOOD {
        for (at, _) in good.match_indices("\r\n") {
            all.push(format!("{}{}", &good[..at], &good[at + 1..]));
            all.push(format!("{}{}", &good[..=at], &good[at + 2..]));
        }
    }
    all.iter().map(|text| latin(text)).collect()
}

/// xorshift64*: chance that is the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % bound
    }
}

fn mutants() -> Vec<Vec<u8>> {
    let mut chance = Chance(SEED);
    (0..MUTANTS)
        .map(|_| {
            let mut request = latin(GOOD[chance.below(GOOD.len())]);
            for _ in 0..=chance.below(3) {
                let at = chance.below(request.len());
                let bit = latin(BITS[chance.below(BITS.len())]);
                match chance.below(4) {
                    0 => drop(request.splice(at..at, bit)),
                    1 => drop(request.splice(at..=at, bit)),
                    2 if request.len() > 1 => drop(request.remove(at)),
                    _ => request[at] = request[at].wrapping_add(1),
                }
            }
            request
        })
        .collect()
}

/// Reads requests in hexadecimal, a line each, and prints for each how many h11 finds, and why it stopped if it did.
const H11: &str = "
import sys, h11
for line in sys.stdin:
    conn, found, why = h11.Connection(h11.SERVER), 0, ''
    try:
        conn.receive_data(bytes.fromhex(line))
        conn.receive_data(b'')
        while True:
            event = conn.next_event()
            if type(event) is h11.EndOfMessage:
                found += 1
                conn.send(h11.Response(status_code=200, headers=[('Content-Length', '0')]))
                conn.send(h11.EndOfMessage())
                if conn.our_state is h11.MUST_CLOSE:
                    break
            elif event is h11.PAUSED:
                conn.start_next_cycle()
            elif type(event) is h11.ConnectionClosed or event is h11.NEED_DATA:
                break
    except h11.RemoteProtocolError as wrong:
        why = str(wrong) or 'wrong'
    except h11.LocalProtocolError as wrong:
        why = 'closing'
    print(found, ascii(why), flush=True)
";

/// A Python that has h11: Debian's own has, and another one that stands before it may not.
fn python_with_h11(test: &str) -> Option<&'static str> {
    let has_it = |python: &&str| {
        let tried = Command::new(python).args(["-c", "import h11"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_it);
    if found.is_none() {
        // Says so where the test run collects it.
        has(test, "h11");
    }
    found
}

/// How many of the requests in these bytes are answered with 200.
fn answered(address: &str, bytes: &[u8]) -> usize {
    let mut peer = TcpStream::connect(address).expect("it listens");
    peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // It may have heard enough before all is sent.
    let _ = peer.write_all(bytes);
    let _ = peer.shutdown(Shutdown::Write);
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).unwrap_or_else(|error| {
        panic!("no orderly end after {:?}: {error}", bytes.escape_ascii().to_string())
    });
    let heard = String::from_utf8_lossy(&heard).into_owned();
    heard.matches("HTTP/1.1 200").count() + heard.matches("HTTP/1.0 200").count()
}

#[test]
fn no_more_is_found_in_doubtful_bytes_than_h11_finds() {
    let Some(python) =
        python_with_h11("framing::no_more_is_found_in_doubtful_bytes_than_h11_finds")
    else {
        return;
    };
    let (_server, address) = serve("http", "127.0.0.1:0", &["-q"]);
    let address = address.join(":");
    let mut h11 = Running::start(Command::new(python).args(["-c", H11]));
    let requests: Vec<_> = from_the_table().into_iter().chain(mutants()).collect();
    let (mut refused, mut stricter, mut laxer) = (0, 0, BTreeMap::new());
    for request in &requests {
        let bytes = [request, BEHIND.as_bytes()].concat();
        // A server may skip an empty line before a request (RFC 9112 section 2.2): we do, and h11 does not.
        let skipped = bytes.escape_ascii().to_string();
        let is_skipped = skipped.contains(r"\r\n\r\n\r\nGET /behind");
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        h11.type_in(&format!("{}\n", hex.concat()));
        let ours = answered(&address, &bytes);
        let said = h11.line();
        let (theirs, why) = said.split_once(' ').expect("a number and a reason");
        let theirs: usize = theirs.parse().expect("a number");
        refused += usize::from(why != "''");
        stricter += usize::from(ours < theirs);
        if ours > theirs && !is_skipped {
            laxer.insert(request.escape_ascii().to_string(), (ours, theirs, why.to_owned()));
        }
    }
    println!(
        "{} requests, {refused} refused by h11, {stricter} read more strictly by us",
        requests.len()
    );
    assert!(refused >= 300, "only {refused} of {} are malformed to h11", requests.len());
    assert!(laxer.is_empty(), "{} are taken that h11 refuses: {laxer:#?}", laxer.len());
    for (good, request) in GOOD.iter().zip(&requests) {
        assert_eq!(answered(&address, &[request, BEHIND.as_bytes()].concat()), 2, "{good}");
    }
}
