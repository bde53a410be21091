//! Looks over a shard's sessions now and then, and cuts those that are past a limit in time. As the shard has one timer
//! for all of them, an idle session costs nothing, and a limit is kept to within an eighth of itself. A shard without
//! sessions has no timer.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::engine::house::{House, Phase};
use crate::engine::shards::Shard;
use crate::session::{Cut, Session};

/// Sweeps until the server is over.
pub(super) async fn sweep(house: Arc<House>, shard: Arc<Shard>) {
    let (idle, stall) = (house.limits.idle, house.limits.stall);
    let shortest = idle.unwrap_or(stall).min(stall);
    let pause = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_millis(250));
    let mut phase = house.phase.subscribe();
    loop {
        let next = async {
            if shard.is_empty() && shard.unread.load(Relaxed) == 0 {
                shard.entered.notified().await;
            }
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            _ = phase.wait_for(|phase| *phase >= Phase::Over) => return,
            () = next => {}
        }
        let (now, mut unread) = (house.bus.clock().now(), 0);
        shard.each(|session| {
            if let Some(cut) = ran_out(session, now, idle, stall) {
                session.cut(cut);
            }
            unread += session.unread();
        });
        shard.unread.store(unread, Relaxed);
        let ledger = &house.powers.ledger;
        if ledger.is_full() {
            ledger.relieve();
        }
    }
}

fn ran_out(
    session: &Session,
    now: Duration,
    idle: Option<Duration>,
    stall: Duration,
) -> Option<Cut> {
    let is_past = |since: Option<Duration>, limit| {
        since.is_some_and(|since| now.saturating_sub(since) >= limit)
    };
    if is_past(session.stalled_since(), stall) {
        return Some(Cut::Stall);
    }
    idle.filter(|idle| is_past(session.silent_since(), *idle)).map(|_| Cut::Idle)
}
