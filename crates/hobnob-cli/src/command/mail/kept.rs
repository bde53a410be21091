//! The folders of letters of servers that run, as their control sockets tell of them.

use std::path::PathBuf;

use hobnob::error::{Error, Kind, Result, quoted};
use serde_json::Value;

use crate::advice::Propose as _;
use crate::control::{Folder, Survey};
use crate::job::Job;

/// A server that keeps letters.
pub(super) struct KeptFolder {
    /// What it is called: nothing else is called so.
    pub(super) name: String,
    /// Where its letters lie.
    pub(super) path: PathBuf,
    /// What else it is known by: the name alone, and its ports.
    aliases: Vec<String>,
}

impl KeptFolder {
    /// The server that is meant: by its name or a port, or the only one that keeps letters. None: nobody was named, and no
    /// server runs.
    ///
    /// # Errors
    ///
    /// No server is called so, or several may be meant.
    pub(super) fn meant(job: &Job, named: Option<&str>) -> Result<Option<Self>> {
        let survey = match Folder::find(&job.environment)? {
            Some(folder) => Survey::of(&folder, job.clock)?,
            None => Survey::default(),
        };
        let told = survey.heard.iter().map(|(caller, hello)| (caller.pid, hello));
        let all: Vec<_> = told.flat_map(|(pid, hello)| KeptFolder::told(pid, hello)).collect();
        let names: Vec<_> = all.iter().map(|one| one.name.clone()).collect();
        let mut fits = all.into_iter().filter(|one| named.is_none_or(|named| one.is_called(named)));
        match (fits.next(), fits.next(), named) {
            (Some(_), Some(_), _) => {
                let error =
                    Error::new(Kind::AmbiguousName, "several servers keep letters: which one?");
                let number = job.words().get(1).map(|word| quoted(word)).unwrap_or_default();
                Err(names.iter().fold(error, |error, name| {
                    error.try_command(format!("hobnob mail show {number} {}", quoted(name)), "")
                }))
            }
            (None, _, Some(named)) => {
                let error = Error::new(
                    Kind::NotRunning,
                    format!("no server that keeps letters is called {named:?}"),
                );
                Err(match names.as_slice() {
                    [] => error.try_command("hobnob serve mail", "starts one"),
                    names => error.why(format!("there are: {}", names.join(", "))),
                })
            }
            (found, ..) => Ok(found),
        }
    }

    /// Those of one process, by its answer to `hello`.
    fn told(pid: u32, hello: &Value) -> Vec<Self> {
        let servers = hello["servers"].as_array().into_iter().flatten();
        let kept = servers.filter_map(|server| {
            let (name, path) = (server["name"].as_str()?, server["letters"].as_str()?);
            let bound = server["bound"].as_array().into_iter().flatten();
            let address = |bound: &Value| bound["addr"].as_str().map(str::to_owned);
            let addresses: Vec<_> = bound.filter_map(address).collect();
            let port = |address: &String| Some(format!(":{}", address.rsplit_once(':')?.1));
            let ports: Vec<_> = addresses.iter().filter_map(port).collect();
            let aliases = [vec![name.to_owned()], addresses, ports].concat();
            Some(KeptFolder { name: format!("{name}@{pid}"), path: PathBuf::from(path), aliases })
        });
        kept.collect()
    }

    fn is_called(&self, named: &str) -> bool {
        self.name == named || self.aliases.iter().any(|alias| alias == named)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_goes_by_its_names_its_addresses_and_its_ports() {
        let bound = json!([{ "door": "smtp", "addr": "127.0.0.1:1025" }]);
        let hello = json!({ "servers": [
            { "name": "mail", "letters": "/x", "bound": bound },
            { "name": "echo", "bound": bound },
        ] });
        let told = KeptFolder::told(7, &hello);
        assert_eq!(told.len(), 1, "one of them keeps letters");
        for name in ["mail", "mail@7", "127.0.0.1:1025", ":1025"] {
            assert!(told[0].is_called(name), "{name}");
        }
        for name in ["echo", "mail@8", ":25", ""] {
            assert!(!told[0].is_called(name), "{name}");
        }
        assert!(KeptFolder::told(7, &json!({ "servers": 3 })).is_empty());
    }
}
