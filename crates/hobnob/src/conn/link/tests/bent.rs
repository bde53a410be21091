//! The link under faults, with time held still.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

fn under(shape: Shape, faults: &[&str]) -> (Panel, Between) {
    let panel = Panel::default();
    panel.fit(shape).expect("nothing is on");
    panel.turn(faults).expect("they fit");
    let at = link_under(&panel, pair(shape), pair(shape), Ahead::default());
    (panel, at)
}

async fn read_one(conn: &mut Conn) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    let length = conn.recv(&mut buffer).await.expect("no reset")?;
    Some(buffer[..length].to_vec())
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the time that is held still")]
async fn what_is_held_arrives_to_the_millisecond_with_its_end_behind_it() {
    let (_, mut at) = under(Shape::Bytes, &["up:latency=200ms", "down:latency=70ms"]);
    let began = Instant::now();
    at.client.send(b"question").await.expect("room");
    at.client.end().await.expect("an end");
    assert_eq!(read_one(&mut at.server).await.as_deref(), Some(&b"question"[..]));
    assert_eq!(began.elapsed().as_millis(), 200);
    assert_eq!(read_one(&mut at.server).await, None);
    at.server.send(b"answer").await.expect("room");
    at.server.end().await.expect("an end");
    assert_eq!(read_all(&mut at.client).await.as_deref(), Ok(&b"answer"[..]));
    assert_eq!(began.elapsed().as_millis(), 270);
    at.link.await.expect("no panic").expect("an end in order");
    assert!(
        at.heard.all().contains(&"Downstream latency Held(200ms)".to_owned()),
        "{:?}",
        at.heard.all()
    );
}

/// A runtime's timer alone is up to a millisecond late, at each fault and in each direction.
#[tokio::test(start_paused = true)]
async fn what_is_held_for_a_short_time_waits_for_the_alarm_and_nothing_else_does() {
    for (fault, waiting) in [
        ("up:latency=1ms", 1),
        ("latency=200us", 1),
        ("latency=250ms", 1),
        ("jitter=1ms", 1),
        ("rate=1k", 1),
        ("slice=1,gap=1ms", 1),
        ("stall=5ms", 1),
        ("latency=251ms", 0),
        ("stall", 0),
    ] {
        let (_, mut at) = under(Shape::Bytes, &[fault]);
        at.client.send(b"held").await.expect("room");
        // While somebody is ready to run, time stands still.
        while at.heard.held.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(chime::waiting_here(), waiting, "{fault}");
        at.link.abort();
        assert!(at.link.await.is_err_and(|error| error.is_cancelled()));
        assert_eq!(chime::waiting_here(), 0, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_dial_was_done_is_bent_too() {
    let (mut client, mut downstream) = pair(Shape::Bytes);
    client.send(b"early").await.expect("room");
    client.end().await.expect("an end");
    let mut ahead = Ahead::default();
    tokio::select! {
        biased;
        error = ahead.read(&mut downstream, |_| {}) => panic!("{error:?}"),
        () = tokio::time::sleep(Duration::from_millis(1)) => {}
    }
    let panel = Panel::default();
    panel.turn(&["close-after=3"]).expect("it fits");
    let mut at = link_under(&panel, (client, downstream), pair(Shape::Bytes), ahead);
    assert_eq!(read_all(&mut at.server).await.as_deref(), Ok(&b"ear"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_reset_tears_the_link_down_at_its_byte() {
    let (_, mut at) = under(Shape::Bytes, &["down:reset,after=4"]);
    at.server.send(b"answers").await.expect("room");
    assert_eq!(read_one(&mut at.client).await.as_deref(), Some(&b"answ"[..]));
    let broken = at.link.await.expect("no panic").expect_err("torn down");
    assert_eq!((broken.side, broken.error.kind()), (Side::Upstream, Kind::Fault));
}

#[tokio::test(start_paused = true)]
async fn a_close_is_an_end_for_both_sides() {
    let (_, mut at) = under(Shape::Bytes, &["down:close-after=4"]);
    at.client.send(b"give me all").await.expect("room");
    assert_eq!(read_one(&mut at.server).await.as_deref(), Some(&b"give me all"[..]));
    at.server.send(b"answers").await.expect("room");
    assert_eq!(read_all(&mut at.client).await.as_deref(), Ok(&b"answ"[..]));
    assert_eq!(read_one(&mut at.server).await, None);
    at.link.await.expect("no panic").expect("in order");
    assert!(at.heard.all().contains(&"closed by close-after".to_owned()), "{:?}", at.heard.all());
}

#[tokio::test(start_paused = true)]
async fn a_stall_that_is_taken_away_lets_everything_go() {
    let (panel, mut at) = under(Shape::Bytes, &["stall"]);
    at.client.send(b"one").await.expect("room");
    at.client.end().await.expect("an end");
    let silence = tokio::time::timeout(Duration::from_hours(1), read_one(&mut at.server)).await;
    assert!(silence.is_err(), "{silence:?}");
    panel.clear();
    assert_eq!(read_all(&mut at.server).await.as_deref(), Ok(&b"one"[..]));
}

#[tokio::test(start_paused = true)]
async fn packets_are_lost_repeated_and_keep_their_borders() {
    let (panel, mut at) = under(Shape::Packets, &["loss=100%,for=1pkt", "dup=100%"]);
    for packet in [&b"lost"[..], b"", b"three"] {
        at.client.send(packet).await.expect("room");
    }
    for expected in [&b""[..], b"", b"three", b"three"] {
        assert_eq!(read_one(&mut at.server).await.as_deref(), Some(expected));
    }
    assert_eq!(panel.totals(), [("loss", 1), ("dup", 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_sender_waits_when_as_much_is_held_as_may_be() {
    let (_, mut at) = under(Shape::Bytes, &["stall,hold=10k"]);
    let much = vec![7; 1_000_000];
    let sending = at.client.send(&much);
    let sent = tokio::time::timeout(Duration::from_mins(1), sending).await;
    assert!(sent.is_err(), "a million bytes went somewhere");
}

/// Timers are late by up to a millisecond: what is held meanwhile has to be enough for the wire.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the time that is held still")]
async fn a_fast_wire_is_as_fast_as_it_says() {
    for (fault, rate) in
        [("rate=1m", 1 << 20), ("rate=50m", 50 << 20), ("rate=1gbit/s", 125_000_000)]
    {
        let (_, at) = under(Shape::Bytes, &[fault]);
        let (mut client, mut server) = (at.client, at.server);
        let began = Instant::now();
        let sending = tokio::spawn(async move {
            client.send(&vec![7; rate / 2]).await.expect("the link takes it");
            client.end().await.expect("an end");
            client
        });
        let came = read_all(&mut server).await.expect("all of it");
        let took = began.elapsed().as_millis();
        assert_eq!(came.len(), rate / 2);
        assert!((495..=505).contains(&took), "{fault}: half a second's worth took {took} ms");
        drop((server, sending.await.expect("sent")));
    }
}

#[tokio::test(start_paused = true)]
async fn knobs_that_are_turned_a_hundred_times_a_second_lose_nothing() {
    let (panel, at) = under(Shape::Bytes, &["rate=1m"]);
    let turned = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let turns = turned.clone();
    let (mut client, mut server) = (at.client, at.server);
    let text: Vec<u8> = (0..2_000_000_u32).map(|at| (at % 251) as u8).collect();
    let sent = text.clone();
    let sending = tokio::spawn(async move {
        client.send(&sent).await.expect("the link takes it");
        client.end().await.expect("an end");
        client
    });
    let turning = tokio::spawn(async move {
        // The last one stays, or all of it would pass in no time.
        let rows: [&[&str]; 5] = [
            &["latency=30ms", "rate=1m"],
            &["latency=30ms", "jitter=20ms", "rate=1m"],
            &["rate=1m"],
            &["slice=5000,gap=0s", "rate=1m"],
            &["stall=5ms", "latency=3ms", "rate=1m"],
        ];
        for turn in 0_usize.. {
            turns.fetch_add(1, Relaxed);
            panel.turn(rows[turn % 5]).expect("they fit");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let came = read_all(&mut server).await.expect("all of it");
    assert!(came == text, "{} of {} bytes", came.len(), text.len());
    turning.abort();
    assert!(turned.load(Relaxed) > 150, "{turned:?}");
    drop((server, sending.await.expect("sent")));
    at.link.await.expect("no panic").expect("an end in order");
}
