//! A mailbox by IMAP (RFC 3501). Nothing of it is changed by looking.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::failure;
use super::route::MailRoute;
use super::talk::{MailSaid, MailWitness};
use super::wire::MailWire;
use super::wish::{PickedHead, PickupWish};
use super::{MAX_LETTER, MAX_LETTERS};
use crate::codec::imap::{ImapAnswer, ImapAnswerReader, ImapItem, encode_name, write_string};
use crate::codec::sasl::{Login, plain_response};
use crate::codec::upgrade::Upgrade;
use crate::error::{Error, Kind, Result};

/// Bytes of an answer beside the letter in it.
const SLACK: usize = 256 * 1_024;
/// Answers of one command that are looked at.
const MAX_ANSWERS: usize = MAX_LETTERS + 10_000;
/// Bytes of a text that are shown of the dialogue.
const SHOWN: usize = 200;
/// What is asked of a letter for a list.
const HEAD: &str = "BODY.PEEK[HEADER.FIELDS (DATE FROM TO CC SUBJECT MESSAGE-ID CONTENT-TYPE)]";

/// A conversation with a server of IMAP, with its mailbox open.
pub(super) struct ImapPickup {
    wire: MailWire,
    reader: ImapAnswerReader,
    witness: MailWitness,
    offers: Vec<String>,
    /// How many commands were given.
    tags: u64,
    exists: u32,
    /// Whether the mailbox has changed since somebody looked.
    has_news: bool,
}

/// For how long the server is left to itself while nothing comes: it has half of our patience to tell that it lives, and
/// no network forgets the connection in that time (RFC 2177 allows 29 minutes).
const LONGEST_IDLE: Duration = Duration::from_mins(10);

impl ImapPickup {
    pub(super) async fn open(to: &MailRoute, wish: &PickupWish) -> Result<Self> {
        let wire = MailWire::dial(to, wish.patience).await?;
        let mut pickup = ImapPickup {
            wire,
            reader: ImapAnswerReader::of(MAX_LETTER + SLACK),
            witness: wish.witness.clone(),
            offers: Vec::new(),
            tags: 0,
            exists: 0,
            has_news: false,
        };
        let is_known = pickup.greeting().await?;
        pickup.ask_offers().await?;
        if !pickup.wire.is_secure() && to.upgrade != Upgrade::Off && !is_known {
            if pickup.offers("STARTTLS") {
                pickup.secure(to.upgrade).await?;
            } else if to.upgrade == Upgrade::Need {
                return Err(failure::no_tls(pickup.wire.name(), "it does not offer STARTTLS"));
            }
        }
        if !is_known {
            let may_tell = pickup.wire.is_secure() || to.is_here() || to.upgrade == Upgrade::Off;
            if !may_tell {
                return Err(failure::in_the_clear(pickup.wire.name()));
            }
            pickup.log_in(&wish.login).await?;
            pickup.ask_offers().await?;
        }
        let mut name = Vec::new();
        write_string(encode_name(&wish.mailbox).as_bytes(), &mut name);
        let how = if wish.may_delete { "SELECT" } else { "EXAMINE" };
        let line = [how.as_bytes(), b" ", &name].concat();
        pickup.command(&line, None, &mut |_| Ok(())).await?;
        Ok(pickup)
    }

    /// Whether the server knows us already.
    async fn greeting(&mut self) -> Result<bool> {
        let answer = self.answer().await?;
        let words = words(&answer);
        match answer.items.first() {
            Some(ImapItem::Word(word)) if answer.tag == "*" && word == "OK" => Ok(false),
            Some(ImapItem::Word(word)) if answer.tag == "*" && word == "PREAUTH" => Ok(true),
            Some(ImapItem::Word(word)) if answer.tag == "*" && word == "BYE" => {
                Err(failure::refused(self.wire.name(), "the connection", &words))
            }
            _ => Err(failure::unreadable(self.wire.name(), "IMAP")),
        }
    }

    async fn ask_offers(&mut self) -> Result<()> {
        let mut offers = Vec::new();
        self.command(b"CAPABILITY", None, &mut |answer| {
            if matches!(answer.items.first(), Some(ImapItem::Word(word)) if word.eq_ignore_ascii_case("CAPABILITY")) {
                offers = answer.items.iter().filter_map(word_of).map(str::to_ascii_uppercase).collect();
            }
            Ok(())
        })
        .await?;
        self.offers = offers;
        Ok(())
    }

    fn offers(&self, word: &str) -> bool {
        self.offers.iter().any(|offer| offer == word)
    }

    async fn secure(&mut self, upgrade: Upgrade) -> Result<()> {
        if let Err(error) = self.command(b"STARTTLS", None, &mut |_| Ok(())).await {
            if upgrade == Upgrade::Need || error.kind() != Kind::Rejected {
                return Err(error);
            }
            return Ok(());
        }
        if !self.wire.unread().is_empty() {
            return Err(failure::said_in_the_clear(self.wire.name()));
        }
        self.wire.secure().await?;
        self.witness.tell(MailSaid::Secured(self.wire.learnt()));
        self.ask_offers().await
    }

    async fn log_in(&mut self, login: &Login) -> Result<()> {
        let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let can_login =
            !self.offers("LOGINDISABLED") && is_plain(&login.name) && is_plain(&login.password);
        if self.offers("AUTH=PLAIN") || !can_login {
            let response = plain_response(login);
            return self.command(b"AUTHENTICATE PLAIN", Some(&response), &mut |_| Ok(())).await;
        }
        let mut line = b"LOGIN ".to_vec();
        write_string(login.name.as_bytes(), &mut line);
        let shown = format!("{} ***", String::from_utf8_lossy(&line));
        line.push(b' ');
        write_string(login.password.as_bytes(), &mut line);
        self.whispered(&line, &shown, None, &mut |_| Ok(())).await
    }

    pub(super) fn count(&self) -> u32 {
        self.exists
    }

    /// Waits until the server tells of a change (IDLE, RFC 2177). False: it does not offer that.
    pub(super) async fn until_told(&mut self) -> Result<bool> {
        if !self.offers("IDLE") {
            return Ok(false);
        }
        while !self.has_news {
            self.idle().await?;
        }
        Ok(true)
    }

    /// Listens until there is news, or for so long that the server has to say whether it is still there.
    async fn idle(&mut self) -> Result<()> {
        let tag = self.begin(b"IDLE", "IDLE").await?;
        let is_listening = self.hear(&tag, "IDLE", &mut |_| Ok(())).await?;
        if !is_listening {
            return Err(failure::unreadable(self.wire.name(), "IMAP"));
        }
        let longest = (self.wire.patience() / 2).min(LONGEST_IDLE);
        let news = async {
            while !self.has_news {
                let answer = self.answer().await?;
                self.note(&answer)?;
            }
            Ok(())
        };
        tokio::time::timeout(longest, news).await.unwrap_or(Ok(()))?;
        self.witness.tell(MailSaid::Us("DONE"));
        self.wire.send(b"DONE\r\n").await?;
        if self.hear(&tag, "IDLE", &mut |_| Ok(())).await? {
            return Err(failure::unreadable(self.wire.name(), "IMAP"));
        }
        Ok(())
    }

    /// Hears what changed.
    pub(super) async fn refresh(&mut self) -> Result<()> {
        self.command(b"NOOP", None, &mut |_| Ok(())).await
    }

    /// Letters of these numbers, newest first: with a head, or with no more than their names.
    pub(super) async fn heads(
        &mut self,
        numbers: RangeInclusive<u32>,
        has_head: bool,
    ) -> Result<Vec<PickedHead>> {
        self.has_news = false;
        let (first, last) = numbers.into_inner();
        if last < first || first == 0 {
            return Ok(Vec::new());
        }
        let what = if has_head { format!("(UID RFC822.SIZE {HEAD})") } else { "(UID)".to_owned() };
        let mut heads: Vec<PickedHead> = Vec::new();
        self.command(format!("FETCH {first}:{last} {what}").as_bytes(), None, &mut |answer| {
            let found = fetched(answer);
            let found = found.filter(|found| (first..=last).contains(&found.head.number));
            heads.extend(found.filter(|found| found.has_body || !has_head).map(|found| found.head));
            Ok(())
        })
        .await?;
        heads.sort_by_key(|head| std::cmp::Reverse(head.number));
        heads.dedup_by_key(|head| head.number);
        Ok(heads)
    }

    /// A letter, as it is.
    pub(super) async fn letter(&mut self, number: u32) -> Result<Vec<u8>> {
        let mut letter = None;
        let line = format!("FETCH {number} (UID BODY.PEEK[])");
        self.command(line.as_bytes(), None, &mut |answer| {
            let found =
                fetched(answer).filter(|found| found.has_body && found.head.number == number);
            letter = found.map(|found| found.head.head).or(letter.take());
            Ok(())
        })
        .await?;
        let letter = letter.ok_or_else(|| failure::no_letter(self.wire.name(), number))?;
        self.witness.tell(MailSaid::Letter(letter.len() as u64));
        Ok(letter)
    }

    pub(super) async fn delete(&mut self, uids: &[String]) -> Result<()> {
        // A name that lasts is a number here; what is none was never said by a server.
        let uids: Vec<_> = uids.iter().filter(|uid| uid.parse::<u32>().is_ok()).cloned().collect();
        let set = uids.join(",");
        let mark = format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)");
        self.command(mark.as_bytes(), None, &mut |_| Ok(())).await?;
        let take = if self.offers("UIDPLUS") {
            format!("UID EXPUNGE {set}")
        } else {
            "EXPUNGE".to_owned()
        };
        self.command(take.as_bytes(), None, &mut |_| Ok(())).await
    }

    pub(super) async fn close(mut self) -> Result<()> {
        // All is done: who leaves without a goodbye changes nothing.
        let _ = self.command(b"LOGOUT", None, &mut |_| Ok(())).await;
        self.wire.close().await;
        Ok(())
    }

    async fn command(
        &mut self,
        line: &[u8],
        response: Option<&str>,
        told: &mut (dyn FnMut(&ImapAnswer) -> Result<()> + Send),
    ) -> Result<()> {
        let shown = String::from_utf8_lossy(line).into_owned();
        self.whispered(line, &shown, response, told).await
    }

    /// Gives a command and hears its answers, up to the one that ends it. A response is what a challenge is answered with.
    async fn whispered(
        &mut self,
        line: &[u8],
        shown: &str,
        mut response: Option<&str>,
        told: &mut (dyn FnMut(&ImapAnswer) -> Result<()> + Send),
    ) -> Result<()> {
        let tag = self.begin(line, shown).await?;
        while self.hear(&tag, shown, told).await? {
            let Some(response) = response.take() else {
                return Err(failure::unreadable(self.wire.name(), "IMAP"));
            };
            self.witness.tell(MailSaid::Us("***"));
            self.wire.send(format!("{response}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    /// Gives a command; its tag.
    async fn begin(&mut self, line: &[u8], shown: &str) -> Result<String> {
        self.tags += 1;
        let tag = format!("a{}", self.tags);
        self.witness.tell(MailSaid::Us(&format!("{tag} {shown}")));
        self.wire.send(&[tag.as_bytes(), b" ", line, b"\r\n"].concat()).await?;
        Ok(tag)
    }

    /// Hears the answers to a command. True: up to one that asks for more; false: up to the one that ends it.
    async fn hear(
        &mut self,
        tag: &str,
        shown: &str,
        told: &mut (dyn FnMut(&ImapAnswer) -> Result<()> + Send),
    ) -> Result<bool> {
        for _ in 0..MAX_ANSWERS {
            let answer = self.answer().await?;
            if answer.tag == "+" {
                return Ok(true);
            }
            if answer.tag == tag {
                let is_ok =
                    matches!(answer.items.first(), Some(ImapItem::Word(word)) if word == "OK");
                return if is_ok { Ok(false) } else { Err(self.refused(shown, &answer)) };
            }
            self.note(&answer)?;
            told(&answer)?;
        }
        Err(failure::too_large("mail-answers", &format!("the answers to {shown} have no end")))
    }

    /// What an answer says of the mailbox, whatever was asked.
    fn note(&mut self, answer: &ImapAnswer) -> Result<()> {
        match answer.items.as_slice() {
            [ImapItem::Word(number), ImapItem::Word(word)]
                if word.eq_ignore_ascii_case("EXISTS") =>
            {
                self.exists = number.parse().unwrap_or(self.exists);
                self.has_news = true;
                if self.exists as usize > MAX_LETTERS {
                    let text = "the mailbox has more than 100,000 letters";
                    return Err(failure::too_large("mail-letters", text));
                }
            }
            [ImapItem::Word(_), ImapItem::Word(word)] if word.eq_ignore_ascii_case("EXPUNGE") => {
                self.exists = self.exists.saturating_sub(1);
                self.has_news = true;
            }
            [ImapItem::Word(word), ..] if word == "BYE" => {
                return Err(failure::refused(self.wire.name(), "to go on", &words(answer)));
            }
            _ => {}
        }
        Ok(())
    }

    fn refused(&self, shown: &str, answer: &ImapAnswer) -> Error {
        let what = shown.split(' ').next().unwrap_or_default();
        let what = if ["LOGIN", "AUTHENTICATE"].contains(&what) { "the login" } else { what };
        failure::refused(self.wire.name(), what, &words(answer))
    }

    async fn answer(&mut self) -> Result<ImapAnswer> {
        loop {
            let mut rest = self.wire.unread();
            let answer = self.reader.next(&mut rest);
            let left = rest.len();
            self.wire.left(left);
            match answer {
                Ok(Some(answer)) => {
                    self.witness.tell(MailSaid::Server(&brief(&answer)));
                    return Ok(answer);
                }
                Ok(None) => self.wire.receive().await?,
                Err(fault) => return Err(failure::imap(self.wire.name(), fault)),
            }
        }
    }
}

fn word_of(item: &ImapItem) -> Option<&str> {
    match item {
        ImapItem::Word(word) => Some(word),
        _ => None,
    }
}

/// What an answer says in words.
fn words(answer: &ImapAnswer) -> String {
    let texts = answer.items.iter().filter_map(|item| match item {
        ImapItem::Word(word) => Some(word.clone()),
        ImapItem::Text(text) if !text.is_empty() => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// An answer for the dialogue: what is long in it is told by its size.
fn brief(answer: &ImapAnswer) -> String {
    let mut out = answer.tag.clone();
    answer.items.iter().for_each(|item| push_brief(&mut out, item));
    out
}

fn push_brief(out: &mut String, item: &ImapItem) {
    if !out.ends_with('(') {
        out.push(' ');
    }
    match item {
        ImapItem::Word(word) => out.push_str(word),
        ImapItem::Nil => out.push_str("NIL"),
        ImapItem::Text(text) if text.len() > SHOWN => {
            let _ = write!(out, "{{{} bytes}}", text.len()); // a String takes all
        }
        ImapItem::Text(text) => out.push_str(&String::from_utf8_lossy(text)),
        ImapItem::List(items) => {
            out.push('(');
            for item in items {
                push_brief(out, item);
            }
            out.push(')');
        }
    }
}

/// What FETCH says of a letter.
struct FetchedHead {
    head: PickedHead,
    /// Whether the head, or the letter, was said.
    has_body: bool,
}

/// `* 2 FETCH (UID 9 RFC822.SIZE 99 BODY[] {99} ...)`, in any order. What a server says unasked, as of flags, has no name.
fn fetched(answer: &ImapAnswer) -> Option<FetchedHead> {
    let [ImapItem::Word(number), ImapItem::Word(word), ImapItem::List(items)] =
        answer.items.as_slice()
    else {
        return None;
    };
    if !word.eq_ignore_ascii_case("FETCH") {
        return None;
    }
    let mut head =
        PickedHead { number: number.parse().ok()?, uid: String::new(), size: 0, head: Vec::new() };
    let mut has_body = false;
    for pair in items.chunks(2) {
        let [ImapItem::Word(key), value] = pair else { return None };
        match (key.to_ascii_uppercase().as_str(), value) {
            ("UID", ImapItem::Word(uid)) => head.uid.clone_from(uid),
            ("RFC822.SIZE", ImapItem::Word(size)) => head.size = size.parse().unwrap_or(0),
            (key, ImapItem::Text(text)) if key.starts_with("BODY[") => {
                head.head.clone_from(text);
                has_body = true;
            }
            _ => {}
        }
    }
    (!head.uid.is_empty()).then_some(FetchedHead { head, has_body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> ImapAnswer {
        ImapAnswerReader::default().next(&mut text.as_bytes()).expect("IMAP").expect("whole")
    }

    #[test]
    fn what_fetch_says_is_read_in_any_order_and_the_rest_is_passed_over() {
        let head = PickedHead { number: 2, uid: "9".to_owned(), size: 5, head: b"hello".to_vec() };
        for text in [
            "* 2 FETCH (UID 9 RFC822.SIZE 5 BODY[] {5}\r\nhello)\r\n",
            "* 2 fetch (body[header.fields (a b)] \"hello\" flags (\\Seen) uid 9 rfc822.size 5)\r\n",
        ] {
            let found = fetched(&answer(text)).expect(text);
            assert_eq!((found.head, found.has_body), (head.clone(), true), "{text}");
        }
        let named = fetched(&answer("* 2 FETCH (FLAGS (\\Seen) UID 9)\r\n"));
        assert!(named.is_some_and(|named| !named.has_body));
        for text in [
            "* 2 FETCH (FLAGS (\\Seen))\r\n",
            "* 2 EXISTS\r\n",
            "* x FETCH (BODY[] a)\r\n",
            "* 2 FETCH (UID)\r\n",
        ] {
            assert!(fetched(&answer(text)).is_none(), "{text}");
        }
        assert_eq!(
            brief(&answer("* 2 FETCH (FLAGS (\\Seen) UID 9)\r\n")),
            "* 2 FETCH (FLAGS (\\Seen) UID 9)"
        );
        assert_eq!(
            words(&answer("a1 NO [AUTHENTICATIONFAILED] wrong\r\n")),
            "NO AUTHENTICATIONFAILED wrong"
        );
    }
}
