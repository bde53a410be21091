//! One step of a direction: what waits is sent, or else something is received, whichever way is open.

use std::task::{Context, Poll, ready};

use super::spliced::are_bare;
use super::way::{Progress, Way};
use super::witness::{Broken, Witness};
use crate::conn::{Conn, scratch};
use crate::error::{Kind, Result};

impl Way {
    /// Moves one thing; pending where nothing can be moved.
    pub(super) fn poll_round(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<(), Broken>> {
        // What was taken out of a pipe goes before what is still in it.
        if self.is_holding() {
            let sent = ready!(self.poll_send_waiting(cx, to, witness));
            return Poll::Ready(self.unless_broken(sent, witness));
        }
        if self.pipe.is_some() {
            let poured = ready!(self.poll_pour(cx, to));
            return Poll::Ready(self.unless_broken(poured, witness));
        }
        match self.stage {
            Progress::Over | Progress::Refused => Poll::Pending,
            Progress::Open | Progress::Passing if self.chain.is_some() => {
                self.poll_bent(cx, from, to, witness)
            }
            Progress::Ending | Progress::Passing => self.poll_tell_end(cx, to, witness),
            Progress::Open => self.poll_receive(cx, from, to, witness),
        }
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
        to: &mut Conn,
        witness: &dyn Witness,
    ) -> Poll<Result<(), Broken>> {
        self.is_spliced = self.is_spliced && are_bare(from, to);
        let received = if self.is_spliced {
            self.poll_fill(cx, from, witness)
        } else {
            scratch::with_large(|buffer| self.poll_copy(cx, from, to, buffer, witness))
        };
        match received {
            Poll::Pending => {
                // An idle link holds no buffer.
                self.waiting = None;
                self.poll_flush(cx, to, witness)
            }
            Poll::Ready(Ok(Some(passed))) => Poll::Ready(self.unless_broken(passed, witness)),
            Poll::Ready(Ok(None)) => {
                self.end(from, witness);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) if error.kind() == Kind::MessageTooLong => {
                witness.too_large();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) if self.ends_short(&error, witness) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(Broken { side: self.from, error })),
        }
    }
}
