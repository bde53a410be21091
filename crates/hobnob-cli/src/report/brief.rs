//! Endpoints as a person would type them.

use hobnob::endpoint::Endpoint;
use hobnob::engine;

/// An endpoint as a person would type it: without the words that go without saying.
pub(crate) fn brief(endpoint: &Endpoint) -> String {
    let whole = endpoint.to_string();
    // What a shorter text means only the grammar knows.
    let means_the_same =
        |text: &&str| engine::parse(text).is_ok_and(|short| short.to_string() == whole);
    let bare = whole.split_once("://").or_else(|| whole.split_once(':'));
    bare.map(|(_, rest)| rest).filter(means_the_same).unwrap_or(&whole).to_owned()
}
