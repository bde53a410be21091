//! What a member's words do: a name, a message for the room, or a command.

use super::member::{Member, Standing};
use super::order::NameAnswer;
use super::show;

/// What `/help` says.
const HELP: &[&str] = &[
    "* /name X  take the name X",
    "* /who     who is here",
    "* /quit    leave",
    "* anything else is said to everyone here",
];

/// Bytes of names that one line of `/who` has at most: it is to fit into a packet.
const WHO: usize = 8_192;

impl Member<'_> {
    /// Lets in a peer that has proven itself, or asks for its name first.
    ///
    /// Who is numbered is announced with its first message: until then it may be a browser that a web page made come
    /// here, of which the room is shown nothing.
    pub(super) fn admit(&mut self) {
        self.stage = Standing::Naming;
        if self.order.has_names() {
            self.answer("* your name?");
            return;
        }
        let name = format!("#{}", self.session.id);
        let answer = self.order.enter(self.session.id, &name, &self.mailbox, false);
        self.answered(answer);
    }

    /// Does what a message says. The message is without its newline, and an empty one says nothing.
    pub(super) fn obey(&mut self, message: &[u8]) {
        if message.first() == Some(&b'/') {
            self.command(message);
        } else if matches!(self.stage, Standing::Naming) {
            self.take_name(message);
        } else if !message.is_empty() {
            self.is_outrunning |= self.order.say(self.session.id, &show::escaped(message));
        }
    }

    fn command(&mut self, message: &[u8]) {
        let space = memchr::memchr(b' ', message).unwrap_or(message.len());
        let (word, rest) = message.split_at(space);
        match word {
            b"/name" => self.take_name(rest),
            b"/who" => self.answer(&self.order.who(WHO)),
            b"/help" => HELP.iter().for_each(|line| self.answer(line)),
            b"/quit" => {
                self.answer("* goodbye");
                self.session.conclude(None, "said /quit");
                self.is_leaving = true;
            }
            _ => {
                let word = show::escaped(&word[..word.len().min(32)]);
                self.answer(&format!("* there is no {word}; /help lists what there is"));
            }
        }
    }

    fn take_name(&mut self, text: &[u8]) {
        let (id, order) = (self.session.id, self.order);
        let answer = match show::name(text) {
            Err(wrong) => NameAnswer::Refused(wrong.to_owned()),
            Ok(name) => match self.stage {
                Standing::Inside => order.rename(id, &name),
                _ => order.enter(id, &name, &self.mailbox, true),
            },
        };
        self.answered(answer);
    }

    /// Does what an answer about a name says.
    pub(super) fn answered(&mut self, answer: NameAnswer) {
        let is_inside = matches!(self.stage, Standing::Inside);
        match answer {
            NameAnswer::Granted if is_inside => self.answer("* so be it"),
            NameAnswer::Granted => self.stage = Standing::Inside,
            NameAnswer::Lent(line) => {
                self.answer(&line);
                self.stage = Standing::Inside;
            }
            NameAnswer::Refused(why) if is_inside => self.answer(&format!("* {why}")),
            NameAnswer::Refused(why) => self.answer(&format!("* {why}; your name?")),
            NameAnswer::Asked => {
                self.stage = Standing::Claiming { is_inside, unheard: Vec::new() };
            }
        }
    }
}
