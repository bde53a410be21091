//! The short way: bytes go from one plain socket to the other through a kernel pipe (splice(2)), once the reads are full.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use super::Way;
use crate::conn::{Conn, Kernel, wire};
use crate::error::{Error, Kind, Result};
use crate::socket::Pipe;

/// A read of so much means that more is there; after so many of them bytes are spliced.
const FULL: usize = 32_768;
const FULL_READS: u8 = 3;
/// After so many reads of less than so much they are copied again.
const SMALL: usize = 8_192;
const SMALL_READS: u8 = 8;
/// Pipes that a thread keeps for the next that splices.
const SPARE_PIPES: usize = 16;

thread_local! {
    static PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

impl Way {
    /// Splices once the reads are full.
    pub(super) fn note_read(&mut self, length: usize, from: &mut Conn, to: &mut Conn) {
        self.full_reads = if length >= FULL { self.full_reads + 1 } else { 0 };
        if self.full_reads == FULL_READS {
            self.full_reads = 0;
            self.is_spliced = !self.is_copied && are_bare(from, to);
        }
    }

    /// Receives into a pipe. None: the end.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Conn,
    ) -> Poll<Result<Option<Result<()>>>> {
        let Some(mut pipe) = take_pipe() else {
            (self.is_copied, self.is_spliced) = (true, false);
            return Poll::Ready(Ok(Some(Ok(()))));
        };
        let filled = with_kernel(from, |kernel| {
            kernel.poll_read_with(cx, &mut |socket| pipe.fill_from(socket))
        });
        let length = match filled {
            Poll::Ready(Ok(length)) if length > 0 => length,
            empty => {
                give_pipe(pipe);
                return empty.map(|end| end.map(|_| None));
            }
        };
        self.pipe = Some(pipe);
        self.small_reads = if length < SMALL { self.small_reads + 1 } else { 0 };
        if self.small_reads == SMALL_READS {
            (self.is_spliced, self.small_reads) = (false, 0);
        }
        Poll::Ready(Ok(Some(Ok(()))))
    }

    /// Sends out of the pipe.
    pub(super) fn poll_pour(&mut self, cx: &mut Context<'_>, to: &mut Conn) -> Poll<Result<()>> {
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(())) };
        if to.channel().kernel().is_some() {
            let poured = with_kernel(to, |kernel| {
                kernel.poll_write_with(cx, &mut |socket| pipe.pour_into(socket))
            });
            ready!(poured)?;
        } else {
            // Somebody has begun to look at what passes: it goes the common way.
            let mut bytes = vec![0; pipe.filled()];
            let taken = pipe.take(&mut bytes).map_err(|error| Error::from_io("read()", &error))?;
            self.waiting.get_or_insert_default().keep(&bytes[..taken]);
        }
        if pipe.filled() == 0 {
            self.pipe.take().into_iter().for_each(give_pipe);
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether both are plain sockets, with nobody who looks at what passes.
pub(super) fn are_bare(from: &mut Conn, to: &mut Conn) -> bool {
    from.channel().kernel().is_some() && to.channel().kernel().is_some()
}

fn with_kernel(
    conn: &mut Conn,
    operation: impl FnOnce(&mut dyn Kernel) -> Poll<io::Result<usize>>,
) -> Poll<Result<usize>> {
    match conn.channel().kernel() {
        Some(kernel) => {
            operation(kernel).map(|done| done.map_err(|error| wire::failed("splice", &error)))
        }
        None => Poll::Ready(Err(Error::new(Kind::ConnectionBroken, "the conn was aborted"))),
    }
}

fn take_pipe() -> Option<Pipe> {
    PIPES.with_borrow_mut(Vec::pop).or_else(|| Pipe::open().ok())
}

fn give_pipe(pipe: Pipe) {
    PIPES.with_borrow_mut(|pipes| {
        if pipes.len() < SPARE_PIPES {
            pipes.push(pipe);
        }
    });
}
