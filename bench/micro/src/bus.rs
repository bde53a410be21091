//! What an event costs whoever emits it: where nobody wants it, and where somebody pulls it.

use std::hint::black_box;

use criterion::Criterion;
use hobnob::bus::{Bus, Wish};
use hobnob::clock::Clock;
use hobnob::event::Fact;

/// Events between two pulls, as a subscriber takes them at a rhythm.
const ROUND: u64 = 1_000;

pub(crate) fn measure(criterion: &mut Criterion) {
    let fact = || Fact::Dropped { limit: "max-conns", count: 1 };
    let mut group = criterion.benchmark_group("bus");
    let bus = Bus::new(Clock::start(), 1);
    group.bench_function("an event that nobody wants", |bencher| {
        bencher.iter(|| bus.emit(0, 1, black_box(fact())));
    });
    let subscription = bus.subscribe(Wish { capacity: 4_096, ..Wish::default() });
    let mut events = Vec::new();
    let mut emitted = 0;
    group.bench_function("an event that is pulled", |bencher| {
        bencher.iter(|| {
            bus.emit(0, 1, black_box(fact()));
            emitted += 1;
            if emitted % ROUND == 0 {
                events.clear();
                let dropped = subscription.pull(&mut events);
                assert_eq!(dropped, 0, "there is room");
            }
        });
    });
    group.finish();
}
