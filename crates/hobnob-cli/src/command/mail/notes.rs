//! What is said beside the letters: the dialogue, and what a person wants to know in any case.

use std::io::Write as _;
use std::sync::Mutex;

use hobnob::bus::{Subscription, Wish};
use hobnob::engine::Dialer;
use hobnob::event::Fact;
use hobnob::post::{MailSaid, MailWitness};
use hobnob::streams;

use crate::job::Job;
use crate::report::look::{Look, Paint};
use crate::report::show::{one_line, safe, size};
use crate::report::text::learnt_lines;

/// Notes that are kept until they are told.
const NOTES: usize = 16;

/// What the dialler notes: that nobody checks who the peer is.
pub(super) struct MailNotes {
    notes: Subscription,
    look: Look,
    is_quiet: bool,
}

impl MailNotes {
    pub(super) fn of(job: &Job, dialer: &Dialer) -> Self {
        let wish = Wish { data: false, upstream: false, snap: 0, capacity: NOTES };
        MailNotes {
            notes: dialer.bus().subscribe(wish),
            look: job.err,
            is_quiet: job.is_on("quiet"),
        }
    }

    pub(super) fn tell(&self) {
        let mut events = Vec::new();
        self.notes.pull(&mut events);
        for event in events.into_iter().filter(|_| !self.is_quiet) {
            let line = match event.fact {
                Fact::Note(text) => safe(&text),
                Fact::Warning(text) => self.look.paint(Paint::RedBold, &safe(&text)),
                _ => continue,
            };
            // Without a reader nobody wants to know.
            let _ = writeln!(streams::stderr(), "{line}");
        }
    }
}

/// Who tells the dialogue on stderr, where it is asked for.
pub(super) fn witness(job: &Job, is_wanted: bool) -> MailWitness {
    if !is_wanted || job.is_on("quiet") {
        return MailWitness::default();
    }
    let look = job.err;
    // Several conns talk at once, and a line is a line.
    let turn = Mutex::new(());
    MailWitness::new(move |said| {
        let text = match said {
            MailSaid::Us(line) => format!("{}  {}\n", look.sent(), one_line(line.as_bytes())),
            MailSaid::Server(line) => {
                format!(
                    "{}  {}\n",
                    look.received(),
                    look.paint(Paint::Green, &one_line(line.as_bytes()))
                )
            }
            MailSaid::Letter(bytes) => format!("   (a letter of {})\n", size(bytes)),
            MailSaid::Secured(learnt) => {
                let lines = learnt_lines(learnt);
                format!("   {}\n", lines.join("\n   "))
            }
        };
        let _turn = turn.lock();
        let _ = streams::stderr().write_all(text.as_bytes());
    })
}
