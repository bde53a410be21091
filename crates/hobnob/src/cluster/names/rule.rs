//! The rules by which a name has one owner, and is never lost.

/// A rule. A node keeps them all, and a simulator may break one to see its judge find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRule {
    /// Where it is not known whether a write was done, the leader is asked whose the name is.
    DoubtIsAsked,
    /// A write names the revision on which it builds, and fails on any other.
    RevisionIsExpected,
    /// Who leaves gives the name back.
    NamesAreReleased,
    /// After any trouble each name is compared with what the leader has.
    NamesAreCompared,
    /// A write of which nobody knows whether it was done is outrun before the name is used or forgotten: it may still come.
    LateIsOutrun,
    /// Who has written something lives, though nothing else was heard of it yet: it may have come, or come back, a moment ago.
    WritersLive,
    /// Who was stopped for some seconds has heard nobody meanwhile: how long the others are silent counts from then on.
    StopsAreNoticed,
}

impl NameRule {
    /// Every rule.
    pub const ALL: [NameRule; 7] = [
        NameRule::DoubtIsAsked,
        NameRule::RevisionIsExpected,
        NameRule::NamesAreReleased,
        NameRule::NamesAreCompared,
        NameRule::LateIsOutrun,
        NameRule::WritersLive,
        NameRule::StopsAreNoticed,
    ];
}
