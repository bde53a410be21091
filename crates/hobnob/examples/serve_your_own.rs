//! A service of one's own: a number to be guessed. Its tries are of one session, its winners of all.
//!
//! `cargo run --example serve_your_own`, then `hobnob talk :9000` or `nc 127.0.0.1 9000`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hobnob::conn::{Boxed, Conn};
use hobnob::engine::Running;
use hobnob::session::Session;
use hobnob::{Result, Server, Service};

#[derive(Default)]
struct Guess {
    winners: AtomicU64,
}

impl Service for Guess {
    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let secret = session.seed % 100;
            let mut tries = 0;
            let mut line = [0; 256];
            conn.send(b"a number below 100?").await?;
            // A packet is a line here, whoever cut it: a layer `lines` over tcp, or a datagram's own borders.
            while let Some(length) = conn.recv(&mut line).await? {
                let said = String::from_utf8_lossy(&line[..length]);
                tries += 1;
                let answer = match said.trim().parse::<u64>() {
                    Err(_) => "that is no number".to_owned(),
                    Ok(guess) if guess < secret => "more".to_owned(),
                    Ok(guess) if guess > secret => "less".to_owned(),
                    Ok(_) => {
                        let place = 1 + self.winners.fetch_add(1, Relaxed);
                        conn.send(format!("{tries} tries, winner {place}").as_bytes()).await?;
                        session.conclude(None, "won");
                        return Ok(());
                    }
                };
                conn.send(answer.as_bytes()).await?;
            }
            Ok(())
        })
    }
}

/// Serves it there.
pub(crate) fn serve(endpoint: &str) -> Result<Running> {
    Server::with(Guess::default()).at(endpoint)?.start()
}

#[allow(dead_code, reason = "the tests serve it elsewhere")]
fn main() -> Result<()> {
    let running = serve("lines+tcp://:9000")?;
    println!("guess at {}", running.bound()[0].address);
    running.wait();
    Ok(())
}
