//! Formats: what cuts messages out of a stream, and what reads an answer of HTTP.

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{Criterion, Throughput};
use hobnob::codec::http::{AnswerPart, AnswerReader};
use hobnob::codec::ip::checksum;
use hobnob::codec::text::{Cutter, Rule};

/// Bytes of what arrives at once.
const ARRIVAL: usize = 64 << 10;
const LINE_CAP: usize = 64 << 10;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Thu, 26 Nov 2026 16:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 14\r\nConnection: keep-alive\r\n\r\nHello, world!\n";

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let lines = b"the quick brown fox jumps over the lazy dog, and comes back all the same\n"
        .repeat(ARRIVAL / 73);
    group.throughput(Throughput::Bytes(lines.len() as u64));
    group.bench_function("lines of 72 bytes", |bencher| {
        let mut cutter = Cutter::new(Rule::Lines, LINE_CAP);
        bencher.iter(|| {
            let mut count = 0;
            let fed = cutter.feed(black_box(&lines), |_| {
                count += 1;
                ControlFlow::Continue(())
            });
            (fed, count)
        });
    });
    group.throughput(Throughput::Bytes(ANSWER.len() as u64));
    group.bench_function("an answer of HTTP", |bencher| bencher.iter(|| read(black_box(ANSWER))));
    let packet = vec![0x5a; 1_500];
    group.throughput(Throughput::Bytes(packet.len() as u64));
    group.bench_function("a checksum of IP", |bencher| {
        bencher.iter(|| checksum(black_box(&packet)));
    });
    group.finish();
}

/// Bytes of its body.
fn read(mut bytes: &[u8]) -> usize {
    let mut reader = AnswerReader::to("GET");
    let mut body = 0;
    while let Ok(Some(part)) = reader.next(&mut bytes) {
        if let AnswerPart::Body(piece) = part {
            body += piece.len();
        }
    }
    body
}
