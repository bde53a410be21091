//! Round trips: what is lost, doubled and overtaken, over every kind of address, and the way to a host.

use std::net::SocketAddr;
use std::time::Duration;

use hobnob::Dialer;
use hobnob::engine::parse;
use hobnob::error::Kind;
use hobnob::ping::{Ping, PingEvent, PingWay, Pinging, Trace, TraceAnswer};

use crate::ports::Port;
use crate::stage::nets::in_a_network;
use crate::stage::{Stage, skip, soon};

fn ping(at: &str) -> Ping {
    Ping::to(&parse(at).expect("an endpoint"), Dialer::default()).expect("it can be pinged")
}

/// Everything that comes of a run.
async fn all(pinging: &mut Pinging) -> Vec<PingEvent> {
    let mut events = Vec::new();
    while let Some(event) = soon("an event", pinging.next()).await.expect("no error") {
        events.push(event);
    }
    events
}

fn is_back(event: &PingEvent) -> bool {
    matches!(event, PingEvent::Back(_))
}

/// How many rounds come out as the relay's own counters say, with its faults in this direction.
///
/// What is held back is held for longer than all rounds take to go, so that everything else overtakes it.
async fn agrees_with_a_relay(direction: &str) {
    let echo = Stage::serve("echo", "udp://127.0.0.1:0");
    let fault = format!("{direction}:loss=2%,dup=1%,reorder=1%,gap=1200ms");
    let relay = Stage::with("relay", "udp://127.0.0.1:0", |server| {
        server.set("to", Some(&format!("udp://{}", echo.address()))).expect("an endpoint");
        server.set("fault", Some(&fault)).expect("three faults");
        server.seed = Some(3);
    });
    let at = format!("udp://{}", relay.address());
    let ping = ping(&at).count(400).interval(Duration::from_millis(1));
    let mut pinging = ping.patience(Duration::from_secs(2)).start().await.expect("it starts");
    let events = all(&mut pinging).await;
    let summary = pinging.summary();
    let panel = relay.running.faults().expect("a relay has them");
    let told = [("loss", summary.lost()), ("dup", summary.doubled), ("reorder", summary.overtaken)];
    assert_eq!(panel.totals(), told, "{direction}");
    assert!(told.iter().all(|(_, count)| *count > 0), "{told:?}");
    assert_eq!((summary.sent, summary.back + summary.lost()), (400, 400));
    assert_eq!(summary.back, events.iter().filter(|event| is_back(event)).count() as u64);
    assert_eq!((summary.late, summary.failed, summary.strange, summary.awaited), (0, 0, 0, 0));
}

#[tokio::test]
async fn what_a_relay_loses_doubles_and_reorders_is_told_exactly() {
    tokio::join!(agrees_with_a_relay("up"), agrees_with_a_relay("down"));
}

#[tokio::test]
async fn a_round_is_what_the_address_gives() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.sock").display().to_string();
    let tcp = Stage::serve("echo", "tcp://127.0.0.1:0");
    let udp = Stage::serve("echo", "udp://[::1]:0");
    let _unix = Stage::serve("echo", &format!("unix:{path}"));
    let page = Stage::serve("http", "tcp://127.0.0.1:0");
    let mut rounds = vec![
        (format!("tcp://{}", tcp.address()), PingWay::Dial),
        (format!("udp://{}", udp.address()), PingWay::Probe),
        (format!("unix:{path}"), PingWay::Dial),
        (format!("http://{}/", page.address()), PingWay::Request),
    ];
    #[cfg(feature = "tls")]
    let _tls = {
        let state = folder.path().display();
        let tls = Stage::serve("echo", &format!("tls://127.0.0.1:0,dev-ca={state}"));
        let at = format!("tls://{},ca=dev,dev-ca={state}", tls.address());
        rounds.push((at, PingWay::Dial));
        tls
    };
    for (at, way) in rounds {
        let ping = ping(&at).count(3).interval(Duration::ZERO);
        assert_eq!(ping.way(), way, "{at}");
        let mut pinging = ping.start().await.expect("it starts");
        let events = all(&mut pinging).await;
        let rounds: Vec<_> = events
            .iter()
            .map(|event| match event {
                PingEvent::Back(back) => (back.round, back.is_late, back.is_overtaken),
                other => panic!("{at}: {other:?}"),
            })
            .collect();
        assert_eq!(rounds, [(1, false, false), (2, false, false), (3, false, false)], "{at}");
        let summary = pinging.summary();
        assert_eq!((summary.sent, summary.back, summary.times.count()), (3, 3, 3), "{at}");
        assert!(summary.times.least() > Duration::ZERO, "{at}");
        assert!(summary.times.share(0.5) <= summary.times.most(), "{at}");
        assert!(pinging.peer().is_some(), "{at}");
    }
}

#[tokio::test]
async fn what_a_closed_port_says_is_told_of_its_round() {
    let port = Port::draw();
    let gone = SocketAddr::from(([127, 0, 0, 1], port.number));
    for (at, by) in [(format!("udp://{gone}"), Some(gone.ip())), (format!("tcp://{gone}"), None)] {
        let ping = ping(&at).count(3).interval(Duration::from_millis(2));
        let mut pinging = ping.start().await.expect("it starts");
        let failed: Vec<_> = all(&mut pinging)
            .await
            .into_iter()
            .map(|event| match event {
                PingEvent::Failed { round, error, by } => (round, error.kind(), by),
                other => panic!("{at}: {other:?}"),
            })
            .collect();
        let refused = |round| (round, Kind::ConnectionRefused, by);
        assert_eq!(failed, [refused(1), refused(2), refused(3)], "{at}");
        let summary = pinging.summary();
        assert_eq!((summary.failed, summary.lost(), summary.back), (3, 3, 0), "{at}");
    }
}

#[tokio::test]
async fn a_round_that_comes_late_is_told_twice_and_is_not_lost() {
    let peer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let at = format!("udp://{}", peer.local_addr().expect("bound"));
    let ping = ping(&at).count(2).patience(Duration::from_millis(50));
    let mut pinging = ping.interval(Duration::from_millis(300)).start().await.expect("it starts");
    assert_eq!(soon("a loss", pinging.next()).await, Ok(Some(PingEvent::Lost { round: 1 })));
    let mut room = [0; 100];
    let (length, from) = soon("a probe", peer.recv_from(&mut room)).await.expect("sent");
    // What is none of ours, and one of ours that was damaged, is counted and nothing else.
    for packet in [&b"?"[..], &room[..length - 1], &room[..length]] {
        peer.send_to(packet, from).await.expect("sent");
    }
    match soon("a round", pinging.next()).await {
        Ok(Some(PingEvent::Back(back))) => assert_eq!((back.round, back.is_late), (1, true)),
        other => panic!("{other:?}"),
    }
    assert_eq!(soon("a loss", pinging.next()).await, Ok(Some(PingEvent::Lost { round: 2 })));
    let summary = pinging.summary();
    let told = (summary.back, summary.late, summary.lost(), summary.strange);
    assert_eq!(told, (1, 1, 1, 2));
}

#[tokio::test]
async fn while_it_is_held_no_round_begins() {
    let echo = Stage::serve("echo", "udp://127.0.0.1:0");
    let at = format!("udp://{}", echo.address());
    let ping = ping(&at).count(5).interval(Duration::ZERO);
    let mut pinging = ping.start().await.expect("it starts");
    assert!(soon("a round", pinging.next()).await.expect("no error").is_some_and(|e| is_back(&e)));
    pinging.hold(true);
    for _ in 0..100 {
        let next = pinging.next();
        assert!(at_once(next).await.is_none(), "it is held");
    }
    assert_eq!(pinging.summary().sent, 1);
    pinging.hold(false);
    assert_eq!(all(&mut pinging).await.len(), 4);
}

/// What a future comes to, if it comes to that at once.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = tokio::task::yield_now() => None,
    }
}

#[test]
fn what_cannot_be_pinged_is_refused_before_anything_is_open() {
    let kind = |at: &str| Ping::to(&parse(at).expect("one"), Dialer::default()).err();
    assert_eq!(kind("-").map(|error| error.kind()), Some(Kind::DoesNotFit));
    let size = |at: &str, size| ping(at).size(size).err().map(|error| error.kind());
    assert_eq!(size("udp://:9", Ping::LEAST_SIZE), None);
    assert_eq!(size("udp://:9", Ping::LEAST_SIZE - 1), Some(Kind::BadOption));
    assert_eq!(size("tcp://:9", 56), Some(Kind::DoesNotFit));
    let trace = |at: &str| Trace::to(&parse(at).expect("one"), Dialer::default()).err();
    for at in ["tcp://localhost:9", "lines+tcp://localhost:9", "unixgram:/tmp/x"] {
        let error = trace(at).expect("it has no packets over IP");
        assert_eq!(error.kind(), Kind::DoesNotFit, "{at}");
        assert!(!error.hints().is_empty(), "{at}");
    }
}

/// This machine, two routers behind it, and a machine behind them, each a network of its own: 10.0.1.1 - 10.0.1.2,
/// 10.0.2.1 - 10.0.2.2, 10.0.3.1 - 10.0.3.2; `fd01::1` and so on. A process holds each, and ends with the test's own.
const ROUTERS: &str = r#"
    hold() { unshare --net tail -s 0.1 --pid=$$ -f /dev/null >/dev/null 2>&1 & }
    at() { process=$1; shift; nsenter --net=/proc/$process/ns/net "$@"; }
    own() { readlink /proc/self/ns/net; }
    hold; A=$!; hold; B=$!; hold; C=$!
    for each in $A $B $C; do
        while [ "$(readlink /proc/$each/ns/net)" = "$(own)" ]; do sleep 0.01; done
    done
    ip link add name e1 type veth peer name e2 netns $A
    at $A ip link add name f1 type veth peer name f2 netns $B
    at $B ip link add name g1 type veth peer name g2 netns $C
    side() {
        at $1 ip addr add 10.0.$3.$4/24 dev $2
        at $1 ip addr add fd0$3::$4/64 dev $2 nodad
        at $1 ip link set $2 up
    }
    side self e1 1 1; side $A e2 1 2; side $A f1 2 1
    side $B f2 2 2; side $B g1 3 1; side $C g2 3 2
    way() {
        at $1 ip route add default via 10.0.$2
        at $1 ip -6 route add default via fd0$3
    }
    way self 1.2 1::2; way $A 2.2 2::2; way $B 2.1 2::1; way $C 3.1 3::1
    for each in $A $B; do
        at $each sh -ec 'cd /proc/sys/net; echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding
            echo 0 >ipv4/icmp_ratelimit; echo 0 >ipv6/icmp/ratelimit'
    done
"#;

/// The addresses that answer on the way, and how the last one does; none where the test is left out.
async fn the_way(name: &str, at: &str) -> Option<Vec<(u8, String, &'static str)>> {
    let trace = Trace::to(&parse(at).expect("an endpoint"), Dialer::default()).expect("packets");
    let mut trace = trace.patience(Duration::from_secs(5));
    let mut places = Vec::new();
    loop {
        let hop = match soon("a place", trace.next()).await {
            Ok(Some(hop)) => hop,
            Ok(None) => return Some(places),
            Err(error) if error.kind() == Kind::RawSocketDenied => {
                skip(name, "neither raw sockets nor net.ipv4.ping_group_range");
                return None;
            }
            Err(error) => panic!("{at}: {error:?}"),
        };
        assert_eq!(hop.answers.len(), 3, "{at}: {hop:?}");
        let mut told: Vec<_> = hop
            .answers
            .iter()
            .map(|answer| match answer {
                TraceAnswer::Passed { by, .. } => (hop.number, by.to_string(), "passed"),
                TraceAnswer::Arrived { by, .. } => (hop.number, by.to_string(), "arrived"),
                TraceAnswer::Stopped { by, .. } => (hop.number, by.to_string(), "stopped"),
                TraceAnswer::Silent => (hop.number, String::new(), "silent"),
            })
            .collect();
        told.dedup();
        places.append(&mut told);
    }
}

#[test]
fn the_way_to_a_host_shows_its_two_routers() {
    const NAME: &str = "ping::the_way_to_a_host_shows_its_two_routers";
    in_a_network(NAME, ROUTERS, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            for (at, places) in [
                ("icmp://10.0.3.2", ["10.0.1.2", "10.0.2.2", "10.0.3.2"]),
                ("icmp://fd03::2", ["fd01::2", "fd02::2", "fd03::2"]),
                ("udp://10.0.3.2:33434", ["10.0.1.2", "10.0.2.2", "10.0.3.2"]),
                ("udp://[fd03::2]:33434", ["fd01::2", "fd02::2", "fd03::2"]),
            ] {
                let Some(way) = the_way(NAME, at).await else { return };
                let [one, two, three] = places.map(str::to_owned);
                let expected = [(1, one, "passed"), (2, two, "passed"), (3, three, "arrived")];
                assert_eq!(way, expected, "{at}");
            }
            // A packet that may pass one router alone is told of by the second.
            let short = ping("icmp://10.0.3.2,ttl=2").count(2).interval(Duration::from_millis(5));
            let mut pinging = short.start().await.expect("as before");
            for event in all(&mut pinging).await {
                let PingEvent::Failed { error, by, .. } = event else { panic!("{event:?}") };
                assert_eq!(by.map(|by| by.to_string()).as_deref(), Some("10.0.2.2"));
                assert!(error.message().contains("time exceeded"), "{error}");
            }
            let whole = ping("icmp://10.0.3.2").count(50).interval(Duration::from_millis(2));
            let mut pinging = whole.start().await.expect("as before");
            assert!(all(&mut pinging).await.iter().all(is_back));
        });
    });
}

/// The first router drops every fifth echo request that it would pass on.
const LOSSY: &str = r"
    at $A nft 'add table ip lossy'
    at $A nft 'add chain ip lossy on { type filter hook forward priority 0; }'
    at $A nft 'add rule ip lossy on icmp type echo-request numgen inc mod 5 0 drop'
";

#[test]
fn what_a_router_drops_is_lost_and_nothing_else() {
    const NAME: &str = "ping::what_a_router_drops_is_lost_and_nothing_else";
    in_a_network(NAME, &format!("{ROUTERS}{LOSSY}"), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let ping = ping("icmp://10.0.3.2").count(50).interval(Duration::from_millis(2));
            let mut pinging = match ping.patience(Duration::from_secs(1)).start().await {
                Err(error) if error.kind() == Kind::RawSocketDenied => {
                    return skip(NAME, "neither raw sockets nor net.ipv4.ping_group_range");
                }
                started => started.expect("it starts"),
            };
            all(&mut pinging).await;
            let summary = pinging.summary();
            assert_eq!((summary.sent, summary.back, summary.lost()), (50, 40, 10));
            assert_eq!((summary.doubled, summary.overtaken, summary.failed), (0, 0, 0));
        });
    });
}
