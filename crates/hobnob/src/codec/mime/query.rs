//! Which letter is meant: `to:li@test subject:/Reset/`.

use super::letter_view::LetterView;
use crate::codec::pattern::Pattern;

/// Fields that say whom a letter is for.
const FOR: &[&str] = &["to", "cc", "bcc", "delivered-to", "x-original-to"];

/// What a letter has to have, all of it.
#[derive(Debug, Clone)]
pub struct LetterQuery {
    text: String,
    terms: Vec<QueryTerm>,
}

#[derive(Debug, Clone)]
struct QueryTerm {
    /// A field in small letters; `text`, `to` and empty are more than one.
    field: String,
    what: QueryMatch,
}

#[derive(Debug, Clone)]
enum QueryMatch {
    /// In any case.
    Words(String),
    Pattern(Pattern),
}

impl LetterQuery {
    /// Reads a query: words with a field before a colon, or without one, each with a text or a pattern between slashes. A
    /// text with blanks stands in quotes.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut terms, mut rest) = (Vec::new(), text.trim());
        while !rest.is_empty() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let named = rest
                .split_once(':')
                .filter(|(name, _)| !name.is_empty() && name.chars().all(is_word));
            let (field, value) = named.map_or(("", rest), |(name, value)| (name, value));
            let (what, after) = QueryMatch::read(value)?;
            terms.push(QueryTerm { field: field.to_ascii_lowercase(), what });
            rest = after.trim_start();
        }
        if terms.is_empty() {
            return Err("it names nothing".to_owned());
        }
        Ok(LetterQuery { text: text.to_owned(), terms })
    }

    /// As it was typed.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// Whether a letter is one of those.
    pub fn is_met_by(&self, letter: &LetterView) -> bool {
        self.terms.iter().all(|term| term.is_met_by(letter))
    }
}

impl QueryMatch {
    fn read(text: &str) -> Result<(Self, &str), String> {
        if let Some(pattern) = text.strip_prefix('/') {
            let end = closing(pattern, '/').ok_or("a pattern ends with a slash")?;
            let read = Pattern::read(&pattern[..end].replace("\\/", "/"))?;
            return Ok((QueryMatch::Pattern(read), &pattern[end + 1..]));
        }
        let (words, rest) = if let Some(quoted) = text.strip_prefix('"') {
            let end = closing(quoted, '"').ok_or("a quoted text does not end")?;
            (quoted[..end].replace("\\\"", "\""), &quoted[end + 1..])
        } else {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        };
        if words.is_empty() {
            return Err("a field stands there with nothing behind its colon".to_owned());
        }
        Ok((QueryMatch::Words(words.to_lowercase()), rest))
    }

    fn is_in(&self, text: &str) -> bool {
        match self {
            QueryMatch::Words(words) => text.to_lowercase().contains(words),
            QueryMatch::Pattern(pattern) => pattern.matches(text.as_bytes()),
        }
    }
}

/// Where the first of these characters stands that has no backslash before it.
fn closing(text: &str, mark: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == mark && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

impl QueryTerm {
    fn is_met_by(&self, letter: &LetterView) -> bool {
        let in_fields = |names: &[&str]| {
            letter.fields().any(|(name, value)| {
                names.iter().any(|known| name.eq_ignore_ascii_case(known))
                    && self.what.is_in(&value)
            })
        };
        let in_text = || letter.text().is_some_and(|text| self.what.is_in(&text));
        match self.field.as_str() {
            // Whom it was sent to is in no field where it was sent to in secret, but a server may say so.
            "to" => {
                in_fields(FOR)
                    || letter.all("received").iter().any(|trace| {
                        let to = trace.split_once(" for <").or_else(|| trace.split_once("\tfor <"));
                        to.and_then(|(_, to)| to.split_once('>'))
                            .is_some_and(|(to, _)| self.what.is_in(to))
                    })
            }
            "text" | "body" => in_text(),
            "" => in_text() || in_fields(&["subject", "from"]) || in_fields(FOR),
            field => in_fields(&[field]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_found_by_what_a_person_knows_of_it() {
        let letter = LetterView::read(
            b"Received: from me\r\n\tby x for <Han@test>; today\r\nFrom: app@test\r\nTo: Li <li@test>\r\n\
            Subject: =?utf-8?q?Reset_your_password?=\r\nX-Kind: reset/9\r\n\r\nyour code is 123456\r\n"
                .to_vec(),
        );
        for query in [
            "to:li@test subject:/Reset/",
            "to:LI@TEST",
            "to:han@test",
            "subject:\"reset your\"",
            "text:/code is [0-9]{6}/",
            "body:/(?i)CODE/ from:app",
            "password",
            "123456 li@test",
            "x-kind:/t\\/9$/",
        ] {
            let read = LetterQuery::parse(query).expect(query);
            assert!(read.is_met_by(&letter), "{query}");
        }
        for query in
            ["to:app@test", "subject:/reset/", "text:/[0-9]{7}/", "x-nothing:a", "li@test nothing"]
        {
            assert!(!LetterQuery::parse(query).expect(query).is_met_by(&letter), "{query}");
        }
        for wrong in
            ["", "  ", "to:", "subject:/a", "subject:\"a", "text:/(/", "text:/(?:a{1000}){1000}/"]
        {
            assert!(LetterQuery::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
