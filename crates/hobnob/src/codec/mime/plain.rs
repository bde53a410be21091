//! What the HTML of a letter says without its marks, and the links in texts.

/// Elements whose inside nobody reads.
const UNREAD: &[&str] = &["script", "style", "head", "title"];
/// Elements that begin a line.
const BREAKING: &[&str] = &["br", "p", "div", "tr", "li", "h1", "h2", "h3", "table", "blockquote"];
/// Named characters that are common in letters.
const NAMED: &[(&str, char)] =
    &[("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("nbsp", ' ')];
/// Characters of an entity at most.
const ENTITY: usize = 10;
/// Bytes of a tag, and of a link, at most: what is longer is none.
const LONGEST: usize = 2_048;

/// The text of some HTML.
pub(super) fn plain_of_html(html: &str) -> String {
    let (mut out, mut rest) = (String::new(), html);
    while let Some(at) = rest.find('<') {
        push_text(&mut out, &rest[..at]);
        let Some(tag) = Tag::read(&rest[at..]) else {
            out.push('<');
            rest = &rest[at + 1..];
            continue;
        };
        rest = &rest[at + tag.length..];
        if UNREAD.contains(&tag.name.as_str()) {
            rest = behind(rest, &tag.name);
        } else if BREAKING.contains(&tag.name.as_str()) && !out.ends_with('\n') && !out.is_empty() {
            out.push('\n');
        }
    }
    push_text(&mut out, rest);
    out
}

/// The text with each run of blanks as one, and entities as what they stand for.
fn push_text(out: &mut String, text: &str) {
    for c in unescape(text).chars() {
        let is_blank = c.is_ascii_whitespace();
        if !is_blank {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with([' ', '\n']) {
            out.push(' ');
        }
    }
}

/// What stands behind the end of an element.
fn behind<'t>(text: &'t str, name: &str) -> &'t str {
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let at = from + at;
        let is_it =
            text[at + 2..].get(..name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name));
        if is_it {
            return text[at..].find('>').map_or("", |end| &text[at + end + 1..]);
        }
        from = at + 2;
    }
    ""
}

/// A tag: its name without a slash, in small letters, and how long it is.
struct Tag<'t> {
    name: String,
    inside: &'t str,
    length: usize,
}

impl<'t> Tag<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let inner = text.strip_prefix('<')?;
        if let Some(comment) = inner.strip_prefix("!--") {
            let end = comment.find("-->").map_or(text.len(), |end| end + "<!---->".len());
            return Some(Tag { name: String::new(), inside: "", length: end });
        }
        let named = inner.strip_prefix('/').unwrap_or(inner);
        if !named.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!' || c == '?') {
            return None;
        }
        let mut quote = None;
        let inner = &inner[..inner.floor_char_boundary(LONGEST)];
        let end = inner.char_indices().find(|(_, c)| match (quote, c) {
            (None, '>') => true,
            (None, '"' | '\'') => {
                quote = Some(*c);
                false
            }
            (Some(open), c) if open == *c => {
                quote = None;
                false
            }
            _ => false,
        });
        // A quote that does not end would take all: then the first bracket ends it.
        let end = end.map(|(at, _)| at).or_else(|| inner.find('>'))?;
        let inside = &inner[..end];
        let name = named.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        Some(Tag { name: name.to_ascii_lowercase(), inside, length: end + 2 })
    }

    /// The value of an attribute.
    fn attribute(&self, name: &str) -> Option<String> {
        let lower = self.inside.to_ascii_lowercase();
        let mut from = 0;
        while let Some(at) = lower[from..].find(name) {
            let at = from + at;
            let begins =
                lower[..at].ends_with(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'');
            let rest = self.inside[at + name.len()..].trim_start();
            if let Some(value) = rest.strip_prefix('=').filter(|_| begins) {
                let value = value.trim_start();
                let read = match value.chars().next() {
                    Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
                    _ => value.split(|c: char| c.is_ascii_whitespace()).next(),
                };
                return read.map(unescape);
            }
            from = at + name.len();
        }
        None
    }
}

/// Entities as what they stand for.
fn unescape(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let end = behind.char_indices().take(ENTITY).find(|(_, c)| *c == ';').map(|(end, _)| end);
        let meant = end.and_then(|end| entity(&behind[..end]).map(|c| (c, end)));
        if let Some((c, end)) = meant {
            out.push(c);
            rest = &behind[end + 1..];
        } else {
            out.push('&');
            rest = behind;
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']);
        let code = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
        return code.and_then(char::from_u32);
    }
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| *c)
}

/// The links in a text.
pub(super) fn links_of_text(text: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find("http") {
        let link = &rest[at..];
        if !link.starts_with("http://") && !link.starts_with("https://") {
            rest = &rest[at + 4..];
            continue;
        }
        let is_end = |c: char| c.is_whitespace() || c.is_control() || "<>\"`{}|\\^".contains(c);
        let end = link.find(is_end).unwrap_or(link.len());
        let mut url = &link[..link.floor_char_boundary(end.min(LONGEST))];
        // What ends a sentence is not the link's; a bracket is where it has a partner.
        loop {
            let has_open = |open: char| url.contains(open);
            let shorter = url.strip_suffix(['.', ',', ';', ':', '!', '?', '\'', '*']);
            let shorter = shorter.or_else(|| url.strip_suffix(')').filter(|_| !has_open('(')));
            let shorter = shorter.or_else(|| url.strip_suffix(']').filter(|_| !has_open('[')));
            match shorter {
                Some(shorter) => url = shorter,
                None => break,
            }
        }
        if ("https://".len() + 1..LONGEST).contains(&url.len()) {
            found.push(url.to_owned());
        }
        rest = &link[end.max(1)..];
    }
    found
}

/// Where the HTML of a letter leads to.
pub(super) fn links_of_html(html: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), html);
    while let Some(at) = rest.find('<') {
        let Some(tag) = Tag::read(&rest[at..]) else {
            rest = &rest[at + 1..];
            continue;
        };
        if (tag.name == "a" || tag.name == "area")
            && let Some(link) = tag.attribute("href").map(|link| link.trim().to_owned())
            && ["http://", "https://"].iter().any(|scheme| link.starts_with(scheme))
        {
            found.push(link);
        }
        rest = &rest[at + tag.length..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_end_where_a_reader_ends_them() {
        for (text, links) in [
            ("see https://a.test/x.", &["https://a.test/x"][..]),
            ("(http://a.test/b_(c)) <https://d.test>", &["http://a.test/b_(c))", "https://d.test"]),
            ("[x](https://a.test/y)", &["https://a.test/y"]),
            ("https://, http://ab http:/b", &["http://ab"]),
            ("https://a.test/你?x=1,2", &["https://a.test/你?x=1,2"]),
        ] {
            assert_eq!(links_of_text(text), links, "{text}");
        }
        let html = "<A class=x HREF='https://a.test/?a=1&amp;b=2'>x</A><a data-href=\"https://no.test\"><a href=https://b.test>\
            <a href=\"javascript:x\"><!-- <a href=\"https://no.test\"> --><a href=\"https://c.test";
        assert_eq!(links_of_html(html), ["https://a.test/?a=1&b=2", "https://b.test"]);
    }

    #[test]
    fn marks_are_taken_away_and_nothing_is_run() {
        for (html, text) in [
            (
                "<p>Hello&nbsp;<b>you</b></p>\n<p>&#20320;&#x597D; &lt;3 &unknown; 1 < 2</p>",
                "Hello you\n你好 <3 &unknown; 1 < 2",
            ),
            ("<style>p { }</style>a<SCRIPT>b</script >c<script>d", "ac"),
            ("a<!-- b -->c<!-- d", "ac"),
            ("<a title=\">\">x</a><a title=\"y", "x<a title=\"y"),
            ("<", "<"),
        ] {
            assert_eq!(plain_of_html(html).trim(), text, "{html}");
        }
        assert!(plain_of_html(&"<".repeat(200_000)).len() == 200_000);
    }
}
