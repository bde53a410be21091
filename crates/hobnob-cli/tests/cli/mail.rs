//! `hobnob mail`: the journey of a letter from the command line, and what goes wrong on it.

mod fetching;
mod sending;
mod showing;
mod trouble;

use std::fs;
use std::io::{Read as _, Write as _};

use crate::kit::{Done, OnePeer, Served, finish, folder, hobnob, run, serve};

/// A server with all its doors, and their addresses.
pub(crate) fn office(flags: &[&str]) -> (Served, [String; 3]) {
    let doors = [
        "mail",
        "smtp=127.0.0.1:0",
        "pop3=127.0.0.1:0",
        "imap=127.0.0.1:0",
        "--json",
        "--starttls",
        "off",
    ];
    let served = serve(&[&doors[..], flags].concat());
    let address = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["addr"].as_str().expect("an address").to_owned()
    };
    let others = [served.out.until("listening"), served.out.until("listening")];
    let ports = [address(&served.banner), address(&others[0]), address(&others[1])];
    (served, ports)
}

pub(crate) fn sends(to: &str, flags: &[&str]) -> Done {
    let at = format!("smtp://{to}");
    let words = ["mail", "send", &at, "--from", "app@test", "--to", "li@test"];
    run(&[&words[..], flags].concat())
}

/// A server that answers each line with the next of these.
fn scripted(answers: &'static [&'static str]) -> OnePeer {
    OnePeer::new(move |mut peer| {
        let mut heard = [0; 4_096];
        for (at, answer) in answers.iter().enumerate() {
            if at > 0 && !matches!(peer.read(&mut heard), Ok(1..)) {
                return;
            }
            let _ = peer.write_all(answer.as_bytes());
        }
        while matches!(peer.read(&mut heard), Ok(1..)) {}
    })
}

#[test]
fn a_letter_is_sent_fetched_saved_shown_and_deleted() {
    let (_served, [smtp, pop3, imap]) = office(&[]);
    let folder = folder();
    let map = folder.path().join("map.png");
    fs::write(&map, b"not a picture").expect("a file");
    let flags = [
        "--subject",
        "你好",
        "--text",
        "see https://a.test/x at 8\n.\n",
        "--attach",
        map.to_str().expect("UTF-8"),
    ];
    let done = sends(&smtp, &flags);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert!(
        done.out.contains("250 2.0.0 kept as") && done.out.contains("sent to 1 person in "),
        "{}",
        done.out
    );
    assert_eq!(sends(&smtp, &["--subject", "second"]).code, 0);
    for at in [format!("pop3://{pop3}"), format!("imap://{imap}")] {
        let list = run(&["mail", "fetch", &at]);
        assert_eq!((list.code, list.err.as_str()), (0, ""), "{at}");
        let lines: Vec<_> = list.out.lines().collect();
        assert_eq!(lines.len(), 2, "{list:?}");
        assert!(
            lines[0].starts_with("   2  ")
                && lines[0].contains("app@test")
                && lines[0].contains("second"),
            "{list:?}"
        );
        assert!(lines[1].contains("你好"), "{list:?}");
        assert_eq!(run(&["mail", "fetch", &at, "--last", "1"]).out.lines().count(), 1);
        let one = run(&["mail", "fetch", &at, "1"]);
        for part in [
            "From      app@test\n",
            "Subject   你好\n",
            "\nsee https://a.test/x at 8\n.\n",
            "map.png",
            "attached",
        ] {
            assert!(one.out.contains(part), "{at}: {part}: {}", one.out);
        }
        assert_eq!(run(&["mail", "fetch", &at, "1", "--links"]).out, "https://a.test/x\n");
        assert_eq!(run(&["mail", "fetch", &at, "1", "--part", "2"]).out, "not a picture");
        let error = run(&["mail", "fetch", &at, "3"]);
        assert!(error.code == 1 && error.err.starts_with("error[rejected]: "), "{error:?}");
    }
    let at = format!("imap://{imap}");
    let letters = folder.path().join("letters");
    let save = ["mail", "fetch", &at, "--save", letters.to_str().expect("UTF-8")];
    let saved = run(&save);
    assert_eq!((saved.code, saved.out.lines().count()), (0, 2), "{saved:?}");
    let again = run(&save);
    assert!(again.code == 9 && again.err.starts_with("error[file-exists]"), "{again:?}");
    assert_eq!(run(&[&save[..], &["--force", "--quiet"]].concat()).code, 0);
    let files: Vec<_> = fs::read_dir(&letters)
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .collect();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.iter().all(|file| file.extension().is_some_and(|ending| ending == "eml")));
    for file in files {
        let shown = run(&["mail", "show", file.to_str().expect("UTF-8")]);
        assert!(shown.code == 0 && shown.out.contains("From      app@test\n"), "{shown:?}");
        let source = run(&["mail", "show", file.to_str().expect("UTF-8"), "--source"]);
        assert_eq!(source.out.as_bytes(), fs::read(&file).expect("a file"));
    }
    assert_eq!(run(&["mail", "fetch", &at, "1", "--delete", "--quiet"]).code, 0);
    let left = run(&["mail", "fetch", &format!("pop3://{pop3}")]);
    assert!(left.out.lines().count() == 1 && left.out.contains("second"), "{left:?}");
}

#[test]
fn the_dialogue_is_shown_and_no_secret_is_in_it() {
    let folder = folder();
    let file = folder.path().join("password");
    fs::write(&file, "s3cr3t\n").expect("a file");
    let user = format!("li:@{}", file.display());
    let (_served, [smtp, pop3, imap]) = office(&["--user", &user, "--auth", "need"]);
    let at = format!("smtp://{smtp}");
    let words =
        ["mail", "send", &at, "--from", "app@test", "--to", "li@test", "--user", &user, "-v"];
    let mut all = run(&words);
    assert_eq!(all.code, 0, "{all:?}");
    assert!(all.err.contains("»  AUTH PLAIN ***\n") && all.err.contains("«  235 "), "{}", all.err);
    for at in [format!("pop3://{pop3}"), format!("imap://{imap}")] {
        let done = run(&["mail", "fetch", &at, "--user", &user, "-v"]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.err.contains("***"), "{}", done.err);
        all.err.push_str(&done.err);
        let mut by_variable = hobnob(&["mail", "fetch", &at, "--user", "li"]);
        by_variable.env("HOBNOB_PASSWORD_FILE", &file);
        assert_eq!(finish(by_variable, b"").code, 0);
        let refused = run(&["mail", "fetch", &at]);
        assert!(refused.code == 1 && refused.err.starts_with("error[rejected]"), "{refused:?}");
    }
    for secret in ["s3cr3t", "czNjcjN0", "AGxpAHMzY3IzdA=="] {
        assert!(!all.err.contains(secret), "{}", all.err);
    }
    // A password in a flag is refused, and not said again.
    let typed = run(&[
        "mail",
        "send",
        &at,
        "--from",
        "a@b",
        "--to",
        "c@d",
        "--user",
        "li:hunter2",
        "--json",
    ]);
    assert!(typed.code == 2 && typed.err.starts_with("error[bad-option]"), "{typed:?}");
    assert!(!typed.err.contains("hunter2") && !typed.out.contains("hunter2"), "{typed:?}");
}

#[test]
fn over_a_unix_socket_it_is_the_same() {
    let folder = folder();
    let (smtp, imap) = (folder.path().join("s"), folder.path().join("i"));
    let doors = [format!("smtp=unix:{}", smtp.display()), format!("imap=unix:{}", imap.display())];
    let served = serve(&["mail", &doors[0], &doors[1], "--json", "--starttls", "off"]);
    served.out.until("listening");
    let done = run(&[
        "mail",
        "send",
        smtp.to_str().expect("UTF-8"),
        "--from",
        "a@b",
        "--to",
        "c@d",
        "--subject",
        "unix",
    ]);
    assert_eq!(done.code, 0, "{done:?}");
    let list = run(&["mail", "fetch", &format!("imap+unix:{}", imap.display())]);
    assert!(list.code == 0 && list.out.contains("unix"), "{list:?}");
}

#[test]
fn a_door_can_be_named_by_its_protocol() {
    let served = serve(&["mail", "smtp://127.0.0.1:0", "--json", "--starttls", "off"]);
    assert!(served.banner.contains(r#""door":"smtp""#), "{}", served.banner);
    assert_eq!(sends(&served.address, &[]).code, 0);
}
