//! Those who send, move and delete letters until the server is gone, and write down what it said.

use std::net::SocketAddr;

use super::book::{ARCHIVE, Book, EVERY, LI, MO, POP, Place};
use super::letter::{letter, name_of, stuffed};
use super::line::{Line, number};
use super::moment::{Counted, Moment};

/// Letters that one client sends at most, before it is enough.
const ENOUGH: u32 = 400;

/// What every client has.
pub(super) struct Client<'m> {
    pub(super) doors: [SocketAddr; 3],
    pub(super) moment: &'m Moment,
    pub(super) book: &'m Book,
    /// What its letters are called first.
    pub(super) name: String,
}

impl Client<'_> {
    /// Sends letters by SMTP.
    pub(super) fn sends(&self) {
        let sent = (0..ENOUGH).try_fold(None, |line, n| {
            self.send(line, &format!("{}-{n}", self.name), "li@test", LI).map(Some)
        });
        self.ends(sent.is_some());
    }

    /// It has come to its end, which is in order where the server has.
    fn ends(&self, is_well: bool) {
        assert!(is_well || self.moment.is_over(), "{}: a conn broke of itself", self.name);
    }

    /// Sends one letter, over a conn that is open or a new one.
    pub(super) fn send<'l>(
        &'l self,
        line: Option<Line<'l>>,
        name: &str,
        to: &str,
        place: Place,
    ) -> Option<Line<'l>> {
        let mut line = if let Some(line) = line {
            line
        } else {
            let mut line = Line::dial(self.doors[0], self.moment)?;
            line.ask("EHLO me\r\n", "250 ")?;
            line
        };
        line.say(&format!("MAIL FROM:<app@test>\r\nRCPT TO:<{to}>\r\nDATA\r\n"))?;
        for beginning in ["250 ", "250 ", "354 "] {
            line.hear(beginning)?;
        }
        self.book.sends(name, &[EVERY, place]);
        line.say_letter(&(stuffed(&letter(name)) + ".\r\n"))?;
        let answer = line.hear("250 2.0.0 kept as ")?;
        self.book.has(name, answer.rsplit(' ').next().unwrap_or_default());
        self.moment.count(Counted::Answers, 1);
        Some(line)
    }

    /// Sends letters, fetches them by POP3 and deletes some.
    pub(super) fn fetches(&self) {
        self.ends((0..ENOUGH / 8).try_for_each(|n| self.fetch(n)).is_some());
    }

    fn fetch(&self, round: u32) -> Option<()> {
        let names: Vec<_> = (0..4).map(|n| format!("{}-{round}-{n}", self.name)).collect();
        let sent = names
            .iter()
            .try_fold(None, |line, name| self.send(line, name, "pop@test", POP).map(Some));
        sent?.as_mut()?.ask("QUIT\r\n", "221 ")?;
        let mut line = Line::dial(self.doors[1], self.moment)?;
        line.ask("USER pop@test\r\n", "+OK")?;
        line.ask("PASS x\r\n", "+OK")?;
        line.ask("UIDL\r\n", "+OK")?;
        let list = line.lines()?;
        let mut deleted = Vec::new();
        for one in list.lines() {
            let (number, uidl) = one.split_once(' ').expect("a number and a name");
            line.ask(&format!("RETR {number}\r\n"), "+OK")?;
            let name = name_of(line.lines()?.as_bytes());
            self.book.named(POP, uidl, &name);
            if number.parse::<u32>().expect("a number") % 3 > 0 {
                line.ask(&format!("DELE {number}\r\n"), "+OK")?;
                deleted.push(name);
            }
        }
        if round % 4 == 3 {
            return Some(()); // without QUIT nothing is deleted
        }
        for name in &deleted {
            self.book.leaves(name, POP, None);
        }
        line.ask("QUIT\r\n", "+OK bye")?;
        for name in &deleted {
            self.book.has_left(name, POP, None);
        }
        self.moment.count(Counted::Answers, 1);
        Some(())
    }

    /// Puts letters into a box, marks, moves and expunges them by IMAP.
    pub(super) fn keeps_house(&self) {
        self.ends(self.keep_house().is_some());
    }

    fn keep_house(&self) -> Option<()> {
        let mut line = Line::dial(self.doors[2], self.moment)?;
        line.open("mo", "INBOX")?;
        for n in 0..ENOUGH / 4 {
            let names: Vec<_> = (0..3).map(|one| format!("{}-{n}-{one}", self.name)).collect();
            let mut uids = Vec::new();
            for name in &names {
                uids.push(self.append(&mut line, name)?);
            }
            let flag = ["\\Seen", "\\Flagged", "$Work"][n as usize % 3];
            line.command(&format!("UID STORE {} +FLAGS ({flag})", uids[0]))?;
            self.book.is_flagged(&names[0], flag);
            self.counted();
            self.move_two(&mut line, &names, &uids)?;
            line.command(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", uids[2]))?;
            self.book.leaves(&names[2], MO, None);
            // Others that are marked were left so by a round that was cut short, and have to stay.
            line.command(&format!("UID EXPUNGE {}", uids[2]))?;
            self.book.has_left(&names[2], MO, None);
            self.counted();
        }
        Some(())
    }

    fn append(&self, line: &mut Line<'_>, name: &str) -> Option<u32> {
        let text = letter(name);
        self.book.sends(name, &[MO]);
        line.say(&format!("t APPEND INBOX {{{}+}}\r\n", text.len()))?;
        line.say_letter(&text)?;
        line.say("\r\n")?;
        let mut answer = line.read()?;
        while answer.starts_with("* ") {
            answer = line.read()?;
        }
        assert!(answer.starts_with("t OK [APPENDUID "), "{answer}");
        let validity = number(&answer, "APPENDUID ");
        let uid = number(&answer, &format!("APPENDUID {validity} "));
        self.book.numbered(MO, uid, name);
        self.book.has(name, "");
        self.counted();
        Some(uid)
    }

    fn move_two(&self, line: &mut Line<'_>, names: &[String], uids: &[u32]) -> Option<()> {
        let two = &names[..2];
        for name in two {
            self.book.leaves(name, MO, Some(ARCHIVE));
        }
        let said = line.command(&format!("UID MOVE {},{} Archive", uids[0], uids[1]))?;
        let validity = number(&said, "COPYUID ");
        let copied = said.split_once(&format!("COPYUID {validity} ")).expect("a code").1;
        let (_, new) = copied.split_once(' ').expect("two sets");
        let first = number(new, "");
        for (uid, name) in (first..).zip(two) {
            self.book.numbered(ARCHIVE, uid, name);
            self.book.has_left(name, MO, Some(ARCHIVE));
        }
        self.counted();
        Some(())
    }

    fn counted(&self) {
        self.moment.count(Counted::Answers, 1);
    }
}
