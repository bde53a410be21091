//! FETCH (RFC 3501 section 6.4.5): what is asked for of each letter, read from its file as it is sent.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::dates;
use super::flags;
use super::seats::ImapSeat;
use super::session::{ImapSaid, ImapSession};
use crate::codec::imap::{FetchItem, SectionText, SequenceSet, write_envelope, write_structure};
use crate::codec::mime::{Envelope, MimePart, MimeReader, PartPlace, fields};
use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::event::MailDeed;
use crate::store::{FlagChange, LetterFlags, MailStore};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1_024;
/// Bytes that are read at once where only a head is looked for.
const HEAD_PIECE: usize = 8 * 1_024;
/// Letters that are opened ahead of what is sent, and the bytes that they may have together where they are several.
const AHEAD: usize = 32;
const AHEAD_BYTES: u64 = 256 * 1_024;

/// What has to be known of a letter's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LetterDepth {
    /// Nothing.
    Outside,
    /// Where they are.
    Bytes,
    /// Its head.
    Head,
    /// All its parts.
    Parts,
}

/// A letter that is open, and its parts as far as they are known.
pub(super) struct OpenLetter {
    file: Arc<File>,
    size: u64,
    pub(super) parts: MimePart,
}

impl OpenLetter {
    /// Opens a letter; none where it is gone. This blocks.
    pub(super) fn open(
        store: &MailStore,
        name: &str,
        uid: u32,
        depth: LetterDepth,
    ) -> std::io::Result<Option<Self>> {
        let Some(file) = store.read(name, uid)? else { return Ok(None) };
        let size = file.metadata()?.len();
        let mut reader = MimeReader::default();
        let mut is_enough = depth <= LetterDepth::Bytes;
        let whole = if depth == LetterDepth::Head { HEAD_PIECE } else { PIECE };
        let (mut piece, mut before, mut at) = (Vec::new(), vec![b'\n'], 0);
        while !is_enough {
            piece.resize(usize::try_from(size - at).unwrap_or(whole).min(whole), 0);
            file.read_exact_at(&mut piece, at)?;
            at += piece.len() as u64;
            reader.push(&piece);
            before.extend_from_slice(&piece[..piece.len().min(3)]);
            let is_end = |pair: &[u8]| pair == b"\n\n" || pair == b"\n\r";
            // `\n\r` begins an empty line, as a CR within a line of a head is nothing that a letter has.
            let ends = before.windows(2).any(is_end) || piece.windows(2).any(is_end);
            is_enough = at == size || depth == LetterDepth::Head && ends;
            before = piece[piece.len().saturating_sub(1)..].to_vec();
        }
        Ok(Some(OpenLetter { file: Arc::new(file), size, parts: reader.finish() }))
    }

    /// A stretch of it. This blocks.
    pub(super) fn bytes(&self, range: Range<u64>) -> std::io::Result<Vec<u8>> {
        let length = range.end.saturating_sub(range.start);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, range.start).map(|()| bytes)
    }

    /// Where something of it lies.
    fn place(&self, path: &[u32], what: PartPlace) -> Option<Range<u64>> {
        match (path, what) {
            ([], PartPlace::All) => Some(0..self.size),
            ([], PartPlace::Text) => Some(self.parts.head.end.min(self.size)..self.size),
            _ => self.parts.place(path, what),
        }
    }
}

/// A letter is there, and cannot be read now. That it is gone would have a client forget it.
pub(super) fn unreadable(error: &std::io::Error) -> ImapSaid {
    ImapSaid::no(&format!("[UNAVAILABLE] a letter cannot be read now: {error}"))
}

/// How much of a letter these items ask for.
fn depth(items: &[FetchItem]) -> LetterDepth {
    let of_item = |item: &FetchItem| match item {
        FetchItem::Structure { .. } => LetterDepth::Parts,
        FetchItem::Section { path, .. } if !path.is_empty() => LetterDepth::Parts,
        FetchItem::Section { text: SectionText::Place(PartPlace::All), .. } => LetterDepth::Bytes,
        FetchItem::Envelope | FetchItem::Section { .. } => LetterDepth::Head,
        _ => LetterDepth::Outside,
    };
    items.iter().map(of_item).max().unwrap_or(LetterDepth::Outside)
}

/// Whether an item is the whole letter, or its text.
fn is_text(item: &FetchItem) -> bool {
    matches!(
        item,
        FetchItem::Section {
            text: SectionText::Place(PartPlace::All | PartPlace::Text),
            path,
            partial: None,
            ..
        } if path.is_empty()
    )
}

impl ImapSession<'_> {
    pub(super) async fn fetch(
        &mut self,
        conn: &mut Conn,
        set: &SequenceSet,
        is_uid: bool,
        mut items: Vec<FetchItem>,
    ) -> Result<ImapSaid> {
        let Some(open) = &self.selected else { return Ok(ImapSaid::bad("no box is open")) };
        let Some(places) = open.places(set, is_uid) else {
            return Ok(ImapSaid::bad("there is no letter of such a number"));
        };
        if is_uid && !items.contains(&FetchItem::Uid) {
            items.insert(0, FetchItem::Uid);
        }
        let shows = |item: &FetchItem| matches!(item, FetchItem::Section { is_peek: false, .. });
        let seen = if items.iter().any(shows) { self.see(&places).await } else { Vec::new() };
        let depth = depth(&items);
        let is_whole = items.iter().any(is_text);
        let (mut has_missed, mut ahead) = (false, VecDeque::new());
        for (at, place) in places.iter().copied().enumerate() {
            if ahead.is_empty() && depth != LetterDepth::Outside {
                ahead = match self.open_ahead(&places[at..], depth).await? {
                    Ok(ahead) => ahead,
                    Err(error) => return Ok(unreadable(&error)),
                };
            }
            let letter = ahead.pop_front().flatten();
            if letter.is_none() && depth != LetterDepth::Outside {
                has_missed = true;
                continue;
            }
            let Some(open) = &self.selected else { break };
            let seat = open.seats[place].clone();
            let is_seen_now = seen.binary_search(&seat.letter.uid).is_ok();
            let mut items = items.clone();
            if is_seen_now && !items.contains(&FetchItem::Flags) {
                items.push(FetchItem::Flags);
            }
            self.out.extend_from_slice(format!("* {} FETCH (", place + 1).as_bytes());
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    self.out.push(b' ');
                }
                self.write_item(conn, item, &seat, letter.as_ref()).await?;
            }
            self.out.extend_from_slice(b")\r\n");
            self.flush_much(conn).await?;
            if is_whole && let Some(open) = &self.selected {
                let fetched = std::iter::once(&*seat.letter);
                self.did(MailDeed::Fetched, &open.name, fetched);
            }
        }
        Ok(if has_missed {
            // RFC 2180 section 4 lets a server choose; clients take NO for a failure of the rest, which was done.
            ImapSaid::ok("[EXPUNGEISSUED] some of them are gone")
        } else {
            ImapSaid::ok("that is all")
        })
    }

    /// Opens the next letters, the first of these places and as many behind it as are not much together: a thread is asked
    /// once for all of them. None for one that is gone.
    async fn open_ahead(
        &self,
        places: &[usize],
        depth: LetterDepth,
    ) -> Result<std::io::Result<VecDeque<Option<OpenLetter>>>> {
        let Some(open) = &self.selected else { return Ok(Ok(VecDeque::new())) };
        let (mut bytes, mut uids) = (0, Vec::new());
        for place in places.iter().take(AHEAD) {
            let letter = &open.seats[*place].letter;
            bytes += letter.size;
            if bytes > AHEAD_BYTES && !uids.is_empty() {
                break;
            }
            uids.push(letter.uid);
        }
        let (store, name) = (self.office.store.clone(), open.name.clone());
        let read = move || {
            uids.into_iter().map(|uid| OpenLetter::open(&store, &name, uid, depth)).collect()
        };
        self.session.work(read).await
    }

    /// Marks letters as seen, where this may be done; those that were not.
    async fn see(&mut self, places: &[usize]) -> Vec<u32> {
        let Some(open) = &mut self.selected else { return Vec::new() };
        let unseen = |place: &&usize| !open.seats[**place].letter.flags.has(LetterFlags::SEEN);
        let unseen: Vec<usize> = places.iter().filter(unseen).copied().collect();
        if open.is_read_only || unseen.is_empty() {
            return Vec::new();
        }
        let uids = open.uids(&unseen);
        let change = FlagChange::Add(LetterFlags::SEEN);
        // One that cannot be marked is read all the same.
        let is_done = self.office.store.mark(&open.name, &uids, change).await.is_ok();
        open.refresh(&self.office.store.view(&open.name), &unseen);
        if is_done { uids } else { Vec::new() }
    }

    async fn write_item(
        &mut self,
        conn: &mut Conn,
        item: &FetchItem,
        seat: &ImapSeat,
        letter: Option<&OpenLetter>,
    ) -> Result<()> {
        let text = match item {
            FetchItem::Uid => format!("UID {}", seat.letter.uid),
            FetchItem::Flags => {
                let keywords = self.office.keywords.names();
                let words = flags::words(seat.letter.flags, seat.is_recent, &keywords);
                format!("FLAGS {words}")
            }
            FetchItem::InternalDate => {
                format!("INTERNALDATE \"{}\"", dates::internal(seat.letter.received))
            }
            FetchItem::Size => format!("RFC822.SIZE {}", seat.letter.size),
            FetchItem::Envelope => "ENVELOPE ".to_owned(),
            FetchItem::Structure { is_extended: true } => "BODYSTRUCTURE ".to_owned(),
            FetchItem::Structure { is_extended: false } => "BODY ".to_owned(),
            FetchItem::Section { name, partial, .. } => match partial {
                Some((from, _)) => format!("{name}<{from}> "),
                None => format!("{name} "),
            },
        };
        self.out.extend_from_slice(text.as_bytes());
        let Some(letter) = letter else { return Ok(()) };
        match item {
            FetchItem::Envelope => write_envelope(&Envelope::of(&letter.parts.text), &mut self.out),
            FetchItem::Structure { is_extended } => {
                write_structure(&letter.parts, *is_extended, &mut self.out);
            }
            FetchItem::Section { path, text: SectionText::Place(place), partial, .. } => {
                match letter.place(path, *place) {
                    None => self.out.extend_from_slice(b"NIL"),
                    Some(range) => {
                        let range = cut(range, *partial);
                        self.write_range(conn, letter.file.clone(), range).await?;
                    }
                }
            }
            FetchItem::Section {
                path,
                text: SectionText::Fields(names, is_these),
                partial,
                ..
            } => match letter.parts.letter(path) {
                None => self.out.extend_from_slice(b"NIL"),
                Some(part) => {
                    let chosen = chosen(&part.text, names, *is_these);
                    let range = cut(0..chosen.len() as u64, *partial);
                    let within = |at: u64| usize::try_from(at).unwrap_or(chosen.len());
                    let chosen = &chosen[within(range.start)..within(range.end)];
                    self.out.extend_from_slice(format!("{{{}}}\r\n", chosen.len()).as_bytes());
                    self.out.extend_from_slice(chosen);
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// Sends a stretch of a file as a literal, a piece at a time.
    async fn write_range(
        &mut self,
        conn: &mut Conn,
        file: Arc<File>,
        mut range: Range<u64>,
    ) -> Result<()> {
        let length = range.end - range.start;
        self.out.extend_from_slice(format!("{{{length}}}\r\n").as_bytes());
        while !range.is_empty() {
            let size = usize::try_from(range.end - range.start).unwrap_or(PIECE).min(PIECE);
            let (from, at) = (file.clone(), range.start);
            let read = move || {
                let mut piece = vec![0; size];
                from.read_exact_at(&mut piece, at).map(|()| piece)
            };
            // What was promised cannot be taken back, so that the conn ends where the file has become shorter.
            let piece = self.session.work(read).await?;
            let piece = piece.map_err(|error| Error::from_io("read(letter)", &error))?;
            range.start += size as u64;
            self.out.extend_from_slice(&piece);
            self.flush_much(conn).await?;
        }
        Ok(())
    }
}

/// The stretch that is left of one, by a range such as `<0.100>`.
fn cut(range: Range<u64>, partial: Option<(u32, u32)>) -> Range<u64> {
    let Some((from, most)) = partial else { return range };
    let start = range.end.min(range.start + u64::from(from));
    start..range.end.min(start + u64::from(most))
}

/// The fields of these names, or all others, and the empty line behind them.
fn chosen(head: &[u8], names: &[String], is_these: bool) -> Vec<u8> {
    let is_named =
        |name: &[u8]| names.iter().any(|named| named.as_bytes().eq_ignore_ascii_case(name));
    let mut chosen = Vec::new();
    for field in fields(head).filter(|field| is_named(field.name) == is_these) {
        chosen.extend_from_slice(&head[field.at.0..field.at.1]);
    }
    chosen.extend_from_slice(b"\r\n");
    chosen
}
