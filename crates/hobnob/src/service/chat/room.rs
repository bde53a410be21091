//! The members of the room, and the text that waits for each of them.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::session::Session;
use crate::spec::Shape;

/// Bytes that may wait for one member: of text, and of what holding each line costs.
pub(super) const BACKLOG: usize = 1 << 20;

/// Bytes that wait for a member from which on those who talk are slowed down.
const BEHIND: usize = BACKLOG / 2;

/// Bytes of earlier text that a new member is shown: a quarter of what may wait for a member.
const PAST: usize = BACKLOG / 4;

/// Bytes of a mailbox after which its session's account has them. A member that does not run may be given that much
/// unseen, and no more.
const UNNOTED: usize = 16_384;

/// Bytes that are taken out of a mailbox for one send.
const BATCH: usize = 65_536;

/// The members and the last messages. One lock gives everything its order, the same for every member; it is held for
/// a push into each mailbox, and never while anybody waits.
pub(super) struct Room {
    /// Messages that are kept for new members.
    history: usize,
    /// Each member is asked for a name; else it is numbered.
    pub(super) has_names: bool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The members, by the numbers of their sessions.
    seats: BTreeMap<u64, Seat>,
    /// Names that are taken, in lower case.
    taken: HashSet<String>,
    past: VecDeque<Arc<str>>,
    past_bytes: usize,
}

struct Seat {
    name: Arc<str>,
    mailbox: Arc<Inbox>,
    /// Whether the others were told that this member joined.
    is_told: bool,
}

/// The error of a name that another member has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken;

impl Room {
    pub(super) fn new(history: usize, has_names: bool) -> Self {
        Room { history, has_names, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a member in: it is welcomed and shown what was said, and hears all that is said from now on. `is_told`:
    /// and the others are told at once; else with its first message.
    pub(super) fn enter(
        &self,
        id: u64,
        name: &str,
        mailbox: &Arc<Inbox>,
        is_told: bool,
    ) -> Result<(), Taken> {
        let mut inner = self.inner();
        inner.enter(id, name, mailbox, is_told, "")?;
        if is_told {
            inner.tell(id, &Arc::from(format!("* {name} joined")));
        }
        Ok(())
    }

    /// Gives a member's message to everybody else. True: somebody has much to read already.
    pub(super) fn say(&self, id: u64, text: &str) -> bool {
        let mut inner = self.inner();
        let Some(seat) = inner.seats.get_mut(&id) else { return false };
        let (name, was_told) = (seat.name.clone(), std::mem::replace(&mut seat.is_told, true));
        if !was_told {
            inner.tell(id, &Arc::from(format!("* {name} joined")));
        }
        let line = Arc::from(format!("{name}: {text}"));
        let is_behind = inner.tell(id, &line);
        inner.remember(line, self.history);
        is_behind
    }

    /// Gives a member another name, and tells the others.
    pub(super) fn rename(&self, id: u64, name: &str) -> Result<(), Taken> {
        let mut inner = self.inner();
        if let Some((old, true)) = inner.rename(id, name)? {
            inner.tell(id, &Arc::from(format!("* {old} is {name} now")));
        }
        Ok(())
    }

    /// The members' names, in the order in which they came, until they have so many bytes together; and how many
    /// members there are.
    pub(super) fn who(&self, bytes: usize) -> (Vec<Arc<str>>, usize) {
        let inner = self.inner();
        let mut left = bytes;
        let names = inner.seats.values().map(|seat| seat.name.clone());
        let names = names.take_while(|name| {
            let fits = name.len() <= left;
            left = left.saturating_sub(name.len());
            fits
        });
        (names.collect(), inner.seats.len())
    }

    /// Who is here, as `/who` says it: names until they have so many bytes together.
    pub(super) fn here(&self, bytes: usize) -> String {
        let (names, count) = self.who(bytes);
        let more = match count - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = if count == 0 { "nobody".to_owned() } else { names.join(", ") };
        format!("* here: {names}{more}")
    }

    /// A member is gone. `is_quiet`: and the others need not know, because they go too.
    pub(super) fn leave(&self, id: u64, is_quiet: bool) {
        let mut inner = self.inner();
        let Some(seat) = inner.leave(id) else { return };
        if seat.is_told && !is_quiet {
            inner.tell(id, &Arc::from(format!("* {} left", seat.name)));
        }
    }
}

/// What a room does where somebody else gives it its order: each step by itself, and nobody is told of it.
#[cfg(feature = "nats")]
impl Room {
    /// Lets a member in, as [`Room::enter`]. `elsewhere`: what its welcome says of others, elsewhere.
    pub(super) fn enter_quietly(
        &self,
        id: u64,
        name: &str,
        mailbox: &Arc<Inbox>,
        is_told: bool,
        elsewhere: &str,
    ) -> Result<(), Taken> {
        self.inner().enter(id, name, mailbox, is_told, elsewhere)
    }

    /// A member that says something: its name, and whether the others know that it joined. From now on they do.
    pub(super) fn speaker(&self, id: u64) -> Option<(Arc<str>, bool)> {
        let mut inner = self.inner();
        let seat = inner.seats.get_mut(&id)?;
        Some((seat.name.clone(), std::mem::replace(&mut seat.is_told, true)))
    }

    /// Gives a member another name: the one that it had, and whether the others know that it joined.
    pub(super) fn rename_quietly(
        &self,
        id: u64,
        name: &str,
    ) -> Result<Option<(Arc<str>, bool)>, Taken> {
        self.inner().rename(id, name)
    }

    /// A member is gone: its name, and whether the others know that it had joined.
    pub(super) fn leave_quietly(&self, id: u64) -> Option<(Arc<str>, bool)> {
        let seat = self.inner().leave(id)?;
        Some((seat.name, seat.is_told))
    }

    /// What waits for a member.
    pub(super) fn mailbox(&self, id: u64) -> Option<Arc<Inbox>> {
        self.inner().seats.get(&id).map(|seat| seat.mailbox.clone())
    }

    /// Shows a line to one member.
    pub(super) fn answer(&self, id: u64, line: &str) {
        if let Some(mailbox) = self.mailbox(id) {
            mailbox.push(&Arc::from(line));
        }
    }

    /// Shows a line of the room's own to every member but one.
    pub(super) fn tell(&self, but: Option<u64>, line: &str) {
        self.inner().tell(but.unwrap_or(u64::MAX), &Arc::from(line));
    }

    /// Shows a line to every member but one, and keeps it where it is a message. True: somebody has much to read already.
    pub(super) fn hear(&self, but: Option<u64>, line: &str, is_kept: bool) -> bool {
        let mut inner = self.inner();
        let line = Arc::from(line);
        let is_behind = inner.tell(but.unwrap_or(u64::MAX), &line);
        if is_kept {
            inner.remember(line, self.history);
        }
        is_behind
    }

    /// Keeps a message that was said before anybody here could hear it.
    pub(super) fn keep(&self, line: &str) {
        self.inner().remember(Arc::from(line), self.history);
    }
}

impl Inner {
    /// Lets a member in, and tells only itself.
    fn enter(
        &mut self,
        id: u64,
        name: &str,
        mailbox: &Arc<Inbox>,
        is_told: bool,
        elsewhere: &str,
    ) -> Result<(), Taken> {
        if !self.taken.insert(name.to_lowercase()) {
            return Err(Taken);
        }
        let others = match self.seats.len() {
            0 => "nobody else is here".to_owned(),
            1 => "one other is here".to_owned(),
            count => format!("{count} others are here"),
        };
        mailbox
            .push(&Arc::from(format!("* welcome, {name}: {others}{elsewhere}; /help says more")));
        for line in &self.past {
            mailbox.push(line);
        }
        let seat = Seat { name: Arc::from(name), mailbox: mailbox.clone(), is_told };
        self.seats.insert(id, seat);
        Ok(())
    }

    /// Gives a member another name: the one that it had, and whether the others know that it joined.
    fn rename(&mut self, id: u64, name: &str) -> Result<Option<(Arc<str>, bool)>, Taken> {
        let Some(seat) = self.seats.get(&id) else { return Ok(None) };
        let (old, is_told) = (seat.name.clone(), seat.is_told);
        let is_other = old.to_lowercase() != name.to_lowercase();
        if is_other && !self.taken.insert(name.to_lowercase()) {
            return Err(Taken);
        }
        if is_other {
            self.taken.remove(&old.to_lowercase());
        }
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.name = Arc::from(name);
        }
        Ok(Some((old, is_told)))
    }

    /// Takes a member's seat away, and its name is free again.
    fn leave(&mut self, id: u64) -> Option<Seat> {
        let seat = self.seats.remove(&id)?;
        self.taken.remove(&seat.name.to_lowercase());
        Some(seat)
    }

    /// Puts a line into every mailbox but one. True: somebody has much to read already.
    fn tell(&self, but: u64, line: &Arc<str>) -> bool {
        let others = self.seats.iter().filter(|(id, _)| **id != but);
        others.fold(false, |is_behind, (_, seat)| seat.mailbox.push(line) > BEHIND || is_behind)
    }

    fn remember(&mut self, line: Arc<str>, count: usize) {
        self.past_bytes += line.len();
        self.past.push_back(line);
        while self.past.len() > count || self.past_bytes > PAST {
            let Some(old) = self.past.pop_front() else { return };
            self.past_bytes -= old.len();
        }
    }
}

/// What waits for one member. Whoever pushes never waits: past its limit the mailbox is over, and so is its member.
pub(super) struct Inbox {
    /// Whose it is: what waits counts as its own.
    session: Arc<Session>,
    mail: Mutex<UnsentLines>,
}

#[derive(Default)]
struct UnsentLines {
    lines: VecDeque<Arc<str>>,
    /// What `lines` cost, and what was taken and is not sent yet.
    bytes: usize,
    taken: usize,
    /// What the session's account has of `bytes`.
    noted: usize,
    is_over: bool,
    reader: Option<Waker>,
}

impl Inbox {
    pub(super) fn of(session: Arc<Session>) -> Arc<Self> {
        Arc::new(Inbox { session, mail: Mutex::default() })
    }

    fn mail(&self) -> MutexGuard<'_, UnsentLines> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, without its newline, and wakes the member; says how many bytes wait for it.
    pub(super) fn push(&self, line: &Arc<str>) -> usize {
        let mut mail = self.mail();
        if mail.is_over {
            return 0;
        }
        if mail.bytes >= UNNOTED && self.session.cut_by().is_some() {
            // Its task has yet to run, and others need the room now.
            mail.lines = VecDeque::new();
            return 0;
        }
        let weight = weight(line);
        if mail.bytes + weight > BACKLOG {
            mail.is_over = true;
            mail.lines = VecDeque::new();
        } else {
            mail.bytes += weight;
            mail.lines.push_back(line.clone());
        }
        let (reader, waiting) = (mail.reader.take(), mail.bytes);
        let is_unnoted = waiting >= mail.noted + UNNOTED;
        if is_unnoted {
            mail.noted = waiting;
        }
        drop(mail);
        if is_unnoted {
            self.session.note_held(waiting);
        }
        reader.into_iter().for_each(Waker::wake);
        waiting
    }

    /// Wakes the member, for something else than text.
    #[cfg(feature = "nats")]
    pub(super) fn wake(&self) {
        let reader = self.mail().reader.take();
        reader.into_iter().for_each(Waker::wake);
    }

    /// Whether more text came than may wait.
    pub(super) fn is_over(&self) -> bool {
        self.mail().is_over
    }

    /// Has the session's account know how many bytes wait, and so many beside them.
    pub(super) fn note(&self, beside: usize) {
        let waiting = {
            let mut mail = self.mail();
            mail.noted = mail.bytes;
            mail.bytes
        };
        self.session.note_held(waiting + beside);
    }

    /// Has the next push wake this task. False: the mailbox is over, and no push will come.
    pub(super) fn wait(&self, cx: &Context<'_>) -> bool {
        let mut mail = self.mail();
        mail.wait(cx);
        !mail.is_over
    }

    /// Takes what can go in one send: lines with their newlines, or on packets one without. What was taken before is
    /// sent. Pending: nothing waits. Ready with nothing: it is over.
    pub(super) fn poll_take(&self, cx: &Context<'_>, shape: Shape, out: &mut Vec<u8>) -> Poll<()> {
        let mut mail = self.mail();
        mail.bytes -= std::mem::take(&mut mail.taken);
        if mail.is_over {
            return Poll::Ready(());
        }
        if mail.lines.is_empty() {
            mail.lines = VecDeque::new(); // an idle member holds no room for a burst
            mail.wait(cx);
            return Poll::Pending;
        }
        while let Some(line) = mail.lines.pop_front() {
            out.extend_from_slice(line.as_bytes());
            mail.taken += weight(&line);
            if shape == Shape::Packets {
                break;
            }
            out.push(b'\n');
            if mail.lines.front().is_some_and(|next| out.len() + next.len() > BATCH) {
                break;
            }
        }
        Poll::Ready(())
    }
}

/// What a line costs while it waits, its newline included: a thousand short ones are not a thousand bytes.
fn weight(line: &Arc<str>) -> usize {
    line.len() + 1 + size_of::<Arc<str>>()
}

impl UnsentLines {
    fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            None => self.reader = Some(cx.waker().clone()),
        }
    }
}
