//! From TOML to what it says here: every word with its place, and each mistake with a caret.

use std::collections::HashSet;
use std::ops::Range;

use hobnob::engine;
use hobnob::error::{Error, Kind, Result};
use hobnob::spec::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::advice::Propose as _;
use crate::args;
use crate::config::section::{Defaults, KeyValue, Section, Sections};
use crate::config::source::{ConfigText, Placed};

/// Sections that are no service.
const SECTIONS: [&str; 3] = ["serve", "defaults", "alias"];
/// Keys of `[defaults]`.
const DEFAULTS: [&str; 4] = ["timeout", "color", "ascii", "lang"];

type Key<'i> = Spanned<DeString<'i>>;
type Value<'i> = Spanned<DeValue<'i>>;

/// Reads a text.
pub(super) fn read(source: &ConfigText) -> Result<Sections> {
    let reader = Reader(source);
    let table = DeTable::parse(&source.text).map_err(|error| reader.no_toml(&error))?;
    reader.sections(table.get_ref())
}

struct Reader<'s>(&'s ConfigText);

impl Reader<'_> {
    fn no_toml(&self, error: &toml::de::Error) -> Error {
        let at = error.span().unwrap_or(0..0);
        let message = error.message().replace('\n', ", ");
        self.0.wrong("this is not TOML", &at, &message)
    }

    fn sections(&self, table: &DeTable<'_>) -> Result<Sections> {
        let (mut defaults, mut aliases) = (Defaults::default(), Vec::new());
        let mut parts: Vec<Section> = Vec::new();
        let mut sections: Vec<_> = table.iter().collect();
        sections.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in sections {
            let word = key.get_ref().as_ref();
            if value.get_ref().as_table().is_none() {
                let text = format!("{word} stands in no section");
                return Err(self.0.wrong(text, &key.span(), "[serve.NAME] goes above it"));
            }
            let is_service = engine::services().iter().any(|row| row.spec.name == word);
            if !is_service && !SECTIONS.contains(&word) {
                return Err(self.no_section(key));
            }
            let section = self.table(key, value)?;
            match word {
                "defaults" => defaults = self.defaults(section)?,
                "alias" => aliases = self.aliases(section)?,
                _ => {
                    let service = is_service.then(|| placed(key));
                    for (name, part) in section {
                        parts.push(self.part(service.clone(), name, self.table(name, part)?)?);
                    }
                }
            }
        }
        parts.sort_by_key(|part| part.name.at.start);
        self.distinct(&parts)?;
        Ok(Sections { parts, defaults, aliases })
    }

    fn no_section(&self, key: &Key<'_>) -> Error {
        let word = key.get_ref().as_ref();
        let services = engine::services().iter().filter(|row| row.make.is_some());
        let services = services.map(|row| row.spec.name);
        let label = match nearest(word, SECTIONS.into_iter().chain(services)) {
            Some(near) => format!("did you mean {near}?"),
            None => "a section is serve, defaults, alias, or a service".to_owned(),
        };
        let text = format!("there is no section or service {word:?}");
        let error = Error::new(Kind::UnknownService, text);
        self.0.mark(error, key.span(), &label).try_command("hobnob serve", "lists the services")
    }

    fn distinct(&self, parts: &[Section]) -> Result<()> {
        let mut known = HashSet::new();
        for part in parts {
            if !known.insert(part.name.text.as_str()) {
                let text = format!("two parts have the name {:?}", part.name.text);
                return Err(self.0.wrong(text, &part.name.at, "this is the second"));
            }
        }
        Ok(())
    }

    fn part(
        &self,
        service: Option<Placed>,
        name: &Key<'_>,
        table: &DeTable<'_>,
    ) -> Result<Section> {
        let is_short = service.is_some();
        let (mut service, mut on, mut settings) = (service, Vec::new(), Vec::new());
        let (mut hint, mut note) = (None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "service" if !is_short => service = Some(self.text(key, value)?),
                "on" | "listen" => on.extend(self.texts(key, value)?),
                "try" => hint = Some(self.text(key, value)?.text),
                "note" => note = Some(self.text(key, value)?.text),
                _ => settings.push(KeyValue { key: placed(key), values: self.values(key, value)? }),
            }
        }
        settings.sort_by_key(|setting| setting.key.at.start);
        on.sort_by_key(|place| place.at.start);
        let name = placed(name);
        let service = service.ok_or_else(|| {
            let is_meant = |setting: &&KeyValue| nearest(&setting.key.text, ["service"]).is_some();
            if let Some(KeyValue { key, .. }) = settings.iter().find(is_meant) {
                let text = format!("there is no key {:?}", key.text);
                let error = Error::new(Kind::UnknownOption, text);
                let error = self.0.mark(error, key.at.clone(), "did you mean service?");
                return error.try_command("hobnob help up", "");
            }
            let text = format!("{:?} does not say which service it is", name.text);
            self.0.wrong(text, &name.at, "service = \"NAME\" is missing here")
        })?;
        Ok(Section { name, service, on, settings, hint, note })
    }

    fn aliases(&self, table: &DeTable<'_>) -> Result<Vec<(String, Placed)>> {
        let mut aliases = Vec::new();
        for (key, value) in table {
            aliases.push((key.get_ref().to_string(), self.text(key, value)?));
        }
        Ok(aliases)
    }

    fn defaults(&self, table: &DeTable<'_>) -> Result<Defaults> {
        let mut defaults = Defaults::default();
        for (key, value) in table {
            let word = key.get_ref().as_ref();
            let located = |error: Error| self.0.relocate(&error, &spot(value));
            match word {
                "timeout" => {
                    let time = args::read_duration(word, &self.text(key, value)?.text);
                    defaults.timeout = Some(time.map_err(located)?);
                }
                "color" => {
                    let text = self.text(key, value)?.text;
                    let words = ["auto", "always", "never"];
                    args::read_choice(word, &text, &words).map_err(located)?;
                    defaults.color = Some(text);
                }
                "lang" => {
                    let text = self.text(key, value)?.text;
                    args::read_choice(word, &text, &["en"]).map_err(located)?;
                    defaults.lang = Some(text);
                }
                "ascii" => match value.get_ref().as_bool() {
                    Some(is_on) => defaults.ascii = Some(is_on),
                    None => return Err(self.no_type(key, value, "true or false")),
                },
                _ => return Err(self.no_key(key, &DEFAULTS)),
            }
        }
        Ok(defaults)
    }

    fn no_key(&self, key: &Key<'_>, known: &[&str]) -> Error {
        let word = key.get_ref().as_ref();
        let label = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are: {}", known.join(", ")),
        };
        let error = Error::new(Kind::UnknownOption, format!("there is no key {word:?} here"));
        self.0.mark(error, key.span(), &label).try_command("hobnob help up", "")
    }

    fn table<'t, 'i>(&self, key: &Key<'_>, value: &'t Value<'i>) -> Result<&'t DeTable<'i>> {
        value.get_ref().as_table().ok_or_else(|| {
            let word = key.get_ref();
            let text = format!("{word} is a section, and here it is {}", kind(value));
            let label = format!("[{word}.NAME] and keys below it");
            self.0.wrong(text, &key.span(), &label)
        })
    }

    fn text(&self, key: &Key<'_>, value: &Value<'_>) -> Result<Placed> {
        match value.get_ref() {
            DeValue::String(text) => Ok(Placed { text: text.to_string(), at: value.span() }),
            _ => Err(self.no_type(key, value, "a text in quotes")),
        }
    }

    /// A text, or a list of texts.
    fn texts(&self, key: &Key<'_>, value: &Value<'_>) -> Result<Vec<Placed>> {
        match value.get_ref() {
            DeValue::Array(all) => all.iter().map(|one| self.text(key, one)).collect(),
            DeValue::String(_) => Ok(vec![self.text(key, value)?]),
            _ => Err(self.no_type(key, value, "a text in quotes or a list of them")),
        }
    }

    /// Values as a command line would have them.
    fn values(&self, key: &Key<'_>, value: &Value<'_>) -> Result<Vec<Placed>> {
        let text = match value.get_ref() {
            DeValue::Array(all) => return all.iter().map(|one| self.value(key, one)).collect(),
            DeValue::Table(_) => return Ok(vec![self.value(key, value)?]),
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(is_on) => is_on.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => {
                number.as_str().trim_start_matches('+').to_owned()
            }
            _ => return Err(self.no_type(key, value, "a text, a whole number, true or false")),
        };
        Ok(vec![Placed { text, at: value.span() }])
    }

    /// A text, or a table that says in keys what a text says between commas: `{ way = "down", latency = "1s" }`.
    fn value(&self, key: &Key<'_>, value: &Value<'_>) -> Result<Placed> {
        let Some(table) = value.get_ref().as_table() else { return self.text(key, value) };
        let (mut way, mut pieces) = (String::new(), Vec::new());
        let mut words: Vec<_> = table.iter().collect();
        words.sort_by_key(|(word, _)| word.span().start);
        for (word, value) in words {
            let name = word.get_ref();
            match value.get_ref() {
                DeValue::String(text) if name == "way" => way = format!("{text}:"),
                DeValue::String(text) => pieces.push(format!("{name}={text}")),
                DeValue::Boolean(true) => pieces.push(name.to_string()),
                _ => return Err(self.no_type(word, value, "a text in quotes, or true")),
            }
        }
        Ok(Placed { text: way + &pieces.join(","), at: value.span() })
    }

    fn no_type(&self, key: &Key<'_>, value: &Value<'_>, expected: &str) -> Error {
        let text = format!("{} is {expected}, not {}", key.get_ref(), kind(value));
        self.0.wrong(text, &value.span(), &format!("{expected} is expected"))
    }
}

fn placed(key: &Key<'_>) -> Placed {
    Placed { text: key.get_ref().to_string(), at: key.span() }
}

fn spot(value: &Value<'_>) -> Placed {
    let at: Range<usize> = value.span();
    Placed { text: value.get_ref().as_str().unwrap_or_default().to_owned(), at }
}

fn kind(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
