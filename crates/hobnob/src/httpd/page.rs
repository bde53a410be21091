//! The answer, which is one page whatever is asked for, and the note that the page was sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::event::{Exchanged, Fact};
use crate::session::Session;

/// The body of an answer. When hyper is through with it, the exchange is told.
pub(super) struct Page {
    bytes: Bytes,
    told: Option<Told>,
}

/// An exchange that is not over.
pub(super) struct Told {
    pub(super) session: Arc<Session>,
    pub(super) began: Duration,
    pub(super) exchange: Box<Exchanged>,
}

impl Page {
    pub(super) fn new(bytes: Bytes, told: Option<Told>) -> Self {
        Page { bytes, told }
    }
}

impl Body for Page {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if let Some(Told { session, began, mut exchange }) = self.told.take() {
            exchange.took = session.clock().now().saturating_sub(began);
            session.emit(Fact::Exchanged(exchange));
        }
    }
}
