//! The pair in memory behaves as the kernel's sockets do: the same table of behaviours on both, side by side.

use std::future::poll_fn;
use std::task::Poll;

use hobnob::conn::Conn;
use hobnob::error::{Error, Kind};
use hobnob::spec::Shape;
use hobnob::testing::{Medium, Pair};

use crate::places;

/// What is seen, step by step, as one that can be compared.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Came(Vec<u8>),
    Went,
    End,
    Wait,
    /// The peer is gone, or has torn it down: the engine tells both as a reset.
    Torn,
    Failed(Kind),
}

impl Seen {
    fn failed(error: &Error) -> Self {
        match error.kind() {
            Kind::ConnectionReset | Kind::ConnectionBroken => Seen::Torn,
            kind => Seen::Failed(kind),
        }
    }
}

type Behaviour = (&'static str, for<'a> fn(&'a mut Steps) -> Script<'a>);
type Script<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

struct Steps {
    /// None once it was dropped.
    here: Option<Conn>,
    there: Option<Conn>,
    room: usize,
    seen: Vec<Seen>,
}

impl Steps {
    fn conn(&mut self, is_here: bool) -> &mut Conn {
        let end = if is_here { &mut self.here } else { &mut self.there };
        end.as_mut().expect("the script still has it")
    }

    async fn send(&mut self, is_here: bool, bytes: &[u8]) {
        let sent = self.conn(is_here).send(bytes).await;
        self.seen.push(sent.map_or_else(|error| Seen::failed(&error), |()| Seen::Went));
    }

    async fn recv(&mut self, is_here: bool) {
        let mut room = vec![0; self.room];
        let came = self.conn(is_here).recv(&mut room).await;
        self.seen.push(match came {
            Ok(Some(length)) => Seen::Came(room[..length].to_vec()),
            Ok(None) => Seen::End,
            Err(error) => Seen::failed(&error),
        });
    }

    async fn would_wait(&mut self, is_here: bool) {
        let conn = self.conn(is_here);
        let polled = poll_fn(|cx| Poll::Ready(conn.channel().poll_recv(cx, &mut [0; 8]))).await;
        self.seen.push(if polled.is_pending() { Seen::Wait } else { Seen::Went });
    }

    async fn end(&mut self, is_here: bool) {
        let ended = self.conn(is_here).end().await;
        self.seen.push(ended.map_or_else(|error| Seen::failed(&error), |()| Seen::Went));
    }
}

const BEHAVIOURS: &[Behaviour] = &[
    ("nothing sent is nothing heard", |steps| Box::pin(async { steps.would_wait(true).await })),
    ("a message and its answer", |steps| {
        Box::pin(async {
            steps.send(true, b"ask").await;
            steps.recv(false).await;
            steps.send(false, b"answer").await;
            steps.recv(true).await;
        })
    }),
    ("an end after bytes, and again", |steps| {
        Box::pin(async {
            steps.send(true, b"last").await;
            steps.end(true).await;
            steps.end(true).await;
            steps.recv(false).await;
            steps.recv(false).await;
            steps.recv(false).await;
        })
    }),
    ("an end leaves the other direction", |steps| {
        Box::pin(async {
            steps.end(true).await;
            steps.recv(false).await;
            steps.send(false, b"still here").await;
            steps.recv(true).await;
            steps.would_wait(true).await;
        })
    }),
    ("nothing can be sent after an end of one's own", |steps| {
        Box::pin(async {
            steps.end(true).await;
            steps.send(true, b"more").await;
        })
    }),
    ("a drop is an end", |steps| {
        Box::pin(async {
            steps.send(true, b"bye").await;
            steps.here = None;
            steps.recv(false).await;
            steps.recv(false).await;
        })
    }),
    ("nothing can be sent to who is gone", |steps| {
        Box::pin(async {
            steps.here = None;
            steps.send(false, b"anybody?").await;
        })
    }),
    ("a drop with bytes unread is a reset", |steps| {
        Box::pin(async {
            steps.send(false, b"unread").await;
            steps.here = None;
            steps.recv(false).await;
        })
    }),
    ("after a reset was told, the end", |steps| {
        Box::pin(async {
            steps.send(false, b"unread").await;
            steps.here = None;
            steps.recv(false).await;
            steps.recv(false).await;
        })
    }),
];

/// Bytes alone: what came in two is heard in one, and what is too much for the room is heard in two.
const BYTES: &[Behaviour] = &[("bytes have no borders", |steps| {
    Box::pin(async {
        steps.send(true, b"one").await;
        steps.send(true, b"two").await;
        steps.recv(false).await;
        steps.send(true, &[b'x'; 20]).await;
        steps.recv(false).await;
        steps.recv(false).await;
    })
})];

const PACKETS: &[Behaviour] = &[
    ("packets have borders, and an empty one is one", |steps| {
        Box::pin(async {
            for packet in [&b"one"[..], b"", b"two", b""] {
                steps.send(true, packet).await;
            }
            steps.end(true).await;
            for _ in 0..5 {
                steps.recv(false).await;
            }
        })
    }),
    ("one that is too large is an error, and the next is heard", |steps| {
        Box::pin(async {
            steps.send(true, &[b'x'; 20]).await;
            steps.send(true, b"next").await;
            steps.recv(false).await;
            steps.recv(false).await;
        })
    }),
];

async fn behave(medium: &Medium, behaviour: &Behaviour) -> Vec<Seen> {
    let Pair { dialled, accepted, .. } = &mut medium.pair().await.expect("a pair");
    let (here, there) = (Some(dialled.take()), Some(accepted.take()));
    let mut steps = Steps { here, there, room: 16, seen: Vec::new() };
    let script = tokio::time::timeout(std::time::Duration::from_secs(20), behaviour.1(&mut steps));
    script.await.unwrap_or_else(|_| panic!("{} on {} hangs", behaviour.0, medium.name()));
    steps.seen
}

async fn compare(kernel: &'static str, shape: Shape, behaviours: impl Iterator<Item = &Behaviour>) {
    let (row, fresh) =
        *places::all().iter().find(|(row, _)| row.spec.name == kernel).expect("it is of the table");
    let kernel = Medium::new(move || fresh(row.spec.name)).expect("an endpoint");
    let memory = Medium::memory(shape);
    for behaviour in behaviours {
        let (memory, kernel) = (behave(&memory, behaviour).await, behave(&kernel, behaviour).await);
        assert_eq!(memory, kernel, "{}: memory, and the kernel", behaviour.0);
    }
}

#[tokio::test]
async fn memory_bytes_are_as_a_unix_stream() {
    compare("unix", Shape::Bytes, BEHAVIOURS.iter().chain(BYTES)).await;
}

#[tokio::test]
async fn memory_packets_are_as_unix_records() {
    compare("unixseq", Shape::Packets, BEHAVIOURS.iter().chain(PACKETS)).await;
}
