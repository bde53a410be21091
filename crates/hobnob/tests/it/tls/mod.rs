//! TLS as a layer, both roles, over tcp, unix and memory; and what goes wrong with it.

mod between;
mod ends;
mod hostile;
mod identity;
pub(crate) mod papers;

use std::sync::Arc;

use hobnob::bus::Wish;
use hobnob::chunk::Side;
use hobnob::conn::stream::Stream;
use hobnob::conn::{Boxed, Conn};
use hobnob::endpoint::Endpoint;
use hobnob::engine::{Dialer, Running, Server, parse};
use hobnob::error::{Error, Kind};
use hobnob::event::{By, Event, Fact, Learnt, Reason};
use hobnob::exchange::{Exchange, Request};
use hobnob::layer::{Role, Surroundings, tls};
use hobnob::service::{Made, Service};
use hobnob::session::{Destination, Dress, Session};
use hobnob::spec::{Options, Shape};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::stage::{Stage, soon};
use papers::Papers;

/// A server and what is dialled to reach it.
fn served(service: &str, place: &str, listening: &str, dialling: &str) -> (Stage, String) {
    let stage = Stage::serve(service, &format!("{place},{listening}"));
    let to = reached(&stage.running, place);
    (stage, format!("{to},{dialling}"))
}

fn reached(running: &Running, place: &str) -> String {
    match running.bound()[0].address.ip() {
        Some(ip) => place.replace(":0", &format!(":{}", ip.port())),
        None => place.to_owned(),
    }
}

async fn dial(to: &str) -> Result<Conn, Error> {
    let (dialer, to) = (Dialer::default(), parse(to).expect("an endpoint"));
    soon("a conn", dialer.dial(&to)).await.map(|dialled| dialled.conn)
}

async fn refused(to: &str) -> Error {
    dial(to).await.err().expect("it does not go well")
}

fn learnt(all: &[Learnt], name: &str) -> Option<String> {
    let found = all.iter().find(|learnt| learnt.layer == "tls" && learnt.name == name);
    found.map(|learnt| learnt.value.clone())
}

async fn all(conn: &mut Conn) -> Result<Vec<u8>, Error> {
    let (mut heard, mut room) = (Vec::new(), vec![0; 16_384]);
    while let Some(length) = soon("more", conn.recv(&mut room)).await? {
        heard.extend_from_slice(&room[..length]);
    }
    Ok(heard)
}

/// Four mebibytes each way at once; the client ends its side, and still gets all.
#[tokio::test]
async fn everything_comes_back_over_tcp_unix_and_memory() {
    let papers = Papers::new();
    let unix = format!("tls+unix:{}", papers.path("s.sock").display());
    for place in ["tls://127.0.0.1:0", &unix, "tls+memory:tls-echo"] {
        let (mut stage, to) = served("echo", place, &papers.listening(), &papers.dialling());
        let conn = dial(&to).await.expect("it is trusted");
        assert_eq!(learnt(conn.facts().learnt(), "version").as_deref(), Some("1.3"), "{place}");
        let names = learnt(conn.facts().learnt(), "certificate").expect("it showed one");
        assert!(names.starts_with("localhost 127.0.0.1 ::1"), "{names}");
        assert_eq!(learnt(conn.facts().learnt(), "days-left").as_deref(), Some("364"), "{place}");
        let said: Vec<u8> =
            (0..1_u32 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let (mut from, mut into) = tokio::io::split(Stream(conn));
        let sent = said.clone();
        let sending = tokio::spawn(async move {
            into.write_all(&sent).await.expect("it is open");
            into.shutdown().await.expect("it is open");
        });
        let mut heard = Vec::new();
        soon("it all", from.read_to_end(&mut heard)).await.expect("in order");
        assert!(heard == said, "{place}: {} of {} bytes", heard.len(), said.len());
        sending.await.expect("no panic");
        assert_eq!(stage.closed().await.reason, Reason::Eof, "{place}");
    }
}

/// Says goodbye first, and then listens to the end.
struct Leaving(mpsc::UnboundedSender<Vec<u8>>);

impl Service for Leaving {
    fn run<'a>(&'a self, _: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            conn.send(b"bye").await?;
            conn.end().await?;
            self.0.send(all(conn).await?).expect("the test listens");
            Ok(())
        })
    }
}

#[tokio::test]
async fn the_side_that_was_dialled_may_end_first() {
    let papers = Papers::new();
    let (tell, mut told) = mpsc::unbounded_channel();
    let endpoint = format!("tls://127.0.0.1:0,{}", papers.listening());
    let stage = Stage::of(Made::Service(Box::new(Leaving(tell))), &endpoint, |_| {});
    let to = reached(&stage.running, "tls://127.0.0.1:0");
    let mut conn = dial(&format!("{to},{}", papers.dialling())).await.expect("it is trusted");
    assert_eq!(all(&mut conn).await, Ok(b"bye".to_vec()));
    conn.send(b"after your end").await.expect("this side is open");
    conn.end().await.expect("this side is open");
    assert_eq!(soon("it", told.recv()).await.as_deref(), Some(&b"after your end"[..]));
}

#[tokio::test]
async fn an_abort_is_a_reset() {
    let papers = Papers::new();
    let (mut stage, to) =
        served("echo", "tls://127.0.0.1:0", &papers.listening(), &papers.dialling());
    let mut conn = dial(&to).await.expect("it is trusted");
    conn.send(b"x").await.expect("it is open");
    assert_eq!(conn.recv(&mut [0; 8]).await, Ok(Some(1)));
    assert!(conn.vitals().is_some(), "TCP's figures come through");
    conn.abort();
    stage.closed_by(Reason::Reset).await;
}

#[tokio::test]
async fn each_bad_certificate_has_its_own_error() {
    let papers = Papers::new();
    let (known, unknown) = (papers.authority("known"), papers.authority("unknown"));
    let here = ["localhost", "127.0.0.1"];
    let own = papers.certificate("own", &here, 2099, None);
    let cases = [
        (papers.certificate("good", &here, 2099, Some(&known)), "known", None),
        (papers.certificate("old", &here, 2021, Some(&known)), "known", Some(Kind::TlsExpired)),
        (
            papers.certificate("other", &["db.test", "*.db.test"], 2099, Some(&known)),
            "known",
            Some(Kind::TlsNameMismatch),
        ),
        (
            papers.certificate("strange", &here, 2099, Some(&unknown)),
            "known",
            Some(Kind::TlsUntrusted),
        ),
        (own.clone(), "known", Some(Kind::TlsUntrusted)),
        // Trusted by itself.
        (own, "own", None),
    ];
    for (listening, ca, expected) in cases {
        let (_stage, to) = served("echo", "tls://127.0.0.1:0", &listening, &papers.ca(ca));
        let error = dial(&to).await.err();
        assert_eq!(error.as_ref().map(Error::kind), expected, "{listening}: {error:?}");
        assert!(error.is_none_or(|error| error.kind().exit_code() == 7));
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_try() {
    let papers = Papers::new();
    let known = papers.authority("known");
    let other = papers.certificate("other", &["db.test"], 2099, Some(&known));
    let (mut stage, to) = served("echo", "tls://127.0.0.1:0", &other, &papers.ca("known"));
    let error = refused(&to).await;
    assert!(error.message().contains("for other names than 127.0.0.1"), "{error:?}");
    assert!(error.reasons()[0].contains("db.test"), "{:?}", error.reasons());
    assert!(format!("{:?}", error.hints()).contains("name=db.test"), "{:?}", error.hints());
    let closed = stage.closed_by(Reason::Error).await;
    assert!(closed.detail.expect("why").contains("TLS alert BadCertificate"), "the alert arrives");
    dial(&format!("{to},name=db.test")).await.expect("that is whom it is for");
    dial(&format!("{to},name=db.test,sni=elsewhere.test")).await.expect("only asked for");
    let wrong = refused(&format!("{to},sni=db.test")).await;
    assert_eq!(wrong.kind(), Kind::TlsNameMismatch, "what is asked for is not who is trusted");
    // The development CA of another user, or of another machine.
    let (_stage, to) =
        served("echo", "tls://127.0.0.1:0", &papers.listening(), &papers.ca("known"));
    let error = refused(&to).await;
    assert_eq!(error.kind(), Kind::TlsUntrusted);
    assert!(format!("{:?}", error.hints()).contains("ca=dev"), "{:?}", error.hints());
    let own = papers.certificate("own", &["localhost"], 2099, None);
    let (_stage, to) = served("echo", "tls://127.0.0.1:0", &own, &papers.ca("known"));
    let error = refused(&to).await;
    assert!(error.message().contains("self-signed"), "{error:?}");
}

/// Nothing but `insecure` trusts everybody, and it is loud.
#[tokio::test]
async fn insecure_is_said() {
    let papers = Papers::new();
    let own = papers.certificate("own", &["elsewhere.test"], 2021, None);
    let (_stage, to) = served("echo", "tls://127.0.0.1:0", &own, "insecure");
    let dialer = Dialer::default();
    let wish = hobnob::bus::Wish { data: false, upstream: false, snap: 0, capacity: 64 };
    let subscription = dialer.bus().subscribe(wish);
    let dialled = dialer.dial(&parse(&to).expect("an endpoint")).await.expect("anybody will do");
    let told = learnt(dialled.conn.facts().learnt(), "checked");
    assert_eq!(told.as_deref(), Some("no: insecure"));
    let mut events = Vec::new();
    subscription.pull(&mut events);
    let is_said =
        |fact: &Fact| matches!(fact, Fact::Warning(text) if text.contains("NOT CHECKING"));
    assert!(events.iter().any(|event| is_said(&event.fact)), "{events:?}");
    dial(&format!("{to},{}", papers.ca("own"))).await.expect("the last word, whatever ca= says");
}

#[tokio::test]
async fn who_dials_may_have_to_show_a_certificate() {
    let papers = Papers::new();
    let known = papers.authority("known");
    let here = papers.certificate("here", &["127.0.0.1"], 2099, Some(&known));
    let client = papers.certificate("client", &["client.test"], 2099, Some(&known));
    let stranger = papers.certificate("stranger", &["client.test"], 2099, None);
    let listening = format!("{here},client-ca={}", papers.path("known.pem").display());
    let (mut stage, to) = served("echo", "tls://127.0.0.1:0", &listening, &papers.ca("known"));
    let mut conn = dial(&format!("{to},{client}")).await.expect("it is trusted");
    conn.send(b"x").await.expect("it is open");
    assert_eq!(conn.recv(&mut [0; 8]).await, Ok(Some(1)));
    let facts = stage.until("handshake", |event| match &event.fact {
        Fact::Dressed { with: By::Peer, learnt } => Some(learnt.clone()),
        _ => None,
    });
    assert_eq!(learnt(&facts.await, "certificate").as_deref(), Some("client.test"));
    conn.end().await.expect("it is open");
    stage.closed_by(Reason::Eof).await;
    for (settings, detail) in
        [(String::new(), "no certificate"), (format!(",{stranger}"), "certificate")]
    {
        // In TLS 1.3 who dials is done before its certificate was looked at.
        let error = match dial(&format!("{to}{settings}")).await {
            Ok(mut conn) => all(&mut conn).await.expect_err("it is turned away"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), Kind::TlsFailed, "{error:?}");
        let closed = stage.closed_by(Reason::Error).await;
        let said = closed.detail.expect("why");
        assert!(said.contains(detail), "{said}");
    }
}

#[tokio::test]
async fn the_first_protocol_in_common_is_learnt() {
    let papers = Papers::new();
    let listening = format!("{},alpn=http/1.1:h2", papers.listening());
    let (mut stage, to) = served("echo", "tls://localhost:0", &listening, &papers.dialling());
    let conn = dial(&format!("{to},alpn=h2:spdy")).await.expect("one is in common");
    assert_eq!(learnt(conn.facts().learnt(), "alpn").as_deref(), Some("h2"));
    let facts = stage.until("handshake", |event| match &event.fact {
        Fact::Dressed { with: By::Peer, learnt } => Some(learnt.clone()),
        _ => None,
    });
    let facts = facts.await;
    assert_eq!(learnt(&facts, "alpn").as_deref(), Some("h2"));
    assert_eq!(learnt(&facts, "asked-for").as_deref(), Some("localhost"));
    let error = refused(&format!("{to},alpn=spdy")).await;
    assert_eq!(error.kind(), Kind::TlsFailed);
}

/// A door that dials, and a relay's target: whose certificate it was is told there too.
#[tokio::test]
async fn what_was_learnt_by_dialling_is_told_with_its_side() {
    let papers = Papers::new();
    let (_target, to) =
        served("echo", "tls://127.0.0.1:0", &papers.listening(), &papers.dialling());
    let mut door = Stage::serve("discard", &format!("{to},dial"));
    let mut relay = Stage::start({
        let mut server = Server::new("relay").expect("a service of the table");
        server.set("to", Some(&to)).expect("it has it");
        server.at("tcp://127.0.0.1:0").expect("it fits");
        server
    });
    let _client = relay.as_ref().expect("it starts").connect().await;
    for (stage, side) in [(&mut door, By::Peer), (relay.as_mut().expect("it starts"), By::Upstream)]
    {
        let (with, facts) = stage
            .until("handshake", |event| match &event.fact {
                Fact::Dressed { with, learnt } => Some((*with, learnt.clone())),
                _ => None,
            })
            .await;
        assert_eq!(with, side);
        assert!(learnt(&facts, "certificate").expect("it showed one").starts_with("localhost"));
    }
}

/// Answers before it has heard all, and listens to no more.
struct Curt;

impl Service for Curt {
    fn run<'a>(&'a self, _: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            conn.recv(&mut [0; 64]).await?;
            conn.send(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno").await?;
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn an_answer_is_not_held_up_by_a_goodbye_that_nobody_takes() {
    let papers = Papers::new();
    let endpoint = format!("tls://127.0.0.1:0,{}", papers.listening());
    let stage = Stage::of(Made::Service(Box::new(Curt)), &endpoint, |_| {});
    let to = reached(&stage.running, "http+tls://127.0.0.1:0");
    let to = parse(&format!("{to},{}", papers.dialling())).expect("an endpoint");
    let body = Some(vec![b'x'; 30_000_000]);
    let request = Request { method: "PUT".to_owned(), body, ..Request::to("/") };
    let exchange = Exchange::new(&to, request).expect("it is planned");
    let asked = exchange.ask(&Dialer::default()).await.expect("it is trusted");
    let answered = soon("an answer", asked.collect(100)).await.expect("it is whole");
    assert_eq!((answered.head.status, &*answered.body), (413, &b"no"[..]));
}

/// Says READY, and speaks TLS from there on.
struct Starting(String);

impl Service for Starting {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            assert_eq!(conn.recv(&mut [0; 64]).await?, Some(8), "STARTTLS");
            conn.send(b"READY").await?;
            session.dress(Dress::server(&format!("tls,{}", self.0)), conn).await?;
            let heard = all(conn).await?;
            conn.send(&heard.to_ascii_uppercase()).await
        })
    }
}

/// The files are read for the first session; those that come later need them no more.
#[tokio::test]
async fn sessions_start_tls_in_the_middle() {
    let papers = Papers::new();
    let own = papers.certificate("own", &["localhost"], 2099, None);
    let service = Made::Service(Box::new(Starting(own)));
    let _stage = Stage::of(service, "memory:tls-starting", |_| {});
    starts_tls(&papers).await;
    std::fs::remove_file(papers.path("own.key")).expect("it is there");
    starts_tls(&papers).await;
}

async fn starts_tls(papers: &Papers) {
    let mut conn = dial("memory:tls-starting").await.expect("it listens");
    conn.send(b"STARTTLS").await.expect("it is open");
    assert_eq!(conn.recv(&mut [0; 64]).await, Ok(Some(5)));
    let mut options = Options::of(tls::ROW.spec.options);
    let trusted = papers.path("own.pem");
    options.set(tls::ROW.spec.options, "ca", trusted.to_str()).expect("an option");
    let mut layer = tls::ROW.make.expect("it is built in")(&options).expect("good options");
    let scene = Surroundings::alone(Role::Client);
    layer.prepare(&scene).expect("the CA is there");
    let mut conn =
        layer.wrap(&scene, conn).await.expect("a handshake").into_conn().expect("a conn");
    conn.send(b"secret").await.expect("it is open");
    conn.end().await.expect("it is open");
    assert_eq!(all(&mut conn).await, Ok(b"SECRET".to_vec()));
}

/// Starts TLS on the conn that it dialled, and passes on what it heard there.
struct StartsFar {
    target: Endpoint,
    tls: String,
}

impl Service for StartsFar {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let mut far = session.dial(Destination::Endpoint(&self.target)).await?;
            far.send(b"STARTTLS").await?;
            assert_eq!(far.recv(&mut [0; 64]).await?, Some(5), "READY");
            session.dress(Dress::client(&self.tls, "localhost"), &mut far).await?;
            far.send(b"secret").await?;
            far.end().await?;
            let heard = all(&mut far).await?;
            conn.send(&heard).await
        })
    }
}

/// The layer goes beneath the tap of the dialled side too: who looks sees clear text, and is told what was learnt.
#[tokio::test]
async fn a_session_starts_tls_on_the_conn_that_it_dialled() {
    let papers = Papers::new();
    let own = papers.certificate("own", &["localhost"], 2099, None);
    let target = Made::Service(Box::new(Starting(own)));
    let _target = Stage::of(target, "memory:tls-far-target", |_| {});
    let tls = format!("tls,ca={}", papers.path("own.pem").display());
    let service = StartsFar { target: parse("memory:tls-far-target").expect("an endpoint"), tls };
    let mut server = Server::of(Made::Service(Box::new(service)), &[Shape::Bytes]);
    server.at("memory:tls-far").expect("it fits");
    let seen = server.subscribe(Wish { data: true, upstream: true, snap: 64, capacity: 1_024 });
    let running = server.start().expect("it starts");
    let mut client = dial("memory:tls-far").await.expect("it listens");
    assert_eq!(soon("the answer", all(&mut client)).await, Ok(b"SECRET".to_vec()));
    running.cut();
    soon("the end", running.finished()).await;
    let mut events = Vec::new();
    seen.pull(&mut events);
    let far = events.iter().filter_map(|event| match &event.fact {
        Fact::Data(data) if data.side == Side::Upstream => Some(data.bytes.to_vec()),
        _ => None,
    });
    let far: Vec<_> = far.collect();
    assert_eq!(far, [&b"STARTTLS"[..], b"READY", b"secret", b"SECRET"]);
    let is_told = |event: &Event| matches!(event.fact, Fact::Dressed { with: By::Upstream, .. });
    assert!(events.iter().any(is_told));
}

/// A route is ready: whom it trusts is read once, however often it is dialled.
#[tokio::test]
async fn a_route_reads_its_files_once() {
    let papers = Papers::new();
    let own = papers.certificate("own", &["localhost"], 2099, None);
    let stage = Stage::serve("echo", &format!("tls://127.0.0.1:0,{own}"));
    let to = reached(&stage.running, "tls://127.0.0.1:0");
    let ca = papers.path("own.pem");
    let to = parse(&format!("{to},ca={},name=localhost", ca.display())).expect("an endpoint");
    let route = Dialer::default().route(&to).expect("the CA is there");
    std::fs::remove_file(&ca).expect("it was there");
    for _ in 0..2 {
        let mut conn = soon("a conn", route.dial()).await.expect("it is trusted").conn;
        conn.send(b"x").await.expect("it is open");
        assert_eq!(soon("an echo", conn.recv(&mut [0; 8])).await, Ok(Some(1)));
    }
    let error = Dialer::default().route(&to).map(drop).expect_err("it is gone");
    assert_eq!(error.kind(), Kind::NotFound);
}

#[test]
fn files_that_are_wrong_are_said_before_anything_is_bound() {
    let papers = Papers::new();
    let (one, two) = (
        papers.certificate("one", &["a.test"], 2099, None),
        papers.certificate("two", &["b.test"], 2099, None),
    );
    let (cert, key) = (one.split(',').next().expect("cert"), two.split(',').nth(1).expect("key"));
    let missing = format!("cert={}", papers.path("none.pem").display());
    let keyless = cert.to_owned();
    let mixed = format!("{cert},{key}");
    for (settings, kind) in [
        (missing, Kind::NotFound),
        (keyless, Kind::BadOption),
        (mixed, Kind::BadOption),
        (key.to_owned(), Kind::BadOption),
    ] {
        let error = hobnob::serve("echo", &format!("tls://127.0.0.1:0,{settings}")).err();
        assert_eq!(error.map(|error| error.kind()), Some(kind), "{settings}");
    }
}

/// However many start at once, there is one CA.
#[test]
fn the_development_ca_is_made_once() {
    let papers = Papers::new();
    let listening = papers.listening();
    let servers: Vec<Running> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..8)
            .map(|n| {
                let endpoint = format!("tls+memory:tls-race-{n},{listening}");
                scope.spawn(move || hobnob::serve("echo", &endpoint).expect("it starts"))
            })
            .collect();
        starting.into_iter().map(|start| start.join().expect("no panic")).collect()
    });
    assert_eq!(std::fs::read_dir(papers.path("state")).expect("it is there").count(), 2);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for n in 0..servers.len() {
            let to = format!("tls+memory:tls-race-{n},{}", papers.dialling());
            dial(&to).await.expect("one CA vouches for them all");
        }
    });
}
