//! What a service answers on purpose: a relay's faults bend a flow, and these a conversation.

use std::time::Duration;

/// What is done instead of a usual answer, or before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answering {
    /// For how long nothing is answered.
    pub hold: Duration,
    /// What takes the place of the answer; none: the usual one follows.
    pub act: Option<AnswerAct>,
}

/// What takes the place of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerAct {
    /// This is said, and nothing else is done.
    Say {
        /// A reply's code: 450.
        code: u16,
        /// What stands behind it.
        text: String,
    },
    /// This is said where answers have no codes, and nothing else is done.
    Refuse {
        /// How it begins: `NO`, `BAD`, `-ERR`.
        word: &'static str,
        /// What stands behind it.
        text: String,
    },
    /// The conn ends, and nothing is said.
    Drop,
    /// These extensions are not told of.
    Hide(Vec<String>),
}

impl AnswerAct {
    /// What it does, in a word.
    pub fn word(&self) -> &'static str {
        match self {
            AnswerAct::Say { .. } | AnswerAct::Refuse { .. } => "answer",
            AnswerAct::Drop => "close",
            AnswerAct::Hide(_) => "hide",
        }
    }
}
