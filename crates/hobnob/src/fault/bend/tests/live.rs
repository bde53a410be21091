//! Knobs that are turned while something is on its way.

use super::*;

#[test]
fn what_a_fault_that_is_taken_away_holds_goes_at_once_and_in_order() {
    let mut bench = Bench::bytes(&["latency=10s", "rate=1"]);
    bench.say(b"abcdef");
    bench.until(millis(12_500));
    bench.say(b"ghi");
    bench.set(&["rate=1"]);
    bench.finish();
    assert_eq!(bench.text(), b"abcdefghi");
    bench.set(&[]);
    assert!(bench.up().is_none(), "a link without faults is as it was");
}

#[test]
fn a_fault_that_stays_keeps_its_times() {
    let mut bench = Bench::bytes(&["latency=200ms"]);
    bench.say(b"a");
    bench.until(millis(100));
    bench.set(&["slice=1,gap=0s", "latency=200ms", "up:rate=1m"]);
    bench.say(b"b");
    bench.until(millis(199));
    assert_eq!(bench.out, []);
    bench.finish();
    assert_eq!(bench.text(), b"ab");
    assert_eq!(bench.times(), [200, 300]);
}

#[test]
fn no_byte_is_lost_or_repeated_by_a_hundred_changes_a_second() {
    let rows = ["latency=20ms", "jitter=30ms", "rate=2m", "slice=777", "stall=15ms", "down:stall"];
    let text = numbered(2_000_000);
    let mut bench = Bench::bytes(&[rows[0]]);
    let seed = crate::fault::Seed::new(3);
    let (mut sent, mut change) = (0, 0_u64);
    while sent < text.len() {
        bench.until(bench.now + millis(10));
        change += 1;
        let pick = |place| rows[usize::try_from(seed.below(change * 3 + place, 6)).expect("small")];
        let (one, two) = (pick(0), pick(1));
        let wanted: &[&str] = if change % 7 == 0 { &[] } else { &[one, two] };
        bench.set(wanted);
        bench.take();
        let room = bench.up().map_or(usize::MAX, |chain| chain.room());
        let length = room.min(9_000).min(text.len() - sent);
        if length > 0 {
            bench.say(&text[sent..sent + length]);
        }
        sent += length;
    }
    bench.set(&[]);
    bench.take();
    assert!(change > 100);
    assert!(bench.text() == text, "{} of {} bytes", bench.text().len(), text.len());
}

/// Or it would be looked at again and again until there is room.
#[test]
fn what_waits_for_room_behind_it_does_not_ask_to_be_woken() {
    let mut bench = Bench::bytes(&["latency=1ms", "stall=1h,hold=1k"]);
    for _ in 0..10 {
        bench.say(&numbered(1_000));
    }
    bench.until(millis(2));
    assert_eq!(bench.up().expect("faults").wake(), Some(millis(3_600_001)));
}

/// One that stays keeps its chance, and what comes before it must not draw the same lots.
#[test]
fn settings_that_come_later_have_a_chance_of_their_own() {
    let panel = Panel::default();
    panel.set(settings(&["up:latency=1ms,when=50%"])).expect("it fits");
    panel.set(settings(&["down:latency=1ms,when=50%", "up:latency=1ms,when=50%"])).expect("too");
    let is_hit = |number| {
        let mut bend = panel.enter(number, number * 31, None).bend;
        let (mut up, mut down) = (None, None);
        bend.refresh(None, std::task::Waker::noop(), Duration::ZERO, [&mut up, &mut down]);
        (up.is_some(), down.is_some())
    };
    let alike = (1..=1_000).map(is_hit).filter(|(up, down)| up == down).count();
    assert!((400..=600).contains(&alike), "{alike} of 1,000 sessions are hit both ways or neither");
}

#[test]
fn state_says_what_is_on_and_what_it_hit() {
    let mut bench = Bench::bytes(&["up:latency=1ms,rate=1m", "down:stall"]);
    bench.say(b"a");
    bench.say(b"b");
    let state = bench.panel.state();
    let brief: Vec<_> = state.iter().map(|state| (state.kind, state.up, state.down)).collect();
    assert_eq!(
        brief,
        [("latency", Some(2), None), ("rate", Some(0), None), ("stall", None, Some(0))]
    );
    assert_eq!(state[1].setting, "up:latency=1ms,rate=1m");
    bench.set(&[]);
    assert_eq!(bench.panel.state(), []);
    assert_eq!(bench.panel.totals(), [("latency", 2), ("rate", 2)].map(|hit| hit)[..1]);
}

#[test]
fn sessions_hear_of_changes_under_faults_or_not() {
    struct Bell(Mutex<u32>);
    impl std::task::Wake for Bell {
        fn wake(self: Arc<Self>) {
            *self.0.lock().expect("nobody panicked") += 1;
        }
    }
    let bell = Arc::new(Bell(Mutex::new(0)));
    let rung = || *bell.0.lock().expect("nobody panicked");
    let panel = Panel::default();
    panel.set(settings(&["stall"])).expect("it fits");
    let mut bend = panel.enter(1, 1, None).bend;
    let (mut up, mut down) = (None, None);
    bend.refresh(None, &bell.clone().into(), Duration::ZERO, [&mut up, &mut down]);
    panel.clear();
    assert_eq!((rung(), bend.is_stale()), (1, true));
    bend.refresh(None, &bell.clone().into(), Duration::ZERO, [&mut up, &mut down]);
    assert!(up.is_none() && down.is_none());
    panel.clear();
    assert_eq!(
        rung(),
        2,
        "the next fault may have a time, and nothing may come that would open it"
    );
    drop(bend);
    panel.clear();
    assert_eq!(rung(), 2, "it is over");
}
