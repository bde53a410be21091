//! Each fault of the table held to what its row claims, and all of them to the law.

use super::*;
use crate::fault::FaultRow;
use crate::fault::outbox::PLACE;

/// A value for each fault of the table under which it does something.
fn spec_of(row: &FaultRow) -> String {
    use crate::spec::ValueKind;
    let name = row.spec.name;
    let value = row.spec.options.iter().find(|option| option.name == name);
    match value.map(|option| option.kind) {
        Some(ValueKind::Duration) => format!("{name}=30ms"),
        Some(ValueKind::Percent) => format!("{name}=30%"),
        Some(ValueKind::Rate) => format!("{name}=256k"),
        Some(ValueKind::Bytes) => format!("{name}=3000"),
        _ => name.to_owned(),
    }
}

fn fitting(shape: Shape) -> impl Iterator<Item = &'static FaultRow> {
    TABLE.iter().copied().filter(move |row| row.shapes.contains(&shape))
}

/// What comes out of a stream that is said in these cuts, with pauses.
fn stream(specs: &[&str], seed: u64, text: &[u8], cuts: &[usize], pause: Duration) -> Bench {
    let mut bench = Bench::new(Shape::Bytes, specs, seed);
    let (mut rest, mut turn) = (text, 0);
    while !rest.is_empty()
        && bench.up().is_none_or(|chain| chain.room() > 0 || chain.wake().is_some())
    {
        let length = cuts[turn % cuts.len()].clamp(1, rest.len());
        turn += 1;
        bench.say_all_until_closed(&rest[..length]);
        rest = &rest[length..];
        bench.until(bench.now + pause);
        if bench.is_closed() {
            break;
        }
    }
    if !bench.is_closed() && bench.up().is_some() {
        bench.end();
    }
    bench.finish();
    bench
}

impl Bench {
    fn is_closed(&self) -> bool {
        self.out.iter().any(|(_, item)| !matches!(item, Item::Chunk(_)))
    }

    fn say_all_until_closed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_closed() {
            let room = self.up().map_or(usize::MAX, |chain| chain.room());
            let length = room.min(bytes.len());
            if length > 0 {
                self.say(&bytes[..length]);
            } else if !self.step() {
                return;
            }
            bytes = &bytes[length..];
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn on_a_stream_each_keeps_its_claims(
        seed: u64,
        cuts in prop::collection::vec(1_usize..4_000, 1..12),
        pause in 0_u64..20,
    ) {
        let text = numbered(6_000);
        for row in fitting(Shape::Bytes) {
            let bench = stream(&[&spec_of(row)], seed, &text, &cuts, millis(pause));
            let out = bench.text();
            if row.claims.lossless {
                prop_assert!(out == text, "{} lost or changed something", row.spec.name);
                let is_ended = bench.out.last().is_some_and(|(_, item)| *item == Item::End { by: None });
                prop_assert!(is_ended || row.is_before_the_dial, "{} kept the end", row.spec.name);
            }
            let is_front = text.starts_with(&out);
            let is_same_length = out.len() == text.len();
            prop_assert!(is_front || is_same_length, "{} made something up", row.spec.name);
        }
    }

    #[test]
    fn on_packets_each_keeps_its_claims(
        seed: u64,
        lengths in prop::collection::vec(0_usize..300, 1..60),
        pause in 0_u64..8,
    ) {
        for row in fitting(Shape::Packets) {
            let mut bench = Bench::new(Shape::Packets, &[&spec_of(row)], seed);
            let packets: Vec<Vec<u8>> = lengths
                .iter()
                .enumerate()
                .map(|(number, length)| {
                    let number = u16::try_from(number).expect("few").to_be_bytes();
                    [&number[..], &numbered(*length)].concat()
                })
                .collect();
            for packet in &packets {
                while bench.up().is_some_and(|chain| chain.room() == 0) && bench.step() {}
                if !bench.is_closed() {
                    bench.say(packet);
                }
                bench.until(bench.now + millis(pause));
            }
            bench.finish();
            let mut out = bench.pieces();
            let (name, claims) = (row.spec.name, row.claims);
            if claims.keeps_order && claims.keeps_boundaries && name != "corrupt" {
                let numbers: Vec<_> = out.iter().map(|packet| packet[..2].to_vec()).collect();
                prop_assert!(numbers.is_sorted(), "{name} let something overtake");
            }
            if claims.keeps_boundaries && name != "corrupt" {
                prop_assert!(out.iter().all(|packet| packets.contains(packet)), "{name} cut one");
            }
            if claims.lossless && claims.keeps_boundaries {
                out.sort();
                let mut all = packets.clone();
                all.sort();
                prop_assert!(out == all, "{name} lost or repeated one");
            } else if claims.lossless {
                prop_assert!(bench.text() == packets.concat(), "{name} lost something");
            }
        }
    }
}

/// What a fault decided along its direction.
fn decided(specs: &[&str], seed: u64, text: &[u8], cuts: &[usize]) -> Vec<Vec<Decision>> {
    let bench = stream(specs, seed, text, cuts, Duration::ZERO);
    let all = bench.decisions();
    // Faults decide at the same places; whose turn it is first depends on how much came at once.
    let of = |row: &&FaultRow| {
        let own = all.iter().filter(|(kind, _)| *kind == row.spec.name);
        own.map(|(_, decision)| decision.clone()).collect()
    };
    TABLE.iter().map(of).collect()
}

#[test]
fn a_thousand_seeds_decide_the_same_wherever_the_stream_is_cut() {
    let text = numbered(9_000);
    let specs = [
        "jitter=3ms",
        "corrupt=20%",
        "slice=700,gap=1ms",
        "rate=4m,after=100,for=5000",
        "stall=2ms,on=/\\x4d./",
        "reset=50%,after=8000",
    ];
    let mut differing = std::collections::HashSet::new();
    for seed in 0..1_000 {
        let cut = usize::try_from(seed).expect("small");
        let one = decided(&specs, seed, &text, &[9_000]);
        let two = decided(&specs, seed, &text, &[1 + cut * 7 % 1_500, 3 + cut % 64, 2_000]);
        assert_eq!(one, two, "seed {seed}");
        differing.insert(format!("{one:?}"));
    }
    assert!(differing.len() > 990, "seeds are not all the same");
}

#[test]
fn the_rows_say_what_they_are() {
    for row in TABLE {
        let (name, advice) = (row.spec.name, row.advice);
        assert!(!row.shapes.is_empty(), "{name}");
        assert!(advice.len() <= 130 && advice.ends_with('.'), "{name}: {advice:?}");
        assert_eq!(
            row.shapes == [Shape::Packets],
            !row.instead.is_empty(),
            "{name}: what instead?"
        );
        assert!(KEYS.iter().all(|key| key.name != name), "{name} is a key of all faults");
        for option in row.spec.options {
            let is_other =
                |other: &&&FaultRow| other.spec.name == option.name && other.spec.name != name;
            assert!(!TABLE.iter().any(|row| is_other(&row)), "{name}: {} is a fault", option.name);
        }
        Setting::parse(&spec_of(row)).expect(name);
    }
}

#[test]
fn what_is_held_is_bounded() {
    let holds = |row: &&FaultRow| row.spec.options.iter().any(|option| option.name == "hold");
    let usual = fitting(Shape::Bytes).filter(holds).map(|row| match row.spec.name {
        "stall" => "stall".to_owned(),
        _ => spec_of(row),
    });
    // The finest pieces, each of which costs more than its bytes.
    let fine = ["slice=1,gap=1s", "slice=7,gap=1s", "rate=50"].map(str::to_owned);
    for spec in usual.chain(fine) {
        let bounded = format!("{spec},hold=10k");
        for specs in [&[bounded.as_str()][..], &["latency=1ms,hold=1m", bounded.as_str()]] {
            let mut bench = Bench::bytes(specs);
            let mut taken = 0;
            while let Some(room) = bench.up().map(|chain| chain.room()).filter(|room| *room > 0) {
                let length = room.min(100_000);
                bench.say(&numbered(length));
                taken += length;
                if taken > 4_000_000 {
                    break;
                }
            }
            bench.until(bench.now + millis(2));
            let held = bench.up().expect("a fault").held_last();
            assert!(held <= 10_240 + 3 * PLACE, "{specs:?} holds {held}");
        }
    }
}
