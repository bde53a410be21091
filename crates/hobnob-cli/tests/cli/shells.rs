//! `hobnob completions`: each script is one that its shell takes, and bash, zsh and fish complete with it.

use std::process::Command;

use crate::kit::{Done, finish, folder, hobnob, launch, run, skip};
use crate::screen::{BINARY, Screen};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn is_there(program: &str) -> bool {
    ["/bin", "/usr/bin"].iter().any(|folder| std::path::Path::new(folder).join(program).exists())
}

#[test]
fn each_shell_has_a_script_that_knows_the_tables() {
    for shell in SHELLS {
        let done = run(&["completions", shell]);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{shell}");
        let asks = ["bash", "zsh", "fish"].contains(&shell);
        assert!(asks || done.out.contains("max-conns"), "{shell}");
        if asks {
            let services = run(&["completions", shell, "--", "serve", ""]).out;
            for row in hobnob::engine::services().iter().filter(|row| row.make.is_some()) {
                assert!(services.contains(row.spec.name), "{shell}: {services}");
            }
            let flags = run(&["completions", shell, "--", "serve", "--max"]).out;
            assert!(flags.contains("--max-conns"), "{shell}: {flags}");
        }
    }
}

/// What a program is asked for the last of these words by the script of fish: a word and what it is.
fn proposed(words: &[&str]) -> Vec<(String, String)> {
    let done = run(&[&["completions", "fish", "--"], words].concat());
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{words:?}");
    let pair = |line: &str| {
        let (word, about) = line.split_once('\t').unwrap_or((line, ""));
        (word.to_owned(), about.to_owned())
    };
    done.out.lines().map(pair).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    proposed(words).into_iter().map(|(word, _)| word).collect()
}

#[test]
fn each_place_has_the_words_that_fit_there() {
    let faults = words(&["relay", ":1", ":2", "--fault", ""]);
    let expected = hobnob::fault::TABLE.iter().map(|row| row.spec.name);
    assert_eq!(
        faults.iter().map(|word| word.trim_end_matches('=')).collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
    assert_eq!(words(&["serve", "relay", "--fault", "up:lat"]), ["up:latency="]);
    assert!(
        words(&["relay", "--fault", "latency=200ms,jit"])
            .iter()
            .any(|word| word == "latency=200ms,jitter=")
    );
    assert_eq!(words(&["relay", "--like", "sat"]), ["satellite"]);
    assert_eq!(words(&["fault", "x", "--like=sat"]), ["--like=satellite"]);
    assert_eq!(words(&["fault", "x", "cle"]), ["clear"]);
    // Services before flags: those come when one is begun, and only those that it has.
    assert!(words(&["serve", ""]).iter().all(|word| !word.starts_with('-')));
    assert!(words(&["serve", "echo", "--"]).iter().any(|word| word == "--max-conns"));
    assert!(!words(&["serve", "echo", "--gre"]).iter().any(|word| word == "--greeting"));
    assert_eq!(words(&["serve", "hello", "--gre"]), ["--greeting"]);
    assert_eq!(words(&["serve", "echo", "--", "--max-c"]), [":files"]);
    assert_eq!(words(&["--color", "al"]), ["always"]);
    assert_eq!(words(&["--color", "always", "ser"]), ["serve"]);
    assert!(words(&["demo", ""]).iter().any(|word| word == "--for"));
}

#[test]
fn pages_of_help_come_in_groups() {
    let done = run(&["completions", "zsh", "--", "help", ""]);
    let mut groups: Vec<_> = done.out.lines().filter_map(|line| line.split('\t').next()).collect();
    groups.dedup();
    let expected = ["verbs", "topics", "services", "transports", "layers", "faults", "errors"];
    assert_eq!(groups, expected, "each once, together");
}

#[test]
fn servers_with_something_to_turn_are_proposed_by_name() {
    let folder = folder();
    for (words, proposed) in [
        (&["relay", "127.0.0.1:0", "127.0.0.1:1", "--name", "red"][..], Some("red\tto ")),
        (&["serve", "mail", "smtp=127.0.0.1:0", "--name", "post"], Some("post\tmail")),
        (&["serve", "echo", "127.0.0.1:0", "--name", "plain"], None),
    ] {
        let mut command = hobnob(words);
        command.env("XDG_RUNTIME_DIR", folder.path());
        let server = launch(command);
        server.err.until("Ctrl-C stops it.");
        let mut asked = hobnob(&["completions", "fish", "--", "fault", ""]);
        asked.env("XDG_RUNTIME_DIR", folder.path());
        let done = finish(asked, b"");
        match proposed {
            Some(line) => assert!(done.out.starts_with(line), "{}", done.out),
            None => assert!(!done.out.contains("plain"), "{}", done.out),
        }
        assert_eq!(server.stop("TERM").0, 0);
    }
}

#[test]
fn zsh_completes() {
    if !is_there("zsh") {
        return skip("shells::zsh_completes", "zsh is not installed");
    }
    let Some(screen) = Screen::open("shells::zsh_completes") else { return };
    let own = std::path::Path::new(BINARY).parent().expect("a folder");
    screen.line(&format!("cd /; PATH={}:$PATH exec zsh -f", own.display()));
    screen.line("PS1='%# '; autoload -U compinit; compinit -u -D; eval \"$(hobnob completions zsh)\"; echo rea''dy");
    screen.until(|text| text.contains("ready"));
    let typed = |keys: &str, wanted: &str| {
        screen.tmux(&["send-keys", "-l", keys]);
        screen.keys(&["Tab"]);
        screen.until(|text| text.contains(wanted));
        screen.keys(&["C-u"]);
    };
    typed("hobnob ser", "# hobnob serve");
    typed("hobnob relay :1 :2 --fault up:lat", "--fault up:latency=");
    typed("hobnob relay :1 :2 --like sat", "--like satellite");
    screen.line("clear");
    screen.tmux(&["send-keys", "-l", "hobnob help "]);
    screen.keys(&["Tab"]);
    screen.until(|text| {
        text.contains("hobnob help") && (text.contains("verbs") || text.contains("see all"))
    });
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
        PATH="${0%/*}:$PATH"
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
    assert_eq!(complete(&["relay", "--fault", "late"]), ["latency="]);
    // bash cuts words at the marks, and puts the last piece alone in place.
    assert_eq!(complete(&["relay", "--fault", "up", ":", "late"]), ["latency="]);
    assert_eq!(complete(&["talk", "--color", "=", "al"]), ["always"]);
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
    let script = r#"set -x PATH (dirname $argv[1]) $PATH
        $argv[1] completions fish | source; complete -C "hobnob $argv[2]""#;
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
    assert_eq!(complete("relay --fault up:lat"), ["up:latency="]);
    assert_eq!(complete("relay --like sat"), ["satellite"]);
}

#[test]
fn a_shell_that_has_none_is_an_error() {
    let done = run(&["completions", "zhs"]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("hobnob completions zsh"), "{}", done.err);
    assert_eq!(run(&["completions"]).code, 2);
}
