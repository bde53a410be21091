//! No file needs itself: whoever follows the references of a file never comes back to it.
//!
//! What counts is every `use` and every path in the code. Two things do not: what a `mod.rs` shows again of its child
//! (`pub use child::Thing`) is the child's, so that whoever names it by the parent references the child; and a line of a
//! table (`tcp::ROW`, `serve::VERB`) says who is there, and needs nothing of it.

use super::graph::Graph;
use super::{File, module};

fn shown(circles: &[Vec<String>]) -> String {
    let lines = circles.iter().map(|circle| format!("  {} -> {}", circle.join(" -> "), circle[0]));
    lines.collect::<Vec<_>>().join("\n")
}

/// The parts of the library, each with its circles.
fn circles_of_library() -> Vec<(String, Vec<Vec<String>>)> {
    let all = Graph::of("hobnob");
    let parts = all.parts();
    let circles = |part: &String| all.within(|file| module(file).first() == Some(part)).circles();
    parts.files().map(|part| (part.clone(), circles(part))).collect()
}

#[test]
fn no_part_of_the_library_goes_round() {
    let circles = circles_of_library();
    assert!(circles.len() > 15, "only {} parts were found", circles.len());
    let wrong: Vec<_> = circles
        .iter()
        .filter(|(_, circles)| !circles.is_empty())
        .map(|(part, circles)| format!("{part}\n{}", shown(circles)))
        .collect();
    assert!(wrong.is_empty(), "circles in\n{}", wrong.join("\n"));
}

#[test]
fn the_program_does_not_go_round() {
    let all = Graph::of("hobnob-cli");
    assert!(all.files().count() > 50, "the program was not found");
    let (files, parts) = (all.circles(), all.parts().circles());
    assert!(files.is_empty() && parts.is_empty(), "circles\n{}\n{}", shown(&files), shown(&parts));
}

/// `cargo xtask lint` prints it.
#[test]
fn the_parts_stand_on_floors() {
    for (name, title) in [("hobnob", "the library"), ("hobnob-cli", "the program")] {
        println!("{title}, top floor first");
        for floor in Graph::of(name).parts().floors() {
            println!("    {}", floor.join("  "));
        }
    }
    for (part, circles) in circles_of_library().iter().filter(|(_, all)| !all.is_empty()) {
        println!("still goes round: {part}\n{}", shown(circles));
    }
}

/// The circles of a made-up crate.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let file = |(path, source): &(&str, &str)| File {
        path: (*path).to_owned(),
        source: (*source).to_owned(),
    };
    let files: Vec<_> = files.iter().map(file).collect();
    Graph::of_files(&files).circles().iter().map(|circle| circle.join(" ")).collect()
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    for (one, other) in [
        ("use crate::b::B;", "use crate::a::A;"),
        ("use super::b::{B, C};", "fn f() { crate::a::f() }"),
        ("use crate::b;\nfn f() { b::f() }", "use crate::{error::Error, a::{self, A}};"),
        ("use crate::B;", "use super::a as other;"),
    ] {
        let root = "mod a;\nmod b;\npub use b::B;\n";
        let found = found(&[("lib.rs", root), ("a.rs", one), ("b.rs", other), ("error.rs", "")]);
        assert_eq!(found, ["a.rs b.rs"], "{one} {other}");
    }
    let through =
        [("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c;"), ("c.rs", "use crate::a;")];
    assert_eq!(found(&through), ["a.rs b.rs c.rs"]);
}

#[test]
fn a_parent_and_its_child_go_round_where_each_needs_the_other() {
    let parent = "mod child;\nfn f() { child::f() }\n";
    assert_eq!(found(&[("a/mod.rs", parent), ("a/child.rs", "use super::f;")]).len(), 1);
    assert_eq!(found(&[("a/mod.rs", parent), ("a/child.rs", "use crate::b::B;")]).len(), 0);
    for used in ["use self::child::f;", "fn g() { self::child::f() }"] {
        let parent = format!("mod child;\n{used}\n");
        assert_eq!(found(&[("a/mod.rs", &parent), ("a/child.rs", "use super::g;")]).len(), 1);
    }
    for shown in [
        "pub use child::Thing;",
        "pub use self::child::Thing;",
        "pub(crate) use child::{Thing, other};",
    ] {
        let parent = format!("mod child;\n{shown}\n");
        assert_eq!(found(&[("a/mod.rs", &parent), ("a/child.rs", "use super::LIMIT;")]).len(), 0);
        // Whoever names it by the parent needs the child.
        let of_child = [
            ("a/mod.rs", parent.as_str()),
            ("a/child.rs", "use crate::b::B;"),
            ("b.rs", "use crate::a::Thing;"),
        ];
        assert_eq!(found(&of_child), ["a/child.rs b.rs"]);
    }
}

#[test]
fn a_table_needs_nothing_of_who_is_in_it() {
    let table = "mod tcp;\npub static TABLE: &[&Row] = &[&tcp::ROW];\n";
    assert_eq!(found(&[("t/mod.rs", table), ("t/tcp.rs", "use super::Row;")]).len(), 0);
    let other = "mod tcp;\nfn f() -> u16 { tcp::PORT }\n";
    assert_eq!(found(&[("t/mod.rs", other), ("t/tcp.rs", "use super::Row;")]).len(), 1);
}
