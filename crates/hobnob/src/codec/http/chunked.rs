//! The line before a chunk of a body, in requests and in answers.

use std::ops::ControlFlow;

use super::fault::{RequestFault, bad};

/// Bytes of the line that says a chunk's size, with its extensions.
pub(super) const MAX_SIZE_LINE: usize = 1_024;

/// RFC 9112 section 7.1: digits, then extensions, of which nothing is kept.
pub(super) fn chunk_size(line: &[u8]) -> Result<u64, RequestFault> {
    let digits = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
    let digits = &line[..digits];
    if digits.is_empty() || digits.len() > 16 {
        return Err(bad("a chunk's size is not 1 to 16 hexadecimal digits"));
    }
    let size = digits.iter().try_fold(0_u64, |size, digit| match (*digit as char).to_digit(16) {
        Some(digit) => ControlFlow::Continue(size << 4 | u64::from(digit)),
        None => ControlFlow::Break(()),
    });
    match size {
        ControlFlow::Continue(size) => Ok(size),
        ControlFlow::Break(()) => Err(bad("a chunk's size is not hexadecimal digits alone")),
    }
}
