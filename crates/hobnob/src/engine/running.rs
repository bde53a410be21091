//! A running server: started all or not at all, drained, cut, and summed up.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::address::Address;
use crate::bus::{Bus, Subscription, Wish};
use crate::codec::text::Cutting;
use crate::conn::listener::Listener;
use crate::engine::control::Control;
use crate::engine::house::{Door, House, Phase, Plan};
use crate::engine::limits::{Gate, Limits};
use crate::engine::plan::Ready;
use crate::engine::redial::Redial;
use crate::engine::serve::{self, Entrance};
use crate::engine::shards::Crew;
use crate::engine::stack::Stack;
use crate::engine::{Bound, Stop, batch, sweep};
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::fault::Panel;
use crate::service::Made;
use crate::session::Cut;
use crate::socket;
use crate::spec::Shape;
use crate::transport::Scene;

/// Descriptors that are kept back for what is not a session.
const SPARE_FILES: u64 = 64;

pub(super) struct Start {
    pub service: Made,
    pub endpoints: Vec<Ready>,
    pub targets: Vec<(String, Ready)>,
    pub scene: Scene,
    pub bus: Bus,
    pub limits: Limits,
    pub cutting: Cutting,
    pub stop: Stop,
    pub seed: u64,
    pub crew: Crew,
}

/// A server that runs. Dropping it cuts what is open and stops; on threads that other servers share, soon after.
pub struct Running {
    house: Arc<House>,
    bound: Vec<Bound>,
    crew: Mutex<Option<Crew>>,
}

/// What a server did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Sessions; on packets without sessions, packets that were admitted.
    pub sessions: u64,
    /// Bytes from peers.
    pub bytes_in: u64,
    /// Bytes to peers.
    pub bytes_out: u64,
    /// Peers and packets that a limit or rule turned away.
    pub refused: u64,
    /// What a limit dropped: answers, packets, and sessions when `grace` was over.
    pub dropped: u64,
    /// How long it ran.
    pub lasted: Duration,
}

/// Binds everything on the first shard, then serves.
pub(super) fn start(start: Start) -> Result<Running> {
    let files = socket::raise_open_files().unwrap_or(1_024);
    let (max_conns, pipes) = shares(files, &start.limits, !start.targets.is_empty());
    let gate = Gate::new(&start.limits, max_conns);
    let (scene, endpoints, stop) = (start.scene.clone(), start.endpoints, start.stop);
    let house = Arc::new(House::new(Plan {
        service: start.service,
        limits: start.limits,
        cutting: start.cutting,
        gate,
        bus: start.bus,
        shards: start.crew.shards(),
        scene: start.scene,
        targets: start.targets,
        seed: start.seed,
        quota: stop.sessions,
        pipes,
    }));
    // Its own thread, and not this one: the caller may be inside a runtime, where blocking on another is forbidden.
    let (bound_here, bound_there) = std::sync::mpsc::channel();
    let first = house.clone();
    house.shards[0].handle.spawn(async move {
        let opened = open(&first, endpoints, &scene).await;
        let (bounds, open) = match opened {
            Ok((bounds, open)) => (Ok(bounds), Some(open)),
            Err(error) => (Err(error), None),
        };
        let is_heard = bound_here.send(bounds).is_ok();
        if let Some(open) = open.filter(|_| is_heard) {
            supervise(first, open, stop).await;
        }
    });
    let bound = bound_there
        .recv()
        .unwrap_or_else(|_| Err(Error::new(Kind::Bug, "the first shard died")))?;
    let relieving = Arc::default();
    for shard in &house.shards {
        shard.handle.spawn(sweep::sweep(house.clone(), shard.clone(), Arc::clone(&relieving)));
    }
    Ok(Running { house, bound, crew: Mutex::new(Some(start.crew)) })
}

/// How many sessions may be open at once, and how many pipes may lie between their conns: there are descriptors enough
/// for both together, and pipes hold no more than half of the memory for buffers.
fn shares(files: u64, limits: &Limits, dials: bool) -> (usize, usize) {
    let files = usize::try_from(files.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX);
    // A server that dials for each session needs a second descriptor for it, and a quarter of all for pipes.
    let (each, for_sessions) = if dials { (2, files - files / 4) } else { (1, files) };
    let max_conns = limits.max_conns.unwrap_or((for_sessions / each).max(1));
    let left = files.saturating_sub(max_conns.saturating_mul(each));
    let weight = limits.memory / 2 / socket::PIPE_SIZE as u64;
    (max_conns, (left / 2).min(usize::try_from(weight).unwrap_or(usize::MAX)))
}

struct Open {
    entrances: Vec<Entrance>,
    answering: Vec<(Box<dyn Listener>, Arc<Door>)>,
}

async fn open(house: &House, endpoints: Vec<Ready>, scene: &Scene) -> Result<(Vec<Bound>, Open)> {
    let mut bounds = Vec::new();
    let mut open = Open { entrances: Vec::new(), answering: Vec::new() };
    for ready in endpoints {
        let (gate, has_ends) = (house.gate.with_allow(&ready.allow), ready.has_opening);
        if ready.is_turned {
            let door = Arc::new(Door { stack: Stack::bare(&house.bus), gate, has_ends });
            let (dialer, undialled) = (&house.powers.dialer, &house.powers.undialled);
            let redial = Redial::begin(dialer.clone(), ready, undialled.clone()).await?;
            open.entrances.push(Entrance { listener: Box::new(redial), door });
            continue;
        }
        let listeners = ready.transport.bind(&ready.place, scene).await?;
        let door = Arc::new(Door { stack: ready.stack, gate, has_ends });
        for mut listener in listeners {
            let address = listener.address();
            let (endpoint, dialled) = (ready.endpoint.clone(), ready.dialled.clone());
            bounds.push(Bound { transport: ready.name, address, endpoint, dialled });
            let is_batched = ready.shape == Shape::Packets
                && door.stack.is_bare()
                && listener.datagrams().is_some();
            if is_batched && matches!(house.service, Made::Responder(_)) {
                open.answering.push((listener, door.clone()));
            } else {
                open.entrances.push(Entrance { listener, door: door.clone() });
            }
        }
    }
    house.own.are(own_addresses(&bounds));
    bounds.extend(house.powers.targets.open().await?);
    for Bound { transport, address, .. } in &bounds {
        house.bus.emit(0, 0, Fact::Listening { transport, address: address.clone() });
    }
    Ok((bounds, open))
}

/// Runs the loops, then sees the sessions out.
async fn supervise(house: Arc<House>, open: Open, stop: Stop) {
    let mut loops = JoinSet::new();
    for (listener, door) in open.answering {
        loops.spawn(batch::answer(house.clone(), listener, door));
    }
    if !open.entrances.is_empty() {
        loops.spawn(serve::accept(house.clone(), open.entrances));
    }
    let timer = async {
        match stop.after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    let mut phase = house.phase.subscribe();
    tokio::select! {
        () = async { while loops.join_next().await.is_some() {} until_empty(&house).await } => {}
        () = timer => house.advance(Phase::Draining),
        _ = phase.wait_for(|phase| *phase >= Phase::Draining) => {}
    }
    see_out(&house, &mut loops).await;
}

/// Drains: the listeners close first, then sessions come to their ends, then what is left is cut.
async fn see_out(house: &Arc<House>, loops: &mut JoinSet<()>) {
    house.advance(Phase::Draining);
    while loops.join_next().await.is_some() {}
    let open = house.live();
    if open > 0 {
        house.bus.emit(0, 0, Fact::Draining { open });
        house.each_session(|session| session.ask_to_end());
        let mut phase = house.phase.subscribe();
        tokio::select! {
            () = until_empty(house) => {}
            () = tokio::time::sleep(house.limits.grace) => {}
            _ = phase.wait_for(|phase| *phase >= Phase::Cutting) => {}
        }
        let left = house.live();
        house.bus.drop_by("grace", usize::try_from(left).unwrap_or(usize::MAX));
        house.advance(Phase::Cutting);
        house.each_session(|session| session.cut(Cut::Stopped));
        // A session that does not yield cannot be waited for for ever; its shard is dropped with it.
        drop(tokio::time::timeout(Duration::from_secs(1), until_empty(house)).await);
    }
    house.advance(Phase::Over);
}

async fn until_empty(house: &House) {
    loop {
        let freed = house.freed.notified();
        tokio::pin!(freed);
        freed.as_mut().enable();
        if house.live() == 0 {
            return;
        }
        freed.await;
    }
}

/// Where we are bound; a wildcard stands for each address of this machine.
fn own_addresses(bounds: &[Bound]) -> Vec<(&'static str, Address)> {
    let mut own = Vec::new();
    for Bound { transport, address, .. } in bounds {
        if let Some(ip) = address.ip().filter(|address| address.ip().is_unspecified()) {
            let here = socket::interface_addresses().into_iter();
            let here = here.map(|here| std::net::SocketAddr::new(here, ip.port()).into());
            own.extend(here.map(|here| (*transport, here)));
        }
        own.push((*transport, address.clone()));
    }
    own
}

impl Running {
    /// Where it listens.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// A handle to look and to steer by, for as many consoles as there are.
    pub fn control(&self) -> Control {
        Control::of(self.house.clone())
    }

    /// Sessions that are open now.
    pub fn open(&self) -> u64 {
        self.house.live()
    }

    /// The knobs of its faults, where it is a relay: they may be turned while it runs.
    pub fn faults(&self) -> Option<Panel> {
        self.house.service.panel().cloned()
    }

    /// The seed of all its chance.
    pub fn seed(&self) -> u64 {
        self.house.seed
    }

    /// Sees what happens from now on.
    pub fn subscribe(&self, wish: Wish) -> Subscription {
        self.house.bus.subscribe(wish)
    }

    /// Accepts no more, lets sessions come to their ends, cuts what is left after `grace`. Returns at once.
    pub fn drain(&self) {
        self.house.advance(Phase::Draining);
    }

    /// Cuts what is open. Returns at once.
    pub fn cut(&self) {
        self.house.advance(Phase::Cutting);
    }

    /// Resolves when the server is over: drained, cut, or by its own [`Stop`].
    pub async fn finished(&self) -> Summary {
        let mut phase = self.house.phase.subscribe();
        // An error would mean that the house is gone, and it is ours.
        drop(phase.wait_for(|phase| *phase == Phase::Over).await);
        self.leave_crew();
        self.summary()
    }

    /// Blocks until the server is over.
    pub fn wait(&self) -> Summary {
        let (done, over) = std::sync::mpsc::channel();
        let house = self.house.clone();
        self.house.shards[0].handle.spawn(async move {
            drop(house.phase.subscribe().wait_for(|phase| *phase == Phase::Over).await);
            let _ = done.send(());
        });
        // An error means that the shard is gone, and so is the server.
        let _ = over.recv();
        self.leave_crew();
        self.summary()
    }

    /// Why it is over, where nobody asked for that and somebody could not be dialled: the only client's target, or whom it
    /// dials anew.
    pub fn failure(&self) -> Option<Error> {
        let undialled = self.house.powers.undialled.lock().unwrap_or_else(PoisonError::into_inner);
        undialled.clone().filter(|_| self.house.is_deserted.load(Relaxed))
    }

    /// What it did so far. Bytes of open sessions count when they close.
    pub fn summary(&self) -> Summary {
        self.house.summary()
    }

    /// The last to leave stops the threads.
    fn leave_crew(&self) {
        let crew = self.crew.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(crew);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.house.advance(Phase::Over);
        self.leave_crew();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_pipes_share_the_descriptors_and_pipes_the_memory() {
        let limits = Limits::default();
        assert_eq!(shares(1_024, &limits, false), (960, 0));
        assert_eq!(shares(1_024, &limits, true), (360, 120));
        let more = Limits { max_conns: Some(500), ..Limits::default() };
        assert_eq!(shares(1_024, &more, true), (500, 0), "bytes are copied then");
        let few = Limits { max_conns: Some(10), ..Limits::default() };
        assert_eq!(shares(1_024, &few, true), (10, 128), "128 MiB of the 256");
        let small = Limits { memory: 1 << 20, ..Limits::default() };
        assert_eq!(shares(1_024, &small, true), (360, 0));
        assert_eq!(shares(8, &limits, true), (1, 0));
    }
}
