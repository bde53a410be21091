//! The rules of the house, read from the source: what may import what, where `unsafe` may stand, how long a file is.

mod circles;
mod graph;
mod names;
pub(crate) mod reading;
mod streams;
mod threads;

use std::fs;
use std::path::{Path, PathBuf};

use hobnob::{fault, layer, service, transport};

/// What each part of the library may import, beside itself. A part that is not here has no floor yet.
const FLOORS: &[(&str, &[&[&str]])] = &[
    ("error", &[]),
    ("spec", &[&["error"]]),
    ("endpoint", &[&["error", "spec", "codec"]]),
    ("chunk", &[]),
    ("address", &[&["error"]]),
    ("clock", &[&["spec"]]),
    ("crypto", &[]),
    ("event", &[&["error", "endpoint", "chunk", "address", "fault"]]),
    ("bus", &[&["error", "address", "clock", "event", "chunk"]]),
    ("home", &[&["error", "clock"]]),
    ("latencies", &[&["clock"]]),
    ("store", &[&["error", "clock", "codec", "home", "thread"]]),
    ("codec", &[&["chunk", "error"]]),
    ("fault", &[&["chunk", "spec", "error", "address", "codec"]]),
    ("sys", &[&["error", "address"]]),
    ("streams", &[&["sys"]]),
    ("files", &[&["error"]]),
    ("thread", &[&["error"]]),
    ("socket", &[&["sys", "error", "address", "spec", "endpoint", "clock", "codec", "thread"]]),
    ("conn", &[GROUND_FLOOR, &["socket"]]),
    ("cluster", &[&["error", "clock", "codec", "crypto", "files"]]),
    ("session", &[GROUND_FLOOR, &["conn"]]),
    ("transport", &[GROUND_FLOOR, SEAM, &["socket", "streams", "thread"]]),
    ("layer", &[GROUND_FLOOR, SEAM, &["home", "files", "crypto"]]),
    ("httpd", &[GROUND_FLOOR, SEAM]),
    ("service", &[GROUND_FLOOR, SEAM, &["streams", "files", "store", "httpd", "cluster"]]),
    ("engine", &[GROUND_FLOOR, SEAM, SHELVES, &["socket", "thread", "store"]]),
    ("exchange", &[GROUND_FLOOR, SEAM, &["socket", "engine"]]),
    ("ping", &[GROUND_FLOOR, SEAM, &["socket", "engine", "exchange", "latencies"]]),
    ("post", &[GROUND_FLOOR, SEAM, &["engine"]]),
    ("mail", &[GROUND_FLOOR, &["engine", "store"]]),
    ("testing", &[GROUND_FLOOR, SEAM, SHELVES, &["socket", "engine", "cluster"]]),
    ("load", &[GROUND_FLOOR, SEAM, &["socket", "engine", "exchange", "latencies"]]),
    ("capture", &[&["error", "spec", "socket"]]),
];
const GROUND_FLOOR: &[&str] =
    &["error", "spec", "endpoint", "chunk", "address", "clock", "event", "bus", "codec", "fault"];
const SEAM: &[&str] = &["conn", "session"];
const SHELVES: &[&str] = &["transport", "layer", "service"];
/// What stands in the folder of the faults and is none.
const FAULT_PARTS: &[&str] = &["answer", "bend", "outbox", "replies", "seed"];

/// Names that end with a digit and say something.
const NUMBERED: &[&str] = &["pop3"];

/// Names of files that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "misc", "common", "helpers", "helper"];

/// Words of the program that are words of the tables too: `--raw`, `--framing lines`, `--http 1.0` and the verb `relay` of
/// its command line, the verb `mail` and its `--source`, `hello` and `ok` of its control protocol, the flag `--timeout`, the
/// way `down`, the jitter of round trips, the source of names that nsswitch.conf calls files, the `fd` of a call in an event,
/// the file of a letter, and the rate of a load.
const WORDS_OF_THE_PROGRAM: &[&str] = &[
    "raw", "lines", "http", "relay", "mail", "source", "hello", "ok", "timeout", "down", "jitter",
    "files", "fd", "file", "rate",
];

/// A source file: where it stands under `src`, and its text.
struct File {
    path: String,
    source: String,
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates' folder").to_owned()
}

/// The source files of a crate that are not tests alone.
fn sources(name: &str) -> Vec<File> {
    let mut files = files_below(&crates().join(name).join("src"));
    let of_tests: Vec<String> = files.iter().flat_map(test_modules).collect();
    files.retain(|file| !of_tests.contains(&file.path));
    files
}

fn files_below(root: &Path) -> Vec<File> {
    let (mut folders, mut files) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the source is there") {
            let path = entry.expect("a file").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).expect("text");
                let path = path.strip_prefix(root).expect("it is below");
                files.push(File { path: path.to_string_lossy().into_owned(), source });
            }
        }
    }
    files
}

/// The files that a file declares as `#[cfg(test)] mod name;`.
fn test_modules(file: &File) -> Vec<String> {
    let mut folder = module(&file.path).join("/");
    if !folder.is_empty() {
        folder.push('/');
    }
    let declared = file.source.split("#[cfg(test)]\nmod ").skip(1);
    declared
        .filter_map(|after| after.split_once(';').filter(|(name, _)| !name.contains(' ')))
        .map(|(name, _)| format!("{folder}{name}.rs"))
        .collect()
}

/// `layer/mod.rs` is `[layer]`, `layer/lines.rs` is `[layer, lines]`.
fn module(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs");
    path.split('/')
        .filter(|part| !["mod", "lib", "main"].contains(part))
        .map(String::from)
        .collect()
}

/// What is wrong with a library file.
fn faults_of_library(file: &File, all: &[String]) -> Vec<String> {
    let code = reading::read(&file.source);
    let module = module(&file.path);
    let mut faults = faults_of_any(file, &code.text);
    let Some(part) = module.first() else { return faults };
    let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| name == part) else {
        faults.push(format!("{part} has no floor"));
        return faults;
    };
    for path in reading::paths(&code.text, &module) {
        let Some(first) = path.first() else { continue };
        let target = match first.as_str() {
            "Error" | "Result" => "error", // the root shows them again
            "serve" => "engine",
            "get" => "exchange",
            other => other,
        };
        if target != part && !allowed.iter().any(|group| group.contains(&target)) {
            faults.push(format!("{part} imports {}", path.join("::")));
        }
        // What carries the faults is no resident of their shelf.
        let is_shelf = SHELVES.contains(&target) || target == "fault" && module.len() == 2;
        let is_shelf =
            is_shelf && path.get(1).is_none_or(|other| !FAULT_PARTS.contains(&other.as_str()));
        if let (true, Some(own), Some(other)) = (is_shelf, module.get(1), path.get(1)) {
            let is_a_file = all.contains(&format!("{target}/{other}.rs"))
                || all.contains(&format!("{target}/{other}/mod.rs"));
            if target == part && other != own && is_a_file {
                faults.push(format!(
                    "{} imports its sibling {}",
                    module.join("::"),
                    path.join("::")
                ));
            }
        }
    }
    let says_unsafe =
        code.text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
    if part != "sys" && (says_unsafe || code.text.contains("(unsafe_code")) {
        faults.push("unsafe outside sys".to_owned());
    }
    faults
}

/// What is wrong with a file wherever it stands.
fn faults_of_any(file: &File, code: &str) -> Vec<String> {
    let mut faults = if file.path == streams::HOME { Vec::new() } else { streams::faults(code) };
    if file.path != threads::HOME {
        faults.extend(threads::faults(code));
    }
    let lines = file.source.lines().count();
    if lines > 600 {
        faults.push(format!("{lines} lines"));
    }
    if code.contains("fn get_") {
        faults.push("a function is called get_".to_owned());
    }
    let name = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    let is_numbered = name.ends_with(|c: char| c.is_ascii_digit()) && !NUMBERED.contains(&name);
    if EMPTY_NAMES.contains(&name) || is_numbered {
        faults.push(format!("{name} says nothing as a name"));
    }
    faults
}

/// What is wrong with a file of the program: it names nothing of the tables.
fn faults_of_program(file: &File) -> Vec<String> {
    let services = service::TABLE.iter().map(|row| row.spec.name);
    let layers = layer::TABLE.iter().map(|row| row.spec.name);
    let transports = transport::TABLE.iter().map(|row| row.spec.name);
    let faults = fault::TABLE.iter().map(|row| row.spec.name);
    let words: Vec<_> = services.chain(layers).chain(transports).chain(faults).collect();
    // A feature of the build may have the name of a layer.
    let code = reading::read(&file.source.replace("(feature = \"tls\")", "(feature)"));
    let mut faults = faults_of_any(file, &code.text);
    for literal in &code.literals {
        if words.contains(&literal.as_str()) && !WORDS_OF_THE_PROGRAM.contains(&literal.as_str()) {
            faults.push(format!("names {literal:?}, which is the tables' to name"));
        }
    }
    faults
}

fn assert_faultless(files: &[File], faults: impl Fn(&File) -> Vec<String>) {
    let all: Vec<String> = files
        .iter()
        .flat_map(|file| {
            faults(file).into_iter().map(move |fault| format!("{}: {fault}", file.path))
        })
        .collect();
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}

#[test]
fn the_library_keeps_its_floors() {
    let files = sources("hobnob");
    assert!(files.len() > 60, "only {} files were found", files.len());
    let all: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    assert_faultless(&files, |file| faults_of_library(file, &all));
}

#[test]
fn the_program_names_nothing_of_the_tables() {
    assert_faultless(&sources("hobnob-cli"), faults_of_program);
}

#[test]
fn unsafe_is_denied_everywhere_else() {
    let workspace = fs::read_to_string(crates().join("../Cargo.toml")).expect("the workspace");
    assert!(workspace.contains("unsafe_code = \"deny\""));
    for name in ["hobnob", "hobnob-cli"] {
        let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).expect("a crate");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name} has lints of its own");
    }
}

/// A child that is begun elsewhere has copies of what other tests close, and they would not wait for it.
#[test]
fn children_of_tests_are_begun_where_it_is_known() {
    let begins = [".spawn()", ".output()", ".status()"];
    let mut files = files_below(&crates().join("hobnob/tests/it"));
    files.retain(|file| begins.iter().any(|begins| file.source.contains(begins)));
    let mut found: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["architecture.rs", "stage/births.rs"]);
}

/// What the checker finds in a made-up file.
fn found(path: &str, source: &str) -> Vec<String> {
    let all = ["layer/lines.rs", "layer/tap.rs", "service/echo.rs"].map(String::from);
    faults_of_library(&File { path: path.to_owned(), source: source.to_owned() }, &all)
}

#[test]
fn a_sibling_is_found_however_it_is_written() {
    for source in [
        "use crate::layer::tap;",
        "use crate::layer::{Layer, tap::lay};",
        "use super::tap::lay;",
        "use crate::{error::Error, layer::{self, tap as other}};",
        "fn f() { crate::layer::tap::lay(); }",
    ] {
        assert_eq!(found("layer/lines.rs", source).len(), 1, "{source}");
    }
    assert!(found("layer/lines.rs", "use crate::layer::{Layer, Role, LayerRow};").is_empty());
    assert!(found("engine/life.rs", "use crate::layer::tap;").is_empty());
    assert!(found("layer/mod.rs", "pub mod tap; use crate::conn::{Boxed, Conn};").is_empty());
}

#[test]
fn a_higher_floor_and_another_shelf_are_found() {
    for (path, source) in [
        ("conn/mod.rs", "use crate::engine::Limits;"),
        ("service/echo.rs", "use crate::layer::Layer;"),
        ("service/echo.rs", "use crate::{error::Error, engine};"),
        ("service/echo.rs", "use super::super::transport::Place;"),
        ("layer/lines.rs", "use crate::socket::Socket;"),
        ("codec/text.rs", "fn f() -> crate::conn::Conn { x }"),
        ("spec.rs", "use crate::endpoint::{\n    Host,\n};"),
        ("engine/mod.rs", "use crate::testing::Medium;"),
        ("engine/mod.rs", "use crate::sys;"),
        ("bus.rs", "use crate::serve;"),
        ("attic/mod.rs", ""),
    ] {
        assert_eq!(found(path, source).len(), 1, "{path}: {source}");
    }
}

#[test]
fn comments_literals_and_tests_are_no_imports() {
    for source in [
        "//! See [`crate::engine::Server`].\n/* crate::engine */",
        "const HELP: &str = \"crate::engine\"; const RAW: &str = r#\"a \" crate::engine\"#;",
        "const QUOTE: char = '\"'; fn f<'a>(x: &'a str) {}\nuse crate::error::Error; // crate::engine",
        "#[cfg(test)]\nmod tests {\n    use crate::engine::serve;\n}\n",
        "fn f() { let unsafe_word = \"unsafe\"; }",
    ] {
        assert!(found("service/echo.rs", source).is_empty(), "{source}");
    }
}

#[test]
fn unsafe_long_files_and_empty_names_are_found() {
    assert_eq!(found("conn/mod.rs", "fn f() { unsafe { g() } }"), ["unsafe outside sys"]);
    assert_eq!(found("conn/mod.rs", "#![allow(unsafe_code)]"), ["unsafe outside sys"]);
    assert!(found("sys/call.rs", "fn f() { unsafe { g() } }").is_empty());
    assert_eq!(found("conn/mod.rs", &"\n".repeat(601)), ["601 lines"]);
    assert_eq!(found("conn/mod.rs", "fn get_it() {}"), ["a function is called get_"]);
    assert_eq!(found("conn/utils.rs", "").len(), 1);
    assert_eq!(found("conn/part2.rs", "").len(), 1);
}

#[test]
fn a_service_that_the_program_names_is_found() {
    let file = |source: &str| File { path: "command/mod.rs".to_owned(), source: source.to_owned() };
    assert_eq!(faults_of_program(&file("if name == \"echo\" {}")).len(), 1);
    assert_eq!(faults_of_program(&file("let _ = r\"udp\";")).len(), 1);
    assert!(faults_of_program(&file("let _ = \"an echo\"; // \"echo\"")).is_empty());
}
