//! Sockets that are watched, rest, wait for room, and are torn down.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::address::Address;
use crate::conn::{Conn, Facts};
use crate::spec::Shape;

fn pair() -> (Conn, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("two descriptors");
    let facts = Facts::new("unix", Address::Unnamed, Address::Unnamed);
    (Conn::new(facts, Shape::Bytes, Box::new(Wire::new(ours))), theirs)
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (theirs, ours) = tokio::join!(TcpStream::connect(address), listener.accept());
    (ours.expect("somebody came").0, theirs.expect("it listens"))
}

fn conn(stream: TcpStream) -> Conn {
    let facts = Facts::new("tcp", Address::Unnamed, Address::Unnamed);
    Conn::new(facts, Shape::Bytes, Box::new(Wire::new(stream)))
}

fn reset_by(stream: TcpStream) {
    TcpStream::reset_on_close(stream.as_fd());
    drop(stream);
}

fn is_a_reset<T>(result: Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == Kind::ConnectionReset)
}

/// As after a splice that had moved a part: the kernel has no error left to tell, only that all was received.
#[tokio::test]
async fn a_reset_that_was_taken_by_another_call_is_still_no_end() {
    let (ours, theirs) = tcp_pair().await;
    reset_by(theirs);
    ours.readable().await.expect("it is watched");
    let taken = ours.take_error().expect("it is a socket").and_then(|error| error.raw_os_error());
    assert_eq!(taken, Some(libc::ECONNRESET));
    let mut ours = conn(ours);
    let error = ours.send(b"into the void").await.expect_err("nobody is there");
    assert_eq!(error.errno(), Some(libc::EPIPE));
    assert_eq!(error.kind(), Kind::ConnectionReset);
    assert!(is_a_reset(ours.recv(&mut [0; 8]).await));
    assert!(is_a_reset(ours.recv(&mut [0; 8]).await), "once heard of, it stays");
}

/// The same holds for reads and writes by the descriptor, as a splice does them.
#[tokio::test]
async fn a_reset_that_was_taken_is_no_end_to_a_splice_either() {
    use std::io::{Read as _, Write as _};
    let (ours, theirs) = tcp_pair().await;
    reset_by(theirs);
    ours.readable().await.expect("it is watched");
    drop(ours.take_error());
    let mut ours = Wire::new(ours);
    let write = |fd: BorrowedFd<'_>| std::fs::File::from(fd.try_clone_to_owned()?).write(b"x");
    let sent = std::future::poll_fn(|cx| ours.poll_write_with(cx, &mut { write })).await;
    assert_eq!(sent.map_err(|error| error.raw_os_error()), Err(Some(libc::EPIPE)));
    let read = |fd: BorrowedFd<'_>| std::fs::File::from(fd.try_clone_to_owned()?).read(&mut [0; 8]);
    let received = std::future::poll_fn(|cx| ours.poll_read_with(cx, &mut { read })).await;
    assert_eq!(received.map_err(|error| error.raw_os_error()), Err(Some(libc::ECONNRESET)));
}

/// Behind an end the kernel calls a reset a broken pipe from the first.
#[tokio::test]
async fn a_reset_behind_an_end_is_a_reset() {
    let (ours, mut theirs) = tcp_pair().await;
    let mut ours = conn(ours);
    theirs.shutdown().await.expect("it is open");
    assert_eq!(ours.recv(&mut [0; 8]).await, Ok(None));
    reset_by(theirs);
    let error = ours.send(b"too late").await.expect_err("nobody is there");
    assert_eq!((error.errno(), error.kind()), (Some(libc::EPIPE), Kind::ConnectionReset));
    assert!(is_a_reset(ours.recv(&mut [0; 8]).await));
}

/// A Unix socket's broken pipe is a peer that closed in order: what it said before has its end.
#[tokio::test]
async fn a_broken_pipe_without_resets_leaves_the_end_an_end() {
    let (mut ours, mut theirs) = pair();
    theirs.write_all(b"goodbye").await.expect("it is open");
    drop(theirs);
    assert!(ours.send(b"too late").await.is_err());
    assert_eq!(ours.recv(&mut [0; 8]).await, Ok(Some(7)));
    assert_eq!(ours.recv(&mut [0; 8]).await, Ok(None));
}

async fn is_there(conn: &mut Conn) -> bool {
    // Another conn comes by the same epoll, so what was to be told of this one is told by then.
    tokio::select! { biased; _ = conn.left() => false, _ = tcp_pair() => true }
}

#[tokio::test]
async fn an_end_is_not_leaving_and_a_reset_is() {
    let (ours, mut theirs) = tcp_pair().await;
    let mut ours = conn(ours);
    theirs.write_all(b"unheard").await.expect("it is open");
    theirs.shutdown().await.expect("it is open");
    assert!(is_there(&mut ours).await);
    reset_by(theirs);
    assert!(is_a_reset(ours.left().await));
    assert!(is_a_reset(ours.left().await), "it does not come back");
}

#[tokio::test]
async fn who_closes_a_unix_socket_has_left() {
    let (mut ours, mut theirs) = pair();
    theirs.write_all(b"unheard").await.expect("it is open");
    theirs.shutdown().await.expect("it is open");
    assert!(is_there(&mut ours).await);
    drop(theirs);
    assert_eq!(ours.left().await, Ok(()));
    assert_eq!(ours.recv(&mut [0; 8]).await, Ok(Some(7)), "nothing is lost by it");
}

fn rest(conn: &mut Conn) {
    conn.channel().kernel().expect("it is a plain socket").rest();
}

#[tokio::test]
async fn a_socket_that_was_given_up_is_as_good_as_ever_and_the_channel_is_over() {
    let (mut ours, mut theirs) = pair();
    theirs.write_all(b"before").await.expect("it is open");
    let given = ours.channel().kernel().expect("it is a plain socket").give_up();
    let socket = crate::socket::Socket::from(given.expect("it has one"));
    let mut room = [0; 8];
    assert_eq!(socket.recv(&mut room, crate::socket::Flags::NONE), Ok(6));
    assert!(ours.send(b"late").await.is_err());
    assert!(ours.channel().kernel().is_none());
}

async fn has_room(conn: &mut Conn) {
    let room = |cx: &mut Context<'_>| conn.channel().kernel().expect("plain").poll_room(cx);
    std::future::poll_fn(room).await.expect("it is open");
}

/// Fills what the kernel holds, and says how much that is.
async fn fill(conn: &mut Conn) -> usize {
    let mut sent = 0;
    loop {
        let mut send = |cx: &mut Context<'_>| {
            Poll::Ready(conn.channel().poll_send(cx, &[b'x'; 4_096]).map(Result::unwrap))
        };
        match std::future::poll_fn(&mut send).await {
            Poll::Ready(length) => sent += length,
            Poll::Pending => return sent,
        }
    }
}

#[tokio::test]
async fn a_socket_that_waits_for_room_alone_is_not_woken_by_what_comes() {
    let (mut ours, mut theirs) = pair();
    let sent = fill(&mut ours).await;
    let waiting = tokio::spawn(async move {
        has_room(&mut ours).await;
        ours
    });
    theirs.write_all(b"early").await.expect("it is open");
    // What was said is known to the runtime once another socket has been told of something later.
    let (mut one, mut other) = UnixStream::pair().expect("two descriptors");
    one.write_all(b"later").await.expect("it is open");
    other.read_exact(&mut [0; 5]).await.expect("it is open");
    assert!(!waiting.is_finished());
    theirs.read_exact(&mut vec![0; sent]).await.expect("it is open");
    let mut ours = waiting.await.expect("there is room");
    let mut room = [0; 8];
    assert_eq!(ours.recv(&mut room).await, Ok(Some(5)));
}

#[tokio::test]
async fn who_waited_for_room_hears_of_it_although_reads_are_watched_again() {
    let (mut ours, mut theirs) = pair();
    let sent = fill(&mut ours).await;
    let mut is_first = true;
    let waiting = tokio::spawn(std::future::poll_fn(move |cx| {
        if std::mem::take(&mut is_first) {
            let room = ours.channel().kernel().expect("plain").poll_room(cx);
            let read = ours.channel().poll_recv(cx, &mut [0; 8]);
            assert!(room.is_pending() && read.is_pending(), "nothing was said, nothing read");
            return Poll::Pending;
        }
        ours.channel().poll_send(cx, b"more")
    }));
    tokio::task::yield_now().await;
    theirs.read_exact(&mut vec![0; sent]).await.expect("it is open");
    let sent = tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await;
    assert_eq!(sent.expect("it is told").expect("it ran"), Ok(4));
}

#[tokio::test]
async fn a_socket_that_rested_is_as_good_as_ever() {
    let (mut ours, mut theirs) = pair();
    let mut room = [0; 8];
    rest(&mut ours);
    theirs.write_all(b"before").await.expect("it is open");
    assert_eq!(ours.recv(&mut room).await, Ok(Some(6)));
    rest(&mut ours);
    let late = async {
        tokio::task::yield_now().await;
        theirs.write_all(b"late").await
    };
    let (received, sent) = tokio::join!(ours.recv(&mut room), late);
    sent.expect("it is open");
    assert_eq!(received, Ok(Some(4)));
    rest(&mut ours);
    ours.send(b"ours").await.expect("it is open");
    rest(&mut ours);
    ours.end().await.expect("it is open");
    let mut all = Vec::new();
    theirs.read_to_end(&mut all).await.expect("it is open");
    assert_eq!(all, b"ours");
    rest(&mut ours);
    drop(theirs);
    assert_eq!(ours.recv(&mut room).await, Ok(None));
    rest(&mut ours);
    ours.abort();
    assert!(ours.channel().kernel().is_none());
}
