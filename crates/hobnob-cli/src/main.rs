//! hobnob
fn main() {}
