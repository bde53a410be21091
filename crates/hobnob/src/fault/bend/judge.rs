//! What a service answers on purpose, as its panel decides.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use super::active::ActiveSetting;
use super::chain::Hit;
use super::count::AnswerCount;
use super::log::Logged;
use super::panel::Panel;
use crate::chunk::Direction;
use crate::fault::outbox::{Act, Decision};
use crate::fault::{AnswerAct, Answering, Seed};

/// What a service is about to answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerQuestion<'q> {
    /// The fault that may change it: `rcpt`.
    pub kind: &'static str,
    /// What a pattern looks at.
    pub about: &'q [u8],
    /// The session's number, from 1.
    pub session: u64,
    /// Its seed.
    pub seed: u64,
    /// Its client's address, if it has one.
    pub peer: Option<IpAddr>,
    /// How many answers of this kind the session has had before.
    pub ordinal: u64,
    /// The time since the program's clock began.
    pub now: Duration,
}

/// What becomes of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AnswerVerdict {
    /// For how long nothing is said.
    pub hold: Duration,
    /// What takes the place of the answer, if anything does.
    pub act: Option<AnswerAct>,
    /// What is to be told of it.
    pub hits: Vec<Hit>,
}

impl Panel {
    /// A service's: whether something else is to be answered, as the first of the settings says that is for it. The times
    /// that several hold it add up.
    pub fn judge(&self, question: &AnswerQuestion<'_>) -> AnswerVerdict {
        let mut verdict = AnswerVerdict::default();
        if !self.was_turned() {
            return verdict;
        }
        let board = self.board();
        for plan in board.plans() {
            let mut count = plan.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let since = *count.since.get_or_insert(question.now);
            let Some((index, answering)) = plan.setting.answering(question.kind) else { continue };
            let is_spoken_for = verdict.act.is_some() && answering.act.is_some();
            if is_spoken_for || !takes(plan, question, &mut count, since) {
                continue;
            }
            drop(count);
            plan.hits[index][Direction::Out as usize].count();
            for (act, decision) in acts(question, &answering) {
                verdict.hits.push(Hit { kind: question.kind, act });
                if let Some(log) = board.log() {
                    let (session, direction, fault) =
                        (question.session, Direction::Out, question.kind);
                    log.decided(&Logged { session, direction, fault, decision });
                }
            }
            verdict.hold = verdict.hold.saturating_add(answering.hold);
            verdict.act = verdict.act.or(answering.act);
        }
        verdict
    }
}

/// Whether the rules of a setting say that it changes this answer; it is counted then.
fn takes(
    plan: &ActiveSetting,
    question: &AnswerQuestion<'_>,
    count: &mut AnswerCount,
    since: Duration,
) -> bool {
    let rules = plan.setting.rules();
    let is_of_it = rules.takes_client(question.peer)
        && rules.takes_session(question.session)
        && rules.on.as_ref().is_none_or(|pattern| pattern.matches(question.about));
    if !is_of_it {
        return false;
    }
    count.matched += 1;
    // A share is drawn from where the answer stands in its session, so that the order of sessions does not matter.
    let own = Seed::new(question.seed).of(plan.place);
    let is_drawn = || rules.when.is_none_or(|share| own.hits(question.ordinal, share));
    let is_taken = count.is_after(rules, question.now, since)
        && count.is_within(rules, question.now, since)
        && is_drawn();
    count.changed += u64::from(is_taken);
    is_taken
}

/// What is to be told and noted of what is done.
fn acts(question: &AnswerQuestion<'_>, answering: &Answering) -> Vec<(Act, Decision)> {
    let at = question.ordinal;
    let mut acts = Vec::new();
    if !answering.hold.is_zero() {
        let value = u64::try_from(answering.hold.as_micros()).ok();
        acts.push((Act::Held(answering.hold), Decision { at, what: "hold", value }));
    }
    let Some(act) = &answering.act else { return acts };
    let (told, value) = match act {
        AnswerAct::Say { code, .. } => (Act::Answered(*code), Some(u64::from(*code))),
        AnswerAct::Drop => (Act::Ended, None),
        AnswerAct::Refuse { .. } | AnswerAct::Hide(_) => (Act::Changed(act.word()), None),
    };
    acts.push((told, Decision { at, what: act.word(), value }));
    acts
}
