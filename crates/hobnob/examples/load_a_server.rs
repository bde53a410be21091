//! Load on a server, open loop: a message is due every two milliseconds, whether or not replies come, and its time counts
//! from when it was due.
//!
//! `cargo run --example load_a_server 127.0.0.1:9000`, with `hobnob serve echo` beside it.

use std::time::Duration;

use hobnob::Result;
use hobnob::engine::{Dialer, parse};
use hobnob::load::{Load, Measured, PingPong, Schedule, Until};

/// Four values that know nothing of each other: what is done, when, until when; what is counted is `Figures`.
pub(crate) async fn load(server: &str, time: Duration) -> Result<Measured> {
    let driver = PingPong::to(&parse(server)?, &Dialer::default())?;
    let schedule = Schedule::rate(500.0)?;
    Load::of(driver).talkers(8).schedule(schedule).until(Until::time(time)).run().await
}

#[tokio::main(flavor = "current_thread")]
#[allow(dead_code, reason = "the tests call the function alone")]
async fn main() -> Result<()> {
    let server = std::env::args().nth(1).unwrap_or_else(|| ":9000".to_owned());
    let measured = load(&server, Duration::from_secs(2)).await?;
    let latencies = &measured.figures.latencies;
    println!("{} done, {} wrong", measured.figures.done(), measured.figures.wrong);
    println!(
        "median {:?}, p99 {:?}, most {:?}",
        latencies.share(0.5),
        latencies.share(0.99),
        latencies.most()
    );
    Ok(())
}
