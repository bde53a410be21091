//! The talkers of a worker, opened some at a time: a listener's queue is short, and what does not fit into it waits for a
//! second.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::conn::Boxed;
use crate::error::Error;
use crate::load::bells::Bells;
use crate::load::driver::{Driver, OpenTalker, Talker, is_ours};

/// How many are opened at a time.
const AT_ONCE: usize = 64;

/// Talkers that are open, and why others are not.
#[derive(Default)]
pub(super) struct OpenedTalkers {
    pub(super) talkers: Vec<Box<dyn Talker>>,
    pub(super) connects: Vec<Duration>,
    pub(super) errors: Vec<Error>,
}

impl OpenedTalkers {
    fn add(&mut self, opened: Result<OpenTalker, Error>) {
        match opened {
            Ok(OpenTalker { talker, connected }) => {
                self.talkers.push(talker);
                self.connects.extend(connected);
            }
            Err(error) => self.errors.push(error),
        }
    }

    /// Where this machine has no more to give, all others would fail as well.
    fn is_hopeless(&self) -> bool {
        self.errors.iter().any(is_ours)
    }
}

/// Opens those of these numbers.
pub(super) async fn open(driver: &dyn Driver, numbers: Vec<usize>) -> OpenedTalkers {
    let mut opened = OpenedTalkers::default();
    let mut numbers = numbers.into_iter();
    let bells = Bells::of(AT_ONCE);
    let mut places: Vec<Option<Boxed<'static, OpenTalker>>> =
        (0..AT_ONCE).map(|_| numbers.next().map(|number| driver.open(number))).collect();
    (0..AT_ONCE).for_each(|at| bells.ring(at));
    let mut rung = Vec::new();
    poll_fn(|cx| {
        bells.listen(cx.waker());
        bells.take(&mut rung);
        for at in rung.drain(..) {
            let mut child = std::task::Context::from_waker(bells.waker(at));
            while let Some(opening) = &mut places[at] {
                let opening: Pin<&mut _> = opening.as_mut();
                let Poll::Ready(result) = opening.poll(&mut child) else { break };
                opened.add(result);
                let next = if opened.is_hopeless() { None } else { numbers.next() };
                places[at] = next.map(|number| driver.open(number));
            }
        }
        if places.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    opened
}
