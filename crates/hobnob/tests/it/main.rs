//! The library from outside, as one binary.

mod architecture;
mod conformance;
mod grid;
mod parity;
mod places;
mod stops;
mod tables;
