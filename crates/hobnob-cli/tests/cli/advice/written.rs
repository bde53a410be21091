//! What is proposed as it stands in the source of both crates: each verb, page and flag of it is one that there is.

#[expect(dead_code, reason = "the rules of the house read paths too")]
#[path = "../../../../hobnob/tests/it/architecture/reading.rs"]
mod reading;

use std::collections::BTreeSet;
use std::path::Path;

use crate::kit::run;

/// Sources of both crates, without their tests.
fn sources() -> Vec<String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![program.join("src"), program.join("../hobnob/src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the source is there") {
            let path = entry.expect("a file").path();
            match path.extension().and_then(|extension| extension.to_str()) {
                None => folders.push(path),
                Some("rs") => {
                    let source = std::fs::read_to_string(path).expect("text");
                    let code = source.split("\n#[cfg(test)]\nmod tests {").next();
                    sources.extend(code.map(str::to_owned));
                }
                Some(_) => {}
            }
        }
    }
    sources
}

/// The literals that directly follow this in a source.
fn behind(sources: &[String], call: &str) -> BTreeSet<String> {
    let begins = format!("{call}(\"");
    let pieces = sources.iter().flat_map(|source| source.split(&begins).skip(1));
    pieces.filter_map(|piece| Some(piece.split_once('"')?.0.to_owned())).collect()
}

fn has_page(topic: &str) -> bool {
    run(&["help", topic]).code == 0
}

/// Whether some verb has this flag, as it is typed.
fn is_flag(verbs: &BTreeSet<String>, flag: &str) -> bool {
    // With a value first: a flag that takes one would take the -h.
    verbs
        .iter()
        .any(|verb| run(&[verb, flag, "x", "-h"]).code == 0 || run(&[verb, flag, "-h"]).code == 0)
}

/// The verbs, as the program's first page has them.
fn verbs() -> BTreeSet<String> {
    let page = run(&[]).out;
    let words = page.split(|c: char| !c.is_ascii_lowercase());
    let is_verb = |word: &&str| word.len() > 1 && run(&[word, "-h"]).code == 0;
    words.collect::<BTreeSet<_>>().into_iter().filter(is_verb).map(str::to_owned).collect()
}

#[test]
fn every_command_in_the_source_has_a_verb_that_there_is() {
    let (sources, verbs) = (sources(), verbs());
    assert!(verbs.len() >= 8, "{verbs:?}");
    let literals = sources.iter().flat_map(|source| reading::read(source).literals);
    let commands: BTreeSet<_> = literals.filter(|literal| literal.starts_with("hobnob ")).collect();
    assert!(commands.len() > 30, "{commands:?}");
    for command in commands {
        let words: Vec<_> =
            command.split_whitespace().map(|word| word.trim_end_matches("\\n")).collect();
        // Of the rest it is told, and not proposed: the certificate's name, the version, "hobnob VERB has no flag".
        let is_told =
            words[1].contains(['{', '[']) || command.contains(" has ") || words[1] == "development";
        if is_told || words[1].starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase()) {
            continue;
        }
        let verb = words[1].split('{').next().unwrap_or_default();
        assert!(verbs.contains(verb), "{command:?}: there is no verb {verb:?}");
        let topic = words.get(2).filter(|topic| verb == "help" && !topic.contains(['{', 'S']));
        assert!(topic.is_none_or(|topic| has_page(topic)), "{command:?}: there is no such page");
        for flag in words.iter().filter(|word| word.starts_with('-') && word.len() > 1) {
            let own = BTreeSet::from([verb.to_owned()]);
            assert!(is_flag(&own, flag), "{command:?}: there is no flag {flag}");
        }
    }
}

#[test]
fn every_hint_in_the_source_has_a_page_or_a_flag() {
    let (sources, verbs) = (sources(), verbs());
    let topics = behind(&sources, "hint_topic");
    assert!(topics.len() >= 3, "{topics:?}");
    for topic in topics {
        assert!(has_page(&topic), "there is no page {topic:?}");
    }
    let options = behind(&sources, "hint_option").into_iter();
    let options: BTreeSet<_> = options.chain(behind(&sources, "hint_switch")).collect();
    assert!(options.len() >= 5, "{options:?}");
    for option in options {
        assert!(is_flag(&verbs, &format!("--{option}")), "there is no option {option:?}");
    }
    let flags = behind(&sources, "try_flag").into_iter();
    let flags: Vec<_> = flags.chain(behind(&sources, "try_flag(format!")).collect();
    assert!(flags.len() >= 5, "{flags:?}");
    for flag in flags {
        let flag = flag.split(' ').next().unwrap_or_default().to_owned();
        assert!(is_flag(&verbs, &flag), "there is no flag {flag:?}");
    }
}
