//! The grammar of endpoints.

use std::hint::black_box;

use criterion::Criterion;
use hobnob::engine::parse;

/// From the shortest to one with layers and options.
const TEXTS: [(&str, &str); 4] = [
    ("a port", ":9000"),
    ("a host", "udp://[::1]:9998"),
    ("a path", "unix:/tmp/chat.sock,mode=600"),
    ("layers and options", "lines+tls+tcp://example.com:9443,ca=dev,nodelay,rcvbuf=64k"),
];

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("endpoint");
    for (name, text) in TEXTS {
        parse(text).expect("it is an endpoint");
        group.bench_function(name, |bencher| bencher.iter(|| parse(black_box(text))));
    }
    group.finish();
}
