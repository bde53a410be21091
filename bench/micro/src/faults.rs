//! What a chunk costs that passes a chain of faults, on a clock that stands still.

use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use hobnob::fault::{Chain, Item, Panel};
use hobnob::spec::Shape;

const CHUNK: usize = 1_024;
/// From a row that changes nothing to one that cuts and decides by the byte.
const ROWS: [(&str, &[&str]); 4] = [
    ("latency", &["latency=0ms"]),
    ("slice", &["slice=64,gap=0ms"]),
    ("corrupt", &["corrupt=1%"]),
    ("three in a row", &["latency=0ms", "rate=10g", "slice=256,gap=0ms"]),
];

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fault");
    group.throughput(Throughput::Bytes(CHUNK as u64));
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    for (name, row) in ROWS {
        let mut chain = chain_of(row);
        let mut now = Duration::ZERO;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                // Far apart, so that nothing is still held: what is would be another thing than a passage.
                now += Duration::from_millis(1);
                chain.push(chunk.clone(), false, now);
                let (mut at, mut passed) = (now, 0);
                while passed < CHUNK {
                    match chain.take(at) {
                        Some(Item::Chunk(chunk)) => passed += chunk.bytes.len(),
                        Some(other) => panic!("{other:?}"),
                        None => at = chain.wake().expect("the rest is held until then"),
                    }
                }
                passed
            });
        });
    }
    let panel = Panel::default();
    let mut bend = panel.enter(1, 7, None).bend;
    refresh(&mut bend, &mut [None, None]);
    group.bench_function("a look at a panel without faults", |bencher| {
        bencher.iter(|| bend.is_stale());
    });
    group.finish();
}

fn chain_of(row: &[&str]) -> Chain {
    let panel = Panel::default();
    panel.fit(Shape::Bytes).expect("nothing is on yet");
    panel.turn(row).expect("they are faults of streams");
    let mut chains = [None, None];
    refresh(&mut panel.enter(1, 7, None).bend, &mut chains);
    *chains[0].take().expect("it bends")
}

fn refresh(bend: &mut hobnob::fault::Bend, chains: &mut [Option<Box<Chain>>; 2]) {
    let [up, down] = chains;
    bend.refresh(None, Waker::noop(), Duration::ZERO, [up, down]);
}
