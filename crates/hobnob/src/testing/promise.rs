//! What a channel promises. Each check panics where the promise is broken.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::conn::Conn;
use crate::error::{Error, Kind, Result};
use crate::spec::Shape;
use crate::testing::{Medium, Pair};

/// Longer than any of this takes on a busy machine; only a lost wake-up comes here.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a peer sees that the other end was torn down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// As an error.
    Reset,
    /// As an end in order.
    End,
    /// Not at all: the medium cannot tell.
    Nothing,
}

/// Both directions carry; packets keep their borders, and an empty one is a message.
pub async fn both_directions(medium: &Medium) {
    let mut pair = pair(medium).await;
    let messages: [&[u8]; 4] = [b"one", &[0; 900], b"\xFF\r\n\0", b"last"];
    for message in messages {
        send(&mut pair.dialled, message).await;
    }
    for message in messages {
        assert_eq!(hear(&mut pair.accepted, message.len()).await, message);
        send(&mut pair.accepted, message).await;
        assert_eq!(hear(&mut pair.dialled, message.len()).await, message);
    }
    if medium.shape() == Shape::Bytes {
        return;
    }
    for message in [&b""[..], b"after", b"", b""] {
        send(&mut pair.dialled, message).await;
        assert_eq!(hear(&mut pair.accepted, 0).await, message, "an empty packet is a message");
        send(&mut pair.accepted, message).await;
        assert_eq!(hear(&mut pair.dialled, 0).await, message, "an empty packet is a message");
    }
}

/// A packet that is larger than the buffer is an error, never a silent cut; the conn goes on.
pub async fn larger_than_the_buffer(medium: &Medium) {
    if medium.shape() == Shape::Bytes {
        return;
    }
    let mut pair = pair(medium).await;
    for _ in 0..2 {
        let Pair { dialled, accepted, .. } = &mut pair;
        send(dialled, b"0123456789").await;
        send(dialled, b"next").await;
        let error = within("an error", accepted.recv(&mut [0; 9])).await.expect_err("too large");
        assert_eq!(error.kind(), Kind::MessageTooLong);
        assert_eq!(hear(accepted, 0).await, b"next", "the conn goes on");
        std::mem::swap(dialled, accepted);
    }
}

/// Ending one direction leaves the other; the end is seen, and seen again; ending twice is ending once.
pub async fn half_close(medium: &Medium) {
    let mut pair = pair(medium).await;
    send(&mut pair.dialled, b"all that I say").await;
    for _ in 0..2 {
        within("an end", pair.dialled.end()).await.expect("ending is idempotent");
    }
    assert_eq!(hear(&mut pair.accepted, 14).await, b"all that I say");
    if pair.has_ends {
        assert_over(&mut pair.accepted).await;
    }
    send(&mut pair.accepted, b"and the answer").await;
    assert_eq!(hear(&mut pair.dialled, 14).await, b"and the answer");
    within("an end", pair.accepted.end()).await.expect("an end");
    if pair.has_ends {
        assert_over(&mut pair.dialled).await;
        within("an end", pair.accepted.end()).await.expect("also after both ended");
    }
}

/// Tears the dialled end down, and says how the other end sees it. Our own end is dead at once.
pub async fn abort(medium: &Medium) -> Sight {
    let mut pair = pair(medium).await;
    pair.dialled.abort();
    pair.dialled.abort();
    assert!(pair.dialled.send(b"x").await.is_err(), "nothing can be sent after an abort");
    if !pair.has_ends {
        let unheard = poll_fn(|cx| Poll::Ready(pair.accepted.channel().poll_recv(cx, &mut [0; 8])));
        assert!(unheard.await.is_pending());
        return Sight::Nothing;
    }
    match within("a reset or an end", pair.accepted.recv(&mut [0; 8])).await {
        Ok(None) => Sight::End,
        Err(error) if error.kind() == Kind::ConnectionReset => Sight::Reset,
        other => panic!("the peer saw {other:?}"),
    }
}

/// A peer that goes away with our bytes unread: how it is seen, and whether what it had said was heard before that;
/// false: a reset overtook it.
pub async fn last_words(medium: &Medium) -> (Sight, bool) {
    let mut pair = pair(medium).await;
    if !pair.has_ends {
        return (Sight::Nothing, true);
    }
    send(&mut pair.dialled, b"unread").await;
    send(&mut pair.accepted, b"last words").await;
    drop(pair.accepted.take());
    let mut room = [0; 64];
    let mut heard = 0;
    loop {
        match within("a reset or an end", pair.dialled.recv(&mut room)).await {
            Ok(Some(length)) => heard += length,
            Ok(None) => return (Sight::End, heard == 10),
            Err(error) => {
                assert_eq!(error.kind(), Kind::ConnectionReset);
                return (Sight::Reset, heard == 10);
            }
        }
    }
}

/// Every poll may be given up: a mebibyte through small buffers, both ends tried in turn and dropped at each wait,
/// arrives whole and in order.
pub async fn cancel_safe(medium: &Medium) {
    const ALL: usize = 1_048_576;
    let mut pair = small(medium).await;
    let is_bytes = medium.shape() == Shape::Bytes;
    let all: Vec<u8> = (0..=250).cycle().take(ALL).collect(); // a prime period: what moves is seen
    let Pair { dialled, accepted, .. } = &mut pair;
    let (mut sent, mut heard, mut turn) = (0, 0, 0);
    let mut room = [0; 1_500];
    let mut waiting = std::collections::VecDeque::new();
    let whole = async {
        while heard < ALL {
            turn += 1;
            // On packets that may be lost no more are on their way than fit.
            let may_send = sent < ALL && (is_bytes || waiting.len() < 2);
            let piece = &all[sent..ALL.min(sent + 1 + turn * 7 % 1_400)];
            tokio::select! {
                length = poll_fn(|cx| dialled.channel().poll_send(cx, piece)), if may_send => {
                    let length = length.expect("the peer is there");
                    assert!(length > 0 && (is_bytes || length == piece.len()));
                    sent += length;
                    waiting.push_back(length);
                }
                length = poll_fn(|cx| accepted.channel().poll_recv(cx, &mut room)) => {
                    let length = length.expect("the peer is there").expect("it has not ended");
                    assert_eq!(room[..length], all[heard..heard + length], "at {heard}");
                    assert!(is_bytes || waiting.pop_front() == Some(length), "a border moved");
                    heard += length;
                }
            }
        }
    };
    within("a mebibyte", whole).await;
    assert_eq!((sent, heard), (ALL, ALL));
}

/// A full medium says so, and goes on when its peer takes something. False: it is never full, but drops.
pub async fn clogged(medium: &Medium) -> bool {
    let clogged = medium.clogged().await.unwrap_or_else(|error| panic!("no pair: {error:?}"));
    let Some((mut pair, went)) = clogged else { return false };
    assert!(went > 0, "nothing went in at all");
    let more = 64;
    let mut dialled = pair.dialled.take();
    // A task of its own, so that it is woken by the peer alone.
    let sender = tokio::spawn(async move {
        for _ in 0..more {
            dialled.send(&[b'+'; 1_024]).await?;
        }
        dialled.end().await?;
        Ok::<_, Error>(dialled)
    });
    tokio::task::yield_now().await;
    let total = if medium.shape() == Shape::Bytes { went + more * 1_024 } else { went + more };
    let mut came = 0;
    let mut room = [0; 2_048];
    while came < total {
        let received = within("what waited", pair.accepted.recv(&mut room)).await;
        let length = received.expect("the peer is there").expect("it has not ended");
        came += if medium.shape() == Shape::Bytes { length } else { 1 };
    }
    assert_eq!(came, total);
    let sender = within("the sender", sender).await.expect("no panic");
    let _still_open = sender.expect("all went");
    if pair.has_ends {
        assert_over(&mut pair.accepted).await;
    }
    true
}

/// Whoever polled last is woken, though somebody else had waited before.
pub async fn the_last_waker_counts(medium: &Medium) {
    let mut pair = pair(medium).await;
    let (first, last) = (Arc::new(Count::default()), Arc::new(Count::default()));
    for count in [&first, &last] {
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let polled = pair.accepted.channel().poll_recv(&mut cx, &mut [0; 8]);
        assert!(polled.is_pending(), "nothing was sent");
    }
    send(&mut pair.dialled, b"wake").await;
    let woken = async {
        while last.0.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    };
    within("a wake-up", woken).await;
    assert_eq!(hear(&mut pair.accepted, 4).await, b"wake");
}

/// The facts tell the truth. What only some media have (credentials, vitals) is the caller's to ask about.
pub async fn facts(medium: &Medium) -> Pair {
    let pair = pair(medium).await;
    let (dialled, accepted) = (pair.dialled.facts(), pair.accepted.facts());
    for facts in [dialled, accepted] {
        assert_eq!(facts.transport, medium.name());
    }
    assert_eq!((pair.dialled.shape(), pair.accepted.shape()), (medium.shape(), medium.shape()));
    assert_eq!(dialled.peer, pair.bound, "who dialled knows whom");
    assert_eq!(accepted.local, pair.bound, "who was dialled knows where");
    if dialled.local.is_reachable() {
        assert_eq!(accepted.peer, dialled.local, "who was dialled knows by whom");
    }
    pair
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

async fn pair(medium: &Medium) -> Pair {
    within("a pair", medium.pair()).await.unwrap_or_else(|error| panic!("no pair: {error:?}"))
}

async fn small(medium: &Medium) -> Pair {
    within("a pair", medium.small_pair()).await.unwrap_or_else(|error| panic!("no pair: {error:?}"))
}

async fn send(conn: &mut Conn, message: &[u8]) {
    within("a send", conn.send(message)).await.expect("the peer is there");
}

/// The next packet; on bytes exactly so many.
async fn hear(conn: &mut Conn, length: usize) -> Vec<u8> {
    let mut room = vec![0; 65_536];
    if conn.shape() == Shape::Packets {
        let came = within("a packet", conn.recv(&mut room)).await;
        room.truncate(came.expect("the peer is there").expect("it has not ended"));
        return room;
    }
    let mut heard = 0;
    while heard < length {
        let came = within("bytes", conn.recv(&mut room[heard..length])).await;
        heard += came.expect("the peer is there").expect("it has not ended");
    }
    room.truncate(length);
    room
}

async fn assert_over(conn: &mut Conn) {
    for _ in 0..3 {
        let end: Result<_> = within("an end", conn.recv(&mut [0; 8])).await;
        assert_eq!(end.expect("an end in order"), None, "the end, and again");
    }
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("waited for {what} for {PATIENCE:?}"))
}
