//! Answers on purpose: what the panel says to an answer that is about to be given.

use std::collections::HashMap;
use std::time::Duration;

use crate::address::canonical;
use crate::chunk::Direction;
use crate::event::{Bent, Fact};
use crate::fault::{AnswerAct, AnswerQuestion, Panel};
use crate::session::Session;

/// One session's view of the panel.
#[derive(Default)]
pub(super) struct OnPurpose<'p> {
    /// None: all is answered as usual.
    asked: Option<(&'p Panel, &'p Session)>,
    /// How many answers there were of each kind.
    counts: HashMap<&'static str, u64>,
    hold: Duration,
}

impl<'p> OnPurpose<'p> {
    pub(super) fn of(panel: &'p Panel, session: &'p Session) -> Self {
        OnPurpose { asked: Some((panel, session)), ..OnPurpose::default() }
    }

    /// What takes the place of an answer of this kind, about these bytes.
    pub(super) fn judge(&mut self, kind: &'static str, about: &[u8]) -> Option<AnswerAct> {
        let (panel, session) = self.asked?;
        let count = self.counts.entry(kind).or_default();
        let ordinal = *count;
        *count += 1;
        let verdict = panel.judge(&AnswerQuestion {
            kind,
            about,
            session: session.id,
            seed: session.seed,
            peer: session.facts.peer.ip().map(|peer| canonical(peer.ip())),
            ordinal,
            now: session.clock().now(),
        });
        for hit in verdict.hits.into_iter().filter(|_| session.bus().is_watched()) {
            let bent = Bent { kind: hit.kind, direction: Direction::Out, act: hit.act };
            session.emit(Fact::Bent(Box::new(bent)));
        }
        self.hold = self.hold.saturating_add(verdict.hold);
        verdict.act
    }

    /// Whether anything was ever to be answered otherwise.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some_and(|(panel, _)| panel.was_turned())
    }

    /// For how long the answers that come are held, once.
    pub(super) fn take_hold(&mut self) -> Duration {
        std::mem::take(&mut self.hold)
    }
}
