//! A letter sent many times, over several conns at once.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hobnob::error::{Error, Result};
use hobnob::post::{MailRoute, PostManner, Posting};
use tokio::task::JoinSet;

use super::compose::ReadyLetter;
use super::notes::MailNotes;
use super::outcome::{REFUSED, not_sent};
use super::place::MailPlace;
use crate::args;
use crate::job::Job;
use crate::process::say;
use crate::process::signals::Signals;
use crate::report::json::Json;
use crate::report::letters::SendSummary;
use crate::report::show::{count, grouped, span};

/// Conns at once at most.
const MAX_CONNS: u64 = 10_000;

/// How often, and over how many conns.
pub(super) struct MailLoad {
    count: u64,
    conns: u64,
}

impl MailLoad {
    /// None: once.
    pub(super) fn read(job: &Job) -> Result<Option<Self>> {
        let number = |name: &'static str| {
            job.text(name).map(|text| args::read_number(&format!("--{name}"), text, 1)).transpose()
        };
        let (count, conns) = (number("count")?, number("conns")?);
        if count.is_none() && conns.is_none() {
            return Ok(None);
        }
        let conns = conns.unwrap_or(1);
        if conns > MAX_CONNS {
            return Err(args::bad_value("--conns", &conns.to_string(), "it takes 1 to 10,000"));
        }
        Ok(Some(MailLoad { count: count.unwrap_or(conns), conns }))
    }
}

/// What all conns come to.
#[derive(Default)]
struct LoadTally {
    /// Letters that are not begun yet.
    left: AtomicU64,
    sent: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

#[allow(clippy::too_many_arguments, reason = "what one letter takes, and how many")]
pub(super) async fn run(
    job: &Job,
    place: &MailPlace,
    manner: PostManner,
    letter: ReadyLetter,
    load: MailLoad,
    signals: &mut Signals,
    notes: &MailNotes,
) -> Result<u8> {
    signals.are_for_a_measurement();
    let began = job.clock.now();
    let tally = Arc::new(LoadTally { left: AtomicU64::new(load.count), ..LoadTally::default() });
    let letter = Arc::new(letter);
    let mut conns = JoinSet::new();
    for _ in 0..load.conns.min(load.count) {
        let (route, manner) = (place.route.clone(), manner.clone());
        conns.spawn(send_all(route, manner, Arc::clone(&letter), Arc::clone(&tally)));
    }
    let mut first: Option<Error> = None;
    let asked = loop {
        match signals.unless_asked(conns.join_next()).await {
            Ok(None) => break None,
            Ok(Some(Ok(Err(error)))) => {
                first.get_or_insert(error);
            }
            Ok(Some(Ok(Ok(())) | Err(_))) => {}
            Err(asked) => break Some(asked),
        }
        notes.tell();
    };
    conns.abort_all();
    let lasted = job.clock.now().saturating_sub(began);
    let code = told(job, place.route.name(), &tally, &load, lasted)?;
    match (asked, first) {
        (Some(asked), _) => Ok(asked.code()),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(code),
    }
}

/// Sends letters over one conn after the other, until there are none left or one fails.
async fn send_all(
    route: MailRoute,
    manner: PostManner,
    letter: Arc<ReadyLetter>,
    tally: Arc<LoadTally>,
) -> Result<()> {
    let (mut posting, mut refusal) = (None, None);
    while take(&tally.left) {
        let sent = send_one(&mut posting, &route, &manner, &letter, &tally, &mut refusal).await;
        if let Err(error) = sent {
            tally.failed.fetch_add(1, Relaxed);
            return Err(error);
        }
    }
    if let Some(posting) = posting {
        posting.close().await?;
    }
    refusal.map_or(Ok(()), Err)
}

async fn send_one(
    posting: &mut Option<Posting>,
    route: &MailRoute,
    manner: &PostManner,
    letter: &ReadyLetter,
    tally: &LoadTally,
    refusal: &mut Option<Error>,
) -> Result<()> {
    if posting.as_ref().is_none_or(Posting::is_over) {
        *posting = Some(Posting::open(route, manner.clone()).await?);
    }
    let Some(open) = posting else { return Ok(()) };
    let outcome = open.send(letter.envelope.clone(), &letter.bytes).await?;
    match &outcome.answer {
        Ok(_) => tally.sent.fetch_add(1, Relaxed),
        Err((what, answer)) => {
            refusal.get_or_insert_with(|| not_sent(what, answer));
            tally.refused.fetch_add(1, Relaxed)
        }
    };
    Ok(())
}

/// Takes one of what is left.
fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

fn told(job: &Job, name: &str, tally: &LoadTally, load: &MailLoad, lasted: Duration) -> Result<u8> {
    let [sent, refused, failed, left] =
        [&tally.sent, &tally.refused, &tally.failed, &tally.left].map(|count| count.load(Relaxed));
    let summary = SendSummary {
        name,
        sent,
        refused,
        failed,
        left,
        conns: load.conns.min(load.count),
        lasted,
    };
    if job.is_on("json") {
        let mut out = Vec::new();
        Json::new(job.clock).sent_all(&mut out, &summary);
        return say(&String::from_utf8_lossy(&out));
    }
    if job.is_on("quiet") {
        return Ok(if refused + failed > 0 { REFUSED } else { 0 });
    }
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for a person"
    )]
    let rate = (sent as f64 / lasted.as_secs_f64().max(1e-6)) as u64;
    let mut text = format!(
        "{} sent over {} in {}, {} a second\n",
        count(sent, "letter"),
        count(summary.conns, "conn"),
        span(lasted),
        grouped(rate)
    );
    if refused + failed + left > 0 {
        let _ = writeln!(
            text,
            "{} refused, {} failed, {} not begun",
            grouped(refused),
            grouped(failed),
            grouped(left)
        );
    }
    say(&text)
}
