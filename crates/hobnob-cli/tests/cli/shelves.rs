//! The program names no service, layer, transport or fault in its code: a new row must need no change here.

use std::fs;
use std::path::Path;

#[test]
fn the_program_names_no_row_of_the_tables() {
    let names: Vec<&str> = hobnob::engine::services()
        .iter()
        .map(|row| row.spec.name)
        .chain(hobnob::engine::layers().iter().map(|row| row.spec.name))
        .chain(hobnob::engine::transports().iter().map(|row| row.spec.name))
        .chain(hobnob::fault::TABLE.iter().map(|row| row.spec.name))
        .collect();
    let mut found = Vec::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(), &mut |path, text| {
        if path.ends_with("tests.rs") {
            return;
        }
        // A feature of the build may have the name of a layer.
        let code = text.split("#[cfg(test)]").next().unwrap_or(text);
        let code = code.replace("(feature = \"tls\")", "(feature)");
        for name in &names {
            // As a string of its own, which is how a row would be asked for.
            if code.contains(&format!("\"{name}\"")) {
                found.push(format!("{}: {name}", path.display()));
            }
        }
    });
    // Words of flags and verbs, which a row shares: --raw, --text, --framing lines, --http, a key named file, hobnob relay and
    // hobnob mail with its --source;
    // of the control protocol: hello and ok; the flag --timeout, the way down, the jitter of round trips, the source of
    // names that is called files, the descriptor of a call in an event, and the rate of a load.
    let shared = [
        "raw", "text", "lines", "http", "file", "relay", "mail", "source", "hello", "ok",
        "timeout", "down", "jitter", "files", "fd", "rate",
    ];
    found.retain(|hit| !shared.iter().any(|word| hit.ends_with(&format!(": {word}"))));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_stay_short() {
    walk(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(), &mut |path, text| {
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
        if path.ends_with("main.rs") {
            assert!(lines <= 60, "main.rs has {lines} lines");
        }
    });
}

fn walk(folder: &Path, see: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, see);
        } else if path.extension().is_some_and(|end| end == "rs") {
            see(&path, &fs::read_to_string(&path).expect("a source"));
        }
    }
}
