//! Looks over a shard's sessions now and then, and ends those that ran out of a time. One timer a shard instead
//! of one a session: an idle session costs nothing, and a limit is kept to within an eighth.

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
        let over = phase.wait_for(|phase| *phase >= Phase::Over);
        if tokio::time::timeout(pause, over).await.is_ok() {
            return;
        }
        let now = house.bus.clock().now();
        let (mut held, mut largest): (u64, Option<Arc<Session>>) = (0, None);
        shard.each(|session| {
            if let Some(cut) = ran_out(session, now, idle, stall) {
                session.cut(cut);
            }
            held += session.held();
            if session.held() > largest.as_ref().map_or(0, |largest| largest.held()) {
                largest = Some(session.clone());
            }
        });
        shard.held.store(held, Relaxed);
        if house.memory_percent() >= 98
            && let Some(largest) = largest
        {
            largest.cut(Cut::Memory);
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
