//! The door of a relay, which the fault `down` shuts: its listener listens no more until the fault is gone.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::address::Address;
use crate::conn::listener::{Accepted, Datagrams, Listener};
use crate::fault::Panel;

/// How long a listener that could not be opened again is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// A listener with the knobs of a relay.
pub(super) struct Shutter {
    inner: Box<dyn Listener>,
    panel: Panel,
    /// The place of its waker on the panel, which no other entrance has.
    place: u64,
    is_shut: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Shutter {
    pub(super) fn new(inner: Box<dyn Listener>, panel: Panel, place: u64) -> Self {
        Shutter { inner, panel, place, is_shut: false, pause: None }
    }

    /// Shuts or opens the listener as the panel says. An error says why it could not be opened.
    fn heed(&mut self) -> Result<(), crate::error::Error> {
        let is_down = self.panel.is_down();
        if is_down && !self.is_shut {
            // Where the medium cannot refuse, who comes is turned away in the session.
            self.is_shut = self.inner.shut();
        } else if !is_down && self.is_shut {
            self.inner.reopen()?;
            self.is_shut = false;
        }
        Ok(())
    }
}

impl Listener for Shutter {
    fn address(&self) -> Address {
        self.inner.address()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        // Before the look, so that no change falls between the two.
        self.panel.wake_on_change(self.place, cx.waker());
        if let Err(error) = self.heed() {
            let mut pause = Box::pin(sleep(PAUSE));
            let _ = pause.as_mut().poll(cx);
            self.pause = Some(pause);
            return Poll::Ready(Accepted::Failed(error));
        }
        if self.is_shut { Poll::Pending } else { self.inner.poll_accept(cx) }
    }

    fn datagrams(&mut self) -> Option<&mut dyn Datagrams> {
        self.inner.datagrams()
    }
}
