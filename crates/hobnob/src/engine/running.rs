//! A running server, from its start, which opens all or nothing, to the drain, the cut and the sum.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use crate::bus::sink::EventSink;
use crate::bus::{Bus, Subscription, Wish};
use crate::codec::text::Cutting;
use crate::engine::bound::{Bound, own_addresses};
use crate::engine::control::Control;
use crate::engine::entrances::{self, Entrances};
use crate::engine::house::{Foundation, House, Phase, Summary};
use crate::engine::limits::{Gate, Limits};
use crate::engine::model::{Hands, Model};
use crate::engine::plan::Ready;
use crate::engine::shards::Crew;
use crate::engine::{batch, powers, serve, sweep};
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::fault::Panel;
use crate::service::{Made, Site};
use crate::session::Cut;
use crate::socket;
#[cfg(feature = "mail")]
use crate::store::MailStore;
use crate::thread;
use crate::transport::Terms;

/// Descriptors that are kept back for everything but sessions.
const SPARE_FILES: u64 = 64;

/// When a server stops by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stop {
    /// Stop after so many sessions; on packets without sessions, after so many packets.
    pub sessions: Option<u64>,
    /// Stop after so long.
    pub after: Option<Duration>,
}

pub(super) struct Start {
    pub service: Made,
    pub model: Model,
    pub hands: Hands,
    /// Each with the name of the door that it leads to.
    pub endpoints: Vec<(Ready, &'static str)>,
    /// How many ports further on may be tried.
    pub next_ports: u16,
    /// Each with the name of the option that named it.
    pub targets: Vec<(&'static str, Ready)>,
    pub scene: Terms,
    pub bus: Bus,
    pub limits: Limits,
    pub cutting: Cutting,
    pub stop: Stop,
    pub seed: u64,
    pub crew: Crew,
}

/// How long whatever is cut has to come to its end.
const CUT: Duration = Duration::from_secs(1);

/// How long sessions that are cut may take to be over. One that takes longer is stuck.
const STUCK: Duration = Duration::from_secs(5);

/// A server that runs. Dropping it cuts what is open and stops the server; on threads that other servers share, and of
/// sessions on threads of their own, the end comes soon after the drop.
pub struct Running {
    house: Arc<House>,
    bound: Vec<Bound>,
    crew: Mutex<Option<Crew>>,
}

/// Opens everything on the first shard, and serves.
pub(super) async fn open(start: Start) -> Result<Running> {
    let (answer, heard) = tokio::sync::oneshot::channel();
    let starting = Starting::begin(start, move |opened| answer.send(opened).is_ok());
    let heard = heard.await;
    starting.end(heard.unwrap_or_else(|_| Err(shard_died())))
}

/// The same, blocking. It may be called inside a runtime, where blocking on another is forbidden.
pub(super) fn start(start: Start) -> Result<Running> {
    let (answer, heard) = mpsc::channel();
    let starting = Starting::begin(start, move |opened| answer.send(opened).is_ok());
    let heard = heard.recv();
    starting.end(heard.unwrap_or_else(|_| Err(shard_died())))
}

fn shard_died() -> Error {
    Error::new(Kind::Bug, "the first shard died")
}

/// A server that is about to run. When it is dropped before it runs, it leaves nothing behind.
struct Starting {
    house: Arc<House>,
    crew: Option<Crew>,
    task: JoinHandle<()>,
}

impl Starting {
    /// Begins to open the server on the first shard, as the caller may be inside a runtime of its own. `answer` is told
    /// the outcome, and returns whether anybody heard it.
    fn begin(
        start: Start,
        answer: impl FnOnce(Result<Vec<Bound>>) -> bool + Send + 'static,
    ) -> Self {
        let files = socket::raise_open_files().unwrap_or(1_024);
        let dials = !start.targets.is_empty();
        let each = if dials { 2 } else { start.model.descriptors() };
        let (max_conns, pipes) = shares(files, &start.limits, each, dials);
        let max_conns = start.model.most(max_conns);
        let gate = Gate::new(&start.limits, max_conns);
        let (mut scene, endpoints, stop) = (start.scene.clone(), start.endpoints, start.stop);
        scene.peers.strangers = start.limits.peers(max_conns).strangers;
        let next_ports = start.next_ports;
        let house = Arc::new(House::new(Foundation {
            service: start.service,
            hands: start.hands,
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
        let first = house.clone();
        let task = house.shards[0].handle.spawn(async move {
            match open_all(&first, endpoints, next_ports, &scene).await {
                Ok((bounds, entrances, site)) => {
                    if answer(Ok(bounds)) {
                        site.settle();
                        supervise(first, entrances, stop).await;
                    }
                }
                Err(error) => drop(answer(Err(error))),
            }
        });
        Starting { house, crew: Some(start.crew), task }
    }

    fn end(mut self, opened: Result<Vec<Bound>>) -> Result<Running> {
        let bound = opened?;
        for shard in &self.house.shards {
            shard.handle.spawn(sweep::sweep(self.house.clone(), shard.clone()));
        }
        Ok(Running { house: self.house.clone(), bound, crew: Mutex::new(self.crew.take()) })
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // A start that went well has given the crew away.
        if self.crew.is_some() {
            self.task.abort();
        }
    }
}

/// How many sessions of so many descriptors each may be open at once, and how many pipes may lie between their conns:
/// there are descriptors enough for both together, and pipes hold no more than half of the memory for buffers.
fn shares(files: u64, limits: &Limits, each: usize, dials: bool) -> (usize, usize) {
    let files = usize::try_from(files.saturating_sub(SPARE_FILES)).unwrap_or(usize::MAX);
    // A server that dials for each session keeps a quarter of all for pipes.
    let for_sessions = if dials { files - files / 4 } else { files };
    let max_conns = limits.max_conns.unwrap_or((for_sessions / each).max(1));
    let left = files.saturating_sub(max_conns.saturating_mul(each));
    let weight = limits.memory / 2 / socket::PIPE_SIZE as u64;
    (max_conns, (left / 2).min(usize::try_from(weight).unwrap_or(usize::MAX)))
}

/// Opens everything, step by step. Where a step fails, what was opened last is taken back first.
async fn open_all(
    house: &House,
    endpoints: Vec<(Ready, &'static str)>,
    next_ports: u16,
    scene: &Terms,
) -> Result<(Vec<Bound>, Entrances, Site)> {
    let (mut bounds, entrances) = entrances::bind(house, endpoints, next_ports, scene).await?;
    house.own.are(own_addresses(&bounds));
    let is_for_others = bounds.iter().any(|bound| !bound.address.is_local_only());
    bounds.extend(house.powers.targets.open().await?);
    let mut site = Site::new(house.keeper(), is_for_others);
    house.service.open(&mut site).await?;
    for Bound { transport, address, door, .. } in &bounds {
        house.bus.emit(0, 0, Fact::Listening { transport, address: address.clone(), door });
    }
    Ok((bounds, entrances, site))
}

/// Runs the accept loops, then sees the sessions out.
async fn supervise(house: Arc<House>, open: Entrances, stop: Stop) {
    let mut loops = JoinSet::new();
    for (listener, door) in open.answering {
        loops.spawn(batch::answer(house.clone(), listener, door));
    }
    if !open.accepting.is_empty() {
        loops.spawn(serve::accept(house.clone(), open.accepting));
    }
    let keeping = tokio::spawn(keep(house.clone()));
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
    close(&house, keeping).await;
    house.advance(Phase::Over);
}

/// Runs the keeper of the service. An error of the keeper is told, and ends the server.
async fn keep(house: Arc<House>) {
    if let Err(error) = house.service.keep(&house.keeper()).await {
        powers::note(&house.powers.undialled, &error);
        house.is_deserted.store(true, Relaxed);
        house.bus.emit(0, 0, Fact::Failed(error));
        house.advance(Phase::Draining);
    }
}

/// After the last session, ends the sessions that others belonged to, the keeper, and the work that was begun.
async fn close(house: &Arc<House>, mut keeping: JoinHandle<()>) {
    house.is_empty.send_replace(true);
    drop(tokio::time::timeout(CUT, until(house, |house| !house.has_parents())).await);
    tokio::select! {
        biased;
        _ = &mut keeping => {}
        () = grace_or_cut(house, CUT) => {
            house.bus.drop_by("grace", 1);
            keeping.abort();
        }
    }
    let grace = grace_or_cut(house, CUT);
    house.bus.drop_by("grace", house.powers.workshop.close(grace).await);
}

/// Resolves when a grace is over; or so long after somebody has the server cut, where that is sooner.
async fn grace_or_cut(house: &House, cut: Duration) {
    let mut phase = house.phase.subscribe();
    tokio::select! {
        () = tokio::time::sleep(house.limits.grace) => {}
        () = async {
            drop(phase.wait_for(|phase| *phase >= Phase::Cutting).await);
            tokio::time::sleep(cut).await;
        } => {}
    }
}

/// Drains: the listeners close first, then sessions come to their ends, then those that are left are cut.
async fn see_out(house: &Arc<House>, loops: &mut JoinSet<()>) {
    house.advance(Phase::Draining);
    while loops.join_next().await.is_some() {}
    let open = house.live();
    if open > 0 {
        house.bus.emit(0, 0, Fact::Draining { open });
        house.each_session(|session| session.ask_to_end());
        tokio::select! {
            () = until_empty(house) => {}
            () = grace_or_cut(house, Duration::ZERO) => {}
        }
        let left = house.live();
        house.bus.drop_by("grace", usize::try_from(left).unwrap_or(usize::MAX));
        house.each_session(|session| session.cut(Cut::Stopped));
        // A session that does not yield must not hold this up for ever. It is dropped with its shard.
        drop(tokio::time::timeout(CUT, until_empty(house)).await);
    }
}

/// Resolves when the server is over: true; or when it was to come to its end and did not in time: false.
async fn until_over(house: &House) -> bool {
    let reaches = |least: Phase| {
        let mut phase = house.phase.subscribe();
        // An error would mean that the house is gone, but it is borrowed here.
        async move { drop(phase.wait_for(|phase| *phase >= least).await) }
    };
    let after = async |begin: Phase, patience: Duration| {
        reaches(begin).await;
        tokio::time::sleep(patience).await;
    };
    let grace = house.limits.grace;
    tokio::select! {
        biased;
        () = reaches(Phase::Over) => true,
        () = after(Phase::Cutting, STUCK) => false,
        // Sessions, the keeper and the workshop have one grace each.
        () = after(Phase::Draining, grace.saturating_mul(3).saturating_add(STUCK)) => false,
    }
}

async fn until_empty(house: &House) {
    until(house, |house| house.live() == 0).await;
}

async fn until(house: &House, is_so: impl Fn(&House) -> bool) {
    loop {
        let freed = house.freed.notified();
        tokio::pin!(freed);
        freed.as_mut().enable();
        if is_so(house) {
            return;
        }
        freed.await;
    }
}

impl Running {
    /// The addresses that the server listens at.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// The port of the first address that has one: the port that the kernel chose for `:0`.
    pub fn port(&self) -> Option<u16> {
        let mut addresses = self.bound.iter().filter_map(|bound| bound.address.ip());
        addresses.next().map(|address| address.port())
    }

    /// A handle for a console, to look and to steer by.
    pub fn control(&self) -> Control {
        Control::of(self.house.clone())
    }

    /// Sessions that are open now.
    pub fn open(&self) -> u64 {
        self.house.live()
    }

    /// The letters that its service keeps, where it keeps some.
    #[cfg(feature = "mail")]
    pub fn letters(&self) -> Option<Arc<MailStore>> {
        self.house.service.letters()
    }

    /// The knobs of the faults, where the server is a relay. They may be turned while it runs.
    pub fn faults(&self) -> Option<Panel> {
        self.house.service.panel().cloned()
    }

    /// The seed of all chance in this run.
    pub fn seed(&self) -> u64 {
        self.house.seed
    }

    /// A subscription to what happens from now on.
    pub fn subscribe(&self, wish: Wish) -> Subscription {
        self.house.bus.subscribe(wish)
    }

    /// A sink that gets everything of the sessions that open from now on, and slows each that has `room` bytes waiting.
    pub fn sink(&self, room: usize) -> EventSink {
        self.house.bus.sink(room)
    }

    /// Stops accepting, lets sessions come to their ends, and cuts those that are left after `grace`. Returns at once.
    pub fn drain(&self) {
        self.house.advance(Phase::Draining);
    }

    /// Cuts the sessions that are open. Returns at once.
    pub fn cut(&self) {
        self.house.advance(Phase::Cutting);
    }

    /// Resolves when the server is over: drained, cut, or stopped by its own [`Stop`]. A service that blocks its thread
    /// does not hold this up for ever: some time after the drain began, sessions that do not end are left to
    /// themselves.
    pub async fn finished(&self) -> Summary {
        if !until_over(&self.house).await {
            self.give_up();
        }
        self.leave_crew();
        self.summary()
    }

    /// Blocks until the server is over.
    pub fn wait(&self) -> Summary {
        let (done, over) = mpsc::channel();
        let house = self.house.clone();
        // The wait has a thread of its own: the server's may be blocked, and this one may be inside a runtime.
        let begun = thread::start("hobnob-wait", move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            // Without a runtime the channel ends, and the wait goes on elsewhere.
            runtime.map(|runtime| done.send(runtime.block_on(until_over(&house))))
        });
        let is_over = over.recv().unwrap_or_else(|_| self.waits_on_a_shard());
        drop(begun.map(std::thread::JoinHandle::join));
        if !is_over {
            self.give_up();
        }
        self.leave_crew();
        self.summary()
    }

    /// The same wait where no thread is to be had for it.
    fn waits_on_a_shard(&self) -> bool {
        let (done, over) = mpsc::channel();
        let house = self.house.clone();
        let waiting = async move { done.send(until_over(&house).await) };
        self.house.shards[0].handle.spawn(waiting);
        // An error means that the shard is gone, and so is the server.
        over.recv().unwrap_or(true)
    }

    /// Why the server is over, where nobody asked for its end and a dial failed: the dial of the only session, or that
    /// of an endpoint which is dialled to become a session. Where a session was over the standard streams of this
    /// process: why that one did not end well.
    pub fn failure(&self) -> Option<Error> {
        let noted = |place: &Mutex<Option<Error>>| {
            place.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        let undialled = noted(&self.house.powers.undialled);
        let undialled = undialled.filter(|_| self.house.is_deserted.load(Relaxed));
        undialled.or_else(|| noted(&self.house.spoilt))
    }

    /// What the server did so far. The bytes of a session count once the session is closed.
    pub fn summary(&self) -> Summary {
        self.house.summary()
    }

    /// Counts the sessions that do not come to their ends as dropped, and leaves them to themselves.
    fn give_up(&self) {
        self.house.bus.drop_by("grace", usize::try_from(self.house.live()).unwrap_or(usize::MAX));
        self.house.advance(Phase::Over);
    }

    /// Lets go of the threads. The last server that does so stops them.
    fn leave_crew(&self) {
        let crew = self.crew.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(crew);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.house.advance(Phase::Over);
        if self.house.hands.outlive_shards() {
            self.house.each_session(|session| session.cut(Cut::Stopped));
        }
        self.leave_crew();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_pipes_share_the_descriptors_and_pipes_the_memory() {
        let limits = Limits::default();
        assert_eq!(shares(1_024, &limits, 1, false), (960, 0));
        assert_eq!(shares(1_024, &limits, 2, false), (480, 0), "a thread has a bell");
        assert_eq!(shares(1_024, &limits, 2, true), (360, 120));
        let more = Limits { max_conns: Some(500), ..Limits::default() };
        assert_eq!(shares(1_024, &more, 2, true), (500, 0), "bytes are copied then");
        let few = Limits { max_conns: Some(10), ..Limits::default() };
        assert_eq!(shares(1_024, &few, 2, true), (10, 128), "128 MiB of the 256");
        let small = Limits { memory: 1 << 20, ..Limits::default() };
        assert_eq!(shares(1_024, &small, 2, true), (360, 0));
        assert_eq!(shares(8, &limits, 2, true), (1, 0));
    }
}
