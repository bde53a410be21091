//! `hobnob mail send`.

use std::fmt::Write as _;
use std::time::Duration;

use hobnob::codec::smtp::{SmtpBreak, SmtpOutcome};
use hobnob::error::Result;
use hobnob::post::{MailErrand, PostManner, Posting};

use super::compose::ReadyLetter;
use super::load::MailLoad;
use super::notes::{MailNotes, witness};
use super::outcome::{REFUSED, not_sent, said};
use super::place::MailPlace;
use super::{load, login};
use crate::args;
use crate::job::Job;
use crate::process::signals::Signals;
use crate::process::{runtime, say};
use crate::report::json::Json;
use crate::report::letters::SentLetter;
use crate::report::show::{safe, span};

pub(super) fn run(job: &Job) -> Result<u8> {
    let place = MailPlace::read(job, MailErrand::Send)?;
    let breaks = job.text("break").map(read_break).transpose()?;
    let load = MailLoad::read(job)?;
    let manner = PostManner {
        name: job.text("helo").map(read_name).transpose()?,
        login: login::read(job)?,
        breaks,
        patience: place.idle.unwrap_or(PostManner::default().patience),
        // Who breaks something wants to see what comes of it.
        witness: witness(job, job.is_on("verbose") || breaks.is_some() && !job.is_on("json")),
    };
    let letter = ReadyLetter::read(job)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::catch()?;
        let notes = MailNotes::of(job, &place.dialer);
        if let Some(load) = load {
            return load::run(job, &place, manner, letter, load, &mut signals, &notes).await;
        }
        let began = job.clock.now();
        let sent = async {
            let posting = Posting::open(&place.route, manner).await;
            notes.tell();
            let mut posting = posting?;
            let outcome = posting.send(letter.envelope.clone(), &letter.bytes).await?;
            let took = job.clock.now().saturating_sub(began);
            Ok((outcome, took, posting.close().await))
        };
        match signals.unless_asked(sent).await {
            Ok(sent) => {
                let (outcome, took, closed): (SmtpOutcome, _, Result<()>) = sent?;
                let code = told(job, &letter, &outcome, took)?;
                closed.map(|()| code)
            }
            Err(asked) => Ok(asked.code()),
        }
    });
    runtime.shutdown_background();
    result
}

fn read_break(word: &str) -> Result<SmtpBreak> {
    SmtpBreak::of(word).ok_or_else(|| {
        let words: Vec<_> = SmtpBreak::words().map(|(word, _)| word).collect();
        args::bad_value("--break", word, &format!("it takes one of {}", words.join(", ")))
    })
}

/// A name that is one word: what stands behind EHLO.
fn read_name(name: &str) -> Result<String> {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(name.to_owned());
    }
    Err(args::bad_value("--helo", name, "it takes one word: a name, or an address in [ ]"))
}

/// Tells what became of it; the exit code.
fn told(job: &Job, letter: &ReadyLetter, outcome: &SmtpOutcome, took: Duration) -> Result<u8> {
    let all = letter.envelope.to.len();
    if job.is_on("json") {
        let mut out = Vec::new();
        Json::new(job.clock).sent(
            &mut out,
            &SentLetter {
                from: letter.envelope.from.as_ref().map(ToString::to_string).unwrap_or_default(),
                to: letter.envelope.to.iter().map(ToString::to_string).collect(),
                subject: &letter.subject,
                size: letter.bytes.len() as u64,
                outcome,
                took,
            },
        );
        say(&String::from_utf8_lossy(&out))?;
    }
    if let Err((what, answer)) = &outcome.answer {
        return Err(not_sent(what, answer));
    }
    if job.is_on("json") || job.is_on("quiet") {
        return Ok(if outcome.taken == all { 0 } else { REFUSED });
    }
    let mut text = String::new();
    if let Ok(answer) = &outcome.answer {
        let _ = writeln!(text, "{}  {}", job.out.received(), said(answer));
    }
    for (to, answer) in &outcome.refused {
        let _ = writeln!(text, "refused  {}: {}", safe(to), said(answer));
    }
    let people = if outcome.taken == 1 {
        "1 person".to_owned()
    } else {
        format!("{} people", outcome.taken)
    };
    let of_all = if outcome.taken == all { String::new() } else { format!(" of {all}") };
    let _ = writeln!(text, "sent to {people}{of_all} in {}", span(took));
    let code = say(&text)?;
    Ok(if code == 0 && outcome.taken < all { REFUSED } else { code })
}
