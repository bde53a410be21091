//! What the help says stands for each of toxiproxy's toxics does what that one does, row by row.

use super::*;

/// What comes out of ten bytes that are said at once with their end, as time in milliseconds and text.
fn outcome(spec: &str) -> Vec<(u64, String)> {
    let mut bench = Bench::bytes(&[spec]);
    bench.say(b"0123456789");
    bench.end();
    bench.finish();
    let said = |(time, (_, item)): (u64, &(Duration, Item))| match item {
        Item::Chunk(chunk) => (time, String::from_utf8_lossy(&chunk.bytes).into_owned()),
        Item::End { by } => (time, by.map_or("end", |_| "close").to_owned()),
        Item::Abort { .. } => (time, "reset".to_owned()),
    };
    bench.times().into_iter().zip(&bench.out).map(said).collect()
}

#[test]
fn each_toxic_has_its_fault() {
    let table: &[(&str, &str, &[(u64, &str)])] = &[
        ("latency", "latency=100ms", &[(100, "0123456789"), (100, "end")]),
        ("bandwidth", "rate=10", &[(1_000, "9"), (1_000, "end")]),
        ("slow_close", "latency=1s", &[(1_000, "end")]),
        ("timeout 0", "stall", &[]),
        ("reset_peer 0", "reset", &[(0, "reset")]),
        ("slicer", "slice=4,gap=20ms", &[(0, "0123"), (20, "4567"), (40, "89"), (40, "end")]),
        ("limit_data", "close-after=4", &[(0, "0123"), (0, "close")]),
    ];
    for (toxic, spec, expected) in table {
        let came = outcome(spec);
        let came: Vec<_> = came.iter().map(|(time, text)| (*time, text.as_str())).collect();
        // Of what comes in many pieces, the last.
        assert!(came.ends_with(expected), "{toxic}: {spec}: {came:?}");
        assert!(!expected.is_empty() || came.is_empty(), "{toxic}: {spec}: {came:?}");
    }
}

#[test]
fn a_timeout_is_silence_that_ends_in_a_reset() {
    for specs in [&["reset,after=10s"][..], &["stall", "reset,after=10s"]] {
        let mut bench = Bench::bytes(specs);
        bench.say(b"hello");
        bench.finish();
        let last = bench.out.last().expect("it ends");
        assert_eq!(last, &(millis(10_000), Item::Abort { by: "reset" }), "{specs:?}");
        assert_eq!(bench.text().is_empty(), specs.len() == 2, "{specs:?}");
    }
}

/// Jitter there is around the latency, here on top of it: each packet has its own.
#[test]
fn latency_with_jitter_is_between_its_bounds() {
    let mut bench = Bench::packets(&["latency=100ms,jitter=50ms"]);
    for _ in 0..200 {
        let from = bench.now;
        bench.say(b"x");
        bench.finish();
        let held = bench.now.saturating_sub(from);
        assert!((millis(100)..=millis(150)).contains(&held), "{held:?}");
    }
}

#[test]
fn toxicity_is_a_share_of_the_sessions() {
    let panel = Panel::default();
    panel.set(settings(&["refuse,when=30%"])).expect("it fits");
    let is_down = |number: &u64| panel.enter(*number, number * 31).refused_by.is_some();
    let down = (1..=10_000).filter(is_down).count();
    assert!((2_850..=3_150).contains(&down), "{down}");
}
