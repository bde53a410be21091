//! What all doors of the service share.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::forward::queue::ForwardQueue;
use super::names::NameList;
use super::rules::{BoxesBy, MailRules};
use crate::fault::Panel;
use crate::store::{ALL, BoxView, MailStore};

/// What stands between a box and one within it. No address holds it, as it is a control character.
pub(super) const WITHIN: char = '\t';
/// How long somebody waits for a box that another session has.
const CLAIM_PATIENCE: Duration = Duration::from_secs(1);
/// Subscriptions at most.
const MAX_SUBSCRIPTIONS: usize = 4_000;
/// Keywords at most: a Maildir has a letter for each.
const MAX_KEYWORDS: usize = 26;

/// The rules, and the letters.
pub(super) struct MailOffice {
    pub(super) rules: MailRules,
    /// What is answered on purpose.
    pub(super) panel: Panel,
    /// Letters that are to be passed on.
    pub(super) queue: ForwardQueue,
    /// The layer that STARTTLS puts on, with its settings.
    pub(super) tls: String,
    pub(super) store: Arc<MailStore>,
    /// The boxes that one session has for itself.
    claimed: Mutex<HashSet<String>>,
    /// Tells of each box that is free again.
    freed: Notify,
    /// The names of keywords, each by its place.
    pub(super) keywords: Arc<NameList>,
    /// Mailboxes that somebody wants to see, by their names in the store.
    pub(super) subscriptions: Arc<NameList>,
    /// Of each box its validity, and the last letter that some session was told of as recent.
    recent: Mutex<HashMap<String, (u32, u32)>>,
    /// What the door for browsers knows.
    #[cfg(feature = "http")]
    pub(super) web: super::web::WebShelf,
}

impl MailOffice {
    /// Reads lists of names, so that it may block.
    pub(super) fn new(rules: MailRules, panel: Panel, tls: String, store: MailStore) -> Self {
        let list = |name, most| Arc::new(NameList::open(store.folder().join(name), most));
        let keywords = list("hobnob.keywords", MAX_KEYWORDS);
        let subscriptions = list("hobnob.subscriptions", MAX_SUBSCRIPTIONS);
        let (claimed, recent) = (Mutex::default(), Mutex::default());
        let store = Arc::new(store);
        let queue = ForwardQueue::default();
        MailOffice {
            rules,
            panel,
            queue,
            tls,
            store,
            claimed,
            freed: Notify::new(),
            keywords,
            subscriptions,
            recent,
            #[cfg(feature = "http")]
            web: super::web::WebShelf::default(),
        }
    }

    /// The box that somebody sees who logged in by this name, in small letters: the one of that address, or of that part
    /// before an `@`; the box for all is called so.
    pub(super) fn box_of(&self, name: &str) -> String {
        if self.rules.boxes == BoxesBy::One || name == ALL {
            return ALL.to_owned();
        }
        let is_its = |known: &String| {
            known == name || known.rsplit_once('@').is_some_and(|(local, _)| local == name)
        };
        self.store
            .boxes()
            .into_iter()
            .filter(|known| !known.contains(WITHIN))
            .find(is_its)
            .unwrap_or_else(|| name.to_owned())
    }

    /// Has a box for one session alone; none where another session has it, and keeps it for a while. A client that closes
    /// without QUIT and comes again may be here before its end is.
    pub(super) async fn claim(&self, name: &str) -> Option<BoxClaim<'_>> {
        let once_free = async {
            loop {
                let freed = self.freed.notified();
                if self.claimed().insert(name.to_owned()) {
                    return BoxClaim { office: self, name: name.to_owned() };
                }
                freed.await;
            }
        };
        tokio::time::timeout(CLAIM_PATIENCE, once_free).await.ok()
    }

    /// Letters with larger UIDs are recent (RFC 3501 section 2.3.2). Whoever is told and is `taking` is the only one.
    pub(super) fn recent_after(&self, name: &str, view: &BoxView, is_taking: bool) -> u32 {
        let last = view.letters.last().map_or(0, |letter| letter.uid);
        if view.validity == 0 {
            return last;
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.get(name).filter(|(validity, _)| *validity == view.validity);
        let first_new = || view.letters.iter().find(|letter| letter.is_new);
        let after = known.map(|(_, after)| *after);
        let after = after.unwrap_or_else(|| first_new().map_or(last, |letter| letter.uid - 1));
        let told = if is_taking { after.max(last) } else { after };
        recent.insert(name.to_owned(), (view.validity, told));
        after
    }

    fn claimed(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A box that one session has for itself, as long as this lives.
pub(super) struct BoxClaim<'a> {
    office: &'a MailOffice,
    pub(super) name: String,
}

impl Drop for BoxClaim<'_> {
    fn drop(&mut self) {
        self.office.claimed().remove(&self.name);
        self.office.freed.notify_waiters();
    }
}
