//! Reads Rust source as far as the rules of the house need: code without comments and tests, and the paths in it.

/// A source file's code, and the string literals that stood in it.
pub(crate) struct Code {
    /// Comments, literals' contents and what is `#[cfg(test)]` taken out.
    pub(crate) text: String,
    /// The string literals of what is left.
    pub(crate) literals: Vec<String>,
}

/// Reads a file.
pub(crate) fn read(source: &str) -> Code {
    let mut code = Code { text: String::new(), literals: Vec::new() };
    let mut rest = without_tests(source);
    while let Some(first) = rest.chars().next() {
        let token = token(&rest);
        let text = &rest[..token.length];
        match token.kind {
            Kind::Code => code.text.push(first),
            Kind::Comment => code.text.push(' '),
            Kind::Char => code.text.push_str("' '"),
            Kind::Text => {
                code.text.push_str("\"\"");
                let inner = text.trim_start_matches(['b', 'r', 'c', '#']).trim_end_matches('#');
                code.literals.push(inner.trim_matches('"').to_owned());
            }
        }
        rest = rest.split_off(token.length);
    }
    code
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Char,
    Text,
}

struct Token {
    kind: Kind,
    length: usize,
}

/// The first token: a comment, a literal, an identifier's first character or any other character.
fn token(rest: &str) -> Token {
    let first = rest.chars().next().expect("the caller has looked");
    let whole = |kind, length: Option<usize>| Token { kind, length: length.unwrap_or(rest.len()) };
    if rest.starts_with("//") {
        return whole(Kind::Comment, rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return whole(Kind::Comment, rest.find("*/").map(|at| at + 2));
    }
    if first == '\'' {
        let is_escaped = rest[1..].starts_with('\\');
        let after = rest[1..].char_indices().nth(1).map_or(rest.len(), |(at, _)| at + 1);
        return match () {
            () if is_escaped => whole(Kind::Char, rest[3..].find('\'').map(|at| at + 4)),
            () if rest[after..].starts_with('\'') => whole(Kind::Char, Some(after + 1)),
            () => whole(Kind::Code, Some(1)), // a lifetime
        };
    }
    let prefix = rest.len() - rest.trim_start_matches(['b', 'r', 'c']).len();
    let hashes = rest[prefix..].len() - rest[prefix..].trim_start_matches('#').len();
    let is_raw = rest[..prefix].contains('r');
    if prefix <= 2 && rest[prefix + hashes..].starts_with('"') && (is_raw || hashes == 0) {
        let start = prefix + hashes + 1;
        let end = if is_raw {
            let quote = format!("\"{}", "#".repeat(hashes));
            rest[start..].find(&quote).map(|at| at + 1 + hashes)
        } else {
            end_of_text(&rest[start..])
        };
        return whole(Kind::Text, end.map(|end| start + end));
    }
    Token { kind: Kind::Code, length: first.len_utf8() }
}

/// Where a plain literal ends, its quote included.
fn end_of_text(inner: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            '"' if !is_escaped => return Some(at + 1),
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

/// The source without its `#[cfg(test)]` items. The house writes those at the left margin.
fn without_tests(source: &str) -> String {
    let mut kept = String::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        // To the end of the item: a closing brace at the margin, or a semicolon.
        let _ = lines.find(|line| *line == "}" || (!line.starts_with(' ') && line.ends_with(';')));
    }
    kept
}

/// The paths into this crate that a file's code names, from the root on: `["error", "Kind"]`. `module` is where the
/// file stands.
pub(crate) fn paths(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !is_within_a_word(code, at) {
            tree(&code[at + "crate::".len()..], &mut Vec::new(), &mut found);
        }
    }
    for (at, _) in code.match_indices("self::") {
        if !is_within_a_word(code, at) {
            tree(&code[at + "self::".len()..], &mut module.to_vec(), &mut found);
        }
    }
    for (at, _) in code.match_indices("super::") {
        if is_within_a_word(code, at) || code[..at].ends_with("super::") {
            continue;
        }
        let (mut base, mut rest) = (module.to_vec(), &code[at..]);
        while let Some(deeper) = rest.strip_prefix("super::") {
            base.pop();
            rest = deeper;
        }
        tree(rest, &mut base, &mut found);
    }
    found
}

fn is_within_a_word(code: &str, at: usize) -> bool {
    code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
}

/// Follows a path, and each branch of a `{}`; the rest after it.
fn tree<'a>(code: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    let mut rest = code.trim_start();
    loop {
        if let Some(mut inner) = rest.strip_prefix('{') {
            loop {
                inner = inner.trim_start();
                if let Some(after) = inner.strip_prefix('}') {
                    prefix.truncate(depth);
                    return after;
                }
                let next = inner.strip_prefix(',').unwrap_or_else(|| tree(inner, prefix, found));
                if next.is_empty() || next.len() == inner.len() {
                    return next;
                }
                inner = next;
            }
        }
        let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        if !name.is_empty() && name != "self" {
            prefix.push(name.to_owned());
        }
        match after.strip_prefix("::") {
            Some(deeper) if !deeper.starts_with('<') && !name.is_empty() => rest = deeper,
            _ => {
                found.push(prefix.clone());
                prefix.truncate(depth);
                let renamed = after.trim_start().strip_prefix("as ");
                return renamed.map_or(after, |after| after.trim_start_matches(is_of_name));
            }
        }
    }
}

/// The paths in a file's code that begin with this name, where nothing stands before it: `["name", "Thing"]`.
pub(crate) fn relative(code: &str, name: &str) -> Vec<Vec<String>> {
    let begin = format!("{name}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&begin) {
        if !is_within_a_word(code, at) && !code[..at].ends_with("::") {
            tree(&code[at..], &mut Vec::new(), &mut found);
        }
    }
    found
}

/// The names of the types that a file's code declares: structs, enums and traits.
pub(crate) fn types(code: &str) -> Vec<String> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = code.split(|c| !is_of_name(c)).filter(|word| !word.is_empty());
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if ["struct", "enum", "trait"].contains(&word) {
            found.extend(words.next().map(str::to_owned));
        }
    }
    found
}
