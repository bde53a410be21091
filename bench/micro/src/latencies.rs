//! What noting a time costs, once a round of a load.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use hobnob::latencies::Latencies;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut latencies = Latencies::default();
    let mut nanos = 1;
    criterion.bench_function("latencies/a time", |bencher| {
        bencher.iter(|| {
            nanos = nanos * 7 % 100_003;
            latencies.add(black_box(Duration::from_nanos(1_000 * nanos)));
        });
    });
}
