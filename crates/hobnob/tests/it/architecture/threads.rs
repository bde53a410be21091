//! Threads are started in one file, the one that knows that a thread may not be had.

/// That file, in the library.
pub(super) const HOME: &str = "thread.rs";

/// What starts a thread by itself. tokio's blocking pool panics where it has none and gets none.
const STARTERS: &[&str] = &[
    "thread::spawn",
    "thread::scope",
    "thread::Builder",
    "thread::{",
    "spawn_blocking",
    "block_in_place",
];

/// Where a file starts a thread by itself.
pub(super) fn faults(code: &str) -> Vec<String> {
    let imports = |after: &str| {
        let names = after.split_once('}').map_or("", |(names, _)| names);
        ["spawn", "scope", "Builder"].iter().any(|name| names.contains(name))
    };
    let found = STARTERS.iter().flat_map(|starter| code.match_indices(starter));
    let found =
        found.filter(|(at, what)| !what.ends_with('{') || imports(&code[at + what.len()..]));
    found.map(|(_, what)| format!("{what} outside of {HOME}: a thread may not be had")).collect()
}

#[test]
fn another_way_to_start_a_thread_is_found() {
    for code in [
        "std::thread::spawn(work)",
        "thread::Builder::new()",
        "use std::thread::{Builder, JoinHandle};",
        "tokio::task::spawn_blocking(work)",
        "handle.spawn_blocking(work)",
        "std::thread::scope(|scope| {})",
    ] {
        assert_eq!(faults(code).len(), 1, "{code}");
    }
    for code in [
        "use std::thread::JoinHandle;",
        "use std::thread::{JoinHandle, yield_now};",
        "std::thread::available_parallelism()",
        "tokio::spawn(work)",
        "thread::start(name, work)",
    ] {
        assert!(faults(code).is_empty(), "{code}");
    }
}
