//! Secrets stand in the environment or in a file of their own, and are never printed.

use std::path::Path;

use hobnob::error::{Error, Kind, Result};

use crate::config::file;
use crate::env;

/// A value, which may have been a secret.
pub(crate) struct Revealed {
    /// The value itself.
    pub(crate) text: String,
    /// Where a secret came from, as the file names it.
    origin: Option<String>,
}

/// Whether a value of the file names a secret.
pub(crate) fn is_named(text: &str) -> bool {
    text.starts_with("@env:") || text.starts_with("@file:")
}

/// What `@env:NAME` and `@file:PATH` stand for; any other value stands for itself.
pub(crate) fn reveal(text: &str) -> Result<Revealed> {
    let (secret, origin) = if let Some(name) = text.strip_prefix("@env:") {
        let missing = || {
            let message = format!("the variable {name} is not set");
            Error::new(Kind::NotFound, message)
        };
        (env::variable(name).ok_or_else(missing)?, Some(text.to_owned()))
    } else if let Some(path) = text.strip_prefix("@file:") {
        (file::read_secret(Path::new(path))?, Some(text.to_owned()))
    } else {
        (text.to_owned(), None)
    };
    Ok(Revealed { text: secret, origin })
}

impl Revealed {
    /// An error about this value, without the value where it is a secret.
    pub(crate) fn hide(&self, key: &str, error: Error) -> Error {
        match &self.origin {
            None => error,
            Some(origin) => {
                let text = format!("{key} does not take what {origin} stands for");
                Error::new(error.kind(), text).why("a secret is never printed")
            }
        }
    }
}
