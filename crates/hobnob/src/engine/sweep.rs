//! Looks over a shard's sessions now and then, and cuts those that are past a limit in time. As the shard has one timer
//! for all of them, an idle session costs nothing, and a limit is kept to within an eighth of itself. A shard without
//! sessions has no timer.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::house::{House, Phase};
use crate::engine::shards::Shard;
use crate::session::{Cut, Session};

/// The share of the budget of buffers, in percent, from which on a session is cut.
const FULL: u64 = 98;

/// Sweeps until the server is over. All shards of the server share one `relieving`.
pub(super) async fn sweep(house: Arc<House>, shard: Arc<Shard>, relieving: Arc<Mutex<()>>) {
    let (idle, stall) = (house.limits.idle, house.limits.stall);
    let shortest = idle.unwrap_or(stall).min(stall);
    let pause = (shortest / 8).clamp(Duration::from_millis(5), Duration::from_millis(250));
    let mut phase = house.phase.subscribe();
    loop {
        let next = async {
            if shard.is_empty() && shard.held.load(Relaxed) == 0 {
                shard.entered.notified().await;
            }
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            _ = phase.wait_for(|phase| *phase >= Phase::Over) => return,
            () = next => {}
        }
        let (now, mut held) = (house.bus.clock().now(), 0);
        shard.each(|session| {
            if let Some(cut) = ran_out(session, now, idle, stall) {
                session.cut(cut);
            }
            held += session.held();
        });
        shard.held.store(held, Relaxed);
        if house.memory_percent() >= FULL {
            relieve(&house, &relieving);
        }
    }
}

/// Cuts the one session of all shards that holds most, if the sessions that are not cut yet still hold too much.
fn relieve(house: &House, relieving: &Mutex<()>) {
    // One shard at a time, so that each sees which sessions the others have cut.
    let _turn = relieving.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut held, mut largest) = (0, None::<(u64, Arc<Session>)>);
    house.each_session(|session| {
        if session.cut_by().is_some() {
            return;
        }
        let holds = session.held();
        held += holds;
        if holds > largest.as_ref().map_or(0, |(most, _)| *most) {
            largest = Some((holds, session.clone()));
        }
    });
    if house.percent_of_memory(held) >= FULL
        && let Some((_, largest)) = largest
    {
        largest.cut(Cut::Memory);
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
