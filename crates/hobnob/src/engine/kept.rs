//! Keeps what was made from a text, such as the plan of an endpoint, for the next time that it is wanted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;

/// How many things are kept. A few texts come again and again; a text that a peer has a say in may differ each time,
/// and must not fill the memory.
const MOST: usize = 64;

/// Things by the texts that they were made from. Beyond [`MOST`], the one that was not wanted for longest goes.
pub(super) struct Kept<T>(Mutex<Shelf<T>>);

struct Shelf<T> {
    things: HashMap<String, Thing<T>>,
    wanted: u64,
}

struct Thing<T> {
    made: Arc<T>,
    /// The ordinal of the last wish for this thing, counted over the wishes for all things.
    last: u64,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(Mutex::new(Shelf { things: HashMap::new(), wanted: 0 }))
    }
}

impl<T> Kept<T> {
    /// The thing of a text, made if need be. No lock is held while a thing is made, as that may read files: two callers
    /// that want the same thing at once may both make it. A failure is not kept.
    pub(super) fn get(&self, text: &str, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let found = self.lock().find(text);
        if let Some(made) = found {
            return Ok(made);
        }
        let made = Arc::new(make()?);
        self.lock().keep(text, made.clone());
        Ok(made)
    }

    fn lock(&self) -> MutexGuard<'_, Shelf<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Shelf<T> {
    fn find(&mut self, text: &str) -> Option<Arc<T>> {
        self.wanted += 1;
        let thing = self.things.get_mut(text)?;
        thing.last = self.wanted;
        Some(thing.made.clone())
    }

    fn keep(&mut self, text: &str, made: Arc<T>) {
        let oldest = self.things.iter().min_by_key(|(_, thing)| thing.last).map(|(text, _)| text);
        let oldest = oldest.filter(|_| self.things.len() >= MOST).cloned();
        oldest.map(|text| self.things.remove(&text));
        self.things.insert(text.to_owned(), Thing { made, last: self.wanted });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};

    #[test]
    fn it_is_made_once_and_failures_are_not_kept() {
        let kept = Kept::default();
        let refused = kept.get("a", || Err(Error::new(Kind::NotFound, "no file yet")));
        assert_eq!(refused.map_err(|error| error.kind()), Err(Kind::NotFound));
        assert_eq!(*kept.get("a", || Ok(1)).expect("it is made"), 1);
        assert_eq!(*kept.get("a", || panic!("a second time")).expect("it is there"), 1);
    }

    #[test]
    fn the_least_wanted_goes_and_memory_is_bounded() {
        let kept = Kept::default();
        for n in 0..MOST * 10 {
            kept.get(&n.to_string(), || Ok(n)).expect("it is made");
            kept.get("0", || panic!("it is wanted all the time")).expect("it is there");
        }
        assert_eq!(kept.lock().things.len(), MOST);
        assert_eq!(*kept.get("1", || Ok(7)).expect("it is made again"), 7);
    }

    /// The making of one thing may need another.
    #[test]
    fn making_holds_nobody_up() {
        let kept = Kept::default();
        let outer = kept.get("outer", || Ok(1 + *kept.get("inner", || Ok(1))?));
        assert_eq!(outer.as_deref(), Ok(&2));
    }
}
