//! The door for browsers, and for tests that read by the API of mailpit: an inbox page, and what it asks.
//!
//! What stands below `/api/v1` and `/view` has the paths and names of mailpit, as its documentation has them
//! (<https://mailpit.axllent.org/docs/api-v1/>). It is for reading and deleting; unlike there, reading a letter does not mark
//! it as read, as a GET changes nothing here. What stands below `/hobnob` is for our own page.

mod admit;
mod answer;
mod harmless;
mod list;
mod query;
mod shelf;
mod summary;
mod whole;

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use self::admit::WebGate;
use self::answer::{HTML, WebAnswer, WebRefusal};
use self::list::{Listed, listing, search_of, unread, window};
use self::query::{Searched, WebSearch, value};
use self::shelf::MadeOfLetter;
pub(super) use self::shelf::WebShelf;
use self::summary::{LetterSummary, id, is_read};
use self::whole::WholeLetter;
use super::office::MailOffice;
use super::step::MailReader;
use crate::codec::json::{JsonValue, JsonWriter};
use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::event::{Fact, MailDeed};
use crate::httpd::{HttpAnswerer, HttpAsked, Patience, talk};
use crate::session::Session;
use crate::store::{ALL, BoxView, FlagChange, LetterFlags, StoredLetter};

/// The page: its three files have at most 40 KB together, which a test of them checks.
const PAGE: &str = include_str!("inbox.html");
const STYLE: &str = include_str!("inbox.css");
const SCRIPT: &str = include_str!("inbox.js");

/// How long a question for changes waits for one.
const CHANGES: Duration = Duration::from_secs(55);

/// Holds a session.
pub(super) async fn hold(
    office: &MailOffice,
    session: &Arc<Session>,
    conn: &mut Conn,
) -> Result<()> {
    let local = &session.facts.local;
    let (is_local, has_host) = (local.is_local_only(), local.ip().is_some());
    let gate = WebGate { rules: &office.rules, is_local, has_host };
    // Every request says the password.
    session.hush(gate.needs_login());
    let web = WebSession { office, session, gate, login: Mutex::default() };
    talk(&web, session, conn, Patience::default(), &office.web.faults).await
}

struct WebSession<'a> {
    office: &'a MailOffice,
    session: &'a Arc<Session>,
    gate: WebGate<'a>,
    /// Who asks: requests of a conn come one after the other.
    login: Mutex<String>,
}

impl HttpAnswerer for WebSession<'_> {
    /// A list of all letters of a full box has less.
    const BODY: usize = 256 * 1_024;

    async fn answer(&self, asked: HttpAsked) -> Response<Bytes> {
        let answered = match self.gate.admit(&asked.head) {
            Err(refusal) => Err(refusal),
            Ok(name) => {
                self.login().clone_from(name.as_ref().unwrap_or(&String::new()));
                let name = name.map_or_else(|| ALL.to_owned(), |name| self.office.box_of(&name));
                self.route(&name, asked).await
            }
        };
        answered.unwrap_or_else(WebRefusal::answer)
    }
}

impl WebSession<'_> {
    async fn route(&self, name: &str, asked: HttpAsked) -> WebAnswer {
        let HttpAsked { head, body, is_cut } = asked;
        let path: Vec<_> = head.uri.path().split('/').skip(1).collect();
        match (&head.method, &path[..]) {
            (&Method::GET | &Method::HEAD, path) => self.show(name, path, &head).await,
            (&Method::DELETE | &Method::PUT, _) if is_cut => {
                let why = "the list of letters is too long";
                Err(WebRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, why))
            }
            (&Method::DELETE, ["api", "v1", "messages"]) => {
                let uids = self.named(name, &body)?.0;
                self.delete(name, uids).await
            }
            (&Method::DELETE, ["api", "v1", "search"]) => {
                let search = search_of(&head)?;
                let found = self.found(name, &search).await?;
                self.delete(name, found.iter().map(|(letter, _)| letter.uid).collect()).await
            }
            (&Method::PUT, ["api", "v1", "messages"]) => {
                let (uids, is_read) = self.named(name, &body)?;
                let seen = LetterFlags::SEEN;
                let change = if is_read { FlagChange::Add(seen) } else { FlagChange::Remove(seen) };
                let marked = self.office.store.mark(name, &uids, change).await;
                marked.map_err(|_| unwritable())?;
                Ok(answer::plain("ok"))
            }
            _ => {
                let why = "this door shows and deletes letters, and does nothing else";
                Err(WebRefusal::new(StatusCode::METHOD_NOT_ALLOWED, why))
            }
        }
    }

    /// What is shown changes nothing.
    async fn show(&self, name: &str, path: &[&str], head: &Parts) -> WebAnswer {
        let query = head.uri.query();
        match path {
            [""] => Ok(answer::page(HTML, PAGE)),
            ["inbox.css"] => Ok(answer::page("text/css; charset=utf-8", STYLE)),
            ["inbox.js"] => Ok(answer::page("text/javascript; charset=utf-8", SCRIPT)),
            ["livez" | "readyz"] => Ok(answer::plain("ok")),
            ["api", "v1", "info"] => Ok(answer::json(self.info(name))),
            ["api", "v1", "tags"] => Ok(answer::json("[]".to_owned())),
            ["api", "v1", "messages"] => self.list(name, query).await,
            ["api", "v1", "search"] => self.search(name, head).await,
            ["api", "v1", "message", id] => {
                let message = self.whole(name, id, |whole| whole.message()).await?;
                self.tell(MailDeed::Fetched, name, std::slice::from_ref(&message.letter));
                Ok(message.answer(answer::json))
            }
            ["api", "v1", "message", id, "headers"] => {
                let headers = self.whole(name, id, |whole| whole.headers()).await?;
                Ok(headers.answer(answer::json))
            }
            ["api", "v1", "message", id, "raw"] => self.raw(name, id).await,
            ["api", "v1", "message", id, "part", number] => {
                let number = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                let at = number.ok_or_else(WebRefusal::unknown)?;
                let part = move |whole: WholeLetter| whole.shown().attachments.into_iter().nth(at);
                let part = self.whole(name, id, part).await?.some()?;
                Ok(part.answer(answer::part))
            }
            ["view", file] => self.view(name, file).await,
            ["hobnob", "letter", id] => {
                let journey = self.whole(name, id, |whole| whole.journey()).await?;
                Ok(journey.answer(answer::json))
            }
            ["hobnob", "changes"] => Ok(answer::json(self.changes(query).await)),
            _ => Err(WebRefusal::unknown()),
        }
    }

    /// The text or the HTML of a letter, alone.
    async fn view(&self, name: &str, file: &str) -> WebAnswer {
        if let Some(id) = file.strip_suffix(".txt") {
            let text = self.whole(name, id, |whole| whole.shown().text).await?;
            return Ok(text.answer(answer::plain));
        }
        let id = file.strip_suffix(".html").ok_or_else(WebRefusal::unknown)?;
        let html = self.whole(name, id, |whole| whole.html()).await?.some()?;
        Ok(html.answer(answer::letter))
    }

    /// A letter as it is, with the lines that it got when it came.
    async fn raw(&self, name: &str, id: &str) -> WebAnswer {
        let raw = self.whole(name, id, |whole| whole.view.into_raw()).await?;
        self.tell(MailDeed::Fetched, name, std::slice::from_ref(&raw.letter));
        Ok(raw.answer(answer::plain))
    }

    fn info(&self, name: &str) -> String {
        let view = self.office.store.view(name);
        let mut json = JsonWriter::default();
        json.begin('{').name("Version").text(concat!("hobnob/", env!("CARGO_PKG_VERSION")));
        json.name("Messages").plain(view.letters.len());
        json.name("Unread").plain(unread(&view)).name("Tags").begin('{').end('}').end('}');
        json.finish()
    }

    /// Waits until something is otherwise than at the count that the query names, or for a while; the count then.
    async fn changes(&self, query: Option<&str>) -> String {
        let known = value(query, "after").and_then(|text| text.parse::<u64>().ok());
        let mut changes = self.office.store.changes();
        let count = *changes.borrow_and_update();
        if known == Some(count) {
            let mut changed = pin!(tokio::time::timeout(CHANGES, changes.changed()));
            poll_fn(|cx| match changed.as_mut().poll(cx) {
                Poll::Pending if self.session.is_draining() => Poll::Ready(()),
                changed => changed.map(drop),
            })
            .await;
        }
        let mut json = JsonWriter::default();
        json.begin('{').name("count").plain(*self.office.store.changes().borrow()).end('}');
        json.finish()
    }

    async fn list(&self, name: &str, query: Option<&str>) -> WebAnswer {
        let view = self.look(name).await;
        let (start, limit) = window(query);
        let mut listed = Vec::new();
        for letter in view.letters.iter().rev().skip(start).take(limit) {
            if let Some(summary) = self.summary(name, letter).await? {
                listed.push((letter.clone(), summary));
            }
        }
        let counts = (view.letters.len(), unread(&view));
        Ok(answer::json(listing(&view, start, counts, &listed)))
    }

    async fn search(&self, name: &str, head: &Parts) -> WebAnswer {
        let search = search_of(head)?;
        let found = self.found(name, &search).await?;
        let (start, limit) = window(head.uri.query());
        let listed: Vec<_> = found.iter().skip(start).take(limit).cloned().collect();
        let new = found.iter().filter(|(letter, _)| !is_read(letter)).count();
        let view = self.office.store.view(name);
        Ok(answer::json(listing(&view, start, (found.len(), new), &listed)))
    }

    /// The letters that a search finds, the newest first.
    async fn found(&self, name: &str, search: &WebSearch) -> Result<Vec<Listed>, WebRefusal> {
        let view = self.look(name).await;
        let mut found = Vec::new();
        for letter in view.letters.iter().rev() {
            let Some(summary) = self.summary(name, letter).await? else { continue };
            let text = if search.wants_text() {
                let text = |whole: WholeLetter| query::searched(&whole.shown().text);
                self.read(name, letter, text).await?.unwrap_or_default()
            } else {
                String::new()
            };
            let (is_read, received) = (is_read(letter), letter.received);
            let searched = Searched { summary: &summary, is_read, received, text: &text };
            if search.finds(&searched) {
                found.push((letter.clone(), summary));
            }
        }
        Ok(found)
    }

    async fn delete(&self, name: &str, uids: Vec<u32>) -> WebAnswer {
        let view = self.office.store.view(name);
        let gone = self.office.store.expunge(name, &uids).await.map_err(|_| unwritable())?;
        let letters: Vec<_> = gone.iter().filter_map(|uid| view.find(*uid)).cloned().collect();
        self.tell(MailDeed::Deleted, name, &letters);
        Ok(answer::plain("ok"))
    }

    /// The letters that a body names, all where it names none; and whether they are to be read.
    fn named(&self, name: &str, body: &[u8]) -> Result<(Vec<u32>, bool), WebRefusal> {
        let view = self.office.store.view(name);
        if body.trim_ascii().is_empty() {
            return Ok((view.letters.iter().map(|letter| letter.uid).collect(), false));
        }
        let asked = std::str::from_utf8(body).ok().and_then(JsonValue::read);
        let is_list = |ids: Option<&JsonValue>| match ids {
            None | Some(JsonValue::Null) => true,
            Some(JsonValue::List(ids)) => ids.iter().all(|id| matches!(id, JsonValue::Text(_))),
            Some(_) => false,
        };
        let is_sound = |asked: &JsonValue| {
            matches!(asked, JsonValue::Object(_)) && is_list(asked.member("IDs"))
        };
        // What is not understood may not mean all letters.
        let asked = asked.filter(is_sound).ok_or_else(|| {
            WebRefusal::senseless("the body is JSON with a list of letters: {\"IDs\":[\"1\"]}")
        })?;
        let ids = asked.texts("IDs");
        let is_asked =
            |letter: &&Arc<StoredLetter>| ids.is_empty() || ids.contains(&id(letter).as_str());
        let uids = view.letters.iter().filter(is_asked).map(|letter| letter.uid).collect();
        Ok((uids, asked.member("Read") == Some(&JsonValue::Flag(true))))
    }

    /// The box, once it was looked whether other programs have changed it.
    async fn look(&self, name: &str) -> BoxView {
        // What cannot be read now was read before.
        let _ = self.office.store.look(name).await;
        self.office.store.view(name)
    }

    /// What is known of a letter; none where it is gone.
    async fn summary(
        &self,
        name: &str,
        letter: &Arc<StoredLetter>,
    ) -> Result<Option<Arc<LetterSummary>>, WebRefusal> {
        let shelf = &self.office.web;
        if let Some(summary) = shelf.summary(letter.name()) {
            return Ok(Some(summary));
        }
        let made = self.read(name, letter, |whole| whole.summary()).await?;
        let made = made.map(Arc::new);
        if let Some(summary) = &made {
            shelf.keep_summary(letter.name(), summary);
        }
        Ok(made)
    }

    /// Makes something of the letter of this number, or of the `latest`.
    async fn whole<T: Send + 'static>(
        &self,
        name: &str,
        number: &str,
        make: impl FnOnce(WholeLetter) -> T + Send + 'static,
    ) -> Result<MadeOfLetter<T>, WebRefusal> {
        let view = self.look(name).await;
        let letter = match number {
            "latest" => view.letters.last(),
            number => view.letters.iter().find(|letter| id(letter) == number),
        };
        let letter = letter.ok_or_else(WebRefusal::unknown)?;
        let held = self.office.web.hold(letter.size).await.inspect_err(|_| self.tell_busy())?;
        let made = self.read(name, letter, make).await?.ok_or_else(WebRefusal::unknown)?;
        Ok(MadeOfLetter { made, letter: letter.clone(), held })
    }

    /// Reads a letter where that may block, and makes something of it there; none where it is gone.
    async fn read<T: Send + 'static>(
        &self,
        name: &str,
        letter: &Arc<StoredLetter>,
        make: impl FnOnce(WholeLetter) -> T + Send + 'static,
    ) -> Result<Option<T>, WebRefusal> {
        let _room = self.office.web.room(letter.size).await;
        let (store, name, letter) = (self.office.store.clone(), name.to_owned(), letter.clone());
        let read = move || Ok(WholeLetter::read(&store, &name, &letter)?.map(make));
        let made: Result<std::io::Result<_>> = self.session.work(read).await;
        made.ok().and_then(std::io::Result::ok).ok_or_else(|| {
            WebRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the letter cannot be read now")
        })
    }

    /// Others hold the memory for answers, and do not read theirs.
    fn tell_busy(&self) {
        let session = self.session;
        let error = Error::limit("mail-memory", "others hold the memory for letters at the inbox");
        let faults = &self.office.web.faults;
        if let Some(error) = faults.due_failure(session.bus(), &session.facts.local, error) {
            session.emit(Fact::Failed(error));
        }
    }

    fn tell(&self, did: MailDeed, name: &str, letters: &[Arc<StoredLetter>]) {
        let login = self.login().clone();
        let (store, session, login) = (&self.office.store, self.session, &login);
        let reader = MailReader { store, session, login };
        reader.did(did, name, letters.iter().map(|letter| &**letter));
    }

    fn login(&self) -> MutexGuard<'_, String> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unwritable() -> WebRefusal {
    WebRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the disk refused it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_at_most_40_kb_and_names_no_other_site() {
        let files = [PAGE, STYLE, SCRIPT];
        assert!(files.iter().map(|file| file.len()).sum::<usize>() <= 40_000);
        for file in files {
            assert!(!file.contains("://"), "an address of another site");
            for unsafe_way in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!file.contains(unsafe_way), "{unsafe_way}");
            }
        }
        assert!(!PAGE.contains("style=") && !PAGE.contains(" onclick"));
    }
}
