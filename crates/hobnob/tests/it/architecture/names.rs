//! One word, one thing: no two types have one name, in the library and the program together.

use std::collections::BTreeMap;

use super::reading::{read, types};
use super::sources;

/// Names of the library that still mean several things. A name leaves the list, and none comes.
const STILL_TWICE: &[&str] = &[
    "Answered", "Arrival", "Dialed", "Far", "Lane", "Origin", "Plan", "Row", "Scene", "Stack",
    "Target", "Unsent", "Wanted", "Way", "Wrapped",
];

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
    let is_new = |(name, files): &(&String, &Vec<String>)| {
        // The program's names are its own to choose.
        let is_library_alone = files.iter().all(|file| file.starts_with("hobnob/"));
        files.len() > 1 && !(is_library_alone && STILL_TWICE.contains(&name.as_str()))
    };
    let twice: Vec<_> = declared
        .iter()
        .filter(is_new)
        .map(|(name, files)| format!("{name}: {}", files.join(" ")))
        .collect();
    assert!(twice.is_empty(), "{} names mean several things:\n{}", twice.len(), twice.join("\n"));
}

#[test]
fn what_is_said_to_mean_several_things_still_does() {
    let declared = declared();
    for name in STILL_TWICE {
        let times = declared.get(*name).map_or(0, Vec::len);
        assert!(times > 1, "{name} means {times} thing, and leaves STILL_TWICE");
    }
}

#[test]
fn types_are_found_where_they_are_declared() {
    let code = "pub(crate) struct One<'a>(u8);\nenum Two { Three }\ntrait Four: Five {}\nlet structure = Six;";
    assert_eq!(types(code), ["One", "Two", "Four"]);
}
