//! hobnob, the program: a workbench for sockets.

mod advice;
mod args;
mod asking;
mod calling;
mod command;
mod config;
mod control;
mod env;
mod fleet;
mod help;
mod job;
mod process;
mod report;
mod serving;

use std::process::exit;

fn main() {
    process::bug::install_hook();
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let code = std::panic::catch_unwind(|| command::run(&words));
    // Threads may still be blocked in a read of stdin or in a write: they must not hold up the end.
    exit(code.map_or(70, i32::from));
}
