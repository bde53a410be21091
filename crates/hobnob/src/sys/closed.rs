//! Whether standard output was closed when the process began, as `>&-` closes it. The standard library opens `/dev/null`
//! in its place before `main`, so that only what runs before the library can know.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static IS_CLOSED: AtomicBool = AtomicBool::new(false);

extern "C" fn look() {
    // SAFETY: fcntl(2) with F_GETFD takes no pointer and changes nothing.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    IS_CLOSED.store(flags < 0, Relaxed);
}

// SAFETY: the loader calls each function of this section once before `main` (ELF gABI, "Initialization and Termination
// Functions"), and this one needs nothing that the library sets up.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// Whether standard output was closed when the process began.
pub(crate) fn was_stdout_closed() -> bool {
    IS_CLOSED.load(Relaxed)
}
