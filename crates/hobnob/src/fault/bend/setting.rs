//! What a person asks for in one word of the command line: `down:latency=200ms,jitter=50ms,when=10%`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::profile::{PROFILES, Profile};
use super::rules::{Amount, KEYS, Rules};
use super::typed::TypedPiece;
use super::vocabulary::{LINKS, Vocabulary};
use super::words::{self, ForeignWord};
use crate::address::Network;
use crate::chunk::Direction;
use crate::codec::pattern::Pattern;
use crate::error::{Error, Kind, Result};
use crate::fault::{Admission, Answering, Chance, Fault, FaultRow, MadeFault, Seed};
use crate::spec::{Options, Shape, ValueKind, parse_percent};

/// Faults that share a direction and their triggers, in the order in which they bend.
#[derive(Clone)]
pub struct Setting(Arc<SettingParts>);

struct SettingParts {
    text: String,
    words: &'static Vocabulary,
    /// One direction only.
    way: Option<Direction>,
    faults: Vec<(&'static FaultRow, Options)>,
    rules: Rules,
    /// It is of a profile, which leaves out what does not fit.
    is_of_profile: bool,
}

impl Profile {
    /// The settings of a profile.
    pub fn settings(name: &str) -> Result<Vec<Setting>> {
        Profile::named(name)?.faults.iter().map(|text| Setting::read(text, &LINKS, true)).collect()
    }
}

impl Setting {
    /// Reads one of a relay's. An error points at what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text, &LINKS, false)
    }

    /// Reads one in these words.
    pub fn parse_in(text: &str, words: &'static Vocabulary) -> Result<Self> {
        Self::read(text, words, false)
    }

    fn read(text: &str, words: &'static Vocabulary, is_of_profile: bool) -> Result<Self> {
        let (way, start) = if words.has_ways { way(text)? } else { (None, 0) };
        let mut parts = SettingParts {
            text: text.to_owned(),
            words,
            way,
            faults: Vec::new(),
            rules: Rules::default(),
            is_of_profile,
        };
        let pieces = TypedPiece::all(text, start, words.topic);
        let mut named: Vec<&TypedPiece<'_>> = Vec::new();
        for piece in &pieces {
            if let Some(row) = words.faults.iter().find(|row| row.spec.name == piece.key) {
                parts.faults.push((*row, Options::of(row.spec.options)));
                named.push(piece);
            }
            parts.add(piece)?;
        }
        for ((row, options), piece) in parts.faults.iter().zip(&named) {
            check_fault(row, options, piece, way)?;
        }
        for piece in &pieces {
            parts.check_rule(piece)?;
        }
        if parts.faults.is_empty() {
            return Err(no_fault(text, start, words));
        }
        Ok(Setting(Arc::new(parts)))
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The words that it is made of.
    pub fn words(&self) -> &'static Vocabulary {
        self.0.words
    }

    /// The names of its faults, in their order.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.0.faults.iter().map(|(row, _)| row.spec.name)
    }

    /// Whether it bends this direction.
    pub fn is_for(&self, direction: Direction) -> bool {
        self.0.way.is_none_or(|way| way == direction)
    }

    /// Whether its faults fit a relay of this shape; what would, otherwise.
    pub fn check(&self, shape: Shape) -> Result<()> {
        let text = self.text();
        let place = |word: &str| text.find(word).map_or(0..text.len(), |at| at..at + word.len());
        for (row, _) in &self.0.faults {
            let name = row.spec.name;
            if row.shapes.contains(&shape) {
                continue;
            }
            let message =
                format!("{name} is for datagrams; bytes have none, and TCP would only resend");
            let error = Error::new(Kind::FaultNeedsDatagrams, message);
            let error = error.at(text, place(name), "for packets: udp, unixgram, lines+tcp");
            let error = row
                .instead
                .iter()
                .fold(error, |error, (spec, note)| error.hint_option("fault", *spec, *note));
            return Err(error);
        }
        let counts_packets = |rule: Option<Amount>| matches!(rule, Some(Amount::Packets(_)));
        let rules = [("after", self.0.rules.after), ("for", self.0.rules.lasts)];
        let counted = rules.into_iter().find(|(_, rule)| counts_packets(*rule));
        if let (Some((key, _)), Shape::Bytes) = (counted, shape) {
            let message =
                format!("{key} counts packets here, and bytes have none: it cannot happen");
            let error = Error::new(Kind::FaultNeedsDatagrams, message);
            return Err(error.at(text, place(&format!("{key}=")), "bytes are counted as in 4k"));
        }
        Ok(())
    }

    /// Whether it is left out silently where it does not fit.
    pub(super) fn yields(&self) -> bool {
        self.0.is_of_profile
    }

    pub(super) fn faults(&self) -> &[(&'static FaultRow, Options)] {
        &self.0.faults
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// Whether a session is one that it hits.
    pub(super) fn takes(&self, number: u64, seed: Seed, peer: Option<IpAddr>) -> bool {
        let when = self.0.rules.when.is_none_or(|share| seed.hits(0, share));
        when && self.0.rules.takes_session(number) && self.0.rules.takes_client(peer)
    }

    /// One of its faults, for one direction of one session, where it bends what passes.
    pub(super) fn flow(&self, index: usize, chance: Chance) -> Option<Box<dyn Fault>> {
        match self.made(index, chance)? {
            MadeFault::Flow(fault) => Some(fault),
            MadeFault::BeforeTheDial(_) | MadeFault::AtTheDoor | MadeFault::Answer(_) => None,
        }
    }

    /// What it decides before the dial, if it does.
    pub(super) fn door(&self, index: usize, chance: Chance) -> Option<Admission> {
        match self.made(index, chance)? {
            MadeFault::Flow(_) | MadeFault::Answer(_) => None,
            MadeFault::BeforeTheDial(opening) => Some(opening),
            // Who came before the door was shut, or where a door cannot be.
            MadeFault::AtTheDoor => Some(Admission::Refuse),
        }
    }

    /// What it does to this answer of a service, and which of its faults that is.
    pub(super) fn answering(&self, kind: &str) -> Option<(usize, Answering)> {
        let index = self.kinds().position(|own| own == kind)?;
        let chance = Chance { session: Seed::new(0), direction: Seed::new(0) };
        match self.made(index, chance)? {
            MadeFault::Answer(answering) => Some((index, answering)),
            _ => None,
        }
    }

    /// The one of its faults that shuts the door of the relay, if one does.
    pub(super) fn at_the_door(&self) -> Option<usize> {
        let chance = Chance { session: Seed::new(0), direction: Seed::new(0) };
        let is_it = |index: &usize| matches!(self.made(*index, chance), Some(MadeFault::AtTheDoor));
        (0..self.0.faults.len()).find(is_it)
    }

    fn made(&self, index: usize, chance: Chance) -> Option<MadeFault> {
        let (row, options) = self.0.faults.get(index)?;
        // Its options were tried when it was read.
        (row.make)(options, chance).ok()
    }

    /// Bytes that one of its faults may hold: what was said, or else what it usually does or `needs`.
    pub(super) fn hold(&self, index: usize, needs: usize) -> usize {
        let options = self.0.faults.get(index).map(|(_, options)| options);
        let held = options.and_then(|options| options.count("hold"));
        let held = held.and_then(|held| usize::try_from(held).ok()).unwrap_or(64 * 1_024);
        let is_said = options.is_some_and(|options| options.is_given("hold"));
        if is_said { held.max(1) } else { held.max(needs) }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({:?})", self.0.text)
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        let parts = |one: &Self| (one.0.is_of_profile, one.0.words.option);
        self.0.text == other.0.text && parts(self) == parts(other)
    }
}

impl SettingParts {
    /// Reads one piece: a fault, an option of the fault before it, or a rule of all.
    fn add(&mut self, piece: &TypedPiece<'_>) -> Result<()> {
        if KEYS.iter().any(|key| key.name == piece.key) {
            return self.add_rule(piece);
        }
        let is_row = |row: &&FaultRow| row.spec.name == piece.key;
        let words = self.words;
        let names = || words.faults.iter().map(|row| row.spec.name);
        let is_own = |(row, _): &(&FaultRow, Options)| {
            row.spec.options.iter().any(|option| option.name == piece.key)
        };
        if words.has_ways
            && !names().any(|name| name == piece.key)
            && !self.faults.last().is_some_and(is_own)
        {
            if let Some(word) = words::foreign(piece.key) {
                return Err(foreign(piece, word));
            }
            if words::is_nothing(piece.key) {
                return Err(nothing(piece));
            }
            if let Some(profile) = PROFILES.iter().find(|profile| profile.name == piece.key) {
                return Err(of_a_network(piece, profile.name));
            }
        }
        let Some((row, options)) = self.faults.last_mut() else {
            let text = match piece.key {
                "" => format!("here a {} is missing", words.noun),
                key => format!("there is no {} {key:?}", words.noun),
            };
            return Err(piece.unknown(Kind::UnknownFault, text, names()));
        };
        let own = row.spec.options.iter().map(|option| option.name);
        if !own.clone().any(|name| name == piece.key) && !is_row(row) {
            let text = format!(
                "{} has no option {:?}, and no {} is called so",
                row.spec.name, piece.key, words.noun
            );
            let known = own.filter(|name| *name != row.spec.name);
            let known = known.chain(KEYS.iter().map(|key| key.name)).chain(names());
            return Err(piece.unknown(Kind::UnknownOption, text, known));
        }
        match piece.value {
            // By itself it is what its default says.
            None if is_row(row) => Ok(()),
            Some(_) if is_row(row) && !own.clone().any(|name| name == row.spec.name) => {
                let text = format!("{} takes no value", row.spec.name);
                Err(piece.value_error(Kind::BadOption, text, "leave it out"))
            }
            value => {
                options.set(row.spec.options, piece.key, value).map_err(|error| piece.mark(&error))
            }
        }
    }

    fn add_rule(&mut self, piece: &TypedPiece<'_>) -> Result<()> {
        let key = piece.key;
        let bad = |label: &str| {
            let text = match piece.value {
                Some(value) => format!("{key} does not take {value:?}"),
                None => format!("{key} needs a value"),
            };
            Err(piece.value_error(Kind::BadOption, text, label))
        };
        let value = piece.value.unwrap_or_default();
        match key {
            "when" => match parse_percent(value) {
                Ok(share) => self.rules.when = Some(share),
                Err(_) => return bad("a share up to 100%, as in 10%"),
            },
            "from" => match Network::parse(value) {
                Ok(network) => self.rules.from.push(network),
                Err(_) => return bad("an address or a network, as in 10.0.0.0/8"),
            },
            "on" => {
                let pattern = value.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
                let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else {
                    return bad("a pattern stands between slashes, as in /QUIT/");
                };
                match Pattern::read(pattern) {
                    Ok(pattern) => self.rules.on = Some(pattern),
                    Err(why) => return bad(&why),
                }
            }
            _ => {
                let amount = (self.words.amount)(value);
                let is_rate = matches!(amount, Some(Amount::Often { .. }));
                let Some(amount) = amount.filter(|_| key == "after" || !is_rate) else {
                    return bad(self.words.amounts);
                };
                let rule =
                    if key == "after" { &mut self.rules.after } else { &mut self.rules.lasts };
                *rule = Some(amount);
            }
        }
        Ok(())
    }

    /// Whether what a rule waits for can happen.
    fn check_rule(&self, piece: &TypedPiece<'_>) -> Result<()> {
        let key = piece.key;
        let amount = match key {
            "after" => self.rules.after,
            "for" => self.rules.lasts,
            _ => None,
        };
        let never = |label: &str| {
            let text = format!("{key}={} cannot happen", piece.value.unwrap_or_default());
            Err(piece.value_error(Kind::BadOption, text, label))
        };
        let counts_sessions = matches!(amount, Some(Amount::Sessions(_)));
        if key == "when" && self.rules.when == Some(0) {
            return never("that is no session at all");
        }
        if key == "for" && amount.is_some_and(Amount::is_nothing) {
            return never("it would be over before it began");
        }
        if key == "on" && self.rules.on.as_ref().is_some_and(Pattern::matches_nothing) {
            return never("it matches before anything has come: leave it out");
        }
        let at_the_door = |(row, options): &&(&FaultRow, Options)| {
            let chance = Chance { session: Seed::new(0), direction: Seed::new(0) };
            matches!((row.make)(options, chance), Ok(MadeFault::AtTheDoor))
        };
        let is_rule = KEYS.iter().any(|rule| rule.name == key);
        if let Some((row, _)) = self.faults.iter().find(at_the_door).filter(|_| is_rule) {
            let label = format!("{} is for all who come: refuse takes {key}", row.spec.name);
            return never(&label);
        }
        let is_along_the_way = key == "on" || amount.is_some() && !counts_sessions;
        let is_door = |(row, _): &&(&FaultRow, Options)| row.is_before_the_dial;
        if let Some((row, _)) = self.faults.iter().find(is_door).filter(|_| is_along_the_way) {
            let label =
                format!("{} is decided before anything passes: count in conn", row.spec.name);
            return never(&label);
        }
        Ok(())
    }
}

/// `up:`, `down:`, and where the rest begins.
fn way(text: &str) -> Result<(Option<Direction>, usize)> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
    let Some((word, _)) = text.split_once(':').filter(|(word, _)| is_word(word)) else {
        return Ok((None, 0));
    };
    let way = Direction::BOTH.into_iter().find(|way| way.between() == word);
    let way = way.ok_or_else(|| {
        let error = Error::new(Kind::BadOption, format!("there is no direction {word:?}"));
        let error = error.at(text, 0..word.len(), "up, down, or none for both");
        error.hint_topic("faults", "")
    })?;
    Ok((Some(way), word.len() + 1))
}

/// A fault by the name that it has elsewhere: what was typed, with ours in its place, where that makes a setting.
fn foreign(piece: &TypedPiece<'_>, word: &ForeignWord) -> Error {
    let renamed = piece.renamed(word.ours);
    let proposed = if Setting::parse(&renamed).is_ok() { renamed } else { word.example.to_owned() };
    let text = format!("there is no fault {:?}", piece.key);
    piece
        .key_error(Kind::UnknownFault, text, &format!("here it is called {}", word.ours))
        .hint_option("fault", proposed, word.note)
}

fn nothing(piece: &TypedPiece<'_>) -> Error {
    let text = format!("there is no fault {:?}", piece.key);
    piece
        .key_error(Kind::UnknownFault, text, "without any fault nothing is bent")
        .why("a relay that runs is told to clear, which takes all faults away")
}

fn of_a_network(piece: &TypedPiece<'_>, profile: &'static str) -> Error {
    let text = format!("{profile} is no fault, but a kind of network, of several faults");
    piece.key_error(Kind::UnknownFault, text, "").hint_option("like", profile, "")
}

/// Rules alone say when something happens, and not what.
fn no_fault(text: &str, start: usize, words: &Vocabulary) -> Error {
    let (way, rules) = text.split_at(start);
    let (noun, example) = (words.noun, words.example);
    Error::new(Kind::UnknownFault, format!("{rules} names no {noun}, so nothing would happen"))
        .at(text, start..text.len(), format!("a {noun} stands with it"))
        .hint_option(words.option, format!("{way}{example},{rules}"), "for one")
        .hint_topic(words.topic, "")
}

fn check_fault(
    row: &FaultRow,
    options: &Options,
    piece: &TypedPiece<'_>,
    way: Option<Direction>,
) -> Result<()> {
    let name = row.spec.name;
    let value = row.spec.options.iter().find(|option| option.name == name);
    let is_missing = !row.stands_alone && options.value(name).is_none();
    if let Some(value) = value.filter(|_| is_missing) {
        let example = match value.kind {
            ValueKind::Duration => "200ms",
            ValueKind::Percent => "2%",
            _ => "64k",
        };
        let text = format!("{name} needs a value");
        return Err(piece.value_error(Kind::BadOption, text, &format!("as in {name}={example}")));
    }
    if let (true, Some(way)) = (row.is_before_the_dial, way) {
        let text = format!("{name} has no direction: it is decided before anything passes");
        let label = format!("without {}:", way.between());
        return Err(piece.key_error(Kind::BadOption, text, &label));
    }
    let chance = Chance { session: Seed::new(0), direction: Seed::new(0) };
    (row.make)(options, chance).map(drop).map_err(|error| piece.mark(&error))
}
