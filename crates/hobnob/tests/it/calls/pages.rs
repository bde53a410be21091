//! Every call of the table at the head of `hobnob::socket` has a page: its names, what it does in each mode, how it fails,
//! and an example that is run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The functions of the folder `socket`, methods with their type (`Socket::bind`), each with its documentation and its
/// signature.
fn pages() -> BTreeMap<String, (String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/socket");
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the source is there") {
        let source = fs::read_to_string(entry.expect("a file").path()).expect("text");
        let (mut page, mut of) = (String::new(), String::new());
        let mut lines = source.lines();
        while let Some(whole) = lines.next() {
            let line = whole.trim();
            if let Some(what) = whole.strip_prefix("impl ") {
                of = what.trim_end_matches(" {").to_owned() + "::";
            }
            if let Some(text) = line.strip_prefix("///") {
                page.push_str(text);
                page.push('\n');
                continue;
            }
            let declared = line.strip_prefix("pub const fn ").or(line.strip_prefix("pub fn "));
            if let Some((name, _)) = declared.and_then(|rest| rest.split_once('(')) {
                let mut signature = line.to_owned();
                while !signature.ends_with('{') {
                    signature.push_str(lines.next().expect("a body").trim());
                }
                let is_method = whole.starts_with(' ');
                let name = if is_method { format!("{of}{name}") } else { name.to_owned() };
                pages.insert(name, (page.clone(), signature));
            }
            page.clear();
        }
    }
    pages
}

/// What the table links to, its functions alone.
fn linked() -> Vec<String> {
    let head = include_str!("../../../src/socket/mod.rs");
    let rows = head.lines().filter(|line| line.starts_with("//! | "));
    let links = rows.flat_map(|row| row.split("[`").skip(1));
    let names = links.map(|link| link.split('`').next().unwrap_or_default());
    let is_ours = |name: &&str| {
        let function = name.strip_prefix("Socket::").unwrap_or(name);
        !function.contains(':') && function.starts_with(char::is_lowercase)
    };
    names.filter(is_ours).map(str::to_owned).collect()
}

#[test]
fn every_call_of_the_table_has_a_page() {
    let (pages, linked) = (pages(), linked());
    assert!(linked.len() > 60, "only {} calls are in the table", linked.len());
    let mut wrong = Vec::new();
    for name in linked {
        let Some((page, signature)) = pages.get(&name) else {
            wrong.push(format!("{name} is not there"));
            continue;
        };
        let is_fallible = signature.contains("-> Result<");
        for (is_there, what) in [
            (page.contains("Python"), "Python's name"),
            (page.matches("```").count() >= 2, "an example"),
            (!is_fallible || page.contains("# Errors"), "how it fails"),
        ] {
            if !is_there {
                wrong.push(format!("{name} lacks {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
