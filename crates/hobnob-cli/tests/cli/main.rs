//! The program as a person or a program meets it: the real binary, its stdout, stderr and exit codes.

mod ends;
mod errors;
mod failures;
mod get;
mod hardship;
mod json;
mod kit;
mod pages;
mod pipes;
mod screen;
mod serving;
mod shelves;
mod signals;
mod stdio;
mod suspend;
mod talking;
mod terminal;
mod typing;
