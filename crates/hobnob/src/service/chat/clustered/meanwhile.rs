//! What others said while a node is alone, to be shown together.

use std::collections::VecDeque;

use crate::cluster::{EntryKind, NodeId, RoomEntry};

/// Entries that wait at most.
const MEANWHILE: usize = 4_096;

/// Bytes of them: all are shown at once, and whoever is shown more than a mailbox takes would be cut.
const MEANWHILE_BYTES: usize = 262_144;

/// What was said at the other nodes since members were told that they cannot be reached.
#[derive(Default)]
pub(super) struct Meanwhile {
    entries: VecDeque<(NodeId, RoomEntry)>,
    bytes: usize,
    /// Messages that there was no room for.
    pub(super) unkept: u64,
    /// Whether some of it was said before we came.
    pub(super) is_of_before: bool,
}

impl Meanwhile {
    /// Keeps an entry. Where there is no room, the oldest go, and their messages are counted.
    pub(super) fn keep(&mut self, origin: NodeId, entry: RoomEntry, is_past: bool) {
        self.is_of_before |= is_past;
        self.bytes += entry.weight();
        self.entries.push_back((origin, entry));
        while self.entries.len() > MEANWHILE || self.bytes > MEANWHILE_BYTES {
            let Some((_, oldest)) = self.entries.pop_front() else { return };
            self.bytes -= oldest.weight();
            self.unkept += u64::from(oldest.kind == EntryKind::Say);
        }
    }

    /// Messages that were said: those that are kept, and the others.
    pub(super) fn messages(&self) -> u64 {
        let kept = self.entries.iter().filter(|(_, entry)| entry.kind == EntryKind::Say).count();
        kept as u64 + self.unkept
    }

    /// All that is kept, in its order.
    pub(super) fn into_entries(self) -> VecDeque<(NodeId, RoomEntry)> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_each_message_is_kept_or_counted() {
        for (length, kind) in [(1, EntryKind::Say), (30_000, EntryKind::Say), (1, EntryKind::Join)]
        {
            let mut meanwhile = Meanwhile::default();
            let text = "x".repeat(length).into();
            let entry = RoomEntry { kind, seat: 1, name: "Ada".into(), text, waited: 0 };
            for _ in 0..10_000 {
                meanwhile.keep(NodeId::STRANGER, entry.clone(), false);
            }
            let said = if kind == EntryKind::Say { 10_000 } else { 0 };
            assert_eq!(meanwhile.messages(), said);
            let unkept = meanwhile.unkept;
            let kept = meanwhile.into_entries();
            let bytes: usize = kept.iter().map(|(_, entry)| entry.weight()).sum();
            assert!(kept.len() <= MEANWHILE && bytes <= MEANWHILE_BYTES && !kept.is_empty());
            assert_eq!(unkept, said.saturating_sub(kept.len() as u64));
        }
    }
}
