//! A mailbox that is looked into, by whichever protocol.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::MAX_LETTERS;
use super::failure;
use super::imap::ImapPickup;
use super::pop3::Pop3Pickup;
use super::route::{MailProtocol, MailRoute};
use super::wish::{PickedHead, PickupWish};
use crate::error::{Kind, Result};

/// A mailbox that is open.
pub struct Pickup {
    to: MailRoute,
    wish: PickupWish,
    by: PickupBy,
}

enum PickupBy {
    Pop3(Pop3Pickup),
    Imap(ImapPickup),
    /// Between two sessions.
    Closed,
}

impl Pickup {
    /// Dials, logs in, and opens the mailbox.
    pub async fn open(to: &MailRoute, wish: PickupWish) -> Result<Self> {
        let by = open(to, &wish).await?;
        Ok(Pickup { to: to.clone(), wish, by })
    }

    /// The number of the newest letter; 0: there is none.
    pub fn newest(&self) -> u32 {
        match &self.by {
            PickupBy::Pop3(by) => by.last(),
            PickupBy::Imap(by) => by.count(),
            PickupBy::Closed => 0,
        }
    }

    /// So many of the newest letters, newest first.
    pub async fn heads(&mut self, last: usize) -> Result<Vec<PickedHead>> {
        self.of(self.newest_ones(last), true).await
    }

    /// The same without their heads: numbers and names.
    pub async fn names(&mut self, last: usize) -> Result<Vec<PickedHead>> {
        self.of(self.newest_ones(last), false).await
    }

    /// The letter of this number, with its head.
    pub async fn head(&mut self, number: u32) -> Result<PickedHead> {
        let found = if (1..=self.newest()).contains(&number) {
            self.of(number..=number, true).await?.pop()
        } else {
            None
        };
        found.ok_or_else(|| failure::no_letter(&self.to.name, number))
    }

    fn newest_ones(&self, last: usize) -> RangeInclusive<u32> {
        let newest = self.newest();
        let last = u32::try_from(last.min(MAX_LETTERS)).unwrap_or(u32::MAX).min(newest);
        newest - last + 1..=newest
    }

    async fn of(
        &mut self,
        numbers: RangeInclusive<u32>,
        has_head: bool,
    ) -> Result<Vec<PickedHead>> {
        match &mut self.by {
            PickupBy::Pop3(by) => by.heads(numbers, has_head).await,
            PickupBy::Imap(by) => by.heads(numbers, has_head).await,
            PickupBy::Closed => Ok(Vec::new()),
        }
    }

    /// A letter, byte by byte as it lies there. That the server has none of this number is an error in its own words.
    pub async fn letter(&mut self, number: u32) -> Result<Vec<u8>> {
        match &mut self.by {
            PickupBy::Pop3(by) => by.letter(number).await,
            PickupBy::Imap(by) => by.letter(number).await,
            PickupBy::Closed => Ok(Vec::new()),
        }
    }

    /// Deletes letters. By POP3 they go once [`close`](Self::close) says that they did.
    pub async fn delete(&mut self, letters: &[PickedHead]) -> Result<()> {
        if letters.is_empty() {
            return Ok(());
        }
        match &mut self.by {
            PickupBy::Pop3(by) => {
                for letter in letters {
                    by.delete(letter.number).await?;
                }
                Ok(())
            }
            PickupBy::Imap(by) => {
                let uids: Vec<_> = letters.iter().map(|letter| letter.uid.clone()).collect();
                by.delete(&uids).await
            }
            PickupBy::Closed => Ok(()),
        }
    }

    /// Waits until letters may have come. IMAP tells that (IDLE, RFC 2177); a server that does not, and one of POP3, is asked
    /// after each pause.
    pub async fn until_news(&mut self, pause: Duration) -> Result<()> {
        if let PickupBy::Imap(by) = &mut self.by
            && by.until_told().await?
        {
            return Ok(());
        }
        loop {
            tokio::time::sleep(pause).await;
            if self.refresh().await? {
                return Ok(());
            }
        }
    }

    /// Looks whether letters have come since. POP3 shows one session what was there when it began, so it takes another one.
    /// False: that is not to be had yet, and may be later.
    pub async fn refresh(&mut self) -> Result<bool> {
        match std::mem::replace(&mut self.by, PickupBy::Closed) {
            PickupBy::Imap(mut by) => {
                by.refresh().await?;
                self.by = PickupBy::Imap(by);
                return Ok(true);
            }
            PickupBy::Pop3(by) => by.close().await?,
            PickupBy::Closed => {}
        }
        match open(&self.to, &self.wish).await {
            Ok(by) => {
                self.by = by;
                Ok(true)
            }
            // The server has not noticed yet that the session before is over (RFC 2449 section 8.1.1).
            Err(error)
                if error.kind() == Kind::Rejected && error.message().contains("[IN-USE]") =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Says goodbye.
    pub async fn close(self) -> Result<()> {
        match self.by {
            PickupBy::Pop3(by) => by.close().await,
            PickupBy::Imap(by) => by.close().await,
            PickupBy::Closed => Ok(()),
        }
    }
}

async fn open(to: &MailRoute, wish: &PickupWish) -> Result<PickupBy> {
    match to.protocol() {
        MailProtocol::Pop3 => Ok(PickupBy::Pop3(Pop3Pickup::open(to, wish).await?)),
        MailProtocol::Imap | MailProtocol::Smtp => {
            Ok(PickupBy::Imap(ImapPickup::open(to, wish).await?))
        }
    }
}
