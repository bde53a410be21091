//! Standard streams are read and written in one file, the one that knows that `EAGAIN` means wait.

/// That file, in the library.
pub(super) const HOME: &str = "streams.rs";

const CALLS: &[&str] = &["stdin()", "stdout()", "stderr()"];
/// What may be asked of a stream without moving a byte: what follows the call, and what stands before its path.
const QUESTIONS: (&[&str], &[&str]) =
    (&[".is_terminal()", ".as_fd()"], &["&", "tcgetattr(", "tcsetattr("]);
const MACROS: &[&str] = &["print!", "println!", "eprint!", "eprintln!", "dbg!"];

/// Where a file moves data of a standard stream by itself.
pub(super) fn faults(code: &str) -> Vec<String> {
    let calls = CALLS.iter().flat_map(|call| code.match_indices(call));
    let calls = calls.filter(|(at, call)| moves_data(&code[..*at], &code[at + call.len()..]));
    let macros = MACROS.iter().flat_map(|name| code.match_indices(name));
    let macros = macros.filter(|(at, _)| !code[..*at].ends_with(is_of_a_name));
    let all = calls.chain(macros);
    all.map(|(_, what)| format!("{what} outside of {HOME}: it takes EAGAIN for an error")).collect()
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Whether a call of std's function, or of its import, does more than ask.
fn moves_data(before: &str, after: &str) -> bool {
    let path = before.trim_end_matches("io::").trim_end_matches("std::");
    let is_of_std = before.ends_with("io::");
    let is_imported = !before.ends_with([':', '.'])
        && !before.ends_with(is_of_a_name)
        && !before.ends_with("fn ");
    let (questions, askers) = QUESTIONS;
    (is_of_std || is_imported)
        && !questions.iter().any(|question| after.trim_start().starts_with(question))
        && !askers.iter().any(|asker| path.ends_with(asker))
}

#[test]
fn data_of_a_standard_stream_is_found_and_a_question_is_not() {
    for code in [
        "std::io::stdout().lock()",
        "io::stdin().read(&mut buffer)",
        "BufReader::new(std::io::stdin())",
        "tokio::io::stderr().write_all(b)",
        "use std::io::stdout; fn f() { stdout().lock(); }",
        "println!(x)",
        "{ eprint!(x) }",
    ] {
        assert_eq!(faults(code).len(), 1, "{code}");
    }
    for code in [
        "std::io::stdin().is_terminal()",
        "std::io::stdout()\n    .is_terminal()",
        "Look::of(&std::io::stdout(), wish)",
        "tcgetattr(io::stdin())",
        "streams::stdout().write_all(b)",
        "Writer::stdout()",
        "pub fn stdin() -> Input {}",
        "command.stdin(x)",
    ] {
        assert!(faults(code).is_empty(), "{code}");
    }
}
