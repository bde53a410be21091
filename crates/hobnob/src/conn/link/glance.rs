//! Looks out for the end of a side that is not read from, because its direction is full or over: no read would tell that
//! the peer has torn its conn down.
//!
//! The conn wakes the link for nothing but that, so that a link where nothing happens is not woken.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::way::{Deafness, Way};
use super::witness::Broken;
use crate::conn::Conn;

/// How long nothing may move before no more of what a gone peer said will be taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of the sides that are not read from.
#[derive(Default)]
pub(super) struct Glance {
    /// A side is gone, and what it said waits for its receiver: since when nothing of that has moved.
    waits: Option<Pin<Box<Sleep>>>,
}

impl Glance {
    /// Something has moved: what a gone peer said is still being taken.
    pub(super) fn moved(&mut self) {
        self.waits = None;
    }

    /// Ready: this side's peer has torn its conn down. Each direction comes with the conn that it receives from.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        ways: [(&Way, &mut Conn); 2],
    ) -> Poll<Broken> {
        for (way, from) in ways {
            let Some(deafness) = way.deafness() else { continue };
            // A peer that has left in order is no reason to lose what it said.
            let Poll::Ready(Err(error)) = from.channel().poll_left(cx) else { continue };
            let is_over = match deafness {
                Deafness::Held => true,
                Deafness::Waits => {
                    let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
                    waits.as_mut().poll(cx).is_ready()
                }
            };
            if is_over {
                return Poll::Ready(Broken { side: way.from, error });
            }
        }
        Poll::Pending
    }
}
