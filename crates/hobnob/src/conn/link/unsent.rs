//! What waits in memory until its receiver takes it.

/// What was received and could not be sent yet. A packet may be empty.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    pub(super) bytes: Vec<u8>,
    pub(super) sent: usize,
    pub(super) is_something: bool,
}

impl Unsent {
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.is_something = true;
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
        self.is_something = false;
    }
}
