//! Rounds that are futures: whatever somebody wants to do over and over, and measure.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::conn::Boxed;
use crate::error::Result;
use crate::load::driver::{Driver, Mismatch, OpenTalker, Round, Talker, Upshot};

/// What a call came to.
#[derive(Debug, Default)]
pub struct CallEnd {
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes that were received.
    pub received: u64,
    /// How long its conn took, where it made one.
    pub connected: Option<Duration>,
    /// Where the reply was not the expected one.
    pub wrong: Option<Box<Mismatch>>,
    /// Whether no reply came, on a medium that may lose one.
    pub is_lost: bool,
}

/// So many failures one after the other end a talker: whoever it asks is gone.
const TOLERATED: u32 = 10;

type Call = dyn Fn(usize, Round) -> Boxed<'static, CallEnd> + Send + Sync;

/// A driver whose round is a future. Each talker has one at a time.
#[derive(Clone)]
pub struct Calls(Arc<Call>);

/// A round of your own: bytes that were sent and received, or an error.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
/// use hobnob::load::{Load, Until, each};
///
/// # runtime.block_on(async {
/// let load = Load::of(each(|| async { Ok((5, 6)) })).talkers(2).until(Until::rounds(10));
/// let figures = load.run().await?.figures;
/// assert_eq!((figures.done(), figures.sent, figures.received), (10, 50, 60));
/// # Ok::<(), hobnob::Error>(())
/// # })?;
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn each<F>(round: impl Fn() -> F + Send + Sync + 'static) -> Calls
where
    F: Future<Output = Result<(u64, u64)>> + Send + 'static,
{
    Calls::of(move |_, _| {
        let call = round();
        Box::pin(async move {
            let (sent, received) = call.await?;
            Ok(CallEnd { sent, received, ..CallEnd::default() })
        })
    })
}

impl Calls {
    /// A round is what this makes of the talker's number and the round.
    pub fn of(
        call: impl Fn(usize, Round) -> Boxed<'static, CallEnd> + Send + Sync + 'static,
    ) -> Self {
        Calls(Arc::new(call))
    }
}

impl Driver for Calls {
    fn open(&self, number: usize) -> Boxed<'static, OpenTalker> {
        let talker = Box::new(CallTalker {
            calls: self.clone(),
            number,
            under_way: None,
            over: None,
            failed: 0,
        });
        Box::pin(async move { Ok(OpenTalker { talker, connected: None }) })
    }
}

struct CallTalker {
    calls: Calls,
    number: usize,
    under_way: Option<(Round, Boxed<'static, CallEnd>)>,
    /// What is still to be told of a round whose conn was told.
    over: Option<Upshot>,
    /// Failures since it last went well.
    failed: u32,
}

impl Talker for CallTalker {
    fn room(&self) -> usize {
        usize::from(self.under_way.is_none() && self.over.is_none())
    }

    fn begin(&mut self, round: Round) {
        self.under_way = Some((round, (self.calls.0)(self.number, round)));
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: Duration) -> Poll<Upshot> {
        if let Some(over) = self.over.take() {
            return Poll::Ready(over);
        }
        let Some((round, call)) = &mut self.under_way else { return Poll::Pending };
        let round = *round;
        let call: Pin<&mut _> = call.as_mut();
        let ended = std::task::ready!(call.poll(cx));
        self.under_way = None;
        let (connected, over) = match ended {
            Err(error) if self.failed + 1 >= TOLERATED => (None, Upshot::Broken(error)),
            Err(error) => {
                self.failed += 1;
                (None, Upshot::Failed(round, error))
            }
            Ok(CallEnd { connected, is_lost: true, .. }) => (connected, Upshot::Lost(round)),
            Ok(CallEnd { sent, received, connected, wrong, .. }) => {
                self.failed = 0;
                let done = Upshot::Done { round, sent, received };
                (connected, wrong.map_or(done, |wrong| Upshot::Wrong(round, wrong)))
            }
        };
        Poll::Ready(match connected {
            None => over,
            Some(time) => {
                self.over = Some(over);
                Upshot::Connected(time)
            }
        })
    }
}
