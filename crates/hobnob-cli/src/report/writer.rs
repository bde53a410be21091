//! A stream to write to that never holds up the program.
//!
//! Writing happens on a thread of its own, with two buffers that go back and forth: whoever fills them sees by
//! their absence that the reader is slow, and can stop making more. A signal is served while a write blocks.

use std::io::{self, Write as _};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use hobnob::error::Result;
use hobnob::{streams, thread};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Buffers of one writer.
const BUFFERS: usize = 2;

/// A stream with a thread.
pub(crate) struct Writer {
    to: mpsc::Sender<Vec<u8>>,
    back: UnboundedReceiver<(Vec<u8>, io::Result<()>)>,
    free: Vec<Vec<u8>>,
    /// Buffers that are with the thread.
    away: usize,
    is_broken: bool,
}

impl Writer {
    /// The program's stdout.
    pub(crate) fn stdout() -> Result<Self> {
        Writer::new("stdout", |bytes| {
            let mut out = streams::stdout();
            out.write_all(bytes)?;
            out.flush()
        })
    }

    /// The program's stderr.
    pub(crate) fn stderr() -> Result<Self> {
        Writer::new("stderr", |bytes| streams::stderr().write_all(bytes))
    }

    /// A stream that `write` writes to. The error is that there is no thread for it.
    pub(crate) fn new(
        name: &str,
        mut write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) -> Result<Self> {
        let (to, buffers) = mpsc::channel::<Vec<u8>>();
        let (done, back) = unbounded_channel();
        let work = move || {
            for mut buffer in buffers {
                let result = write(&buffer);
                buffer.clear();
                if done.send((buffer, result)).is_err() {
                    return;
                }
            }
        };
        thread::start(name, work)?;
        Ok(Writer { to, back, free: Vec::new(), away: 0, is_broken: false })
    }

    /// Whether one more buffer may be given without the reader being called slow.
    pub(crate) fn has_room(&self) -> bool {
        self.away < BUFFERS
    }

    /// Whether everything that was given is written.
    pub(crate) fn is_idle(&self) -> bool {
        self.away == 0
    }

    /// An empty buffer to fill and to give.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.free.pop().unwrap_or_default()
    }

    /// Writes a buffer that was taken.
    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.is_empty() || self.is_broken {
            buffer.clear();
            self.free.push(buffer);
        } else if self.to.send(buffer).is_ok() {
            self.away += 1;
        } else {
            self.is_broken = true;
        }
    }

    /// Ready when a buffer has come back: with what became of its bytes.
    pub(crate) fn poll_back(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.back.poll_recv(cx) {
            Poll::Ready(Some((buffer, result))) => Poll::Ready(self.returned(buffer, result)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Takes back what has been written, without waiting.
    pub(crate) fn reap(&mut self) -> io::Result<()> {
        while let Ok((buffer, result)) = self.back.try_recv() {
            self.returned(buffer, result)?;
        }
        Ok(())
    }

    fn returned(&mut self, buffer: Vec<u8>, result: io::Result<()>) -> io::Result<()> {
        self.away -= 1;
        self.free.push(buffer);
        if result.is_err() {
            self.is_broken = true;
        }
        result
    }

    /// Waits until everything is written, for at most so long.
    pub(crate) async fn finish(&mut self, within: Duration) -> io::Result<()> {
        let all = async {
            while self.away > 0 {
                let Some((buffer, result)) = self.back.recv().await else { break };
                self.returned(buffer, result)?;
            }
            Ok(())
        };
        tokio::time::timeout(within, all).await.unwrap_or(Ok(()))
    }
}
