//! Lists of letters.

use std::sync::Arc;

use hyper::http::request::Parts;

use super::answer::WebRefusal;
use super::query::{WebSearch, number, value};
use super::summary::{LetterSummary, is_read};
use crate::codec::json::JsonWriter;
use crate::store::{BoxView, StoredLetter};

/// Letters of one list, where nobody says how many, and at most.
const LISTED: usize = 50;
const MOST_LISTED: usize = 10_000;

/// A letter of a list.
pub(super) type Listed = (Arc<StoredLetter>, Arc<LetterSummary>);

/// A list, by the names that mailpit gives (`MessagesSummary`). `counts` are those of all that fit, and of the unread ones.
pub(super) fn listing(
    view: &BoxView,
    start: usize,
    counts: (usize, usize),
    listed: &[Listed],
) -> String {
    let mut json = JsonWriter::default();
    json.begin('{').name("total").plain(view.letters.len());
    json.name("unread").plain(unread(view)).name("count").plain(listed.len());
    json.name("messages_count").plain(counts.0).name("messages_unread").plain(counts.1);
    json.name("start").plain(start).name("tags").texts([]).name("messages").begin('[');
    for (letter, summary) in listed {
        summary.write(letter, &mut json);
    }
    json.end(']').end('}');
    json.finish()
}

/// Where a list begins, and how many letters it has.
pub(super) fn window(query: Option<&str>) -> (usize, usize) {
    let limit = number(query, "limit", LISTED);
    (number(query, "start", 0), if limit == 0 { LISTED } else { limit.min(MOST_LISTED) })
}

pub(super) fn search_of(head: &Parts) -> Result<WebSearch, WebRefusal> {
    let words = value(head.uri.query(), "query").filter(|words| !words.trim().is_empty());
    let words =
        words.ok_or_else(|| WebRefusal::senseless("a search needs its words: ?query=WORDS"))?;
    Ok(WebSearch::read(&words))
}

pub(super) fn unread(view: &BoxView) -> usize {
    view.letters.iter().filter(|letter| !is_read(letter)).count()
}
