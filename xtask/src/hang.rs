//! A test that hangs: found by its silence, named, and ended.

use std::fs;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// No test takes so long, nor does what comes between two lines of `cargo test`.
pub(crate) const SILENCE: Duration = Duration::from_mins(5);

/// Hands the lines of a process on. Whenever it says nothing for `silence`, what it has started is ended, so that it can
/// say so and go on with the next; after each such time `ended` hears of it.
pub(crate) fn watch(
    process: u32,
    lines: &Receiver<Vec<u8>>,
    silence: Duration,
    mut line: impl FnMut(&[u8]),
    mut ended: impl FnMut(),
) {
    loop {
        match lines.recv_timeout(silence) {
            Ok(came) => line(&came),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                ended();
                children(process).into_iter().for_each(end);
            }
        }
    }
}

/// Ends a process with all that it has started: itself first, or it would go on as soon as what it waits for is gone.
fn end(process: u32) {
    let started = children(process);
    // It may have ended by itself meanwhile.
    let _ = Command::new("kill").args(["-KILL", &process.to_string()]).status();
    started.into_iter().for_each(end);
}

fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| numbers(&list)).collect()
}

fn numbers(list: &str) -> Vec<u32> {
    list.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_hangs_is_ended_and_the_rest_is_heard() {
        // It starts what starts what hangs, as cargo does, and goes on once that has ended.
        let script = "echo first; sh -c 'sleep 600; echo never'; echo last";
        let mut child =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (to, lines) = channel();
        std::thread::spawn(move || out.split(b'\n').flatten().try_for_each(|line| to.send(line)));
        let (mut heard, mut times) = (Vec::new(), 0);
        let silence = Duration::from_millis(200);
        watch(child.id(), &lines, silence, |line| heard.push(line.to_vec()), || times += 1);
        assert_eq!(heard, [b"first".to_vec(), b"last".to_vec()]);
        assert!(times >= 1);
        assert!(child.wait().unwrap().success());
    }
}
