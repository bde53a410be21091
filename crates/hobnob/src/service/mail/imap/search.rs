//! SEARCH (RFC 3501 section 6.4.4, and RFC 4731), off the threads of the sessions.

use std::cell::{OnceCell, RefCell};
use std::fmt::Write as _;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::dates;
use super::fetch::{LetterDepth, OpenLetter, unreadable};
use super::flags;
use super::seats::{ImapBox, ImapSeat};
use super::session::{ImapSaid, ImapSession};
use crate::codec::imap::{SearchDate, SearchKey, SequenceSet};
use crate::codec::mime::{EnvelopeAddress, LetterView, MimePart, decode_words, fields, unfold};
use crate::error::Result;
use crate::store::MailStore;

/// Letters that are looked at in one go.
const STEP: usize = 64;
/// Bytes of a letter that are read at once.
const PIECE: usize = 64 * 1_024;
/// Bytes of a part that are decoded: what is behind them is searched as it stands.
const DECODED: u64 = 1 << 20;
/// The fields that hold addresses.
const ADDRESSES: [&str; 6] = ["from", "to", "cc", "bcc", "sender", "reply-to"];

/// A letter that is looked at, and its head, once somebody wants it.
struct SearchedLetter<'a> {
    store: &'a MailStore,
    name: &'a str,
    number: u32,
    seat: &'a ImapSeat,
    head: OnceCell<Vec<u8>>,
    /// Why one of the letters could not be read: what was not seen is not what is not there.
    trouble: &'a RefCell<Option<std::io::Error>>,
}

impl SearchedLetter<'_> {
    fn head(&self) -> &[u8] {
        self.head.get_or_init(|| {
            let uid = self.seat.letter.uid;
            // A letter that is gone holds no text.
            let letter = OpenLetter::open(self.store, self.name, uid, LetterDepth::Head);
            self.read(letter).map(|letter| letter.parts.text).unwrap_or_default()
        })
    }

    /// What was read; none where it is gone, or cannot be read, which is noted.
    fn read<T>(&self, read: std::io::Result<Option<T>>) -> Option<T> {
        read.unwrap_or_else(|error| {
            *self.trouble.borrow_mut() = Some(error);
            None
        })
    }

    fn field(&self, name: &str) -> Option<Vec<u8>> {
        let is_it = |found: &[u8]| found.eq_ignore_ascii_case(name.as_bytes());
        fields(self.head()).find(|field| is_it(field.name)).map(|field| unfold(field.value))
    }

    /// Whether a field, of this name where one is given, holds a text: as it stands, or as people see it.
    fn has_field(&self, name: Option<&str>, text: &SearchedText) -> bool {
        let is_it =
            |found: &[u8]| name.is_none_or(|name| found.eq_ignore_ascii_case(name.as_bytes()));
        let mut named = fields(self.head()).filter(|field| is_it(field.name));
        named.any(|field| {
            let value = unfold(field.value);
            let lists = |known: &&str| field.name.eq_ignore_ascii_case(known.as_bytes());
            text.stands_in(&value)
                || ADDRESSES.iter().any(lists) && text.is_seen(&addresses(&value))
                || memchr::memmem::find(&value, b"=?").is_some()
                    && text.is_seen(&decode_words(&value))
        })
    }

    /// Whether a text stands in the bytes behind the first `from`, or in what they mean.
    fn holds(&self, text: &SearchedText, from: usize) -> bool {
        let bytes = &text.bytes;
        if bytes.is_empty() {
            return true;
        }
        let uid = self.seat.letter.uid;
        let Some(mut file) = self.read(self.store.read(self.name, uid)) else { return false };
        let (mut window, mut skip) = (Vec::new(), from);
        loop {
            let kept = window.len().min(bytes.len() - 1);
            window.drain(..window.len() - kept);
            let read = (&mut file).take(PIECE as u64).read_to_end(&mut window);
            let Some(length) = self.read(read.map(Some)) else { return false };
            if length == 0 {
                return self.means(text);
            }
            let skipped = skip.min(window.len());
            window.drain(..skipped);
            skip -= skipped;
            if text.stands_in(&window) {
                return true;
            }
        }
    }

    /// Whether a text stands in a part whose bytes are not what people see.
    fn means(&self, text: &SearchedText) -> bool {
        let uid = self.seat.letter.uid;
        let letter = OpenLetter::open(self.store, self.name, uid, LetterDepth::Parts);
        let Some(letter) = self.read(letter) else { return false };
        letter.parts.all().into_iter().filter(|part| is_encoded_text(part)).any(|part| {
            let shown = letter.bytes(part.head.start..part.body.end.min(part.body.start + DECODED));
            let Some(shown) = self.read(shown.map(Some)) else { return false };
            let view = LetterView::read(shown);
            [view.text(), view.html()].iter().flatten().any(|seen| text.is_seen(seen))
        })
    }
}

/// Whether a part is text that is not in it byte for byte.
fn is_encoded_text(part: &MimePart) -> bool {
    let is = |text: Option<&[u8]>, words: &[&str]| {
        text.is_some_and(|text| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes())))
    };
    let kind = part.kind.as_ref();
    let is_text = kind.is_none_or(|kind| is(Some(&kind.kind), &["text"]));
    let charset = kind.and_then(|kind| kind.parameter("charset"));
    let is_plain = charset.is_none() || is(charset, &["utf-8", "us-ascii"]);
    is_text && (!is_plain || is(part.encoding.as_deref(), &["base64", "quoted-printable"]))
}

/// Addresses as they are searched for: without blanks, comments and quotes within, names decoded.
fn addresses(value: &[u8]) -> String {
    let mut all = String::new();
    let text = |part: &Option<Vec<u8>>| {
        String::from_utf8_lossy(part.as_deref().unwrap_or_default()).into_owned()
    };
    for address in EnvelopeAddress::list(value) {
        let name = decode_words(address.name.as_deref().unwrap_or_default());
        let (mailbox, host) = (text(&address.mailbox), text(&address.host));
        let _ = write!(all, "{name} <{mailbox}@{host}>, "); // a String takes all
    }
    all
}

/// A text that is searched for; letters are the same in any case.
struct SearchedText {
    bytes: Vec<u8>,
    /// In small letters; none where it is no text.
    small: Option<String>,
}

impl SearchedText {
    fn new(bytes: Vec<u8>) -> Self {
        let small = std::str::from_utf8(&bytes).ok().map(str::to_lowercase);
        SearchedText { bytes, small }
    }

    fn stands_in(&self, bytes: &[u8]) -> bool {
        contains(bytes, &self.bytes)
    }

    /// Whether it stands in a text that was decoded.
    fn is_seen(&self, shown: &str) -> bool {
        self.small.as_ref().is_some_and(|small| shown.to_lowercase().contains(small))
    }
}

type SearchTest = Box<dyn Fn(&SearchedLetter<'_>) -> bool + Send + Sync>;

/// Makes a test of a key, in which sets and flags are looked up already.
fn test(key: SearchKey, open: &ImapBox, keywords: &[String]) -> SearchTest {
    let count = u32::try_from(open.seats.len()).unwrap_or(u32::MAX);
    let day = |seat: &ImapSeat| dates::day(seat.letter.received);
    match key {
        SearchKey::All => Box::new(|_| true),
        SearchKey::And(keys) => {
            let tests: Vec<_> = keys.into_iter().map(|key| test(key, open, keywords)).collect();
            Box::new(move |letter| tests.iter().all(|test| test(letter)))
        }
        SearchKey::Or(keys) => {
            let (first, second) = (test(keys.0, open, keywords), test(keys.1, open, keywords));
            Box::new(move |letter| first(letter) || second(letter))
        }
        SearchKey::Not(key) => {
            let inner = test(*key, open, keywords);
            Box::new(move |letter| !inner(letter))
        }
        SearchKey::Numbers(set) => {
            let ranges = set.ranges(count);
            Box::new(move |letter| is_in(&ranges, letter.number))
        }
        SearchKey::Uids(set) => {
            let ranges = set.ranges(open.largest_uid());
            Box::new(move |letter| is_in(&ranges, letter.seat.letter.uid))
        }
        SearchKey::Flag(name, is_set) if name.eq_ignore_ascii_case("\\recent") => {
            Box::new(move |letter| letter.seat.is_recent == is_set)
        }
        SearchKey::Flag(name, is_set) => {
            let flag = flags::find(&name, keywords);
            let has = move |seat: &ImapSeat| flag.is_some_and(|flag| seat.letter.flags.has(flag));
            Box::new(move |letter| has(letter.seat) == is_set)
        }
        SearchKey::Before(date) => Box::new(move |letter| day(letter.seat) < date),
        SearchKey::On(date) => Box::new(move |letter| day(letter.seat) == date),
        SearchKey::Since(date) => Box::new(move |letter| day(letter.seat) >= date),
        SearchKey::SentBefore(date) => sent(move |sent| sent < date),
        SearchKey::SentOn(date) => sent(move |sent| sent == date),
        SearchKey::SentSince(date) => sent(move |sent| sent >= date),
        SearchKey::Larger(size) => Box::new(move |l| l.seat.letter.size > u64::from(size)),
        SearchKey::Smaller(size) => Box::new(move |l| l.seat.letter.size < u64::from(size)),
        SearchKey::Header(name, text) => {
            let wanted = SearchedText::new(text);
            Box::new(move |letter| letter.has_field(Some(&name), &wanted))
        }
        SearchKey::Body(text) => {
            let wanted = SearchedText::new(text);
            Box::new(move |letter| letter.holds(&wanted, letter.head().len()))
        }
        SearchKey::Text(text) => {
            let wanted = SearchedText::new(text);
            Box::new(move |letter| letter.holds(&wanted, 0) || letter.has_field(None, &wanted))
        }
    }
}

fn sent(is_right: impl Fn(SearchDate) -> bool + Send + Sync + 'static) -> SearchTest {
    Box::new(move |letter| {
        letter.field("date").and_then(|value| dates::sent(&value)).is_some_and(&is_right)
    })
}

/// Whether one of these ranges, which rise, has a number.
fn is_in(ranges: &[RangeInclusive<u32>], number: u32) -> bool {
    let at = ranges.partition_point(|range| *range.end() < number);
    ranges.get(at).is_some_and(|range| range.contains(&number))
}

/// Whether a text stands in another; letters of ASCII are the same in any case.
fn contains(all: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return true };
    let Some(last) = all.len().checked_sub(rest.len()) else { return false };
    let (low, high) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(low, high, &all[..last])
        .any(|at| all[at + 1..at + 1 + rest.len()].eq_ignore_ascii_case(rest))
}

impl ImapSession<'_> {
    pub(super) async fn search(
        &mut self,
        tag: &str,
        is_uid: bool,
        results: Option<Vec<String>>,
        charset: Option<String>,
        keys: SearchKey,
    ) -> Result<ImapSaid> {
        let Some(open) = &self.selected else { return Ok(ImapSaid::bad("no box is open")) };
        let is_known = |charset: &String| {
            ["UTF-8", "US-ASCII"].iter().any(|known| charset.eq_ignore_ascii_case(known))
        };
        if charset.as_ref().is_some_and(|charset| !is_known(charset)) {
            return Ok(ImapSaid::no("[BADCHARSET (UTF-8 US-ASCII)] that charset is not known"));
        }
        let known = ["MIN", "MAX", "ALL", "COUNT"];
        let wanted = results.as_deref().unwrap_or_default();
        if wanted.iter().any(|word| !known.contains(&word.as_str())) {
            return Ok(ImapSaid::bad("RETURN knows MIN, MAX, ALL and COUNT"));
        }
        let keywords = self.office.keywords.names();
        let test = Arc::new(test(keys, open, &keywords));
        let mut found: Vec<u32> = Vec::new();
        for (step, seats) in open.seats.chunks(STEP).enumerate() {
            let (store, name) = (self.office.store.clone(), open.name.clone());
            let (test, seats) = (test.clone(), seats.to_vec());
            let first = u32::try_from(step * STEP + 1).unwrap_or(u32::MAX);
            let look = move || {
                let (mut found, trouble) = (Vec::new(), RefCell::new(None));
                for (number, seat) in (first..).zip(&seats) {
                    let (store, name, head) = (&*store, &*name, OnceCell::new());
                    let letter =
                        SearchedLetter { store, name, number, seat, head, trouble: &trouble };
                    if test(&letter) {
                        found.push(if is_uid { seat.letter.uid } else { number });
                    }
                }
                trouble.into_inner().map_or(Ok(found), Err)
            };
            match self.session.work(look).await? {
                Ok(some) => found.extend(some),
                Err(error) => return Ok(unreadable(&error)),
            }
        }
        let text = match results {
            None => found.iter().fold("SEARCH".to_owned(), |all, one| format!("{all} {one}")),
            Some(wanted) => extended(tag, is_uid, &wanted, &found),
        };
        self.tell(&text);
        Ok(ImapSaid::ok("that is all"))
    }
}

/// The answer of RFC 4731.
fn extended(tag: &str, is_uid: bool, wanted: &[String], found: &[u32]) -> String {
    let mut text = format!("ESEARCH (TAG \"{tag}\"){}", if is_uid { " UID" } else { "" });
    let wants = |word: &str| {
        wanted.iter().any(|wanted| wanted == word) || wanted.is_empty() && word == "ALL"
    };
    if let [first, ..] = found {
        let last = found[found.len() - 1];
        if wants("MIN") {
            let _ = write!(text, " MIN {first}"); // a String takes all
        }
        if wants("MAX") {
            let _ = write!(text, " MAX {last}"); // a String takes all
        }
        if wants("ALL") {
            let _ = write!(text, " ALL {}", SequenceSet::write(found)); // a String takes all
        }
    }
    if wants("COUNT") {
        let _ = write!(text, " COUNT {}", found.len()); // a String takes all
    }
    text
}
