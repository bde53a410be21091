//! `hobnob completions`: each script is one that its shell takes, and bash completes with it.

use std::process::Command;

use crate::kit::{Done, finish, folder, run, skip};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn is_there(program: &str) -> bool {
    ["/bin", "/usr/bin"].iter().any(|folder| std::path::Path::new(folder).join(program).exists())
}

#[test]
fn each_shell_has_a_script_that_knows_the_tables() {
    for shell in SHELLS {
        let done = run(&["completions", shell]);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{shell}");
        for row in hobnob::engine::services().iter().filter(|row| row.make.is_some()) {
            // powershell and elvish complete verbs and flags alone.
            let is_known = done.out.contains(row.spec.name);
            assert!(is_known || ["powershell", "elvish"].contains(&shell), "{shell}");
        }
        assert!(done.out.contains("max-conns"), "{shell}");
    }
}

#[test]
fn shells_take_their_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        if !is_there(shell) {
            skip("shells::shells_take_their_scripts", &format!("{shell} is not installed"));
            continue;
        }
        let folder = folder();
        let path = folder.path().join("script");
        std::fs::write(&path, run(&["completions", shell]).out).expect("a file");
        let mut command = Command::new(shell);
        command.arg("-n").arg(&path);
        let done = finish(command, b"");
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{shell}");
    }
}

/// What bash would propose for the last of these words.
fn complete(words: &[&str]) -> Vec<String> {
    let script = r#"
        eval "$("$0" completions bash)"
        COMP_WORDS=(hobnob "$@")
        COMP_CWORD=$#
        _hobnob hobnob "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", script, env!("CARGO_BIN_EXE_hobnob")]).args(words);
    let Done { code, out, err } = finish(command, b"");
    // compopt says that nobody completes here, and nobody does.
    assert!(code == 0 && !err.contains("not found"), "{code} {err}");
    out.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes() {
    if !is_there("bash") {
        return skip("shells::bash_completes", "bash is not installed");
    }
    assert_eq!(complete(&["ser"]), ["serve"]);
    assert_eq!(complete(&["serve", "ec"]), ["echo"]);
    assert_eq!(complete(&["serve", "echo", "--max-c"]), ["--max-conns"]);
    assert_eq!(complete(&["talk", "--eol", ""]), ["lf", "crlf", "none"]);
    assert_eq!(complete(&["help", "port-in"]), ["port-in-use"]);
    assert_eq!(complete(&["completions", "ba"]), ["bash"]);
    let services = complete(&["serve", ""]);
    for row in hobnob::engine::services().iter().filter(|row| row.make.is_some()) {
        assert!(services.iter().any(|word| word == row.spec.name), "{services:?}");
    }
}

#[test]
fn fish_completes() {
    if !is_there("fish") {
        return skip("shells::fish_completes", "fish is not installed");
    }
    let script = r#"$argv[1] completions fish | source; complete -C "hobnob $argv[2]""#;
    let complete = |typed: &str| {
        let mut command = Command::new("fish");
        command.args(["--no-config", "-c", script, env!("CARGO_BIN_EXE_hobnob"), typed]);
        let folder = folder();
        command.env("HOME", folder.path());
        let done = finish(command, b"");
        assert_eq!(done.code, 0, "{}", done.err);
        let words = done.out.lines().map(|line| line.split('\t').next().unwrap_or_default());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("ser"), ["serve"]);
    assert_eq!(complete("serve ec"), ["echo"]);
    assert_eq!(complete("talk --eol l"), ["lf"]);
}

#[test]
fn a_shell_that_has_none_is_an_error() {
    let done = run(&["completions", "zhs"]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("hobnob completions zsh"), "{}", done.err);
    assert_eq!(run(&["completions"]).code, 2);
}
