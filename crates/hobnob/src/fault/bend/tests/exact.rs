//! What each fault does, to the byte and to the millisecond.

use super::*;

#[test]
fn latency_holds_everything_by_the_same_time() {
    let mut bench = Bench::bytes(&["latency=200ms"]);
    bench.say(b"a");
    bench.until(millis(70));
    bench.say(b"b");
    bench.end();
    bench.finish();
    assert_eq!(bench.times(), [200, 270, 270]);
    assert_eq!(bench.text(), b"ab");
    assert_eq!(bench.out[2].1, Item::End { by: None });
    let held = Hit { kind: "latency", act: Act::Held(millis(200)) };
    assert_eq!(bench.hits, [held.clone(), held]);
    assert_eq!(bench.panel.totals(), [("latency", 2)]);
}

#[test]
fn jitter_stays_within_its_bound_and_is_spread_over_it() {
    let mut bench = Bench::packets(&["jitter=50ms"]);
    let mut held = Vec::new();
    for _ in 0..2_000 {
        let from = bench.now;
        bench.say(b"x");
        bench.finish();
        held.push(bench.now.saturating_sub(from));
        bench.now += millis(100);
    }
    assert!(held.iter().all(|held| *held <= millis(50)), "{:?}", held.iter().max());
    for tenth in 0..10 {
        let range = millis(tenth * 5)..millis(tenth * 5 + 5);
        let count = held.iter().copied().filter(|held| range.contains(held)).count();
        assert!((140..=260).contains(&count), "{count} of 2,000 between {range:?}");
    }
}

#[test]
fn what_jitter_holds_is_not_overtaken() {
    let mut bench = Bench::packets(&["jitter=50ms"]);
    for number in 0..=255 {
        bench.say(&[number]);
        bench.until(bench.now + millis(1));
    }
    bench.finish();
    assert_eq!(bench.text(), (0..=255).collect::<Vec<u8>>());
}

#[test]
fn rate_is_kept_within_one_percent_over_ten_seconds() {
    for (rate, text) in [(65_536, "rate=64k"), (1_250_000, "rate=10mbit/s"), (1_000, "rate=1000")] {
        let mut bench = Bench::bytes(&[text]);
        bench.say_all(&vec![7; rate * 11], 65_536);
        bench.finish();
        let within = |time: &Duration| *time <= Duration::from_secs(10);
        let passed: usize = bench
            .out
            .iter()
            .filter(|(time, _)| within(time))
            .map(|(_, item)| if let Item::Chunk(chunk) = item { chunk.bytes.len() } else { 0 })
            .sum();
        assert!(passed.abs_diff(rate * 10) <= rate / 10, "{text}: {passed}");
    }
}

#[test]
fn rate_never_lets_more_through_than_its_bucket_holds() {
    let (rate, burst) = (10_000.0, 3_000.0);
    let mut bench = Bench::bytes(&["rate=10000,burst=3000"]);
    for pause in [0, 0, 700, 20, 3_000, 1] {
        bench.until(bench.now + millis(pause));
        bench.say_all(&numbered(9_000), 4_000);
    }
    bench.finish();
    let sent: Vec<(f64, f64)> = bench
        .out
        .iter()
        .filter_map(|(time, item)| match item {
            Item::Chunk(chunk) => {
                Some((time.as_secs_f64(), f64::from(u32::try_from(chunk.bytes.len()).ok()?)))
            }
            _ => None,
        })
        .collect();
    for from in 0..sent.len() {
        let mut sum = 0.0;
        for (time, bytes) in &sent[from..] {
            sum += bytes;
            let most = burst + rate * (time - sent[from].0) + 100.0; // a piece
            assert!(sum <= most, "{sum} bytes in {} s", time - sent[from].0);
        }
    }
    let first: f64 = sent.iter().filter(|(time, _)| *time == 0.0).map(|(_, bytes)| bytes).sum();
    assert!((2_900.0..=3_000.0).contains(&first), "{first}");
}

#[test]
fn slice_cuts_at_the_same_bytes_however_it_came() {
    for cuts in [vec![10], vec![1, 1, 1, 7], vec![4, 6], vec![2, 8]] {
        let mut bench = Bench::bytes(&["slice=3,gap=10ms"]);
        let text = b"abcdefghij";
        let mut from = 0;
        for length in cuts {
            bench.say(&text[from..from + length]);
            from += length;
        }
        bench.finish();
        let mut at = std::collections::BTreeMap::<u64, Vec<u8>>::new();
        for (time, piece) in bench.times().into_iter().zip(bench.pieces()) {
            at.entry(time).or_default().extend(piece);
        }
        let pieces: Vec<_> = at.into_iter().collect();
        let expected = [(0, &b"abc"[..]), (10, b"def"), (20, b"ghi"), (30, b"j")];
        assert_eq!(pieces, expected.map(|(time, piece)| (time, piece.to_vec())));
    }
}

#[test]
fn slice_makes_several_packets_of_one_and_leaves_an_empty_one() {
    let mut bench = Bench::packets(&["slice=3,gap=0s"]);
    bench.say(b"abcdefgh");
    bench.say(b"");
    bench.finish();
    assert_eq!(bench.pieces(), [&b"abc"[..], b"def", b"gh", b""]);
}

#[test]
fn stall_is_silent_for_its_time_and_then_passes_all_of_it() {
    let mut bench = Bench::bytes(&["stall=5s,after=4"]);
    bench.say(b"abcdef");
    bench.until(millis(3_000));
    bench.say(b"gh");
    bench.end();
    bench.finish();
    assert_eq!(bench.times(), [0, 5_000, 5_000, 5_000]);
    assert_eq!(bench.text(), b"abcdefgh");
}

#[test]
fn stall_by_itself_lasts_until_it_is_taken_away() {
    let mut bench = Bench::bytes(&["stall"]);
    bench.say(b"abc");
    bench.end();
    bench.until(Duration::from_hours(24));
    assert_eq!(bench.out, []);
    bench.set(&[]);
    bench.take();
    assert_eq!((bench.text(), bench.out.len()), (b"abc".to_vec(), 2));
}

#[test]
fn an_end_with_nothing_before_it_is_held_as_bytes_are() {
    for (text, due) in [("latency=200ms", 200), ("stall=5s", 5_000), ("rate=1k", 0)] {
        let mut bench = Bench::bytes(&[text]);
        bench.end();
        bench.finish();
        assert_eq!(bench.out, [(millis(due), Item::End { by: None })], "{text}");
    }
    let mut bench = Bench::bytes(&["stall"]);
    bench.end();
    bench.until(Duration::from_hours(24));
    assert_eq!(bench.out, [], "silence is silence");
}

#[test]
fn reset_comes_at_its_byte() {
    for cut in [1, 3, 4, 5, 9] {
        let mut bench = Bench::bytes(&["latency=30ms", "reset,after=4"]);
        let text = b"abcdefghi";
        bench.say(&text[..cut]);
        bench.say(&text[cut..]);
        bench.finish();
        assert_eq!(bench.text(), b"abcd", "cut at {cut}");
        assert_eq!(bench.out.last(), Some(&(millis(30), Item::Abort { by: "reset" })));
        assert_eq!(bench.up().expect("faults").room(), 0);
    }
}

#[test]
fn close_after_closes_right_behind_its_last_byte() {
    let mut bench = Bench::bytes(&["close-after=4"]);
    bench.say(b"ab");
    bench.say(b"cd");
    assert_eq!(bench.out.last(), Some(&(millis(0), Item::End { by: Some("close-after") })));
    bench.say(b"ef");
    assert_eq!(bench.text(), b"abcd");
    let mut bench = Bench::packets(&["close-after=4"]);
    bench.say(b"abc");
    bench.say(b"de");
    assert_eq!(bench.text(), b"abc");
    assert_eq!(
        bench.out.last().map(|(_, item)| item),
        Some(&Item::End { by: Some("close-after") })
    );
}

#[test]
fn slow_accept_and_refuse_decide_before_the_dial() {
    let panel = Panel::default();
    panel.set(settings(&["slow-accept=2s", "refuse=30%"])).expect("they fit");
    let entries: Vec<_> =
        (1..=10_000).map(|number| panel.enter(number, number * 77, None)).collect();
    assert!(entries.iter().all(|entry| entry.wait == millis(2_000)));
    let refused = entries.iter().filter(|entry| entry.refused_by == Some("refuse")).count();
    assert!(is_likely(refused, 10_000, 0.3), "{refused}");
    assert_eq!(panel.state()[0].up, Some(10_000));
}

#[test]
fn corrupt_flips_one_bit_of_what_it_hits() {
    let mut bench = Bench::packets(&["corrupt=10%"]);
    let packet = numbered(100);
    for _ in 0..10_000 {
        bench.say(&packet);
    }
    let wrong_bits = |piece: &Vec<u8>| -> u32 {
        piece.iter().zip(&packet).map(|(a, b)| (a ^ b).count_ones()).sum()
    };
    let wrong: Vec<_> = bench.pieces().iter().map(wrong_bits).filter(|bits| *bits > 0).collect();
    assert!(wrong.iter().all(|bits| *bits == 1));
    assert!(is_likely(wrong.len(), 10_000, 0.1), "{}", wrong.len());
}

/// Whether so many of a million are what chance brings in 999 cases of 1,000.
fn is_likely(hits: usize, of: u32, share: f64) -> bool {
    let of = f64::from(of);
    let deviation = (of * share * (1.0 - share)).sqrt();
    let hits = f64::from(u32::try_from(hits).expect("small"));
    (hits - of * share).abs() <= 3.2905 * deviation
}

#[test]
fn a_million_packets_are_lost_repeated_and_reordered_as_often_as_was_asked() {
    const MANY: u32 = 1_000_000;
    for (text, kind, share) in
        [("loss=2%", "loss", 0.02), ("dup=0.5%", "dup", 0.005), ("reorder=5%", "reorder", 0.05)]
    {
        let mut bench = Bench::packets(&[text]);
        let (mut came, mut last, mut overtaken) = (0_u32, 0, 0_usize);
        for number in 1..=MANY {
            let now = bench.now + Duration::from_micros(100);
            bench.until(now);
            bench.say(&number.to_be_bytes());
            for (_, item) in bench.out.drain(..) {
                let Item::Chunk(chunk) = item else { panic!("{item:?}") };
                let number = u32::from_be_bytes(chunk.bytes[..].try_into().expect("four bytes"));
                overtaken += usize::from(number < last);
                last = last.max(number);
                came += 1;
            }
            bench.hits.clear();
        }
        bench.finish();
        came += u32::try_from(bench.out.len()).expect("few");
        let decided = bench.decisions().len();
        assert!(bench.decisions().iter().all(|(fault, _)| *fault == kind));
        assert!(is_likely(decided, MANY, share), "{kind}: {decided}");
        let expected = u32::try_from(decided).expect("few");
        match kind {
            "loss" => assert_eq!(came, MANY - expected),
            "dup" => assert_eq!(came, MANY + expected),
            // Those held when the last one came were overtaken by nobody that this saw.
            _ => assert!(came == MANY && decided - overtaken <= 40, "{decided}, {overtaken}"),
        }
    }
}
