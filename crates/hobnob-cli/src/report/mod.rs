//! How things are told: words for people, JSON Lines for programs, errors for both.

pub(crate) mod answered;
pub(crate) mod brief;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod line;
pub(crate) mod look;
pub(crate) mod show;
pub(crate) mod sink;
pub(crate) mod text;
