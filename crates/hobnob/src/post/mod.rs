//! Letters on their way: sent by SMTP, fetched by POP3 or IMAP, over any endpoint.
//!
//! A [`MailRoute`] is planned, and nothing is open yet. A [`Posting`] sends letter after letter over one conn, a [`Pickup`]
//! looks into a mailbox.
//!
//! ```no_run
//! # async fn show() -> hobnob::Result<()> {
//! use hobnob::codec::smtp::{Mailbox, SmtpEnvelope};
//! use hobnob::engine::{Dialer, parse};
//! use hobnob::post::{MailErrand, MailRoute, PostManner, Posting, Upgrade};
//! let route = MailRoute::new(&parse("smtp://:1025")?, MailErrand::Send, &Dialer::default(), Upgrade::Try)?;
//! let mut posting = Posting::open(&route, PostManner::default()).await?;
//! let letter = b"Subject: hello\r\n\r\nsee you at 8\r\n";
//! let to = vec![Mailbox::parse("li@test").expect("an address")];
//! let outcome = posting.send(SmtpEnvelope::of(None, to, letter), letter).await?;
//! println!("{:?}", outcome.answer);
//! posting.close().await
//! # }
//! ```

mod failure;
mod imap;
mod pickup;
mod pop3;
mod route;
mod sending;
mod stamp;
mod talk;
mod wire;
mod wish;

pub use crate::codec::sasl::Login;
pub use crate::codec::upgrade::Upgrade;

pub use pickup::Pickup;
pub use route::{MailErrand, MailProtocol, MailRoute};
pub use sending::{PostManner, Posting};
pub use stamp::LetterStamp;
pub use talk::{MailSaid, MailWitness};
pub use wish::{PickedHead, PickupWish};

/// Bytes of a letter that is fetched, at most: it is held whole.
pub const MAX_LETTER: usize = 64 << 20;
/// Letters of a mailbox that are looked at, at most.
pub const MAX_LETTERS: usize = 100_000;
