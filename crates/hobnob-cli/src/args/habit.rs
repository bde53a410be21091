//! Habits of other programs: what is typed without thinking, and which of our lines was meant.

use clap::ArgMatches;
use hobnob::engine;
use hobnob::error::{Error, Kind, Result, quoted};
use hobnob::spec::nearest;

use super::netcat::{Meant, Netcat, Proposal, is_endpoint, is_server, is_service, joined};
use super::{Usage, Usages, WORDS};
use crate::advice::Propose as _;

/// Verbs of other programs, and which of ours does the same.
const VERBS: &[(&str, &str)] = &[
    ("listen", "talk"),
    ("connect", "talk"),
    ("client", "talk"),
    ("dial", "talk"),
    ("open", "talk"),
    ("send", "talk"),
    ("nc", "talk"),
    ("netcat", "talk"),
    ("ncat", "talk"),
    ("telnet", "talk"),
    ("server", "serve"),
    ("curl", "get"),
    ("fetch", "get"),
    ("request", "get"),
    ("wget", "get"),
    ("proxy", "relay"),
    ("forward", "relay"),
    ("tunnel", "relay"),
    ("socat", "relay"),
    ("swaks", "mail"),
    ("mailx", "mail"),
    ("tcpdump", "sniff"),
    ("tshark", "sniff"),
    ("capture", "sniff"),
    ("tcping", "ping"),
    (TRACEROUTE, "ping"),
];

const TRACEROUTE: &str = "traceroute";
/// Verbs, ours and others', behind which what was typed stands as it is.
const AS_TYPED: &[&str] = &["sniff", TRACEROUTE];

/// What these words, which the parser did not take, are typed like here.
pub(super) fn proposals(words: &[String], usages: Usages) -> Vec<Proposal> {
    let at = words.iter().position(|word| !word.starts_with('-'));
    let first = at.map_or("", |at| words[at].as_str());
    let without_first = || {
        let rest = words.iter().enumerate().filter(|(index, _)| Some(*index) != at);
        rest.map(|(_, word)| word.clone()).collect::<Vec<_>>()
    };
    let known = usages.of(first).map(|usage| usage.name);
    let theirs = VERBS.iter().find(|(word, _)| *word == first).map(|(_, ours)| *ours);
    let Some(verb) = known.or(theirs) else { return without_a_verb(words, first, usages) };
    let Some(usage) = usages.of(verb) else { return Vec::new() };
    let mut typed = Netcat::of(usage, usages);
    if first == "listen" {
        typed.wishes.push(Meant::Listen);
    }
    let rest = without_first();
    if rest.is_empty() && known.is_none() {
        return vec![alone(first, verb)];
    }
    if AS_TYPED.contains(&verb) || AS_TYPED.contains(&first) {
        return if known.is_some() { Vec::new() } else { vec![as_typed(first, usage, &rest)] };
    }
    typed.read(&rest).and_then(|()| typed.commands()).unwrap_or_default()
}

/// The same words behind our verb, where it has all of their flags.
fn as_typed(theirs: &str, usage: &Usage, rest: &[String]) -> Proposal {
    let is_ours = |word: &String| !word.starts_with('-') || usage.spellings(word).is_some();
    if !rest.iter().all(is_ours) {
        return alone(theirs, usage.name);
    }
    let flag = if theirs == TRACEROUTE { "--trace " } else { "" };
    let words: Vec<_> = rest.iter().map(|word| quoted(word)).collect();
    (format!("hobnob {} {flag}{}", usage.name, words.join(" ")), "")
}

/// Whether it is a verb of another program.
pub(super) fn is_foreign(verb: &str) -> bool {
    VERBS.iter().any(|(word, _)| *word == verb)
}

/// What is right, but that the port stands in a word of its own, or that a service was left out.
pub(super) fn check(words: &[String], usages: Usages, matches: &ArgMatches) -> Result<()> {
    let Some((verb, matches)) = matches.subcommand() else { return Ok(()) };
    let Some(usage) = usages.of(verb).filter(|usage| usage.endpoints.start < 2) else {
        return Ok(());
    };
    let given: Vec<_> = matches.get_many::<String>(WORDS).into_iter().flatten().collect();
    if ["h", "help"].iter().any(|flag| matches.get_flag(flag)) {
        return Ok(());
    }
    let error = match given.as_slice() {
        [service, ..] if is_server(usage) && !is_service(service) && is_endpoint(service) => {
            Error::new(Kind::UnknownService, format!("which service on {service}?"))
        }
        [host, port, ..] if usage.endpoints == (0..1) => match joined(host, port) {
            Some(at) => {
                let text = format!("the port is a part of the address: {at}");
                Error::new(Kind::MissingPort, text)
            }
            None => return Ok(()),
        },
        _ => return Ok(()),
    };
    let proposals = proposals(words, usages);
    if proposals.is_empty() { Ok(()) } else { Err(proposing(error, proposals)) }
}

/// The error with these to try.
pub(super) fn proposing(error: Error, proposals: Vec<Proposal>) -> Error {
    proposals.into_iter().fold(error, |error, (command, note)| error.try_command(command, note))
}

/// `hobnob -l 9000`, `hobnob localhost 9000`, `hobnob echo :9000`, `hobnob http://localhost/`.
fn without_a_verb(words: &[String], first: &str, usages: Usages) -> Vec<Proposal> {
    if is_service(first) {
        let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
        return vec![(format!("hobnob serve {}", words.join(" ")), "")];
    }
    let is_verb = nearest(first, usages.all().map(|usage| usage.name)).is_some();
    let spoken = engine::parse(first).ok();
    let spoken = spoken.as_ref().and_then(|endpoint| endpoint.protocol());
    let verb = match spoken {
        None => "talk",
        Some("http") => "get",
        Some(protocol) => {
            let what = if protocol == "smtp" { "send" } else { "fetch" };
            return vec![(format!("hobnob mail {what} {}", quoted(first)), "")];
        }
    };
    let Some(usage) = usages.of(verb).filter(|_| !is_verb) else {
        return Vec::new();
    };
    let mut typed = Netcat::of(usage, usages);
    typed.read(words).and_then(|()| typed.commands()).unwrap_or_default()
}

/// A verb of another program, and nothing behind it.
fn alone(theirs: &str, verb: &str) -> Proposal {
    match theirs {
        "listen" => ("hobnob talk --listen :9000".to_owned(), "to type to who comes"),
        "server" => ("hobnob serve".to_owned(), "lists what can be served"),
        "swaks" | "mailx" => ("hobnob mail -h".to_owned(), "one screen of help"),
        _ => (format!("hobnob {verb} -h"), "one screen of help"),
    }
}
