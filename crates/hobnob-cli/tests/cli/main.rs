//! The program as a person or a program meets it: the real binary, its stdout, stderr and exit codes.

mod absurd;
mod advice;
mod bench;
mod bounds;
mod calls;
mod control;
mod demo;
mod deserted;
mod doctor;
mod ends;
mod errors;
mod explain;
mod failures;
mod fault;
mod faults;
mod framing;
mod get;
mod hardship;
mod idle;
mod json;
mod kit;
#[cfg(feature = "mail")]
mod mail;
mod man;
mod models;
#[cfg(feature = "mail")]
mod office;
mod pages;
#[cfg(feature = "tls")]
#[path = "../../../hobnob/tests/it/tls/papers.rs"]
mod papers;
mod ping;
mod pipes;
#[path = "../../../hobnob/tests/it/ports.rs"]
mod ports;
mod pty;
mod readme;
mod relay;
mod screen;
mod serving;
mod shells;
mod shelves;
mod signals;
mod sniff;
mod stdio;
mod streams;
mod stuck;
mod suspend;
mod talking;
mod terminal;
mod threads;
#[cfg(feature = "tls")]
mod tls;
mod typing;
mod up;
