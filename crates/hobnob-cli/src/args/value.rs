//! Values as a person writes them: times, numbers, and words to choose from.

use std::time::Duration;

use clap::ArgMatches;
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::{nearest, parse_duration};

use crate::advice::Propose as _;

/// A flag's value, read as a time.
pub(crate) fn duration(matches: &ArgMatches, name: &'static str) -> Result<Option<Duration>> {
    let Some(text) = matches.get_one::<String>(name) else { return Ok(None) };
    read_duration(&format!("--{name}"), text).map(Some)
}

/// A flag's value, which must be one of these words.
pub(crate) fn choice<'m>(
    matches: &'m ArgMatches,
    name: &'static str,
    words: &[&str],
) -> Result<Option<&'m str>> {
    let Some(text) = matches.get_one::<String>(name) else { return Ok(None) };
    read_choice(&format!("--{name}"), text, words).map(Some)
}

/// A time. Errors call it what was `said`.
pub(crate) fn read_duration(said: &str, text: &str) -> Result<Duration> {
    parse_duration(text).map_err(|expected| bad_value(said, text, expected))
}

/// A number from `least` up.
pub(crate) fn read_number(said: &str, text: &str, least: u64) -> Result<u64> {
    let number = text.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| bad_value(said, text, &format!("it takes a whole number from {least} up")))
}

/// A number from `least` to `most`.
pub(crate) fn read_number_within(said: &str, text: &str, least: u64, most: u64) -> Result<u64> {
    let number: Option<u64> = text.parse().ok();
    number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        let expected = format!("it takes a whole number from {least} to {most}");
        let near = number.unwrap_or(least).clamp(least, most);
        bad_value(said, text, &expected).without_hints().try_flag(format!("{said} {near}"), "")
    })
}

/// One of these words.
pub(crate) fn read_choice<'t>(said: &str, text: &'t str, words: &[&str]) -> Result<&'t str> {
    if words.contains(&text) {
        return Ok(text);
    }
    let error = bad_value(said, text, &format!("it takes one of {}", words.join(", ")));
    match nearest(text, words.iter().copied()) {
        Some(near) if said.starts_with('-') => {
            Err(error.without_hints().try_flag(format!("{said} {near}"), ""))
        }
        _ => Err(error),
    }
}

/// The error of a value that a flag or a line of a file does not take.
pub(crate) fn bad_value(said: &str, text: &str, expected: &str) -> Error {
    Error::new(Kind::BadOption, format!("{said} does not take {text:?}: {expected}"))
        .try_command("hobnob help bad-option", "")
}
