//! One word, one thing: no two types have one name, in the library and the program together.

use std::collections::BTreeMap;

use super::reading::{read, types};
use super::sources;

/// Every name of a type, with the files where it is declared.
fn declared() -> BTreeMap<String, Vec<String>> {
    let mut declared: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in ["hobnob", "hobnob-cli"] {
        for file in sources(name) {
            for word in types(&read(&file.source).text) {
                declared.entry(word).or_default().push(format!("{name}/src/{}", file.path));
            }
        }
    }
    declared
}

#[test]
fn no_two_types_have_one_name() {
    let declared = declared();
    assert!(declared.len() > 300, "only {} types were found", declared.len());
    let twice: Vec<_> = declared
        .iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|(name, files)| format!("{name}: {}", files.join(" ")))
        .collect();
    assert!(twice.is_empty(), "{} names mean several things:\n{}", twice.len(), twice.join("\n"));
}

#[test]
fn types_are_found_where_they_are_declared() {
    let code = "pub(crate) struct One<'a>(u8);\nenum Two { Three }\ntrait Four: Five {}\nlet structure = Six;";
    assert_eq!(types(code), ["One", "Two", "Four"]);
}
