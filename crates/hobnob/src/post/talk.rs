//! What is said on a conn, for whoever wants to see it.

use std::sync::Arc;

use crate::event::Learnt;

/// One thing that was said.
#[derive(Debug)]
pub enum MailSaid<'a> {
    /// We said this line. Secrets in it are masked.
    Us(&'a str),
    /// The server said this line, as it came.
    Server(&'a str),
    /// A letter of so many bytes left, or came.
    Letter(u64),
    /// The conn became TLS, and this was learnt.
    Secured(&'a [Learnt]),
}

/// Who is told of each thing that is said.
#[derive(Clone, Default)]
pub struct MailWitness(Option<Arc<dyn Fn(MailSaid<'_>) + Send + Sync>>);

impl MailWitness {
    /// Somebody who is told.
    pub fn new(told: impl Fn(MailSaid<'_>) + Send + Sync + 'static) -> Self {
        MailWitness(Some(Arc::new(told)))
    }

    pub(super) fn tell(&self, said: MailSaid<'_>) {
        if let Some(told) = &self.0 {
            told(said);
        }
    }
}

impl std::fmt::Debug for MailWitness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailWitness")
    }
}
