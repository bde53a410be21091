//! What faults did is told, counted, and the same again with the same seed.

use hobnob::chunk::Direction;
use hobnob::event::{By, Fact, How, Reason};
use hobnob::fault::Act;

use super::{Bent, receive};
use crate::stage::{Stage, soon};

#[tokio::test]
async fn who_ended_a_session_is_told_and_what_was_hit_is_counted() {
    let mut bent = Bent::new("tcp://127.0.0.1:0", &["down:latency=3ms", "up:reset,on=/BYE/"]);
    let mut conn = bent.dial().await;
    soon("room", conn.send(b"hello")).await.expect("it is open");
    assert_eq!(receive(&mut conn).await.as_deref(), Some(&b"hello"[..]));
    soon("room", conn.send(b"BYE")).await.expect("it is open");
    while receive(&mut conn).await.is_some() {}
    let closed = bent.relay.closed_by(Reason::Fault("reset")).await;
    assert_eq!((closed.inward.by, closed.inward.how), (By::Us, How::Rst));
    assert_eq!(closed.detail.as_deref(), Some("torn down by the fault reset"));
    let count = |relay: &mut Stage, kind: &str, direction| {
        relay.count(|fact| matches!(fact, Fact::Bent(bent) if bent.kind == kind && bent.direction == direction))
    };
    assert_eq!(count(&mut bent.relay, "latency", Direction::Out), 1);
    assert_eq!(count(&mut bent.relay, "reset", Direction::In), 1);
    let panel = bent.relay.running.faults().expect("a relay has them");
    assert_eq!(panel.totals(), [("latency", 1), ("reset", 1)]);
}

#[tokio::test]
async fn a_refused_session_dials_nobody() {
    let mut bent = Bent::new("tcp://127.0.0.1:0", &["refuse"]);
    // The reset may overtake the connect's own return.
    drop(tokio::net::TcpStream::connect(bent.relay.address()).await);
    let closed = bent.relay.closed_by(Reason::Fault("refuse")).await;
    assert_eq!(closed.detail.as_deref(), Some("turned away by the fault refuse"));
    assert_eq!(bent.relay.count(|fact| matches!(fact, Fact::Dialed(_))), 0);
    let is_it = |fact: &Fact| matches!(fact, Fact::Bent(bent) if bent.act == Act::Aborted);
    assert_eq!(bent.relay.count(is_it), 1);
}

#[tokio::test]
async fn faults_are_turned_on_and_off_between_two_messages() {
    let mut bent = Bent::new("udp://127.0.0.1:0", &[]);
    let mut conn = bent.dial().await;
    for turn in 0..20 {
        bent.turn(&["up:loss=100%"]);
        soon("room", conn.send(b"lost")).await.expect("it is open");
        let panel = bent.relay.running.faults().expect("a relay has them");
        bent.relay.holds("the loss", |_| panel.state()[0].up > Some(0)).await;
        bent.turn(&[]);
        let text = format!("turn {turn}");
        soon("room", conn.send(text.as_bytes())).await.expect("it is open");
        assert_eq!(receive(&mut conn).await, Some(text.into_bytes()));
    }
}

#[tokio::test]
async fn two_runs_with_one_seed_decide_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut logs = Vec::new();
    for (run, piece) in [(1, 1_000), (2, 17), (3, 30_000)] {
        let path = folder.path().join(format!("{run}.jsonl"));
        let path = path.to_str().expect("a plain name").to_owned();
        let mut bent = Bent::with("tcp://127.0.0.1:0", |server| {
            for fault in ["jitter=1ms,when=50%", "up:corrupt=5%", "slice=700,gap=0s"] {
                server.set("fault", Some(fault)).expect(fault);
            }
            server.set("decisions", Some(&path)).expect("a path");
        });
        for _ in 0..4 {
            let mut conn = bent.dial().await;
            for part in [7; 30_000].chunks(piece) {
                soon("room", conn.send(part)).await.expect("it is open");
            }
            soon("an end", conn.end()).await.expect("it is open");
            while receive(&mut conn).await.is_some() {}
            bent.relay.closed().await;
        }
        let text = std::fs::read_to_string(&path).expect("it was written");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert!(lines.iter().all(|line| line.starts_with("{\"session\":") && line.ends_with('}')));
        lines.sort();
        logs.push(lines);
    }
    assert!(logs[0].len() > 50, "{:?}", logs[0]);
    for log in &logs[1..] {
        let other = log.iter().zip(&logs[0]).find(|(one, two)| one != two);
        assert_eq!((log.len(), other), (logs[0].len(), None));
    }
}
