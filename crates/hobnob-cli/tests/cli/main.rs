//! The program as a person or a program meets it: the real binary, its stdout, stderr and exit codes.

mod ends;
mod errors;
mod json;
mod kit;
mod pages;
mod pipes;
mod serving;
mod shelves;
mod signals;
mod talking;
mod terminal;
