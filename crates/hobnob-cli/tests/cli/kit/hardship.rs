//! What a hard day is made of: resets, full disks, too few descriptors, peers that do not read.

use std::fs::File;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{BOUND, Bounded, Done, Lines, code, finish, hobnob, signal};

/// The most bytes that a program keeps in memory for a peer that does not read.
const MUCH: u64 = 256 << 20;

/// A peer that waits within bounds.
pub(crate) fn connect(address: &str) -> TcpStream {
    let peer = TcpStream::connect(address).expect("it listens");
    peer.set_read_timeout(Some(BOUND)).expect("a timeout");
    peer
}

/// Closes with a reset.
pub(crate) fn reset(peer: TcpStream) {
    let peer = socket2::Socket::from(peer);
    peer.set_linger(Some(Duration::ZERO)).expect("it is open");
}

/// A command under so many descriptors.
pub(crate) fn with_files(most: u32, words: &[&str]) -> Command {
    let line = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &line, env!("CARGO_BIN_EXE_hobnob")]).args(words);
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// However few descriptors there are, it is the lack of them that is told; with enough it ends with this code.
pub(crate) fn a_lack_of_files_is_told(words: &[&str], enough: i32) {
    let codes: Vec<i32> = (4..=24)
        .map(|most| {
            let done = finish(with_files(most, words), b"");
            let is_told = done.code == 3 && done.err.contains("error[too-many-files]");
            assert!(done.code == enough || is_told, "{most}: {} {}", done.code, done.err);
            done.code
        })
        .collect();
    assert_eq!((codes.first(), codes.last()), (Some(&3), Some(&enough)), "{codes:?}");
}

/// A file on a disk that is full.
pub(crate) fn full() -> File {
    File::options().write(true).open("/dev/full").expect("Linux has it")
}

/// A server of events ends when they cannot be written: what it said.
pub(crate) fn ends_without_its_events(mut command: Command) -> Vec<String> {
    command.stdin(Stdio::null()).stdout(full()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    assert_eq!(code(Bounded::of(child).wait()), 9);
    let said = err.rest();
    assert!(said[0].starts_with("error[output-failed]"), "{said:?}");
    said
}

/// A log is a courtesy: a server of echoes at this path goes on without.
pub(crate) fn goes_on_without_its_log(mut command: Command, path: &str) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full());
    let child = Bounded::of(command.spawn().expect("the binary is there"));
    for _ in 0..2 {
        let Done { code, out, err } = finish(hobnob(&["talk", path, "--retry", "x"]), b"");
        assert_eq!((code, out.as_str()), (0, "x\n"), "{err}");
    }
    signal(child.id(), "TERM");
    assert_eq!(code(child.wait()), 0);
}

/// Whether a program that runs has kept what a peer does not read out of its memory.
pub(crate) fn is_light(id: u32) {
    let pages = std::fs::read_to_string(format!("/proc/{id}/statm")).expect("it runs");
    let resident: u64 = pages.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    assert!(resident * 4_096 < MUCH, "{resident} pages");
}
