//! When the server is killed: after so many letters that it took, so many bytes that were sent, or so many steps on its
//! disk. What is counted decides, and no clock.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Letters that it said it has, and changes that it said it made.
    Answers,
    /// Bytes of letters.
    Bytes,
    /// Files that come, go, grow or are renamed in its folder.
    Steps,
}

impl Counted {
    pub(super) const ALL: [Counted; 3] = [Counted::Answers, Counted::Bytes, Counted::Steps];
}

/// The moment at which a process is killed.
pub(super) struct Moment {
    process: Mutex<std::process::Child>,
    counted: Counted,
    most: u64,
    count: AtomicU64,
    is_over: AtomicBool,
}

impl Moment {
    pub(super) fn new(process: std::process::Child, counted: Counted, most: u64) -> Self {
        let (count, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        Moment { process: Mutex::new(process), counted, most, count, is_over }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(SeqCst)
    }

    /// Counts, where this is what is counted, and kills where that was the last.
    pub(super) fn count(&self, counted: Counted, more: usize) {
        if counted == self.counted
            && self.count.fetch_add(more as u64, SeqCst) + more as u64 >= self.most
        {
            self.kill();
        }
    }

    /// Kills it, if nothing has yet.
    pub(super) fn kill(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever sees a conn that broke has to know already.
        if !self.is_over.swap(true, SeqCst) {
            process.kill().expect("it is ours");
            process.wait().expect("it is ours");
        }
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Looks at the steps on a disk.
pub(super) struct Watch(Inotify);

impl Watch {
    pub(super) fn of(folder: &Path) -> Self {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).expect("one");
        let steps = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE;
        for place in places(folder) {
            inotify.add_watch(&place, steps).expect("a folder");
        }
        Watch(inotify)
    }

    /// Counts until it is over.
    pub(super) fn count(&self, moment: &Moment) {
        while !moment.is_over() {
            let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            poll(&mut ready, PollTimeout::from(20_u8)).expect("it can be waited for");
            // One by one: a step is where it is killed, and not one of the steps that came together.
            for _ in self.0.read_events().unwrap_or_default() {
                moment.count(Counted::Steps, 1);
            }
        }
    }
}

/// The folder, and what of its boxes is there already.
fn places(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut boxes = vec![folder.to_owned()];
    let entries = std::fs::read_dir(folder.join("boxes")).into_iter().flatten();
    boxes.extend(entries.map(|entry| entry.expect("a folder").path()));
    let mut all = Vec::new();
    for own in boxes {
        let parts = ["tmp", "new", "cur", "hobnob.letters"].map(|part| own.join(part));
        all.extend(parts.into_iter().chain([own]).filter(|place| place.is_dir()));
    }
    all
}
