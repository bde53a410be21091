//! Names of members, of which each has one owner among all nodes.

use std::time::Duration;

use super::candidate::Candidate;
use super::{Clustered, NodeInRoom, node_name, shown_name, words};
use crate::cluster::{EntryKind, NameRecord, NameTold, NodeIs};
use crate::service::chat::order::NameAnswer;
use crate::service::chat::room::Taken;

/// Characters that a name may have, as in a room of one process.
const NAME: usize = 32;

impl Clustered {
    /// A member wants a name: the answer, if it is known at once.
    pub(super) fn claim(&self, seat: u64, candidate: Candidate) -> NameAnswer {
        let name = candidate.name.clone();
        if name.contains('~') {
            return NameAnswer::Refused("a name has no ~ in a room of many nodes".to_owned());
        }
        self.with(|inner, now| {
            inner.candidates.insert(seat, candidate);
            if name.starts_with('#') {
                // Numbers are given by each node by itself: two letters of ours make them unique.
                inner.number(seat);
                self.seat(inner, now, seat, None);
            } else {
                inner.names.claim(now, seat, &name);
            }
        });
        self.bell.notify_one();
        self.inner().verdicts.remove(&seat).unwrap_or(NameAnswer::Asked)
    }

    /// Does what the desk tells of a member's name.
    pub(super) fn named(&self, inner: &mut NodeInRoom, now: Duration, told: NameTold) {
        match told {
            NameTold::Granted { seat, .. } => self.seat(inner, now, seat, None),
            NameTold::Lent { seat, name } => {
                let lent = lent(&name, &inner.node.me().short());
                self.seat(inner, now, seat, Some(&lent));
            }
            NameTold::Taken { seat, name, by } => {
                let why = inner.taken(&name, &by);
                match inner.candidates.remove(&seat) {
                    Some(candidate) if candidate.name == name => {
                        inner.answer(seat, &candidate, NameAnswer::Refused(why));
                    }
                    other => {
                        inner.candidates.extend(other.map(|other| (seat, other)));
                        self.room.answer(seat, &format!("* {why}"));
                    }
                }
            }
            NameTold::Regained { seat, name } => {
                if self.call(inner, now, seat, &name) {
                    self.room.answer(seat, &words::regained(&name));
                }
            }
            NameTold::Lost { seat, name, by } => {
                let lent = lent(&name, &inner.node.me().short());
                let lent = if self.call(inner, now, seat, &lent) {
                    lent
                } else {
                    let number = format!("#{seat}~{}", inner.node.me().short());
                    self.call(inner, now, seat, &number);
                    number
                };
                let why = inner.taken(&name, &by);
                self.room.answer(seat, &format!("* {why}"));
                self.room.answer(seat, &words::regained(&lent));
            }
        }
    }

    /// Gives a member that is in the room another name, and tells the others. False: somebody here has it.
    fn call(&self, inner: &mut NodeInRoom, now: Duration, seat: u64, name: &str) -> bool {
        let done = self.room.rename_quietly(seat, name);
        if let Ok(Some((old, true))) = &done
            && **old != *name
        {
            inner.say(now, (EntryKind::Name, seat), old, name);
        }
        done.is_ok()
    }

    /// Gives a member the name for which it waits, or the one that is lent to it.
    fn seat(&self, inner: &mut NodeInRoom, now: Duration, seat: u64, lent: Option<&str>) {
        let Some(candidate) = inner.candidates.remove(&seat) else {
            return inner.names.leave(now, seat);
        };
        let name = lent.unwrap_or(&candidate.name);
        let is_seated = if candidate.is_inside {
            self.call(inner, now, seat, name)
        } else {
            self.let_in(inner, now, seat, (name, &candidate)).is_ok()
        };
        let answer = match lent {
            _ if !is_seated => NameAnswer::Refused(format!("{name} is taken")),
            None => NameAnswer::Granted,
            Some(name) => NameAnswer::Lent(words::lent(name)),
        };
        if is_seated {
            inner.names.keep_only(now, seat, &candidate.name);
        } else {
            inner.names.give_back(now, seat, &candidate.name);
        }
        inner.answer(seat, &candidate, answer);
    }

    fn let_in(
        &self,
        inner: &mut NodeInRoom,
        now: Duration,
        seat: u64,
        (name, candidate): (&str, &Candidate),
    ) -> Result<(), Taken> {
        let Candidate { mailbox, is_told, .. } = candidate;
        let elsewhere = words::elsewhere(inner.elsewhere());
        self.room.enter_quietly(seat, name, mailbox, *is_told, &elsewhere)?;
        if *is_told {
            inner.say(now, (EntryKind::Join, seat), &name.into(), "");
        }
        Ok(())
    }
}

impl NodeInRoom {
    /// That a name is taken, and where.
    fn taken(&self, name: &str, by: &NameRecord) -> String {
        if by.owner == self.node.me() {
            return format!("{name} is taken");
        }
        let known = self.roster.nodes().any(|node| node.beat.origin == by.owner);
        let node = shown_name(&by.node).filter(|_| !known);
        words::taken(name, &node.unwrap_or_else(|| node_name(&self.roster, by.owner)))
    }

    /// Two letters of the node's number behind the number of a member.
    fn number(&mut self, seat: u64) {
        let short = self.node.me().short();
        if let Some(candidate) = self.candidates.get_mut(&seat) {
            candidate.name = format!("{}~{short}", candidate.name).into();
        }
    }

    /// Keeps an answer until the member takes it, and wakes it.
    fn answer(&mut self, seat: u64, candidate: &Candidate, answer: NameAnswer) {
        self.verdicts.insert(seat, answer);
        candidate.mailbox.wake();
    }

    /// A member is gone: its name is free again.
    pub(super) fn forget(&mut self, now: Duration, seat: u64) {
        self.candidates.remove(&seat);
        self.verdicts.remove(&seat);
        self.names.leave(now, seat);
    }

    /// How many other nodes are reached, and how many members they have.
    fn elsewhere(&self) -> (u64, u64) {
        let is_linked = self.node.is_linked();
        let reached = self.roster.nodes().filter(|node| is_linked && node.is == NodeIs::Came);
        reached.fold((0, 0), |(nodes, members), node| (nodes + 1, members + node.beat.members))
    }
}

/// The name that a member has as long as nobody can be asked for the one that it wants.
fn lent(name: &str, letters: &str) -> String {
    let kept = NAME - letters.len() - 1;
    let kept: String = name.chars().take(kept).collect();
    format!("{}~{letters}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_lent_is_one_that_other_nodes_show() {
        assert_eq!(lent("Ada", "k7"), "Ada~k7");
        for name in ["李".repeat(32), format!("{} {}", "x".repeat(28), "y".repeat(3))] {
            let lent = lent(&name, "k7");
            assert_eq!(shown_name(&lent).as_ref(), Some(&lent));
        }
    }
}
