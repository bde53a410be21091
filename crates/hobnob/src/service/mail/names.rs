//! Names that last: a line each in a file beside the letters.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::files;

/// Bytes of the file at most.
const LARGEST: u64 = 1 << 20;

/// The names, each once, in the order in which they came.
pub(super) struct NameList {
    path: PathBuf,
    most: usize,
    names: Mutex<Arc<Vec<String>>>,
}

impl NameList {
    /// Reads the names; none where there is no such file, or none that can be read. This may block.
    pub(super) fn open(path: PathBuf, most: usize) -> Self {
        let bytes = files::read(&path, LARGEST).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let names = text.lines().filter(|line| !line.is_empty()).take(most);
        let names = names.map(str::to_owned).collect();
        NameList { path, most, names: Mutex::new(Arc::new(names)) }
    }

    pub(super) fn names(&self) -> Arc<Vec<String>> {
        self.locked().clone()
    }

    /// Adds a name, and says whether it is there then: there may be too many. This may block.
    pub(super) fn add(&self, name: &str) -> io::Result<bool> {
        let mut names = self.locked();
        if names.iter().any(|known| known == name) {
            return Ok(true);
        }
        if names.len() >= self.most {
            return Ok(false);
        }
        let mut with = Vec::clone(&names);
        with.push(name.to_owned());
        self.write(&with)?;
        *names = Arc::new(with);
        Ok(true)
    }

    /// Removes a name. This may block.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let mut names = self.locked();
        let mut without = Vec::clone(&names);
        without.retain(|known| known != name);
        self.write(&without)?;
        *names = Arc::new(without);
        Ok(())
    }

    fn write(&self, names: &[String]) -> io::Result<()> {
        let draft = self.path.with_extension("draft");
        fs::write(&draft, names.join("\n") + "\n")?;
        fs::rename(draft, &self.path)
    }

    fn locked(&self) -> MutexGuard<'_, Arc<Vec<String>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
