//! Which source file references which: what `use` and paths in the code say, without running a compiler.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::reading::{paths, read, relative};
use super::{File, module, sources};

/// Statics that a table lists: `tcp::ROW`, `serve::VERB`.
const LISTED: [&str; 2] = ["ROW", "VERB"];

type Path = Vec<String>;

/// The files of a crate, each with those that it references.
pub(crate) struct Graph(BTreeMap<String, BTreeSet<String>>);

/// A crate as it is looked through.
struct Crate {
    /// The file of each module.
    files: BTreeMap<Path, String>,
    /// What a module shows again as its own, and where that is.
    shown: BTreeMap<Path, Path>,
}

impl Graph {
    /// Reads a crate of this workspace.
    pub(crate) fn of(name: &str) -> Self {
        Graph::of_files(&sources(name))
    }

    pub(crate) fn of_files(files: &[File]) -> Self {
        let codes: Vec<_> = files.iter().map(|file| read(&file.source).text).collect();
        let mut all = Crate { files: BTreeMap::new(), shown: BTreeMap::new() };
        for (file, code) in files.iter().zip(&codes) {
            let module = module(&file.path);
            for (shown, path) in shown_again(code, &module) {
                all.shown.insert([module.clone(), vec![shown]].concat(), path);
            }
            all.files.insert(module, file.path.clone());
        }
        let edges = files.iter().zip(&codes).map(|(file, code)| {
            let mut to = all.referenced_by(code, &module(&file.path));
            to.remove(&file.path);
            (file.path.clone(), to)
        });
        Graph(edges.collect())
    }

    /// The same of those files alone that `is_meant` picks.
    pub(crate) fn within(&self, is_meant: impl Fn(&str) -> bool) -> Self {
        let meant = self.0.iter().filter(|(file, _)| is_meant(file));
        let edges = meant.map(|(file, to)| {
            (file.clone(), to.iter().filter(|to| is_meant(to)).cloned().collect())
        });
        Graph(edges.collect())
    }

    /// The same with each part as one: the first word of a path.
    pub(crate) fn parts(&self) -> Self {
        let part = |file: &str| module(file).into_iter().next();
        let mut parts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (file, to) in &self.0 {
            let Some(from) = part(file) else { continue };
            let to = to.iter().filter_map(|to| part(to)).filter(|to| *to != from);
            parts.entry(from.clone()).or_default().extend(to);
        }
        Graph(parts)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// The circles, one of the shortest through each file that is on any and on none before.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let (mut circles, mut seen) = (Vec::new(), BTreeSet::new());
        for file in self.0.keys() {
            if !seen.contains(file)
                && let Some(circle) = self.circle(file)
            {
                seen.extend(circle.iter().cloned());
                circles.push(circle);
            }
        }
        circles
    }

    /// A shortest way from a file back to it.
    fn circle(&self, first: &String) -> Option<Vec<String>> {
        let mut came: BTreeMap<&String, &String> = BTreeMap::new();
        let mut next = VecDeque::from([first]);
        while let Some(file) = next.pop_front() {
            for to in &self.0[file] {
                if to == first {
                    let mut way = vec![first.clone()];
                    let mut at = file;
                    while at != first {
                        way.insert(1, at.clone());
                        at = came[at];
                    }
                    return Some(way);
                }
                if !came.contains_key(to) && self.0.contains_key(to) {
                    came.insert(to, file);
                    next.push_back(to);
                }
            }
        }
        None
    }

    /// Floors from the top: each has what only the floors above it import. There must be no circle.
    pub(crate) fn floors(&self) -> Vec<Vec<String>> {
        let mut left: BTreeSet<&String> = self.0.keys().collect();
        let mut floors = Vec::new();
        while !left.is_empty() {
            let imported: BTreeSet<_> = left.iter().flat_map(|one| &self.0[*one]).collect();
            let floor: Vec<_> =
                left.iter().copied().filter(|one| !imported.contains(*one)).collect();
            assert!(!floor.is_empty(), "a circle is in {left:?}");
            left.retain(|one| !floor.contains(one));
            floors.push(floor.into_iter().cloned().collect());
        }
        floors
    }
}

impl Crate {
    fn referenced_by(&self, code: &str, module: &[String]) -> BTreeSet<String> {
        let code = without_shown_children(code, module, &self.files);
        let mut found = Vec::new();
        for path in paths(&code, module) {
            match path.last().filter(|_| self.files.contains_key(&path)) {
                // A module that was imported: it counts by what is named of it.
                Some(name) => {
                    let named = relative(&code, name);
                    let is_named = !named.is_empty();
                    found.extend(named.into_iter().map(|rest| [&path[..], &rest[1..]].concat()));
                    if !is_named {
                        found.push(path);
                    }
                }
                None => found.push(path),
            }
        }
        for child in self.files.keys().filter(|path| path.len() == module.len() + 1) {
            if let Some(name) = child.strip_prefix(module).and_then(<[_]>::first) {
                let named =
                    relative(&code, name).into_iter().filter(|path| !is_line_of_table(path));
                found.extend(named.map(|path| [module, &path[..]].concat()));
            }
        }
        found.iter().filter_map(|path| self.file_of(path)).collect()
    }

    /// The file that an item of this path stands in.
    fn file_of(&self, path: &[String]) -> Option<String> {
        let mut path = path.to_vec();
        // Nothing is shown again more often.
        for _ in 0..8 {
            let prefixes = (1..=path.len()).rev().map(|length| path.split_at(length));
            let mut shown = prefixes.filter_map(|(head, rest)| Some((self.shown.get(head)?, rest)));
            let Some((to, rest)) = shown.next() else { break };
            path = [&to[..], rest].concat();
        }
        (0..=path.len()).rev().find_map(|length| self.files.get(&path[..length])).cloned()
    }
}

fn is_line_of_table(path: &[String]) -> bool {
    matches!(path, [_, item] if LISTED.contains(&item.as_str()))
}

/// `pub(crate) use child::{One, Two};` as names and where they are: below this module, or from the root.
fn shown_again(code: &str, module: &[String]) -> Vec<(String, Path)> {
    let named = shown_statements(code).into_iter().flat_map(|statement| {
        let (rest, first) = used(statement);
        if ["crate", "super"].contains(&first.as_str()) {
            return paths(statement, module);
        }
        relative(rest, &first).into_iter().map(|path| [module, &path[..]].concat()).collect()
    });
    named.filter_map(|path| Some((path.last()?.clone(), path))).collect()
}

/// What a `use` names, without a `self::` before it, and its first word.
fn used(statement: &str) -> (&str, String) {
    let rest = statement.split_once("use ").map_or("", |(_, rest)| rest);
    let rest = rest.strip_prefix("self::").unwrap_or(rest);
    (rest, rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

fn shown_statements(code: &str) -> Vec<&str> {
    let begins = code.match_indices("pub").map(|(at, _)| at);
    let statements = begins.filter_map(|at| code[at..].split(';').next());
    let is_use = |text: &&str| {
        let rest = text.strip_prefix("pub").unwrap_or(text);
        let rest = rest
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .map_or(rest, |(_, rest)| rest);
        rest.starts_with(" use ")
    };
    statements.filter(is_use).collect()
}

/// What a module shows again of its children is theirs, and no reference of its own.
fn without_shown_children(code: &str, module: &[String], files: &BTreeMap<Path, String>) -> String {
    let mut kept = code.to_owned();
    for statement in shown_statements(code) {
        let (_, first) = used(statement);
        if files.contains_key(&[module, &[first]].concat()) {
            kept = kept.replace(statement, "");
        }
    }
    kept
}
