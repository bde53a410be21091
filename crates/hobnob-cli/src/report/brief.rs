//! Endpoints as a person would type them.

use hobnob::engine;

/// An endpoint as a person would type it: without the words that go without saying.
pub(crate) fn brief(endpoint: &str) -> String {
    let means_the_same =
        |text: &&str| engine::parse(text).is_ok_and(|short| short.to_string() == endpoint);
    let bare = endpoint.split_once("://").or_else(|| endpoint.split_once(':'));
    bare.map(|(_, rest)| rest).filter(means_the_same).unwrap_or(endpoint).to_owned()
}
