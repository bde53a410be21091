//! How things are told: words for people, JSON Lines for programs, errors for both.

pub(crate) mod bars;
pub(crate) mod benched;
pub(crate) mod brief;
pub(crate) mod calls;
pub(crate) mod captured;
pub(crate) mod clip;
mod cluster;
mod early;
pub(crate) mod error;
pub(crate) mod fetched;
pub(crate) mod file;
pub(crate) mod json;
mod lesson;
pub(crate) mod letter;
#[cfg(feature = "mail")]
pub(crate) mod letters;
pub(crate) mod line;
pub(crate) mod look;
pub(crate) mod packet;
pub(crate) mod passage;
pub(crate) mod rounds;
pub(crate) mod show;
pub(crate) mod stream;
pub(crate) mod text;
pub(crate) mod writer;
