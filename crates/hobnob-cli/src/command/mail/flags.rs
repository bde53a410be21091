//! The flags, and which of them belong to which word.

use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;
use crate::args::{Flag, switch, value};
use crate::job::Job;

const fn several(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value, repeats: true, help }
}

/// What a letter is made of, and how it goes.
pub(super) const SENDING: &[Flag] = &[
    value("from", "ADDRESS", "who sends: app@test, or 'Li Lei <li@test>'; <>: nobody"),
    several("to", "ADDRESS", "whom it is for; several with commas, or repeat"),
    several("cc", "ADDRESS", "who gets a copy"),
    several("bcc", "ADDRESS", "who gets a copy of which the letter says nothing"),
    value("subject", "TEXT", "what it is about"),
    Flag {
        long: "text",
        short: Some('t'),
        ..value("text", "TEXT|@FILE", "what it says; @-: standard input")
    },
    value("html", "HTML|@FILE", "the same as HTML"),
    several("attach", "FILE", "a file behind it (repeat)"),
    Flag { short: Some('H'), ..several("header", "K:V", "a field of its head (repeat)") },
    value("eml", "FILE", "a letter as it is, in place of all these; -: standard input"),
    value("helo", "NAME", "what we call ourselves (the name of this machine)"),
    value("count", "N", "send it so many times"),
    value("conns", "N", "over so many conns at once (1)"),
    value("break", "WHAT", "do this wrong, to see what the server makes of it: bare-lf, ..."),
];

/// Which letters are fetched, and what comes of them.
pub(super) const FETCHING: &[Flag] = &[
    value("last", "N", "the newest N letters alone"),
    value("wait", "QUERY", "wait for a letter: 'to:li@test subject:/Reset/'"),
    value("within", "DUR", "how long to wait for it (5s)"),
    value("save", "DIR", "write each as a file .eml in this folder"),
    switch("force", None, "overwrite files that are there"),
    switch("delete", None, "delete them there, once they are shown or saved"),
    value("box", "NAME", "the mailbox, by imap (INBOX)"),
];

/// What is shown of a letter.
pub(super) const SHOWING: &[Flag] = &[
    switch("links", None, "its links alone, one a line"),
    switch("source", None, "it as it came"),
    value("part", "NUMBER", "a part of it alone, decoded: 2, 1.2"),
    switch("raw", None, "bytes as they are, also on a terminal"),
];

/// Where a letter lies that is shown.
pub(super) const LYING: &[Flag] =
    &[value("dir", "DIR", "the folder of serve mail --dir: the letter of this number there")];

/// How one talks to the server.
pub(super) const TALKING: &[Flag] = &[
    value("user", "NAME:@FILE", "who logs in, and the file whose first line is the password"),
    value("starttls", "try|need|off", "whether a clear conn becomes TLS; on this machine: off"),
    value("timeout", "DUR", "how long connecting may take (10s)"),
    value("idle", "DUR", "how long the server may say nothing (1m; of a letter sent: 5m)"),
    switch("quiet", Some('q'), "errors only"),
    switch("verbose", Some('v'), "the whole dialogue on stderr, secrets masked"),
];

/// Refuses flags of another word than this.
pub(super) fn check(job: &Job, word: &str) -> Result<()> {
    let others: &[(&[Flag], &str)] = match word {
        "send" => &[(FETCHING, "fetch"), (SHOWING, "fetch and mail show"), (LYING, "show")],
        "fetch" => &[(SENDING, "send"), (LYING, "show")],
        "show" => &[(SENDING, "send"), (FETCHING, "fetch"), (TALKING, "send and mail fetch")],
        _ => &[],
    };
    for (flags, whose) in others {
        // What -q and -v say holds for all.
        let is_shared = |flag: &&Flag| ["quiet", "verbose"].contains(&flag.long);
        let given = |flag: &&Flag| job.is_on(flag.long) || !job.texts(flag.long).is_empty();
        if let Some(flag) = flags.iter().filter(|flag| !is_shared(flag)).find(given) {
            let text = format!("--{} is a flag of mail {whose}, not of mail {word}", flag.long);
            return Err(Error::new(Kind::Usage, text).try_command("hobnob mail -h", ""));
        }
    }
    Ok(())
}
