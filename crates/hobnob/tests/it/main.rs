//! The library's integration tests: one binary, a module per question.

mod cases;
mod drain;
mod limits;
mod scale;
mod stage;
