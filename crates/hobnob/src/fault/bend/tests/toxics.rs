//! What the help says stands for each of toxiproxy's toxics keeps what toxiproxy's own documentation promises of that one,
//! row by row. The sentences are those of its README.

use super::*;

/// What comes out of ten bytes that are said at once with their end, as time in milliseconds and text.
fn outcome(specs: &[&str]) -> Vec<(u64, String)> {
    let mut bench = Bench::bytes(specs);
    bench.say(b"0123456789");
    bench.end();
    bench.finish();
    told(&bench)
}

fn told(bench: &Bench) -> Vec<(u64, String)> {
    let said = |(time, (_, item)): (u64, &(Duration, Item))| match item {
        Item::Chunk(chunk) => (time, String::from_utf8_lossy(&chunk.bytes).into_owned()),
        Item::End { by } => (time, by.map_or("end", |_| "close").to_owned()),
        Item::Abort { .. } => (time, "reset".to_owned()),
    };
    bench.times().into_iter().zip(&bench.out).map(said).collect()
}

#[test]
fn each_toxic_has_its_fault() {
    type Expected = &'static [(u64, &'static str)];
    let table: &[(&str, &[&str], Expected)] = &[
        // latency: "Add a delay to all data going through the proxy."
        ("latency", &["latency=100ms"], &[(100, "0123456789"), (100, "end")]),
        // bandwidth: "Limit a connection to a maximum number of kilobytes per second."
        ("bandwidth", &["rate=10"], &[(1_000, "9"), (1_000, "end")]),
        // slow_close: "Delay the TCP socket from closing until delay has elapsed."
        ("slow_close", &["slow-close=1s"], &[(0, "0123456789"), (1_000, "end")]),
        // timeout: "Stops all data from getting through, and closes the connection after timeout."
        ("timeout", &["timeout=5s"], &[(5_000, "close")]),
        // "If timeout is 0, the connection won't close, and data will be dropped until the toxic is removed."
        ("timeout 0", &["timeout"], &[]),
        // reset_peer: "Simulate TCP RESET ... immediately or after a timeout."
        ("reset_peer 0", &["reset,after=0s"], &[(0, "reset")]),
        ("reset_peer", &["timeout", "reset,after=5s"], &[(5_000, "reset")]),
        // slicer: "Slices TCP data up into small bits, optionally adding a delay between each sliced packet."
        ("slicer", &["slice=4,gap=20ms"], &[(0, "0123"), (20, "4567"), (40, "89"), (40, "end")]),
        // limit_data: "Closes connection when transmitted data exceeded limit."
        ("limit_data", &["close-after=4"], &[(0, "0123"), (0, "close")]),
    ];
    for (toxic, specs, expected) in table {
        let came = outcome(specs);
        let came: Vec<_> = came.iter().map(|(time, text)| (*time, text.as_str())).collect();
        // Of what comes in many pieces, the last.
        assert!(came.ends_with(expected), "{toxic}: {specs:?}: {came:?}");
        let is_whole = *toxic != "bandwidth";
        assert!(!is_whole || came.len() == expected.len(), "{toxic}: {specs:?}: {came:?}");
    }
}

/// Also where nothing is said: the time counts from the beginning, and not from the first byte.
#[test]
fn a_timeout_and_a_reset_come_to_who_is_silent() {
    for (specs, expected) in [
        (&["timeout=5s"][..], (5_000, "close")),
        (&["reset,after=5s"], (5_000, "reset")),
        (&["timeout", "reset,after=5s"], (5_000, "reset")),
        (&["reset,after=0s"], (0, "reset")),
    ] {
        let mut bench = Bench::bytes(specs);
        bench.until(Duration::ZERO);
        bench.finish();
        let (time, text) = expected;
        assert_eq!(told(&bench), [(time, text.to_owned())], "{specs:?}");
    }
}

/// What came before it is turned on is not dropped with what comes after, and an end is not lost when it is taken away.
#[test]
fn a_timeout_that_is_taken_away_lets_the_rest_through() {
    let mut bench = Bench::bytes(&["timeout"]);
    bench.say(b"dropped");
    bench.end();
    bench.finish();
    assert_eq!(told(&bench), []);
    bench.set(&[]);
    bench.take();
    assert_eq!(told(&bench), [(0, "end".to_owned())]);
}

/// "latency +/- jitter": half of the jitter here is before, as jitter here only adds.
#[test]
fn latency_with_jitter_is_between_its_bounds() {
    let mut bench = Bench::packets(&["latency=50ms,jitter=100ms"]);
    let mut times = Vec::new();
    for _ in 0..200 {
        let from = bench.now;
        bench.say(b"x");
        bench.finish();
        times.push(bench.now.saturating_sub(from));
    }
    assert!(times.iter().all(|held| (millis(50)..=millis(150)).contains(held)), "{times:?}");
    assert!(times.iter().any(|held| *held < millis(90)), "it never shortens 100 ms");
    assert!(times.iter().any(|held| *held > millis(110)), "it never lengthens 100 ms");
}

/// `size_variation`: "variation in bytes of an average packet (should be smaller than `average_size`)".
#[test]
fn slices_vary_within_their_bounds_and_not_by_where_they_were_cut() {
    let text = numbered(4_000);
    let pieces = |cuts: usize| {
        let mut bench = Bench::bytes(&["slice=10,vary=4,gap=1ms"]);
        for part in text.chunks(cuts) {
            bench.say(part);
        }
        bench.end();
        bench.finish();
        assert_eq!(bench.text(), text);
        // What one time brings is one piece.
        let mut lengths: Vec<(u64, usize)> = Vec::new();
        for (time, piece) in bench.times().into_iter().zip(bench.pieces()) {
            match lengths.last_mut() {
                Some((last, length)) if *last == time => *length += piece.len(),
                _ => lengths.push((time, piece.len())),
            }
        }
        lengths.into_iter().map(|(_, length)| length).collect::<Vec<_>>()
    };
    let whole = pieces(4_000);
    let (last, others) = whole.split_last().expect("pieces");
    assert!(others.iter().all(|length| (6..=14).contains(length)) && *last <= 14, "{whole:?}");
    assert!(others.iter().any(|length| *length < 10) && others.iter().any(|length| *length > 10));
    assert_eq!(pieces(7), whole);
    assert!(Setting::parse("slice=10,vary=10").is_err(), "a piece of no bytes");
}

/// toxicity: "probability of the toxic being applied to a link".
#[test]
fn toxicity_is_a_share_of_the_sessions() {
    let panel = Panel::default();
    panel.set(settings(&["refuse,when=30%"])).expect("it fits");
    let is_down = |number: &u64| panel.enter(*number, number * 31, None).refused_by.is_some();
    let down = (1..=10_000).filter(is_down).count();
    assert!((2_850..=3_150).contains(&down), "{down}");
}

/// stream: "defaults to downstream"; `upstream` is the way from the client to the server.
#[test]
fn a_stream_is_a_direction() {
    for (spec, is_bent) in [("up:latency=1s", true), ("down:latency=1s", false)] {
        let mut bench = Bench::bytes(&[spec]);
        bench.say(b"x");
        bench.finish();
        assert_eq!(bench.times(), [if is_bent { 1_000 } else { 0 }], "{spec}");
    }
}

/// down: who comes is not dialled for, and who is in is cut; the refusal itself is the kernel's, of whoever listens.
#[test]
fn down_cuts_who_is_in_and_refuses_who_comes_until_it_is_over() {
    let panel = Panel::default();
    let mut bend = panel.enter(1, 7, None).bend;
    let (mut up, mut down) = (None, None);
    let mut cut = |bend: &mut Bend| {
        bend.refresh(None, std::task::Waker::noop(), Duration::ZERO, [&mut up, &mut down])
    };
    assert_eq!((cut(&mut bend), panel.is_down()), (None, false));
    panel.turn(&["latency=1s", "down"]).expect("they fit");
    assert!(bend.is_stale() && panel.is_down());
    assert_eq!(cut(&mut bend), Some("down"));
    assert_eq!(panel.enter(2, 7, None).refused_by, Some("down"));
    panel.clear();
    assert!(!panel.is_down() && panel.enter(3, 7, None).refused_by.is_none());
    for rule in ["down,when=10%", "down,after=3conn", "down,for=10s", "down,from=10.0.0.1"] {
        assert!(Setting::parse(rule).is_err(), "{rule}");
    }
    assert!(Setting::parse("up:down").is_err() && Setting::parse("down:down").is_err());
}
