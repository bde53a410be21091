//! A page on a terminal goes through the person's pager.

use std::io::{IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use hobnob::error::Result;

use crate::job::Job;
use crate::process::say;

/// What a pipe of Linux takes without a reader. Every page is shorter, so that it can be written before the pager
/// is there.
const PIPE: usize = 64 * 1_024;

/// Shows a page: on a terminal the pager takes the place of this process, so that its keys and signals are its own.
pub(super) fn show(job: &Job, text: &str) -> Result<u8> {
    if std::io::stdout().is_terminal() && text.len() <= PIPE {
        page(job, text);
    }
    say(text)
}

/// Comes back only where there is no pager.
fn page(job: &Job, text: &str) {
    let mut pager = match job.environment.pager.as_deref() {
        Some("" | "cat") => return,
        Some(own) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", own]);
            shell
        }
        None => Command::new("less"),
    };
    if !job.environment.has_less_options {
        // As git does it: a page that fits is printed, colours pass, the screen stays.
        pager.env("LESS", "FRX");
    }
    let Ok((from, mut to)) = std::io::pipe() else { return };
    if to.write_all(text.as_bytes()).is_ok() {
        drop(to);
        // An error means that it is not installed: the page is printed.
        let _ = pager.stdin(from).exec();
    }
}
