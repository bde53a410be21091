//! A buffer per thread, so that an idle session holds none.

use std::cell::Cell;

/// Bytes in a thread's buffer: the largest datagram, and four times what a read usually brings.
pub const SIZE: usize = 65_536;

thread_local! {
    // Taken out while in use: layers nest, and the inner one must find a buffer of its own.
    static SPARE: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends this thread's buffer for one poll. Its content is whatever the last user left.
pub fn with<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = SPARE.take().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice());
    let result = use_it(&mut buffer);
    SPARE.set(Some(buffer));
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
