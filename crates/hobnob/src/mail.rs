//! Mail for tests of programs that send it: a place that catches every letter, and says what came.
//!
//! ```
//! use std::io::{BufRead as _, BufReader, Write as _};
//! use std::net::TcpStream;
//!
//! let mail = hobnob::mail::Sink::start()?;
//! # let mut client = TcpStream::connect(mail.smtp()).expect("it listens");
//! # write!(client, "EHLO me\r\nMAIL FROM:<app@test>\r\nRCPT TO:<li@test>\r\nDATA\r\n").expect("it reads");
//! # let mut lines = BufReader::new(client.try_clone().expect("a descriptor")).lines();
//! # lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("354"))).expect("it is asked for");
//! # write!(client, "Subject: Reset\r\n\r\nhttps://app.test/reset/7 or 123456\r\n.\r\nQUIT\r\n").expect("it reads");
//! // The program under test sends to mail.smtp(), and then:
//! let letter = mail.wait_for(|letter| letter.is_to("li@test") && letter.subject().contains("Reset"))?;
//! assert_eq!(letter.link(|url| url.contains("/reset/"))?, "https://app.test/reset/7");
//! assert_eq!(letter.code(6)?, "123456");
//! assert_eq!(letter.envelope().from, "app@test");
//! # Ok::<(), hobnob::Error>(())
//! ```

mod letter;
mod wait;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bus::{Subscription, Wish};
use crate::engine::{self, Running, Server};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Fact, MailDeed};
use crate::fault::Panel;
use crate::store::MailStore;

pub use letter::{CaughtLetter, MailEnvelope};
pub use wait::{MailMark, MailWait};

/// Letters that may come between two looks.
const HELD: usize = 65_536;
/// Where the doors stand among what is bound.
const DOORS: [&str; 3] = ["smtp", "pop3", "imap"];

/// A server of mail on free ports of loopback. It goes when it is dropped, with all its letters.
pub struct Sink {
    running: Running,
    events: Subscription,
    store: Arc<MailStore>,
    caught: Mutex<CaughtLetters>,
}

/// What has come so far.
#[derive(Default)]
struct CaughtLetters {
    letters: Vec<CaughtLetter>,
    /// Those that a wait was given.
    taken: HashSet<u64>,
    /// Events that came faster than they were looked at.
    missed: u64,
}

impl Sink {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub fn start() -> Result<Self> {
        Self::with(&[])
    }

    /// Starts one with these options of the service `mail`: `("boxes", "recipient")`.
    ///
    /// # Errors
    ///
    /// An option is none, or as [`Server::start`].
    pub fn with(options: &[(&str, &str)]) -> Result<Self> {
        let mut server = Server::new("mail")?;
        for (name, value) in options {
            server.set(name, Some(value))?;
        }
        for door in DOORS {
            server.door(door, &engine::parse("tcp://127.0.0.1:0")?)?;
        }
        if cfg!(feature = "tls") {
            server.door(DOORS[0], &engine::parse("tls://127.0.0.1:0")?)?;
        }
        let wish = Wish { data: false, upstream: false, snap: 0, capacity: HELD };
        let events = server.subscribe(wish);
        let running = server.start()?;
        let store =
            running.letters().ok_or_else(|| Error::new(Kind::Bug, "mail without letters"))?;
        Ok(Sink { running, events, store, caught: Mutex::default() })
    }

    /// Where letters are sent to, in clear text or behind STARTTLS.
    pub fn smtp(&self) -> SocketAddr {
        self.address(0)
    }

    /// Where letters are fetched by POP3.
    pub fn pop3(&self) -> SocketAddr {
        self.address(1)
    }

    /// Where letters are fetched by IMAP.
    pub fn imap(&self) -> SocketAddr {
        self.address(2)
    }

    /// Where letters are sent to over TLS from the first byte.
    #[cfg(feature = "tls")]
    pub fn smtps(&self) -> SocketAddr {
        self.address(3)
    }

    /// The certificate that a client has to trust for TLS, in PEM: that of the CA for development on this machine.
    ///
    /// # Errors
    ///
    /// Its file cannot be read.
    #[cfg(feature = "tls")]
    pub fn certificate(&self) -> Result<Vec<u8>> {
        let made = || Error::new(Kind::Bug, "a certificate of our own that nobody has made");
        let path = self.running.bound()[3].vouched_by.as_ref().ok_or_else(made)?;
        std::fs::read(path).map_err(|error| Error::from_io("read(certificate)", &error))
    }

    /// What is answered on purpose: `mail.replies().turn(&["rcpt=450,for=2"])`.
    pub fn replies(&self) -> Panel {
        self.running.faults().unwrap_or_default()
    }

    /// The letters so far, in the order in which they were kept.
    pub fn letters(&self) -> Vec<CaughtLetter> {
        self.look().letters.clone()
    }

    /// Waits up to five seconds for a letter that fits: one that is there already, or comes. No letter is given to two
    /// waits.
    ///
    /// # Errors
    ///
    /// None came in time; the error says what did come.
    pub fn wait_for(&self, fits: impl Fn(&CaughtLetter) -> bool) -> Result<CaughtLetter> {
        self.waiting().wait_for(fits)
    }

    /// The same for so long: `mail.within(Duration::from_secs(1)).wait_for(..)`.
    pub fn within(&self, time: Duration) -> MailWait<'_> {
        self.waiting().within(time)
    }

    /// Now: for [`after`](Self::after).
    pub fn mark(&self) -> MailMark {
        MailMark(self.look().letters.last().map_or(0, CaughtLetter::number))
    }

    /// Waits for letters that came after this alone.
    pub fn after(&self, mark: MailMark) -> MailWait<'_> {
        self.waiting().after(mark)
    }

    /// Makes sure that no letter comes for so long, beside those that a wait was given.
    ///
    /// # Errors
    ///
    /// One came, or was there.
    pub fn stays_empty(&self, time: Duration) -> Result<()> {
        self.waiting().stays_empty(time)
    }

    fn waiting(&self) -> MailWait<'_> {
        MailWait::of(self)
    }

    fn address(&self, at: usize) -> SocketAddr {
        self.running.bound()[at].address.ip().expect("it is bound over TCP")
    }

    /// Gathers what has come.
    fn look(&self) -> MutexGuard<'_, CaughtLetters> {
        let mut caught = self.caught.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events: Vec<Event> = Vec::new();
        caught.missed += self.events.pull(&mut events);
        for event in events {
            if let Fact::Mailed(mailed) = event.fact
                && mailed.did == MailDeed::Kept
            {
                caught.letters.push(CaughtLetter::of(*mailed, self.store.clone()));
            }
        }
        caught
    }
}
