//! How much is kept.

/// What the store takes before it says that it is full.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Letters in a box, where all stay.
    pub letters: usize,
    /// Boxes.
    pub boxes: usize,
    /// Bytes that stay free on the disk.
    pub free: u64,
    /// The newest letters that stay; older ones go when a letter comes. None: all stay.
    pub keep: Option<KeepLimit>,
}

/// How many letters stay where older ones go.
#[derive(Debug, Clone, Copy)]
pub struct KeepLimit {
    /// Letters in all boxes together; one that lies in two boxes counts twice.
    pub letters: usize,
    /// Bytes of them.
    pub bytes: u64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        StoreLimits { letters: 10_000, boxes: 1_000, free: 64 << 20, keep: None }
    }
}
