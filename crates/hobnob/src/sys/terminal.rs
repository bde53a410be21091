//! How wide a terminal is.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::check;

/// Cells of a line, `TIOCGWINSZ` of `ioctl_tty(2)`. A terminal that nobody has told its size answers 0.
pub(crate) fn columns(fd: BorrowedFd<'_>) -> io::Result<u16> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes one `winsize`, which outlives the call.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) })?;
    Ok(size.ws_col)
}
