//! What is there: every box, as IMAP and POP3 show it.

use std::net::SocketAddr;

use super::book::{Book, EVERY, Found, LI, PLACES, POP, Place};
use super::letter::{letter, name_of};
use super::line::{Line, number};
use super::moment::Moment;

/// How much is read again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Letters that nobody has seen yet; of the others their numbers, flags and lengths.
    New,
    /// All, over both doors.
    Whole,
}

/// Looks into every box, and whether that is what was said.
pub(super) fn check(doors: [SocketAddr; 3], moment: &Moment, book: &Book, look: Look) {
    let found = PLACES.map(|place| {
        (place, imap(doors[2], moment, book, place, look).expect("the server is well"))
    });
    for (place, found) in found.iter().filter(|(place, _)| [EVERY, LI, POP].contains(place)) {
        pop3(doors[1], moment, book, *place, found, look).expect("the server is well");
    }
    book.check(&found);
}

fn imap(door: SocketAddr, moment: &Moment, book: &Book, place: Place, look: Look) -> Option<Found> {
    let mut line = Line::dial(door, moment)?;
    let said = line.open(place.0, place.1)?;
    let (validity, next) = (number(&said, "[UIDVALIDITY "), number(&said, "[UIDNEXT "));
    let list = line.command("UID FETCH 1:* (FLAGS RFC822.SIZE)")?;
    let mut letters = Vec::new();
    for one in list.lines().filter(|one| one.starts_with("* ") && one.contains(" FETCH (")) {
        let flags = one.split_once("FLAGS (").and_then(|(_, rest)| rest.split_once(')'));
        let flags = flags.expect("flags").0.to_owned();
        let (uid, size) = (number(one, "UID "), number(one, "RFC822.SIZE "));
        let name = match book.known(place, uid).filter(|_| look == Look::New) {
            Some(name) => {
                assert_eq!(size as usize, letter(&name).len(), "{place:?} {uid}: {name}");
                name
            }
            None => body(&mut line, uid)?,
        };
        letters.push((uid, name, flags));
    }
    line.command("LOGOUT")?;
    Some(Found { validity, next, letters })
}

/// The name of a letter, all of which is fetched.
fn body(line: &mut Line<'_>, uid: u32) -> Option<String> {
    line.say(&format!("t UID FETCH {uid} BODY.PEEK[]\r\n"))?;
    let head = line.read()?;
    let length = number(&head, "{");
    let text = line.bytes(length as usize)?;
    line.hear(")")?;
    line.hear("t OK")?;
    Some(name_of(&text))
}

fn pop3(
    door: SocketAddr,
    moment: &Moment,
    book: &Book,
    place: Place,
    found: &Found,
    look: Look,
) -> Option<()> {
    let mut line = Line::dial(door, moment)?;
    line.ask(&format!("USER {}\r\n", place.0), "+OK")?;
    line.ask("PASS x\r\n", "+OK")?;
    line.ask("UIDL\r\n", "+OK")?;
    let list = line.lines()?;
    assert_eq!(list.lines().count(), found.letters.len(), "{place:?}");
    for (one, (uid, name, _)) in list.lines().zip(&found.letters) {
        let (number, uidl) = one.split_once(' ').expect("a number and a name");
        book.named(place, uidl, name);
        if look == Look::Whole {
            line.ask(&format!("RETR {number}\r\n"), "+OK")?;
            assert_eq!(name_of(line.lines()?.as_bytes()), *name, "{place:?} {uid}");
        }
    }
    line.ask("QUIT\r\n", "+OK").map(drop)
}
