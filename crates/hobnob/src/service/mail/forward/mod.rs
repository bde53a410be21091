//! Letters that are passed on to the next server: each was kept first, and is tried until the next server has it, or says
//! that it never will.

mod bounce;
pub(super) mod letter;
pub(super) mod queue;
mod talk;

use std::collections::HashMap;
use std::time::Duration;

use self::bounce::MailBounce;
use self::letter::{FORWARD, PATIENCE, PassedLetter, Passing};
use self::talk::ForwardTalk;
use super::office::MailOffice;
use super::step::MailStep;
use crate::clock::Clock;
use crate::codec::mime::shown_subject;
use crate::codec::smtp::Mailbox;
use crate::error::{Error, Kind, Result};
use crate::event::{Fact, MailDeed, Mailed};
use crate::session::Keeper;
use crate::spec::show_duration;
use crate::store::{ALL, MailStore};

/// How long a letter waits before each try but the first; the last of them counts for all that follow.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(5),
];
/// How long one conversation may take.
const TALK: Duration = Duration::from_mins(5);
/// How long letters that were never tried may take once the server comes to its end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Passes letters on, until the server comes to its end.
pub(super) async fn keep(office: &MailOffice, keeper: &Keeper) -> Result<()> {
    let Some(mut queue) = office.queue.take() else { return Ok(()) };
    let clock = keeper.clock();
    let mut forwarder = Forwarder { office, keeper, waiting: Vec::new(), is_clear: false };
    forwarder.take_up().await?;
    loop {
        let next = forwarder.waiting.iter().map(|letter| letter.due).min();
        let pause = next.map_or(PATIENCE, |due| due.saturating_sub(clock.now()));
        tokio::select! {
            letter = queue.recv() => forwarder.waiting.extend(letter),
            () = tokio::time::sleep(pause) => {}
            () = keeper.asked_to_end() => break,
        }
        while let Ok(letter) = queue.try_recv() {
            forwarder.waiting.push(letter);
        }
        tokio::select! {
            () = forwarder.pass_what_is_due() => {}
            () = keeper.asked_to_end() => break,
        }
    }
    while let Ok(letter) = queue.try_recv() {
        forwarder.waiting.push(letter);
    }
    // What is not passed on now is kept, and told.
    tokio::select! {
        () = forwarder.pass_what_is_due() => {}
        () = keeper.patience(FAREWELL) => {}
    }
    forwarder.part()
}

/// What passes letters on.
struct Forwarder<'k> {
    office: &'k MailOffice,
    keeper: &'k Keeper,
    waiting: Vec<PassedLetter>,
    /// Whether the next server's TLS has failed, so that the next try is in clear text.
    is_clear: bool,
}

impl Forwarder<'_> {
    /// Takes up what was left when the server was last there.
    async fn take_up(&mut self) -> Result<()> {
        if !self.office.store.is_lasting() {
            return Ok(());
        }
        let (store, clock) = (self.office.store.clone(), self.keeper.clock());
        let (left, unread) = match self.keeper.work(move || left_over(&store, clock)).await? {
            Ok(found) => found,
            Err(error) => {
                let text = format!("letters that wait to be passed on cannot be read: {error}");
                self.keeper.emit(Fact::Warning(text));
                return Ok(());
            }
        };
        if unread > 0 {
            let text = format!("letters that nobody knows how to pass on: {unread}");
            self.keeper.emit(Fact::Warning(text));
            self.keeper.bus().drop_by(FORWARD, unread);
        }
        self.waiting.extend(left);
        Ok(())
    }

    /// Tries all letters whose time has come, over one conn.
    async fn pass_what_is_due(&mut self) {
        let now = self.keeper.clock().now();
        if !self.waiting.iter().any(|letter| letter.due <= now) {
            return;
        }
        let talk =
            tokio::time::timeout(TALK, ForwardTalk::open(self.keeper, self.office, self.is_clear));
        let mut talk = match talk.await {
            Ok(Ok(talk)) => Ok(talk),
            Ok(Err(failure)) => {
                self.is_clear = failure.is_of_tls && !self.is_clear;
                Err(failure.text)
            }
            Err(_) => Err("it took too long".to_owned()),
        };
        while let Some(at) = self.waiting.iter().position(|letter| letter.due <= now) {
            // It stays in the queue while it is tried: whoever gives this up loses none.
            let letter = &self.waiting[at];
            let passing = match &mut talk {
                Ok(talk) => match tokio::time::timeout(TALK, talk.pass(letter)).await {
                    Ok(Ok(passing)) => passing,
                    Ok(Err(text)) => {
                        let passing = Passing::put_off(letter, &text);
                        talk.end();
                        passing
                    }
                    Err(_) => Passing::put_off(letter, "it took too long"),
                },
                Err(text) => Passing::put_off(letter, text),
            };
            if let Ok(open) = &talk
                && open.is_over()
            {
                talk = Err("it has closed the connection".to_owned());
            }
            self.settle(at, passing).await;
        }
        if let Ok(mut talk) = talk {
            // The letters are there; how it ends is nobody's business.
            let _ = tokio::time::timeout(FAREWELL, talk.quit()).await;
        }
    }

    /// What becomes of a letter that was tried. It stays in the queue until that is settled.
    async fn settle(&mut self, at: usize, passing: Passing) {
        let mut letter = self.waiting[at].clone();
        let is_less = passing.later.len() < letter.to.len();
        if !passing.taken.is_empty() {
            self.tell(MailDeed::Forwarded, letter.serial, passing.taken, passing.answer);
        } else if passing.is_gone {
            self.lose(&letter);
        }
        let now = self.keeper.clock().now();
        let mut never = passing.never;
        letter.to = passing.later;
        let left =
            letter.to.iter().cloned().chain(never.iter().map(|(to, own, _)| (to.clone(), *own)));
        self.waiting[at].to = left.collect();
        let pause = PAUSES[letter.tries.min(PAUSES.len() - 1)];
        if !letter.to.is_empty() && now.saturating_add(pause) > letter.until {
            let text = format!("tried for {}: {}", show_duration(PATIENCE), passing.why);
            never.extend(letter.to.drain(..).map(|(to, wants)| (to, wants, text.clone())));
        }
        if !never.is_empty() {
            self.bounce(&letter, &never).await;
        }
        let store = &self.office.store;
        if letter.to.is_empty() {
            if store.is_lasting() {
                store.set_errand(letter.serial, None);
            }
            self.waiting.remove(at);
            return;
        }
        if is_less && store.is_lasting() {
            let errand = letter.errand(now, self.keeper.clock().wall());
            store.set_errand(letter.serial, Some(errand));
        }
        letter.tries += 1;
        letter.due = now.saturating_add(pause);
        let to = letter.to.iter().map(|(to, _)| to.to_string()).collect();
        let detail = format!("{}; again in {}", passing.why, show_duration(pause));
        self.tell(MailDeed::Queued, letter.serial, to, detail);
        self.waiting[at] = letter;
    }

    /// Tells of a letter that somebody has deleted, or that made room for others, before it was passed on.
    fn lose(&self, letter: &PassedLetter) {
        let to = letter.to.iter().map(|(to, _)| to.to_string()).collect();
        let detail = "it was deleted before it was passed on".to_owned();
        self.tell(MailDeed::Dropped, letter.serial, to, detail);
        self.keeper.bus().drop_by(FORWARD, 1);
    }

    /// Puts a letter into the box of who has sent one, which says whom it did not reach. Nobody (`<>`) is told of nothing
    /// (RFC 5321 section 6.1).
    async fn bounce(&self, letter: &PassedLetter, never: &[(Mailbox, bool, String)]) {
        let to = never.iter().map(|(to, ..)| to.to_string()).collect();
        let why = never.first().map(|(_, _, why)| why.clone()).unwrap_or_default();
        let wanted: Vec<_> = never.iter().filter(|(_, wants, _)| *wants).collect();
        let detail = match &letter.from {
            Some(from) if !wanted.is_empty() => {
                let head = self.head(letter).await;
                let mut draft = self.office.store.draft();
                let subject = shown_subject(&head);
                let bounce = MailBounce {
                    host: &self.office.rules.host,
                    from,
                    subject: &subject,
                    head: &head,
                    serial: draft.serial(),
                    at: self.keeper.clock().wall(),
                };
                draft.push(bounce.text(&wanted).as_bytes());
                let boxes = self.office.rules.boxes(&[from.to_string()], Some(&from.to_string()));
                let boxes: Vec<_> = boxes.iter().map(String::as_str).collect();
                match self.office.store.keep(draft, &boxes, b"").await {
                    Ok(kept) => format!("{why}; its sender has letter {}", kept.serial),
                    Err(_) => format!("{why}; its sender could not be told"),
                }
            }
            _ => format!("{why}; nobody wants to know"),
        };
        self.tell(MailDeed::Bounced, letter.serial, to, detail);
    }

    /// The headers of a letter, as far as they can be read.
    async fn head(&self, letter: &PassedLetter) -> Vec<u8> {
        let (store, uid, skip) = (self.office.store.clone(), letter.uid, letter.skip);
        let read = move || talk::read(&store, uid, skip);
        let read = self.keeper.work(read).await.ok().and_then(std::io::Result::ok);
        let bytes = read.flatten().unwrap_or_default();
        let end = memchr::memmem::find(&bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 2);
        bytes[..end].to_vec()
    }

    fn tell(&self, did: MailDeed, letter: u64, to: Vec<String>, detail: String) {
        let (at, detail_of_it) = (self.keeper.clock().wall(), &detail);
        let step = MailStep { did, at, by: "", login: "", peer: "", to: &to, detail: detail_of_it };
        self.office.store.add_note(letter, step.json());
        if self.keeper.bus().is_watched() {
            let mailed = Mailed { did, letter, to, detail, ..Mailed::default() };
            self.keeper.emit(Fact::Mailed(Box::new(mailed)));
        }
    }

    /// Tells what was not passed on.
    fn part(self) -> Result<()> {
        let left = self.waiting.len();
        if left == 0 {
            return Ok(());
        }
        if self.office.store.is_lasting() {
            let text = format!("letters that are kept and were not passed on: {left}");
            let again = "they are tried again when their folder is served with --forward";
            self.keeper.emit(Fact::Warning(format!("{text}; {again}")));
            return Ok(());
        }
        self.keeper.bus().drop_by(FORWARD, left);
        let what = match left {
            1 => "one letter was not passed on, and is gone with this server".to_owned(),
            left => format!("{left} letters were not passed on, and are gone with this server"),
        };
        let error = Error::new(Kind::TimedOut, what);
        let error = error.why("the next server had not said yes when this one ended");
        Err(error.hint_option(
            "dir",
            "letters",
            "letters in a folder are tried again the next time",
        ))
    }
}

/// The letters that were to be passed on when the server was last there, and how many of them nobody can read. This
/// blocks.
fn left_over(store: &MailStore, clock: Clock) -> std::io::Result<(Vec<PassedLetter>, usize)> {
    let (mut left, mut unread) = (Vec::new(), 0);
    let view = store.view(ALL);
    let uids: HashMap<_, _> =
        view.letters.iter().filter_map(|letter| Some((letter.serial()?, letter.uid))).collect();
    for (serial, errand) in store.errands()? {
        let uid = uids.get(&serial).copied().unwrap_or(0);
        match PassedLetter::read(serial, uid, &errand, clock.now(), clock.wall()) {
            Some(letter) => left.push(letter),
            None => unread += 1,
        }
    }
    Ok((left, unread))
}

/// Tells that letters wait which nobody passes on.
pub(super) async fn tell_of_left_over(office: &MailOffice, keeper: &Keeper) -> Result<()> {
    let store = office.store.clone();
    let left = keeper.work(move || store.errands()).await?.map_or(0, |errands| errands.len());
    if left > 0 {
        let text = format!("letters wait to be passed on: {left}; --forward ADDR does that");
        keeper.emit(Fact::Warning(text));
    }
    Ok(())
}
