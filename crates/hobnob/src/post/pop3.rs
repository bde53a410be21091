//! A mailbox by POP3 (RFC 1939, 2449, 2595).

use std::ops::RangeInclusive;

use super::failure;
use super::route::MailRoute;
use super::talk::{MailSaid, MailWitness};
use super::wire::MailWire;
use super::wish::{PickedHead, PickupWish};
use super::{MAX_LETTER, MAX_LETTERS};
use crate::codec::mime::MAX_HEADS;
use crate::codec::pop3::{Pop3Answer, Pop3AnswerReader};
use crate::codec::sasl::{Login, plain_response};
use crate::codec::upgrade::Upgrade;
use crate::error::{Kind, Result};

/// Bytes of a list of the letters, or of what a server can.
const MAX_LIST: usize = 16 << 20;

/// A conversation with a server of POP3, logged in.
pub(super) struct Pop3Pickup {
    wire: MailWire,
    reader: Pop3AnswerReader,
    witness: MailWitness,
    /// Each letter's number, its name that lasts, and its bytes.
    letters: Vec<(u32, String, u64)>,
}

/// What a command was answered with.
enum Pop3Said {
    Ok,
    Challenge,
    No(String),
}

impl Pop3Pickup {
    pub(super) async fn open(to: &MailRoute, wish: &PickupWish) -> Result<Self> {
        let wire = MailWire::dial(to, wish.patience).await?;
        let (reader, witness) = (Pop3AnswerReader::default(), wish.witness.clone());
        let mut pickup = Pop3Pickup { wire, reader, witness, letters: Vec::new() };
        if let Pop3Said::No(words) = pickup.answer().await? {
            return Err(failure::refused(pickup.wire.name(), "the connection", &words));
        }
        let mut offers = pickup.offers().await?;
        if !pickup.wire.is_secure() && to.upgrade != Upgrade::Off {
            if offers.iter().any(|offer| offer == "STLS") {
                pickup.secure(to.upgrade).await?;
                offers = pickup.offers().await?;
            } else if to.upgrade == Upgrade::Need {
                return Err(failure::no_tls(pickup.wire.name(), "it does not offer STLS"));
            }
        }
        let may_tell = pickup.wire.is_secure() || to.is_here() || to.upgrade == Upgrade::Off;
        if !may_tell {
            return Err(failure::in_the_clear(pickup.wire.name()));
        }
        pickup.log_in(&wish.login, &offers).await?;
        pickup.look().await?;
        Ok(pickup)
    }

    async fn secure(&mut self, upgrade: Upgrade) -> Result<()> {
        if let Pop3Said::No(words) = self.command("STLS", "STLS").await? {
            if upgrade == Upgrade::Need {
                return Err(failure::no_tls(self.wire.name(), &format!("it said {words}")));
            }
            return Ok(());
        }
        if !self.wire.unread().is_empty() {
            return Err(failure::said_in_the_clear(self.wire.name()));
        }
        self.wire.secure().await?;
        self.witness.tell(MailSaid::Secured(self.wire.learnt()));
        Ok(())
    }

    /// What the server can, in capitals; nothing where it does not say.
    async fn offers(&mut self) -> Result<Vec<String>> {
        let mut text = Vec::new();
        if self.lines("CAPA", MAX_LIST, &mut text).await?.is_some() {
            return Ok(Vec::new());
        }
        let text = String::from_utf8_lossy(&text).to_ascii_uppercase();
        Ok(text.lines().map(str::to_owned).collect())
    }

    async fn log_in(&mut self, login: &Login, offers: &[String]) -> Result<()> {
        let has_plain = offers.iter().any(|offer| {
            offer
                .strip_prefix("SASL ")
                .is_some_and(|words| words.split(' ').any(|word| word == "PLAIN"))
        });
        let is_speakable = |word: &str| word.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
        // USER takes a word, and PASS a line; any other name and password go by SASL.
        let is_plain_enough =
            is_speakable(&login.name) && login.password.bytes().all(|b| matches!(b, b' '..=b'~'));
        let said = if has_plain || !is_plain_enough {
            match self.command("AUTH PLAIN", "AUTH PLAIN").await? {
                Pop3Said::Challenge => self.command(&plain_response(login), "***").await?,
                other => other,
            }
        } else {
            match self
                .command(&format!("USER {}", login.name), &format!("USER {}", login.name))
                .await?
            {
                Pop3Said::Ok => {
                    self.command(&format!("PASS {}", login.password), "PASS ***").await?
                }
                other => other,
            }
        };
        match said {
            Pop3Said::Ok => Ok(()),
            Pop3Said::No(words) => Err(failure::refused(self.wire.name(), "the login", &words)),
            Pop3Said::Challenge => Err(failure::unreadable(self.wire.name(), "POP3")),
        }
    }

    /// Looks what there is.
    async fn look(&mut self) -> Result<()> {
        let sizes = self.list("LIST").await?;
        let sizes =
            sizes.into_iter().filter_map(|(number, size)| Some((number, size.parse().ok()?)));
        let mut letters: Vec<(u32, String, u64)> =
            sizes.map(|(number, size)| (number, number.to_string(), size)).collect();
        let mut text = Vec::new();
        // A server without UIDL has names that last as long as the session does.
        if self.lines("UIDL", MAX_LIST, &mut text).await?.is_none() {
            for (number, name) in pairs(&text) {
                if let Some(letter) = letters.iter_mut().find(|letter| letter.0 == number) {
                    letter.1 = name;
                }
            }
        }
        self.letters = letters;
        Ok(())
    }

    async fn list(&mut self, command: &str) -> Result<Vec<(u32, String)>> {
        let mut text = Vec::new();
        if let Some(words) = self.lines(command, MAX_LIST, &mut text).await? {
            return Err(failure::refused(self.wire.name(), command, &words));
        }
        let pairs = pairs(&text);
        if pairs.len() > MAX_LETTERS {
            return Err(failure::too_large(
                "mail-letters",
                "the mailbox has more than 100,000 letters",
            ));
        }
        Ok(pairs)
    }

    /// Letters of these numbers, newest first: with a head, or with no more than their names.
    pub(super) async fn heads(
        &mut self,
        numbers: RangeInclusive<u32>,
        has_head: bool,
    ) -> Result<Vec<PickedHead>> {
        let chosen = self.letters.iter().rev().filter(|letter| numbers.contains(&letter.0));
        let chosen: Vec<_> = chosen.cloned().collect();
        let mut heads = Vec::new();
        for (number, uid, size) in chosen {
            let mut head = Vec::new();
            if has_head
                && self.lines(&format!("TOP {number} 0"), MAX_HEADS, &mut head).await?.is_some()
            {
                // TOP is not everybody's.
                head = self.letter(number).await?;
            }
            heads.push(PickedHead { number, uid, size, head });
        }
        Ok(heads)
    }

    /// The number of the last letter; 0: there is none.
    pub(super) fn last(&self) -> u32 {
        self.letters.iter().map(|(number, ..)| *number).max().unwrap_or(0)
    }

    pub(super) async fn letter(&mut self, number: u32) -> Result<Vec<u8>> {
        let mut letter = Vec::new();
        if let Some(words) = self.lines(&format!("RETR {number}"), MAX_LETTER, &mut letter).await? {
            let what = format!("letter {number}");
            return Err(failure::refused(self.wire.name(), &what, &words));
        }
        self.witness.tell(MailSaid::Letter(letter.len() as u64));
        Ok(letter)
    }

    /// Marks a letter, which goes when the server has heard goodbye.
    pub(super) async fn delete(&mut self, number: u32) -> Result<()> {
        match self.command(&format!("DELE {number}"), &format!("DELE {number}")).await? {
            Pop3Said::No(words) => {
                Err(failure::refused(self.wire.name(), &format!("to delete {number}"), &words))
            }
            _ => Ok(()),
        }
    }

    /// Says goodbye. The server deletes now what was marked, and says whether it did.
    pub(super) async fn close(mut self) -> Result<()> {
        let said = self.command("QUIT", "QUIT").await?;
        let name = self.wire.name().to_owned();
        self.wire.close().await;
        match said {
            Pop3Said::No(words) => Err(failure::refused(&name, "to delete", &words)),
            _ => Ok(()),
        }
    }

    async fn command(&mut self, line: &str, shown: &str) -> Result<Pop3Said> {
        self.witness.tell(MailSaid::Us(shown));
        self.reader.expect_lines(false);
        self.wire.send(format!("{line}\r\n").as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Pop3Said> {
        loop {
            let mut rest = self.wire.unread();
            let answer = self.reader.next(&mut rest);
            let said = match answer {
                Ok(Some(Pop3Answer::Ok(text))) => Some((Pop3Said::Ok, format!("+OK {text}"))),
                Ok(Some(Pop3Answer::Err(text))) => {
                    let shown = format!("-ERR {text}");
                    Some((Pop3Said::No(shown.clone()), shown))
                }
                Ok(Some(Pop3Answer::Challenge(text))) => {
                    Some((Pop3Said::Challenge, format!("+ {text}")))
                }
                Ok(Some(Pop3Answer::Text(_) | Pop3Answer::End)) => continue,
                Ok(None) => None,
                Err(fault) => return Err(failure::pop3(self.wire.name(), fault)),
            };
            let left = rest.len();
            self.wire.left(left);
            match said {
                Some((said, shown)) => {
                    self.witness.tell(MailSaid::Server(shown.trim_end()));
                    return Ok(said);
                }
                None => self.wire.receive().await?,
            }
        }
    }

    /// A command that is answered with lines, of so many bytes at most. What the server said, where it said no.
    async fn lines(
        &mut self,
        line: &str,
        most: usize,
        into: &mut Vec<u8>,
    ) -> Result<Option<String>> {
        self.witness.tell(MailSaid::Us(line));
        self.reader.expect_lines(true);
        self.wire.send(format!("{line}\r\n").as_bytes()).await?;
        match self.answer().await? {
            Pop3Said::No(words) => return Ok(Some(words)),
            Pop3Said::Challenge => return Err(failure::unreadable(self.wire.name(), "POP3")),
            Pop3Said::Ok => {}
        }
        loop {
            let mut rest = self.wire.unread();
            let answer = self.reader.next(&mut rest);
            let is_over = match answer {
                Ok(Some(Pop3Answer::Text(text))) if into.len() + text.len() > most => {
                    let text = format!("the answer to {line} has more than {most} bytes");
                    return Err(
                        failure::too_large("mail-letter", &text).with_kind(Kind::MessageTooLong)
                    );
                }
                Ok(Some(Pop3Answer::Text(text))) => {
                    into.extend_from_slice(text);
                    Some(false)
                }
                Ok(Some(Pop3Answer::End)) => Some(true),
                Ok(Some(_)) => return Err(failure::unreadable(self.wire.name(), "POP3")),
                Ok(None) => None,
                Err(fault) => return Err(failure::pop3(self.wire.name(), fault)),
            };
            let left = rest.len();
            self.wire.left(left);
            match is_over {
                Some(true) => return Ok(None),
                Some(false) => {}
                None => self.wire.receive().await?,
            }
        }
    }
}

/// Lines of a number and a word.
fn pairs(text: &[u8]) -> Vec<(u32, String)> {
    let text = String::from_utf8_lossy(text);
    let pair = |line: &str| {
        let (number, word) = line.trim().split_once(' ')?;
        Some((number.parse().ok()?, word.trim().to_owned()))
    };
    text.lines().filter_map(pair).take(MAX_LETTERS + 1).collect()
}
