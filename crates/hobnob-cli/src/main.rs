//! hobnob, the program: a workbench for sockets.

mod args;
mod bug;
mod command;
mod config;
mod control;
mod env;
mod report;

use std::process::exit;

fn main() {
    bug::install_hook();
    // Lossy: a word that is not UTF-8 is told back to the person, and nothing documented needs one.
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let code = std::panic::catch_unwind(|| command::run(words.collect()));
    // Threads may still be blocked in a read of stdin or in a write: they must not hold up the end.
    exit(code.map_or(70, i32::from));
}
