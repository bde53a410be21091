//! Several servers on the same threads: each with its own sessions, drained and dropped alone.

use std::time::Duration;

use hobnob::bus::Wish;
use hobnob::conn::Conn;
use hobnob::engine::{Crew, Dialer, Running, Server, parse};
use hobnob::error::Kind;
use hobnob::event::{Event, Fact};

/// Only what hangs takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn server(crew: &Crew, service: &str) -> Server {
    let mut server = Server::new(service).expect("it is of the table");
    server.on_crew(crew).on(&parse("tcp://127.0.0.1:0").expect("an endpoint")).expect("it fits");
    server
}

async fn dial(running: &Running) -> Conn {
    let to = parse(&format!("tcp://{}", running.bound()[0].address)).expect("an endpoint");
    Dialer::default().dial(&to).await.expect("somebody listens").conn
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("waited for {what} in vain"))
}

async fn answers(conn: &mut Conn, word: &[u8], answer: &[u8]) {
    conn.send(word).await.expect("it is there");
    let mut room = [0; 16];
    let got = within("an answer", conn.recv(&mut room)).await.expect("it is there");
    assert_eq!(got.map(|length| &room[..length]), Some(answer));
}

#[tokio::test]
async fn one_that_drains_leaves_the_other_alone() {
    let crew = Crew::start().expect("threads");
    let echo = server(&crew, "echo").start().expect("a free port");
    let upper = server(&crew, "upper").start().expect("a free port");
    let (mut to_echo, mut to_upper) = (dial(&echo).await, dial(&upper).await);
    answers(&mut to_echo, b"one\n", b"one\n").await;
    answers(&mut to_upper, b"one\n", b"ONE\n").await;
    assert_eq!((echo.open(), upper.open()), (1, 1));
    echo.drain();
    echo.cut();
    assert_eq!(within("its end", echo.finished()).await.sessions, 1);
    answers(&mut to_upper, b"two\n", b"TWO\n").await;
    answers(&mut dial(&upper).await, b"three\n", b"THREE\n").await;
}

#[tokio::test]
async fn one_that_is_dropped_closes_what_it_had_and_no_more() {
    let crew = Crew::start().expect("threads");
    let echo = server(&crew, "echo").start().expect("a free port");
    let upper = server(&crew, "upper").start().expect("a free port");
    // The threads live for as long as a server of theirs.
    drop(crew);
    let (mut to_echo, mut to_upper) = (dial(&echo).await, dial(&upper).await);
    answers(&mut to_echo, b"one\n", b"one\n").await;
    drop(echo);
    let gone = within("its end", to_echo.recv(&mut [0; 8])).await;
    let is_gone = match &gone {
        Ok(end) => end.is_none(),
        Err(error) => error.kind() == Kind::ConnectionReset,
    };
    assert!(is_gone, "{gone:?}");
    answers(&mut to_upper, b"two\n", b"TWO\n").await;
}

#[tokio::test]
async fn their_events_are_by_one_clock_and_their_sessions_counted_apart() {
    let crew = Crew::start().expect("threads");
    let wish = Wish { data: false, upstream: false, snap: 0, capacity: 100 };
    let (mut echo, mut upper) = (server(&crew, "echo"), server(&crew, "upper"));
    let (of_echo, of_upper) = (echo.subscribe(wish), upper.subscribe(wish));
    let (echo, upper) = (echo.start().expect("a port"), upper.start().expect("a port"));
    let mut conns = Vec::new();
    for _ in 0..3 {
        conns.push(dial(&echo).await);
        let last = conns.last_mut().expect("it was pushed");
        answers(last, b"x", b"x").await;
        conns.push(dial(&upper).await);
        let last = conns.last_mut().expect("it was pushed");
        answers(last, b"x\n", b"X\n").await;
    }
    let opened = |from: &hobnob::bus::Subscription| {
        let mut events = Vec::new();
        from.pull(&mut events);
        events.retain(|event: &Event| matches!(event.fact, Fact::Opened(_)));
        events
    };
    let (first, second) = (opened(&of_echo), opened(&of_upper));
    let ids = |events: &[Event]| events.iter().map(|event| event.session).collect::<Vec<_>>();
    assert_eq!((ids(&first), ids(&second)), (vec![1, 2, 3], vec![1, 2, 3]));
    for (one, next) in first.iter().zip(&second) {
        assert!(one.at <= next.at, "{:?} {:?}", one.at, next.at);
    }
    for (one, next) in second.iter().zip(&first[1..]) {
        assert!(one.at <= next.at, "{:?} {:?}", one.at, next.at);
    }
}
