//! What else of this machine matters: descriptors, folders, the terminal.

use std::fs;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use hobnob::{home, socket};

use super::check::Check;
use crate::env;
use crate::job::Job;
use crate::report::show::grouped;

/// Fewer open files than this are few.
const FEW: u64 = 1_024;

pub(super) fn checks(job: &Job) -> Vec<Check> {
    vec![open_files(), locale(), terminal(job), state(), control()]
}

fn open_files() -> Check {
    let name = "open files";
    match socket::open_files() {
        Ok((soft, hard)) => {
            let (soft, most) = (grouped(soft), grouped(hard));
            let detail = format!("{soft} of {most}, to which a server raises them");
            if hard >= FEW { Check::fine(name, detail) } else { Check::lacking(name, detail) }
        }
        Err(error) => Check::lacking(name, error.message()),
    }
}

fn locale() -> Check {
    let name = "UTF-8 locale";
    match env::locale() {
        Some((variable, value)) => {
            let detail = format!("{variable} is {value}");
            if env::is_utf8(&value) {
                Check::fine(name, detail)
            } else {
                Check::lacking(name, detail).but("export LC_ALL=C.UTF-8")
            }
        }
        None => Check::lacking(name, "neither LC_ALL, LC_CTYPE nor LANG is set")
            .but("export LC_ALL=C.UTF-8"),
    }
}

fn terminal(job: &Job) -> Check {
    let kind = env::variable("TERM").unwrap_or_else(|| "no TERM".to_owned());
    let colour = if job.out.color { "colours" } else { "no colours" };
    if std::io::stdout().is_terminal() {
        return Check::fine("terminal", format!("{kind}, {colour}"));
    }
    Check::fine("terminal", format!("stdout is none; {colour}"))
}

fn state() -> Check {
    let name = "what is kept";
    match home::state_folder() {
        Ok(path) => folder(name, &path),
        Err(error) => Check::lacking(name, error.message()).but("export XDG_STATE_HOME=/tmp/state"),
    }
}

/// Where the sockets will be through which one hobnob asks another.
fn control() -> Check {
    let name = "control sockets";
    match env::variable("XDG_RUNTIME_DIR") {
        Some(path) => folder(name, &Path::new(&path).join("hobnob")),
        None => Check::lacking(name, "XDG_RUNTIME_DIR is not set")
            .but("export XDG_RUNTIME_DIR=/run/user/$(id -u)"),
    }
}

/// One that is there must be ours alone; one that is not must be possible to make.
fn folder(name: &str, path: &Path) -> Check {
    let shown = path.display();
    let own = nix::unistd::geteuid().as_raw();
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => Check::lacking(name, format!("{shown} is no folder")),
        Ok(found) if found.uid() != own || found.mode() & 0o022 != 0 => {
            Check::lacking(name, format!("{shown}: others may write into it"))
                .but(format!("ls -ld {shown}"))
        }
        Ok(_) => Check::fine(name, shown.to_string()),
        Err(_) => {
            let above = path.ancestors().skip(1).find(|above| above.exists());
            let is_possible = above.is_some_and(|above| {
                use nix::unistd::{AccessFlags, access};
                above.is_dir() && access(above, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
            });
            if is_possible {
                Check::fine(name, format!("{shown}, made when it is needed"))
            } else {
                let above = above.map_or_else(String::new, |above| above.display().to_string());
                Check::lacking(name, format!("{shown} cannot be made: {above} is not ours"))
            }
        }
    }
}
