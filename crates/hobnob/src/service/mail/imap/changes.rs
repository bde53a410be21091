//! What changes letters: STORE, COPY, MOVE, EXPUNGE.

use super::flags;
use super::session::{ImapSaid, ImapSession};
use crate::codec::imap::{SequenceSet, StoreMode};
use crate::error::Result;
use crate::event::MailDeed;
use crate::service::mail::reading::LetterPieces;
use crate::store::{FlagChange, LetterFlags, StoreFault};

/// Bytes of a keyword at most.
const MAX_KEYWORD: usize = 100;

type Done<T> = std::result::Result<T, ImapSaid>;

impl ImapSession<'_> {
    /// The flags of these names. A keyword that nobody has used yet gets its place.
    pub(super) async fn flags(&mut self, names: &[String]) -> Result<Done<LetterFlags>> {
        let mut all = LetterFlags::default();
        for name in names {
            if let Some(flag) = flags::find(name, &self.office.keywords.names()) {
                all = all.with(flag);
                continue;
            }
            if name.eq_ignore_ascii_case("\\recent") {
                continue; // it is not for clients to change
            }
            if name.starts_with('\\') || name.len() > MAX_KEYWORD || !name.is_ascii() {
                return Ok(Err(ImapSaid::bad("there is no such flag")));
            }
            let (list, keyword) = (self.office.keywords.clone(), name.clone());
            match self.session.work(move || list.add(&keyword)).await? {
                Ok(true) => {}
                Ok(false) => return Ok(Err(ImapSaid::no("[LIMIT] there are 26 keywords already"))),
                Err(error) => {
                    let text = format!("[SERVERBUG] it could not be written: {error}");
                    return Ok(Err(ImapSaid::No(text)));
                }
            }
            let flag = flags::find(name, &self.office.keywords.names());
            all = all.with(flag.unwrap_or_default());
        }
        Ok(Ok(all))
    }

    pub(super) async fn store(
        &mut self,
        set: &SequenceSet,
        is_uid: bool,
        mode: StoreMode,
        is_silent: bool,
        names: &[String],
    ) -> Result<ImapSaid> {
        let places = match self.writable(set, is_uid) {
            Ok(places) => places,
            Err(said) => return Ok(said),
        };
        let flags = match self.flags(names).await? {
            Ok(flags) => flags,
            Err(said) => return Ok(said),
        };
        let change = match mode {
            StoreMode::Set => FlagChange::Set(flags),
            StoreMode::Add => FlagChange::Add(flags),
            StoreMode::Remove => FlagChange::Remove(flags),
        };
        let Some(open) = &mut self.selected else { return Ok(ImapSaid::bad("no box is open")) };
        let uids = open.uids(&places);
        if let Err(fault) = self.office.store.mark(&open.name, &uids, change).await {
            return Ok(ImapSaid::of(&fault));
        }
        let view = self.office.store.view(&open.name);
        let keywords = self.office.keywords.names();
        open.tell_flags(&keywords, false, &mut self.out);
        open.refresh(&view, &places);
        let has_missed = uids.iter().any(|uid| view.find(*uid).is_none());
        for place in places.iter().filter(|_| !is_silent) {
            let seat = &open.seats[*place];
            let (number, uid) = (place + 1, seat.letter.uid);
            let words = flags::words(seat.letter.flags, seat.is_recent, &keywords);
            let uid = if is_uid { format!("UID {uid} ") } else { String::new() };
            let line = format!("* {number} FETCH ({uid}FLAGS {words})\r\n");
            self.out.extend_from_slice(line.as_bytes());
        }
        Ok(if has_missed {
            // RFC 2180 section 4 lets a server choose; clients take NO for a failure of the rest, which was done.
            ImapSaid::ok("[EXPUNGEISSUED] some of them are gone")
        } else {
            ImapSaid::ok("it is done")
        })
    }

    /// Removes what is marked as deleted, of these UIDs where some are named. It is told with the update that follows.
    pub(super) async fn expunge(&mut self, uids: Option<&SequenceSet>) -> Done<ImapSaid> {
        let all = SequenceSet::parse("1:*").ok_or_else(|| ImapSaid::bad("no set"))?;
        let is_empty = self.selected.as_ref().is_some_and(|open| open.seats.is_empty());
        if is_empty {
            return Ok(ImapSaid::ok("there is nothing"));
        }
        let places = self.writable(uids.unwrap_or(&all), true)?;
        let Some(open) = &self.selected else { return Err(ImapSaid::bad("no box is open")) };
        let view = self.office.store.view(&open.name);
        let is_deleted = |uid: &u32| {
            view.find(*uid).is_some_and(|letter| letter.flags.has(LetterFlags::DELETED))
        };
        let uids: Vec<_> = open.uids(&places).into_iter().filter(is_deleted).collect();
        let gone = self.office.store.expunge(&open.name, &uids).await;
        let gone = gone.map_err(|fault| ImapSaid::of(&fault))?;
        let letters = gone.iter().filter_map(|uid| view.find(*uid)).map(|letter| &**letter);
        self.did(MailDeed::Deleted, &open.name, letters);
        Ok(ImapSaid::ok("they are gone"))
    }

    /// The places of letters that are to be changed.
    fn writable(&self, set: &SequenceSet, is_uid: bool) -> Done<Vec<usize>> {
        let open = self.selected.as_ref().ok_or_else(|| ImapSaid::bad("no box is open"))?;
        if open.is_read_only {
            return Err(ImapSaid::no("[READ-ONLY] the box is only looked at"));
        }
        let missing = || ImapSaid::bad("there is no letter of such a number");
        open.places(set, is_uid).ok_or_else(missing)
    }

    pub(super) async fn copy(
        &mut self,
        set: &SequenceSet,
        is_uid: bool,
        is_move: bool,
        mailbox: &str,
    ) -> Result<ImapSaid> {
        let Some(open) = &self.selected else { return Ok(ImapSaid::bad("no box is open")) };
        if is_move && open.is_read_only {
            return Ok(ImapSaid::no("[READ-ONLY] the box is only looked at"));
        }
        let Some(places) = open.places(set, is_uid) else {
            return Ok(ImapSaid::bad("there is no letter of such a number"));
        };
        let (from, uids) = (open.name.clone(), open.uids(&places));
        let to = match self.known_name(mailbox, "[TRYCREATE] there is no such box").await {
            Ok(to) => to,
            Err(said) => return Ok(said),
        };
        let (mut taken, mut given) = (Vec::new(), Vec::new());
        let mut failure = None;
        for uid in uids {
            match self.copy_one(&from, uid, &to).await? {
                Ok(Some(copy)) => {
                    taken.push(uid);
                    given.push(copy);
                }
                Ok(None) => failure = Some(ImapSaid::no("[EXPUNGEISSUED] some of them are gone")),
                Err(fault) => failure = Some(ImapSaid::of(&fault)),
            }
            if failure.is_some() {
                break;
            }
        }
        if let Some(said) = failure {
            // All are copied, or none (RFC 3501 section 6.4.7).
            let _ = self.office.store.expunge(&to, &given).await;
            return Ok(said);
        }
        if taken.is_empty() {
            return Ok(ImapSaid::ok("there is nothing"));
        }
        let validity = self.office.store.view(&to).validity;
        let (old, new) = (SequenceSet::write(&taken), SequenceSet::write(&given));
        let code = format!("[COPYUID {validity} {old} {new}]");
        if !is_move {
            return Ok(ImapSaid::Ok(format!("{code} they are copied")));
        }
        self.tell(&format!("OK {code} they are moved"));
        Ok(match self.office.store.expunge(&from, &taken).await {
            Ok(_) => ImapSaid::ok("they are there now"),
            Err(fault) => ImapSaid::of(&fault),
        })
    }

    /// INBOX stays, and what is in it goes to a new box (RFC 3501 section 6.3.5).
    pub(super) async fn empty_inbox(&mut self, to: &str) -> Result<ImapSaid> {
        let to = to.strip_suffix('/').unwrap_or(to);
        let made = self.create(to).await;
        let names = made.and_then(|_| Ok((self.stored_name("INBOX")?, self.stored_name(to)?)));
        let (from, to) = match names {
            Ok(names) => names,
            Err(said) => return Ok(said),
        };
        for letter in self.office.store.view(&from).letters {
            match self.copy_one(&from, letter.uid, &to).await? {
                Ok(_) => {}
                Err(fault) => return Ok(ImapSaid::of(&fault)),
            }
            // Each goes once its copy is kept, so that none is lost in between.
            if let Err(fault) = self.office.store.expunge(&from, &[letter.uid]).await {
                return Ok(ImapSaid::of(&fault));
            }
        }
        Ok(ImapSaid::ok("they are there now"))
    }

    /// Copies a letter; its UID there. None: it is gone.
    async fn copy_one(
        &mut self,
        from: &str,
        uid: u32,
        to: &str,
    ) -> Result<std::result::Result<Option<u32>, StoreFault>> {
        let store = &self.office.store;
        let view = store.view(from);
        let Some(letter) = view.find(uid) else { return Ok(Ok(None)) };
        let mut pieces = match LetterPieces::open(self.session, store, from, uid).await? {
            Ok(Some(pieces)) => pieces,
            Ok(None) => return Ok(Ok(None)),
            Err(error) => return Ok(Err(StoreFault::Disk(error))),
        };
        let mut draft = store.draft();
        draft.received_at(letter.received);
        loop {
            let piece = pieces.next(self.session).await?;
            if piece.is_empty() {
                break;
            }
            draft.push(&piece);
            self.session.note_held(self.out.capacity() + draft.held());
            if draft.is_full()
                && let Err(fault) = draft.flush().await
            {
                return Ok(Err(fault));
            }
        }
        let kept = match store.keep(draft, &[to], b"").await {
            Ok(kept) => kept,
            Err(fault) => return Ok(Err(fault)),
        };
        let Some(copy) = kept.boxes.first().map(|kept| kept.uid) else { return Ok(Ok(None)) };
        if letter.flags == LetterFlags::default() {
            return Ok(Ok(Some(copy)));
        }
        let marked = store.mark(to, &[copy], FlagChange::Set(letter.flags)).await;
        Ok(marked.map(|()| Some(copy)))
    }
}
