//! A buffer per thread, so that an idle session holds none.

use std::cell::Cell;
use std::thread::LocalKey;

/// Bytes in a thread's buffer: the largest datagram, and four times what a read usually brings.
pub const SIZE: usize = 65_536;

/// Bytes in a thread's large buffer: a link, which only passes on what comes, pays by the read, and reads more at once.
pub(crate) const LARGE: usize = 262_144;

type Spare = Cell<Option<Box<[u8]>>>;

thread_local! {
    // Taken out while in use: layers nest, and the inner one must find a buffer of its own.
    static SPARE: Spare = const { Cell::new(None) };
    static SPARE_LARGE: Spare = const { Cell::new(None) };
}

/// Lends this thread's buffer for one poll. Its content is whatever the last user left.
pub fn with<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    lend(&SPARE, SIZE, use_it)
}

/// Lends this thread's large buffer, in the same way.
pub(crate) fn with_large<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    lend(&SPARE_LARGE, LARGE, use_it)
}

fn lend<T>(spare: &'static LocalKey<Spare>, size: usize, use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = spare.take().unwrap_or_else(|| vec![0; size].into_boxed_slice());
    let result = use_it(&mut buffer);
    spare.set(Some(buffer));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_users_get_different_buffers() {
        with(|outer| {
            outer[0] = 1;
            with(|inner| inner[0] = 2);
            assert_eq!(outer[0], 1);
        });
    }
}
