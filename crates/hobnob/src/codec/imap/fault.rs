//! What is wrong with a command.

/// Why a command is refused: with `BAD`, behind its tag where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImapFault {
    /// The tag, where one could be read.
    pub tag: Option<String>,
    /// In plain words.
    pub what: &'static str,
    /// Where in the command, in bytes from 1; 0: it is about all of it.
    pub at: usize,
}

impl ImapFault {
    /// A fault of the whole command.
    pub(super) fn whole(tag: Option<String>, what: &'static str) -> Self {
        ImapFault { tag, what, at: 0 }
    }
}
