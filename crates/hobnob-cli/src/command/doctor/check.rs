//! One line of the list: what was tried, and what came of it.

/// One thing that this machine allows or does not.
pub(super) struct Check {
    /// What.
    pub(super) name: String,
    /// Whether it does.
    pub(super) is_fine: bool,
    /// What else is known.
    pub(super) detail: String,
    /// What would change it.
    pub(super) remedy: Option<String>,
}

impl Check {
    /// It is so.
    pub(super) fn fine(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Check { name: name.into(), is_fine: true, detail: detail.into(), remedy: None }
    }

    /// It is not so.
    pub(super) fn lacking(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Check { name: name.into(), is_fine: false, detail: detail.into(), remedy: None }
    }

    /// What would change it.
    pub(super) fn but(self, remedy: impl Into<String>) -> Self {
        Check { remedy: Some(remedy.into()), ..self }
    }
}
