//! `hobnob::get` and what it is made of, against a server of ours and against peers that a test plays.

use hobnob::Result;
use hobnob::engine::{Dialer, parse};
use hobnob::error::{Error, Kind};
use hobnob::exchange::{AnswerPart, Answered, Asked, Exchange, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{PATIENCE, soon};

/// Asks a peer that is played.
async fn ask<F: Future<Output = ()>>(
    request: Request,
    play: impl FnOnce(TcpStream) -> F,
) -> Result<Answered> {
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = door.local_addr().expect("it is bound");
    let exchange = Exchange::new(&parse(&format!("http://{address}/a?b"))?, request)?;
    let played = async {
        let (peer, _) = door.accept().await.expect("a peer");
        play(peer).await;
    };
    let asking = async {
        let mut asked = exchange.ask(&Dialer::default()).await?;
        asked.set_idle(Some(PATIENCE));
        asked.collect(1_000_000).await
    };
    soon("an exchange", async { tokio::join!(asking, played) }).await.0
}

/// Reads until a head is whole.
async fn hear(peer: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(peer.read_u8().await.expect("a head"));
    }
    head
}

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn an_answer_comes_whole_however_it_is_cut() {
    let answered = ask(Request::to("/"), async |mut peer| {
        assert!(hear(&mut peer).await.starts_with(b"GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:"));
        peer.set_nodelay(true).expect("a socket");
        for byte in HELLO {
            peer.write_all(&[*byte]).await.expect("it listens");
            tokio::task::yield_now().await;
        }
    });
    let answered = answered.await.expect("an answer");
    assert_eq!((answered.head.status, answered.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(answered.head.field("content-length"), Some(&b"5"[..]));
}

#[tokio::test]
async fn the_end_of_the_answer_is_awaited_and_not_that_of_the_conn() {
    let (hold, held) = tokio::sync::oneshot::channel::<()>();
    let answered = ask(Request::to("/"), async |mut peer| {
        hear(&mut peer).await;
        peer.write_all(HELLO).await.expect("it listens");
        // The client's goodbye comes while this side stays open.
        assert_eq!(peer.read(&mut [0]).await.expect("an end in order"), 0);
        drop(hold);
    });
    assert_eq!(answered.await.expect("an answer").body, b"hello");
    assert!(held.await.is_err());
}

#[tokio::test]
async fn an_answer_is_heard_while_the_request_still_goes_out() {
    let mut request = Request::to("/");
    request.method = "PUT".to_owned();
    request.body = Some(vec![b'x'; 30_000_000]);
    let answered = ask(request, async |mut peer| {
        // It begins to answer before it takes the body, and its answer has no end before the body has come.
        hear(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\n\r\nhel").await.expect("it listens");
        let mut left = 30_000_000;
        let mut room = vec![0; 65_536];
        while left > 0 {
            left -= peer.read(&mut room).await.expect("the rest");
        }
        peer.write_all(b"lo").await.expect("it listens");
    });
    assert_eq!(answered.await.expect("an answer").body, b"hello");
}

fn kind(answered: Result<Answered>) -> Kind {
    answered.err().as_ref().map(Error::kind).expect("no answer")
}

#[tokio::test]
async fn what_goes_wrong_has_its_kind() {
    let answered = ask(Request::to("/"), async |mut peer| {
        hear(&mut peer).await;
    });
    assert_eq!(kind(answered.await), Kind::CutShort);
    let answered = ask(Request::to("/"), async |mut peer| {
        hear(&mut peer).await;
        peer.write_all(&HELLO[..HELLO.len() - 1]).await.expect("it listens");
    });
    assert_eq!(kind(answered.await), Kind::CutShort);
    let answered = ask(Request::to("/"), async |mut peer| {
        hear(&mut peer).await;
        crate::stage::reset(peer);
    });
    assert_eq!(kind(answered.await), Kind::ConnectionReset);
    let answered = ask(Request::to("/"), async |mut peer| {
        hear(&mut peer).await;
        peer.write_all(b"hello").await.expect("it listens");
    });
    assert_eq!(kind(answered.await), Kind::BadFrame);
    let answered = ask(Request::to("/"), async |mut peer| {
        hear(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("it listens");
        while peer.write_all(&[b'x'; 16_384]).await.is_ok() {}
    });
    assert_eq!(kind(answered.await), Kind::MessageTooLong, "more than is held in memory");
}

/// Hears parts until the body, giving up and coming again at each step.
async fn impatiently(asked: &mut Asked) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match asked.part()? {
            Some(AnswerPart::Body(bytes)) => body.extend_from_slice(bytes),
            Some(AnswerPart::End) => return Ok(body),
            Some(_) => {}
            None => {
                let mut given_up = false;
                while !given_up {
                    tokio::select! {
                        biased;
                        received = asked.receive() => {
                            received?;
                            break;
                        }
                        () = tokio::task::yield_now() => given_up = true,
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_receive_that_is_given_up_loses_nothing() {
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = door.local_addr().expect("it is bound");
    let exchange = Exchange::new(&parse(&address.to_string()).expect("one"), Request::to("/"));
    let exchange = exchange.expect("it is planned");
    let asking = async {
        let mut asked = exchange.ask(&Dialer::default()).await.expect("it listens");
        let body = impatiently(&mut asked).await;
        assert!(asked.times().first_byte <= Some(asked.times().total));
        body
    };
    let played = async {
        let (mut peer, _) = door.accept().await.expect("a peer");
        hear(&mut peer).await;
        for part in HELLO.chunks(3) {
            peer.write_all(part).await.expect("it listens");
            tokio::task::yield_now().await;
        }
    };
    let (body, ()) = soon("an exchange", async { tokio::join!(asking, played) }).await;
    assert_eq!(body.expect("an answer"), b"hello");
}

#[cfg(feature = "http")]
#[test]
fn one_call_gets_it_from_whatever_serves_it() {
    for endpoint in ["memory:one-call", "127.0.0.1:0"] {
        let running = hobnob::serve("http", endpoint).expect("it is free");
        let asked = match running.bound()[0].address.ip() {
            Some(address) => format!("http://{address}/x"),
            None => format!("http+{endpoint},path=/x"),
        };
        let answered = hobnob::get(&asked).expect(&asked);
        assert_eq!(
            (answered.head.status, answered.body.as_slice()),
            (200, &b"Hello, world!\n"[..])
        );
        running.drain();
        running.wait();
    }
    assert_eq!(kind(hobnob::get("http://127.0.0.1:1/")), Kind::ConnectionRefused);
}
