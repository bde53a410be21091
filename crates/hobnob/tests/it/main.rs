//! The library from outside, as one binary.

mod conformance;
mod parity;
mod places;
