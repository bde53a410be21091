//! The library does not speak the program's language: what it proposes is an option, an endpoint or a page, and how that
//! is typed is up to whoever shows it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::architecture::reading;

/// Literals of a file that are parts of a command line of the program. The catalogue's examples are such on purpose.
fn typed(source: &str) -> Vec<String> {
    let literals = reading::read(&without_examples(source)).literals;
    // By itself -- is no flag: it ends them, in the command of exec: too.
    let is_typed = |text: &str| {
        text.starts_with("hobnob ") || text.starts_with("--") && text.len() > "--".len()
    };
    literals.into_iter().filter(|literal| is_typed(literal)).collect()
}

/// The source without the lists behind `examples:`.
fn without_examples(source: &str) -> String {
    let mut pieces = source.split("examples: &[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |kept, piece| {
        // A list of literals ends at the first bracket behind which its row goes on.
        let rest = piece.split_once("],\n").map_or(piece, |(_, rest)| rest);
        kept + rest
    })
}

/// The library's files that are not tests alone, each with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the source is there") {
            let path = entry.expect("a file").path();
            match path.extension() {
                None => folders.push(path),
                Some(_) => files.push((path.clone(), fs::read_to_string(path).expect("text"))),
            }
        }
    }
    let of_tests = files.iter().flat_map(|(path, source)| {
        let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("mod" | "lib") => path.with_file_name(""),
            _ => path.with_extension(""),
        };
        let declared = source.split("#[cfg(test)]\nmod ").skip(1);
        declared.filter_map(move |after| Some(folder.join(after.split_once(';')?.0)))
    });
    let of_tests: Vec<_> = of_tests.collect();
    let is_of_tests = |path: &Path| of_tests.iter().any(|test| path.starts_with(test));
    files.retain(|(path, _)| !is_of_tests(&path.with_extension("")));
    files
}

#[test]
fn the_library_proposes_no_command_lines() {
    let files = sources();
    assert!(files.len() > 60, "only {} files were found", files.len());
    let mut found = Vec::new();
    for (path, source) in files {
        let told = |text| format!("{}: {text:?}", path.display());
        found.extend(typed(&source).into_iter().map(told));
    }
    // What certificates of our own say that they are from, and the end of a comment in HTML.
    let is_known =
        |one: &str| ["\"hobnob development CA\"", "\"-->\""].iter().any(|end| one.ends_with(end));
    found.retain(|one| !is_known(one));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_command_line_is_found_wherever_it_stands() {
    for source in [
        r#"fn f() { error.hint_shell("hobnob ping 127.0.0.1", "") }"#,
        r#"fn f() { format!("--timeout {}", 7) }"#,
        "static ROW: Row = Row {\n    examples: &[\n        \"hobnob a\",\n    ],\n    help: \"--b\",\n};\n",
    ] {
        assert_eq!(typed(source).len(), 1, "{source}");
    }
    for source in [
        "static ROW: Row = Row {\n    examples: &[\"hobnob a\", \"hobnob b\"],\n    help: \"b\",\n};\n",
        "/// As in `hobnob a`, \"--b\".\nfn f() {}\n",
        "#[cfg(test)]\nmod tests {\n    const A: &str = \"--b\";\n}\n",
    ] {
        assert!(typed(source).is_empty(), "{source}");
    }
}
