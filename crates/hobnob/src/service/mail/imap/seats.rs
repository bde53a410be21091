//! A box as one session sees it: letters by numbers that shift only when the client is told.

use std::fmt::Write as _;
use std::sync::Arc;

use super::flags;
use crate::codec::imap::SequenceSet;
use crate::store::{BoxView, LetterFlags, StoredLetter};

/// A letter in its place.
#[derive(Debug, Clone)]
pub(super) struct ImapSeat {
    pub(super) letter: Arc<StoredLetter>,
    /// Whether this session is the first that was told of it.
    pub(super) is_recent: bool,
}

/// The box that is open.
pub(super) struct ImapBox {
    /// Its name in the store.
    pub(super) name: String,
    pub(super) is_read_only: bool,
    validity: u32,
    pub(super) seats: Vec<ImapSeat>,
    /// The largest UID that was told.
    last: u32,
    /// Keywords that were told.
    keywords: usize,
}

impl ImapBox {
    pub(super) fn new(name: String, validity: u32, is_read_only: bool) -> Self {
        ImapBox { name, is_read_only, validity, seats: Vec::new(), last: 0, keywords: 0 }
    }

    /// The places of letters in rising order. None: a number is none of this box (RFC 3501 section 9, `seq-number`); a UID
    /// that is none of it is passed over.
    pub(super) fn places(&self, set: &SequenceSet, is_uid: bool) -> Option<Vec<usize>> {
        let count = self.seats.len();
        let largest = u32::try_from(count).unwrap_or(u32::MAX);
        if !is_uid && set.goes_beyond(largest) {
            return None;
        }
        let largest = if is_uid { self.largest_uid() } else { largest };
        let mut places = Vec::new();
        for range in set.ranges(largest) {
            let (from, to) = if is_uid {
                let before = |bound: u32| self.seats.partition_point(|s| s.letter.uid < bound);
                let to = self.seats.partition_point(|seat| seat.letter.uid <= *range.end());
                (before(*range.start()), to)
            } else {
                let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
                (place(*range.start()).saturating_sub(1), place(*range.end()).min(count))
            };
            places.extend(from..to);
        }
        Some(places)
    }

    pub(super) fn largest_uid(&self) -> u32 {
        self.seats.last().map_or(0, |seat| seat.letter.uid)
    }

    /// Letters of these places, by their UIDs.
    pub(super) fn uids(&self, places: &[usize]) -> Vec<u32> {
        places.iter().map(|place| self.seats[*place].letter.uid).collect()
    }

    /// Takes on, without a word, what letters of these places are now.
    pub(super) fn refresh(&mut self, view: &BoxView, places: &[usize]) {
        for place in places {
            let seat = &mut self.seats[*place];
            if let Some(letter) = view.find(seat.letter.uid) {
                seat.letter = letter.clone();
            }
        }
    }

    /// Says which flags there are, where the client has not heard of all.
    pub(super) fn tell_flags(&mut self, keywords: &[String], is_first: bool, out: &mut Vec<u8>) {
        if !is_first && self.keywords == keywords.len() {
            return;
        }
        self.keywords = keywords.len();
        let mut known = flags::SYSTEM.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        known.extend(keywords.iter().map(String::as_str));
        let known = known.join(" ");
        let lasting = if self.is_read_only { String::new() } else { format!("{known} \\*") };
        let text = format!("* FLAGS ({known})\r\n* OK [PERMANENTFLAGS ({lasting})] these last\r\n");
        out.extend_from_slice(text.as_bytes());
    }

    /// Tells what has changed. Letters above the UID `after` are recent.
    pub(super) fn update(
        &mut self,
        view: &BoxView,
        may_shrink: bool,
        after: u32,
        keywords: &[String],
        out: &mut Vec<u8>,
    ) {
        let gone = BoxView::default();
        let view = if view.validity == self.validity { view } else { &gone };
        let mut text = String::new();
        self.tell_flags(keywords, false, out);
        if may_shrink {
            let mut number = 1;
            self.seats.retain(|seat| {
                let is_there = view.find(seat.letter.uid).is_some();
                if is_there {
                    number += 1;
                } else {
                    let _ = write!(text, "* {number} EXPUNGE\r\n"); // a String takes all
                }
                is_there
            });
        }
        for (number, seat) in (1..).zip(&mut self.seats) {
            let Some(letter) = view.find(seat.letter.uid) else { continue };
            if letter.flags != seat.letter.flags {
                let flags = flags::words(letter.flags, seat.is_recent, keywords);
                let uid = letter.uid;
                let _ = write!(text, "* {number} FETCH (UID {uid} FLAGS {flags})\r\n"); // as above
            }
            seat.letter = letter.clone();
        }
        let from = view.letters.partition_point(|letter| letter.uid <= self.last);
        let new = &view.letters[from..];
        self.seats.extend(new.iter().map(|letter| {
            let is_recent = letter.uid > after;
            ImapSeat { letter: letter.clone(), is_recent }
        }));
        self.last = self.last.max(self.largest_uid());
        if !new.is_empty() {
            let recent = self.recent();
            let count = self.seats.len();
            let _ = write!(text, "* {count} EXISTS\r\n* {recent} RECENT\r\n"); // as above
        }
        out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn recent(&self) -> usize {
        self.seats.iter().filter(|seat| seat.is_recent).count()
    }

    /// The number of the first letter that nobody has seen.
    pub(super) fn first_unseen(&self) -> Option<usize> {
        let is_unseen = |seat: &ImapSeat| !seat.letter.flags.has(LetterFlags::SEEN);
        self.seats.iter().position(is_unseen).map(|place| place + 1)
    }
}
