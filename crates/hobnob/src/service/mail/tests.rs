//! How long each door waits, on a clock that the tests move.

use std::time::Duration;

use super::*;
use crate::address::Address;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::conn::{Facts, memory};
use crate::session::Opening;
use crate::session::powers::Powers;

/// Nothing is asked of the engine here.
struct Nobody;

impl Powers for Nobody {}

fn office() -> MailOffice {
    let mail = Mail::new(&Options::of(OPTIONS)).expect("good options");
    let store = MailStore::open(&StorePlace::Private, StoreLimits::default(), Clock::start());
    MailOffice::new(mail.rules, mail.panel, String::new(), store.expect("a folder"))
}

/// A client at this door that says the first text, and then the other ones after so many seconds each: the last line that
/// it hears, when that is, and the limit that ended it.
async fn ended(
    door: &'static str,
    first: &str,
    then: &str,
    pause: u64,
) -> (String, Duration, Option<&'static str>) {
    let office = office();
    let name = Address::name("far");
    let session = Arc::new(Session::open(Opening {
        id: 1,
        parent: 0,
        door: Some(door),
        facts: Facts::new("memory", name.clone(), name).into(),
        shard: 0,
        bus: Bus::new(Clock::start(), 1),
        seed: 1,
        powers: Arc::new(Nobody),
    }));
    let (mut here, mut there) = memory::pair(Shape::Bytes);
    there.send(first.as_bytes()).await.expect("it is open");
    let clock = Clock::start();
    let server = async {
        let held = match door {
            POP3 => pop3::hold(&office, &session, &mut here).await,
            IMAP => imap::hold(&office, &session, &mut here).await,
            _ => smtp::hold(&office, &session, &mut here).await,
        };
        held.expect("it ends in order");
        here.end().await.expect("it is open");
    };
    let peer = async {
        loop {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            if there.send(then.as_bytes()).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = server => {}
        () = peer => {}
    }
    let at = clock.now();
    let (mut room, mut heard) = (vec![0; 4_096], String::new());
    while let Some(length) = there.recv(&mut room).await.expect("it is open") {
        heard += std::str::from_utf8(&room[..length]).expect("text");
    }
    let limit = session.conclusion().and_then(|conclusion| conclusion.limit);
    (heard.lines().last().unwrap_or_default().to_owned(), at, limit)
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_waited_for_as_long_as_the_rfcs_say_and_told_at_the_end() {
    for (door, minutes, words) in [
        ("smtp", 5, "421 4.4.2 you took too long"),
        (POP3, 10, "-ERR you took too long; nothing is deleted"),
        (IMAP, 30, "* BYE you said nothing for too long"),
    ] {
        let (said, at, limit) = ended(door, "", "", 86_400).await;
        assert_eq!((&*said, limit), (words, Some("mail-command")), "{door}");
        assert_eq!(at.as_secs(), minutes * 60, "{door}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_or_a_letter_that_comes_drop_by_drop_runs_out_of_time() {
    for door in ["smtp", POP3, IMAP] {
        let patience = if door == "smtp" { 5 } else { 30 };
        let (_, at, limit) = ended(door, "NO", "O", 59).await;
        assert_eq!(limit, Some("mail-command"), "{door}");
        assert!(at <= Duration::from_mins(patience), "{door}: {at:?}");
    }
    let letter = "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: slow\r\n";
    let (said, at, limit) = ended("smtp", letter, "x", 5).await;
    assert_eq!((&*said, limit), ("421 4.4.2 you took too long", Some("mail-command")));
    assert!(at < Duration::from_mins(6), "{at:?}");
}
