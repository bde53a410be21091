//! The way of a letter that a server of ours keeps, in lines: who sent it, what took it, and what became of it since.

use std::fmt::Write as _;

use hobnob::codec::findings;
use hobnob::codec::json::JsonValue;
use hobnob::store::LetterJourney;

use crate::report::letter::in_words;
use crate::report::look::Look;
use crate::report::show::safe;

/// As a person reads it; nothing where nothing is known. With `has_dialogue` what both sides said is there, too.
pub(super) fn lines(journey: &LetterJourney, look: Look, has_dialogue: bool) -> String {
    let (arrival, mut out) = (&journey.arrival, String::new());
    if *arrival != JsonValue::Null {
        let from = if arrival.text("from").is_empty() { "<>" } else { arrival.text("from") };
        let to = arrival.texts("to").join(", ");
        let way = format!("{from} {} {to}", look.sent());
        push(&mut out, "MUA", &[arrival.text("client"), arrival.text("peer"), clock(arrival)]);
        push(&mut out, "MTA", &[&login(arrival.text("with"), arrival), &way]);
    }
    for step in &journey.steps {
        let did = step.text("did");
        let is_of_reader = !step.text("by").is_empty();
        let what = if is_of_reader {
            format!(
                "{}, from {}",
                login(&format!("{did} by {}", step.text("by")), step),
                step.text("peer")
            )
        } else {
            format!("{did}, for {}: {}", step.texts("to").join(", "), step.text("detail"))
        };
        push(&mut out, if is_of_reader { "MUA" } else { "MTA" }, &[&what, clock(step)]);
    }
    for slug in arrival.texts("findings") {
        // One of a later version is told by its name.
        let said = findings::named(slug).map_or_else(
            || slug.to_owned(),
            |found| in_words(found.slug, found.text, found.source),
        );
        push(&mut out, "!", &[&said]);
    }
    for line in arrival.texts("dialogue").iter().filter(|_| has_dialogue) {
        let _ = writeln!(out, "        {}", safe(line)); // a String takes all
    }
    out
}

/// `ESMTP, as li`.
fn login(what: &str, of: &JsonValue) -> String {
    match of.text("login") {
        "" => what.to_owned(),
        login => format!("{what}, as {login}"),
    }
}

/// `14:20:11` of `2026-11-26T14:20:11.000Z`.
fn clock(of: &JsonValue) -> &str {
    of.text("at").get(11..19).unwrap_or_default()
}

fn push(out: &mut String, who: &str, words: &[&str]) {
    let words: Vec<_> =
        words.iter().filter(|word| !word.is_empty()).map(|word| safe(word)).collect();
    let _ = writeln!(out, "  {who:<4}  {}", words.join("   "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journey_is_told_in_lines_that_drive_no_terminal() {
        let journey = LetterJourney::read(
            b"{\"at\":\"2026-11-26T14:20:11.000Z\",\"peer\":\"127.0.0.1:9\",\"client\":\"me\",\"with\":\"ESMTPA\",\"login\":\"u\",\
            \"from\":\"\",\"to\":[\"li@test\"],\"findings\":[\"no-date\",\"of-later\"],\"dialogue\":[\"> EHLO \\u001b[0m\"]}\n\
            {\"at\":\"2026-11-26T14:20:12.000Z\",\"did\":\"forwarded\",\"detail\":\"250 ok\",\"to\":[\"li@test\"]}\n\
            {\"at\":\"2026-11-26T14:20:13.000Z\",\"did\":\"fetched\",\"by\":\"imap\",\"login\":\"li\",\"peer\":\"127.0.0.1:8\"}\n",
        );
        let shown = lines(&journey, Look::default(), true);
        assert_eq!(
            shown.lines().collect::<Vec<_>>(),
            [
                "  MUA   me   127.0.0.1:9   14:20:11",
                "  MTA   ESMTPA, as u   <> \u{bb} li@test",
                "  MTA   forwarded, for li@test: 250 ok   14:20:12",
                "  MUA   fetched by imap, as li, from 127.0.0.1:8   14:20:13",
                "  !     no-date: there is no Date header (RFC 5322 3.6)",
                "  !     of-later",
                "        > EHLO \\x1b[0m",
            ]
        );
        assert_eq!(lines(&LetterJourney::read(b""), Look::default(), true), "");
    }
}
