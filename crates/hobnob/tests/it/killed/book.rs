//! What a server has said of letters, and so where each has to be and may be; and whether it is so.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A box, by the names of its door: who logs in, and what is opened then.
pub(super) type Place = (&'static str, &'static str);

pub(super) const EVERY: Place = ("all", "INBOX");
pub(super) const LI: Place = ("li@test", "INBOX");
pub(super) const POP: Place = ("pop@test", "INBOX");
pub(super) const MO: Place = ("mo", "INBOX");
pub(super) const ARCHIVE: Place = ("mo", "Archive");
pub(super) const PLACES: [Place; 5] = [EVERY, LI, POP, MO, ARCHIVE];

/// Where a letter is.
#[derive(Default)]
struct Whereabouts {
    /// There it has to be.
    must: BTreeSet<Place>,
    /// There it may be, and nowhere else.
    may: BTreeSet<Place>,
    /// It is in one of them, at least.
    is_somewhere: bool,
}

/// A box as a client found it.
pub(super) struct Found {
    pub(super) validity: u32,
    pub(super) next: u32,
    /// The letters, by number: what each is called, and its flags.
    pub(super) letters: Vec<(u32, String, String)>,
}

#[derive(Default)]
struct Inside {
    letters: HashMap<String, Whereabouts>,
    /// Whose each number is and was.
    numbers: HashMap<(Place, u32), String>,
    /// The flag that a letter has to have.
    flags: HashMap<String, &'static str>,
    /// Of each box its validity, and the number that the next letter may have.
    boxes: HashMap<Place, (u32, u32)>,
    /// Whose each name of POP3 is and was.
    names: HashMap<(Place, String), String>,
    /// The numbers that letters were said to be kept as.
    kept: HashMap<String, String>,
    answers: u64,
}

/// The book of all rounds.
#[derive(Default)]
pub(super) struct Book(Mutex<Inside>);

impl Book {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server has said yes to.
    pub(super) fn answers(&self) -> u64 {
        self.inside().answers
    }

    /// The letters that have to be somewhere.
    pub(super) fn letters(&self) -> usize {
        let inside = self.inside();
        inside.letters.values().filter(|one| one.is_somewhere || !one.must.is_empty()).count()
    }

    /// A letter is on its way to these boxes.
    pub(super) fn sends(&self, name: &str, to: &[Place]) {
        let may = to.iter().copied().collect();
        let one = Whereabouts { may, ..Whereabouts::default() };
        assert!(
            self.inside().letters.insert(name.to_owned(), one).is_none(),
            "{name} is sent twice"
        );
    }

    /// The server has it, and called it that.
    pub(super) fn has(&self, name: &str, kept_as: &str) {
        let mut inside = self.inside();
        inside.answers += 1;
        let one = inside.letters.get_mut(name).expect("it was sent");
        (one.must, one.is_somewhere) = (one.may.clone(), true);
        if !kept_as.is_empty() {
            let before = inside.kept.insert(kept_as.to_owned(), name.to_owned());
            assert_eq!(before, None, "{name} is kept as {kept_as}, too");
        }
    }

    /// The server said that this number of this box is that letter's.
    pub(super) fn numbered(&self, place: Place, uid: u32, name: &str) {
        let mut inside = self.inside();
        if let Some((_, next)) = inside.boxes.get(&place) {
            assert!(uid >= *next, "{place:?} {uid} for {name}, where {next} was to be the next");
        }
        let before = inside.numbers.insert((place, uid), name.to_owned());
        assert!(before.is_none_or(|before| before == name), "{place:?} {uid} is another one's");
    }

    /// A letter may be away from there from now on, and at that other place.
    pub(super) fn leaves(&self, name: &str, from: Place, to: Option<Place>) {
        let mut inside = self.inside();
        let one = inside.letters.get_mut(name).expect("it was sent");
        one.must.remove(&from);
        one.may.extend(to);
        one.is_somewhere = to.is_some() || !one.must.is_empty();
    }

    /// It is away from there.
    pub(super) fn has_left(&self, name: &str, from: Place, to: Option<Place>) {
        let mut inside = self.inside();
        inside.answers += 1;
        let one = inside.letters.get_mut(name).expect("it was sent");
        one.may.remove(&from);
        one.must.extend(to);
        one.is_somewhere = !one.must.is_empty();
    }

    /// It has this flag.
    pub(super) fn is_flagged(&self, name: &str, flag: &'static str) {
        let mut inside = self.inside();
        inside.answers += 1;
        inside.flags.insert(name.to_owned(), flag);
    }

    /// A number of a box that is known: whose it is.
    pub(super) fn known(&self, place: Place, uid: u32) -> Option<String> {
        self.inside().numbers.get(&(place, uid)).cloned()
    }

    /// A name of POP3 is a letter's for ever.
    pub(super) fn named(&self, place: Place, uidl: &str, name: &str) {
        let before = self.inside().names.insert((place, uidl.to_owned()), name.to_owned());
        assert!(before.is_none_or(|before| before == name), "{place:?} {uidl} was another one's");
    }

    /// Whether everything is as it was said. From then on all of it has to stay as it is.
    pub(super) fn check(&self, found: &[(Place, Found)]) {
        let mut inside = self.inside();
        let mut lies: HashMap<String, BTreeSet<Place>> = HashMap::new();
        for (place, found) in found {
            inside.check_box(*place, found);
            for (_, name, _) in &found.letters {
                let is_first = lies.entry(name.clone()).or_default().insert(*place);
                assert!(is_first, "{name} is in {place:?} twice");
            }
        }
        for name in lies.keys() {
            assert!(inside.letters.contains_key(name), "nobody has sent {name}");
        }
        for (name, one) in &mut inside.letters {
            let lies = lies.remove(name).unwrap_or_default();
            assert!(one.must.is_subset(&lies), "{name} is in {lies:?} and not in {:?}", one.must);
            assert!(lies.is_subset(&one.may), "{name} is in {lies:?}, and should be gone");
            assert!(!one.is_somewhere || !lies.is_empty(), "{name} is lost");
            one.is_somewhere = !lies.is_empty();
            (one.must, one.may) = (lies.clone(), lies);
        }
    }
}

impl Inside {
    fn check_box(&mut self, place: Place, found: &Found) {
        let before = self.boxes.insert(place, (found.validity, found.next));
        if let Some((validity, next)) = before {
            assert_eq!(found.validity, validity, "{place:?} has another UIDVALIDITY");
            assert!(found.next >= next, "{place:?}: UIDNEXT fell from {next} to {}", found.next);
        }
        let mut last = 0;
        for (uid, name, flags) in &found.letters {
            assert!(*uid > last && *uid < found.next, "{place:?}: {last}, {uid}, {}", found.next);
            last = *uid;
            if let Some(known) = self.numbers.get(&(place, *uid)) {
                assert_eq!(known, name, "{place:?} {uid} was another one's");
            } else {
                let next = before.map_or(1, |(_, next)| next);
                assert!(*uid >= next, "{place:?}: {uid} came behind {next}");
                self.numbers.insert((place, *uid), name.clone());
            }
            let has_to = self.letters.get(name).is_some_and(|one| one.must.contains(&place));
            if let Some(flag) = self.flags.get(name)
                && !flags.contains(flag)
            {
                // A copy that nobody has answered for gets its flags last.
                assert!(!has_to, "{name} has {flags} and not {flag}");
                self.flags.remove(name);
            }
        }
    }
}
