//! Chance that can be repeated: a number for each position, from a seed.

/// What a fault's decisions come from. It has no state: the same position always draws the same number, so that neither
/// the order of calls nor the borders of chunks matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// A seed.
    pub fn new(seed: u64) -> Self {
        Seed(seed)
    }

    /// A seed of its own for one part of several.
    pub fn of(self, part: u64) -> Self {
        Seed(mix(self.0 ^ mix(part.wrapping_add(1))))
    }

    /// The number of a position.
    pub fn draw(self, position: u64) -> u64 {
        mix(self.0.wrapping_add(position.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Whether a position is of the share, which is in millionths.
    pub fn hits(self, position: u64, share: u32) -> bool {
        self.below(position, 1_000_000) < u64::from(share)
    }

    /// A number from 0 to before `bound`.
    pub fn below(self, position: u64, bound: u64) -> u64 {
        let wide = u128::from(self.draw(position)) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0) // less than bound
    }
}

/// The finalizer of `SplitMix64`.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
