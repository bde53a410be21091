//! What is measured by `cargo bench -p hobnob-micro`: each part as whoever uses it drives it, with nothing around it.

mod bus;
mod codecs;
mod endpoints;
mod faults;
mod latencies;

use criterion::Criterion;

/// All of them.
pub fn measure(criterion: &mut Criterion) {
    endpoints::measure(criterion);
    codecs::measure(criterion);
    faults::measure(criterion);
    bus::measure(criterion);
    latencies::measure(criterion);
}
