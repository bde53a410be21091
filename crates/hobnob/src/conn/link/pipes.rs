//! Kernel pipes that links splice through, and how many a server may have.
//!
//! A server has so many pipes and no more, because a pipe takes two descriptors and up to a mebibyte of the kernel's
//! memory. While all of them are in use, bytes are copied.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use crate::socket::Pipe;

/// Empty pipes that are kept open for the links that splice next.
const SPARE: usize = 32;

/// The pipes of one server, which all of its links share. Clones are the same pipes.
#[derive(Clone)]
pub struct Pipes(Arc<Mutex<Stock>>);

struct Stock {
    /// How many may still be opened.
    left: usize,
    spare: Vec<Pipe>,
}

impl Pipes {
    /// So many pipes at most, of which none is open yet.
    pub(crate) fn of(most: usize) -> Self {
        Pipes(Arc::new(Mutex::new(Stock { left: most, spare: Vec::new() })))
    }

    /// An empty pipe; none where all are in use, or where the kernel gives none.
    pub(super) fn lend(&self) -> Option<LentPipe> {
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = if let Some(pipe) = stock.spare.pop() {
            pipe
        } else {
            let left = stock.left.checked_sub(1)?;
            let pipe = Pipe::open().ok()?;
            stock.left = left;
            pipe
        };
        Some(LentPipe { pipe: Some(pipe), of: self.clone() })
    }

    fn take_back(&self, pipe: Pipe) {
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pipe.filled() == 0 && stock.spare.len() < SPARE {
            stock.spare.push(pipe);
        } else {
            // Closed first, so that the next one does not need a descriptor too many.
            drop(pipe);
            stock.left += 1;
        }
    }
}

/// A pipe that a link uses. It goes back when this drops.
pub(super) struct LentPipe {
    /// Something until the drop.
    pipe: Option<Pipe>,
    of: Pipes,
}

impl Deref for LentPipe {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        self.pipe.as_ref().expect("it is here until the drop")
    }
}

impl DerefMut for LentPipe {
    fn deref_mut(&mut self) -> &mut Pipe {
        self.pipe.as_mut().expect("it is here until the drop")
    }
}

impl Drop for LentPipe {
    fn drop(&mut self) {
        self.pipe.take().into_iter().for_each(|pipe| self.of.take_back(pipe));
    }
}
