//! The nine rules by which no line is lost without a word.

/// A rule. Each was found because a checker found lines that were lost, doubled or in disorder without it; a node keeps
/// them all, and a simulator may break one to see its checker find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterRule {
    /// A batch is frozen before its first send: a retry has the same entries under the same numbers, and says at most how late
    /// they are.
    FrozenBatch,
    /// One batch is in flight.
    OneInFlight,
    /// Where a node begins to count another one comes from the stream, never from a beat.
    BaselineFromStream,
    /// Own lines are held until they came back, not until they are acked.
    OwnComeBack,
    /// Nobody is let in before the stream's end is known, or the node is alone.
    EndBeforeMembers,
    /// Not found is never deleted: whoever was asked may lag.
    NotFoundIsLate,
    /// The stream may go back: what stood where is compared, and all is read again.
    StreamGoesBack,
    /// A node watches its own numbers like those of every other.
    OwnIsWatched,
    /// A tail is told as missing only after a look at the leader that succeeded.
    LookBeforeTelling,
}

impl ClusterRule {
    /// Every rule.
    pub const ALL: [ClusterRule; 9] = [
        ClusterRule::FrozenBatch,
        ClusterRule::OneInFlight,
        ClusterRule::BaselineFromStream,
        ClusterRule::OwnComeBack,
        ClusterRule::EndBeforeMembers,
        ClusterRule::NotFoundIsLate,
        ClusterRule::StreamGoesBack,
        ClusterRule::OwnIsWatched,
        ClusterRule::LookBeforeTelling,
    ];
}
