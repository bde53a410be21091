//! `hobnob mail`: the journey of a letter from the command line, and what goes wrong on it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use crate::control::Place;
use crate::kit::hardship::{a_lack_of_files_is_told, full};
use crate::kit::{
    Bounded, Done, Lines, OnePeer, Served, code, finish, folder, hobnob, launch, run, run_with,
    serve, signal,
};

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
fn a_letter_is_waited_for_and_one_that_does_not_come_is_told_of() {
    let (_served, [smtp, pop3, imap]) = office(&[]);
    let text = "your link is https://a.test/reset?t=1";
    assert_eq!(sends(&smtp, &["--subject", "Welcome"]).code, 0);
    for at in [format!("imap://{imap}"), format!("pop3://{pop3}")] {
        let words = [
            "mail",
            "fetch",
            &at,
            "--wait",
            "to:li@test subject:/Reset/",
            "--within",
            "20s",
            "--links",
        ];
        let waiting = launch(hobnob(&words));
        assert_eq!(sends(&smtp, &["--subject", "Reset it", "--text", text]).code, 0);
        assert_eq!(waiting.out.next(), "https://a.test/reset?t=1");
        assert_eq!(code(waiting.child.wait()), 0);
        // One that is there already is one, too.
        let there = run(&["mail", "fetch", &at, "--wait", "text:/reset\\?t=[0-9]/", "--json"]);
        assert!(there.code == 0 && there.out.contains(r#""did":"fetched""#), "{there:?}");
        let none = run(&["mail", "fetch", &at, "--wait", "subject:never", "--within", "1ms"]);
        assert_eq!(none.code, 6, "{none:?}");
    }
    let at = format!("imap://{imap}");
    let none = run(&["mail", "fetch", &at, "--wait", "subject:never", "--within", "1s"]);
    assert!(
        none.code == 6 && none.err.contains("these did:") && none.err.contains("Welcome"),
        "{none:?}"
    );
}

#[test]
fn a_letter_as_it_is_goes_byte_for_byte_and_names_who_gets_it() {
    let (_served, [smtp, _, imap]) = office(&["--no-trace"]);
    let letter = "From: Li <li@test>\r\nTo: han@test, All: a@test, \"b c\"@test;\r\nBcc: secret@test\r\nSubject: x\r\n\r\n.\r\nbody\r\n";
    let at = format!("smtp://{smtp}");
    let done = run_with(&["mail", "send", &at, "--eml", "-", "-v"], letter.as_bytes());
    assert_eq!(done.code, 0, "{done:?}");
    for said in [
        "MAIL FROM:<li@test>",
        "RCPT TO:<han@test>",
        "RCPT TO:<a@test>",
        "RCPT TO:<\"b c\"@test>",
        "RCPT TO:<secret@test>",
    ] {
        assert!(done.err.contains(said), "{said}: {}", done.err);
    }
    let source = run(&["mail", "fetch", &format!("imap://{imap}"), "1", "--source"]);
    assert_eq!(source.out, letter.replace("Bcc: secret@test\r\n", ""));
    // With flags for the envelope nothing is left out.
    let flags = ["mail", "send", &at, "--eml", "-", "--from", "<>", "--to", "x@test"];
    assert_eq!(run_with(&flags, letter.as_bytes()).code, 0);
    let source = run(&["mail", "fetch", &format!("imap://{imap}"), "2", "--source"]);
    assert_eq!(source.out, letter);
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
fn what_a_server_refuses_is_said_in_its_words_and_is_exit_code_1() {
    for (answers, words) in [
        (&["554 go \x1b[31maway\r\n"][..], r"554 go \x1b[31maway"),
        (&["220 hi\r\n", "250 x\r\n", "550 5.7.1 not from there\r\n"], "550 5.7.1 not from there"),
        (
            &[
                "220 hi\r\n",
                "250 x\r\n",
                "250 ok\r\n",
                "450 4.2.1 later\r\n",
                "250 reset\r\n",
                "221 bye\r\n",
            ],
            "450 4.2.1 later",
        ),
        (
            &[
                "220 hi\r\n",
                "250 x\r\n",
                "250 ok\r\n",
                "250 ok\r\n",
                "354 go\r\n",
                "552-too\r\n552 much\r\n",
                "221 bye\r\n",
            ],
            "552 too / much",
        ),
    ] {
        let peer = scripted(answers);
        let done = sends(&peer.address(), &[]);
        assert!(done.code == 1 && done.err.starts_with("error[rejected]: "), "{done:?}");
        let said = done.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(words), "{words}: {}", done.err);
        peer.finish();
    }
    // One of two.
    let peer = scripted(&[
        "220 hi\r\n",
        "250 x\r\n",
        "250 ok\r\n",
        "550 no li\r\n",
        "250 ok\r\n",
        "354 go\r\n",
        "250 kept\r\n",
        "221 bye\r\n",
    ]);
    let done = sends(&peer.address(), &["--cc", "han@test"]);
    assert_eq!((done.code, done.err.as_str()), (1, ""));
    assert!(
        done.out.contains("refused  li@test: 550 no li\n")
            && done.out.contains("sent to 1 person of 2 in"),
        "{}",
        done.out
    );
    peer.finish();
    let peer = scripted(&[
        "220 hi\r\n",
        "250 x\r\n",
        "250 ok\r\n",
        "550 no li\r\n",
        "250 ok\r\n",
        "354 go\r\n",
        "250 kept\r\n",
        "221 bye\r\n",
    ]);
    let done = sends(&peer.address(), &["--cc", "han@test", "--json"]);
    let event: serde_json::Value =
        serde_json::from_str(done.out.lines().next().expect("an event")).expect("JSON");
    assert_eq!(
        (done.code, event["did"].as_str(), event["taken"].as_u64()),
        (1, Some("sent"), Some(1))
    );
    assert_eq!(event["refused"][0]["answer"].as_str(), Some("550 no li"));
    peer.finish();
}

#[test]
fn mistakes_are_told_before_anybody_is_dialled() {
    for (words, part) in [
        (&["mail"][..], "send, fetch or show"),
        (&["mail", "sned", ":1025"], "hobnob mail send"),
        (&["mail", "send"], "an address is missing"),
        (&["mail", "send", ":1", "--to", "a@b"], "--from is missing"),
        (&["mail", "send", ":1", "--from", "a@b"], "--to is missing"),
        (&["mail", "send", ":1", "--from", "a@b", "--to", "nobody"], "does not take"),
        (&["mail", "send", ":1", "--from", "a@b", "--to", "a@b\r\nDATA"], "does not take"),
        (
            &["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--subject", "a\nBcc: x"],
            "a field of its own",
        ),
        (&["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "-H", "no colon"], "a colon"),
        (
            &["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--attach", "/nowhere/x"],
            "cannot be read",
        ),
        (&["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--break", "all"], "bare-lf"),
        (
            &["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--save", "x"],
            "a flag of mail fetch",
        ),
        (
            &["mail", "send", ":1", "--from", "a@b", "--to", "c@d", "--eml", "x", "--text", "y"],
            "as it is",
        ),
        (&["mail", "send", "imap://:1", "--from", "a@b", "--to", "c@d"], "names imap"),
        (&["mail", "send", "udp://:1", "--from", "a@b", "--to", "c@d"], "gives packets"),
        (&["mail", "fetch", ":9"], "pop3 or of imap"),
        (&["mail", "fetch", "imap://:1", "x"], "a whole number"),
        (&["mail", "fetch", "imap://:1", "--wait", "subject:/("], "a pattern ends"),
        (&["mail", "fetch", "imap://:1", "--delete"], "which letters"),
        (&["mail", "fetch", "imap://:1", "2", "--last", "3"], "exclude each other"),
        (&["mail", "fetch", "imap://mail.test"], "--user is missing"),
        (&["mail", "fetch", "imap://:1", "--from", "a@b"], "a flag of mail send"),
        (&["mail", "show"], "a file is missing"),
        (&["mail", "show", "/nowhere/x", "--links", "--source"], "exclude each other"),
        (&["talk", "smtp://:1"], "hobnob mail send smtp://:1"),
        (&["smtp://:1025"], "hobnob mail send smtp://:1025"),
    ] {
        let done = run(words);
        assert!(
            done.code > 1 && done.code != 5 && done.err.starts_with("error["),
            "{words:?}: {done:?}"
        );
        assert!(
            done.err.split_whitespace().collect::<Vec<_>>().join(" ").contains(part),
            "{words:?}: {}",
            done.err
        );
    }
}

#[test]
fn what_is_done_wrong_on_purpose_is_shown_with_what_comes_of_it() {
    let (_served, [smtp, ..]) = office(&["--strict"]);
    for (word, code) in [("bare-lf", 1), ("no-stuffing", 1)] {
        let done = sends(&smtp, &["--break", word, "--text", ".\n.a\n"]);
        assert!(done.code == code || done.code == 10, "{word}: {done:?}");
        assert!(done.err.contains("»  EHLO "), "{word}: {}", done.err);
    }
}

#[test]
fn many_letters_go_over_many_conns() {
    let (_served, [smtp, _, imap]) = office(&[]);
    let done = sends(&smtp, &["--count", "50", "--conns", "5"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    assert!(done.out.starts_with("50 letters sent over 5 conns in "), "{}", done.out);
    assert_eq!(run(&["mail", "fetch", &format!("imap://{imap}")]).out.lines().count(), 50);
    let json = sends(&smtp, &["--count", "3", "--json"]);
    let event: serde_json::Value = serde_json::from_str(json.out.trim()).expect("JSON");
    assert_eq!(
        (event["verb"].as_str(), event["sent"].as_u64(), event["left"].as_u64()),
        (Some("mail"), Some(3), Some(0))
    );
    let nobody = sends("127.0.0.1:1", &["--count", "5", "--conns", "2"]);
    assert!(nobody.code == 5 && nobody.out.contains("2 failed, 3 not begun"), "{nobody:?}");
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

#[test]
fn a_letter_of_a_server_that_runs_is_shown_by_its_number_with_what_was_found() {
    let place = Place::new();
    let show = |words: &[&str]| finish(place.hobnob(&[&["mail", "show"][..], words].concat()), b"");
    let nobody = show(&["12"]);
    assert!(nobody.err.contains("hobnob mail fetch imap://:1143 12"), "{nobody:?}");
    let named = show(&["12", "mail"]);
    assert!(named.code == 5 && named.err.contains("hobnob serve mail"), "{named:?}");
    let serve = ["serve", "mail", "smtp=127.0.0.1:0", "--json"];
    let (served, letter) = (place.serve(&serve), folder());
    let eml = letter.path().join("letter.eml");
    fs::write(&eml, "From: app@test\r\nSubject: 1\r\n\r\nx\r\n").expect("a file");
    let eml = ["--eml", eml.to_str().expect("UTF-8")];
    assert_eq!(sends(&served.address, &eml).code, 0);
    let port = format!(":{}", served.address.rsplit_once(':').expect("a port").1);
    let own = format!("mail@{}", served.child.id());
    for words in [&["1"][..], &["1", "mail"], &["1", &port], &["1", &own]] {
        let shown = show(words);
        assert!(shown.out.contains("  MUA   "), "{words:?}: {shown:?}");
        let found = "  !     no-date: there is no Date header (RFC 5322 3.6)\n";
        assert!(shown.out.contains(found), "{words:?}: {shown:?}");
    }
    let told: serde_json::Value =
        serde_json::from_str(&show(&["1", "--json"]).out).expect("a line of JSON");
    assert_eq!(told["findings"][0], "no-date");
    assert_eq!(told["found"][0]["source"], "RFC 5322 3.6");
    assert_eq!(told["found"][0]["wrong"], true);
    let absent = show(&["2"]);
    assert!(absent.err.contains("no letter 2 lies in mail@"), "{absent:?}");
    let _other = place.serve(&serve);
    let several = show(&["1"]);
    assert!(
        several.code == 2 && several.err.contains(&format!("mail show 1 {own}")),
        "{several:?}"
    );
    assert_eq!(show(&["1", &own]).code, 0);
}

#[test]
fn a_hostile_letter_drives_no_terminal() {
    let raw = "From: \x1b]52;c;x\x07\r\nSubject: a\x1b[2J\u{202e}\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n\x1b[31m\u{9b}1m\r\n\
        http://a.test/\x1b\r\n--x\r\nContent-Type: image/png; name=\"\x1b[2J/../../x\"\r\n\r\nx\r\n--x--\r\n";
    for flags in [&[][..], &["-v"], &["--links"], &["--json"]] {
        let done = run_with(&[&["mail", "show", "-"], flags].concat(), raw.as_bytes());
        assert_eq!(done.code, 0, "{done:?}");
        assert!(!done.out.contains(['\x1b', '\x07', '\u{202e}', '\u{9b}']), "{:?}", done.out);
    }
}

#[test]
fn it_ends_as_the_others_do_when_something_is_in_its_way() {
    let (_served, [smtp, _, imap]) = office(&[]);
    assert_eq!(sends(&smtp, &["--subject", "x"]).code, 0);
    let (to, from) = (format!("smtp://{smtp}"), format!("imap://{imap}"));
    let folder = folder();
    let letter = folder.path().join("letter.eml");
    fs::write(&letter, "Subject: x\r\n\r\ny\r\n").expect("a file");
    let letter = letter.to_str().expect("UTF-8");
    let send = ["mail", "send", &to, "--from", "a@b", "--to", "c@d"];
    a_lack_of_files_is_told(&send, 0);
    a_lack_of_files_is_told(&["mail", "fetch", &from], 0);
    for words in [
        &send[..],
        &["mail", "fetch", &from],
        &["mail", "fetch", &from, "1"],
        &["mail", "show", letter],
    ] {
        let mut command = hobnob(words);
        command.stdin(Stdio::null()).stdout(full()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        assert_eq!(code(Bounded::of(child).wait()), 9, "{words:?}");
        assert!(err.rest()[0].starts_with("error[output-failed]"), "{words:?}");
        let (reader, gone) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = hobnob(words);
        command.stdin(Stdio::null()).stdout(gone).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        let err = Lines::of(child.stderr.take().expect("it is piped"));
        assert_eq!(code(Bounded::of(child).wait()), 141, "{words:?}");
        assert_eq!(err.rest(), [""; 0], "{words:?}");
    }
    // A disk that is full: nothing half-written has the name of a letter.
    let done = run(&["mail", "fetch", &from, "--save", "/dev/full"]);
    assert_eq!(done.code, 9, "{done:?}");
    let refused = sends("127.0.0.1:1", &[]);
    assert!(
        refused.code == 5 && refused.err.starts_with("error[connection-refused]"),
        "{refused:?}"
    );
}

#[test]
fn a_server_that_says_nothing_is_left_and_signals_end_the_waiting() {
    for (scheme, what, rest) in [
        ("smtp", "send", &["--from", "a@b", "--to", "c@d"][..]),
        ("imap", "fetch", &[]),
        ("pop3", "fetch", &[]),
    ] {
        let silent = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let at = listener.local_addr().expect("it is bound");
            (listener, format!("{scheme}://{at}"))
        };
        let (_listener, at) = silent();
        let late = run(&[&["mail", what, &at, "--idle", "50ms"], rest].concat());
        assert!(late.code == 6 && late.err.starts_with("error[idle-timeout]"), "{late:?}");
        for (name, expected) in [("TERM", 143), ("INT", 130)] {
            let (listener, at) = silent();
            let waiting = launch(hobnob(&[&["mail", what, &at], rest].concat()));
            let _peer = listener.accept().expect("it dials");
            signal(waiting.child.id(), name);
            assert_eq!(code(waiting.child.wait()), expected, "{scheme} {name}");
        }
    }
}

#[test]
fn a_mailbox_that_is_waited_at_tells_by_itself_and_one_that_is_dead_is_left() {
    let begin = [
        "* OK hi\r\n",
        "* CAPABILITY IMAP4rev1 IDLE\r\na1 OK\r\n",
        "a2 OK\r\n",
        "* CAPABILITY IMAP4rev1 IDLE\r\na3 OK\r\n",
        "* 0 EXISTS\r\na4 OK\r\n",
    ];
    let wait = |answers: &[&'static str], flags: &[&str]| {
        let peer = scripted([&begin[..], answers].concat().leak());
        let at = format!("imap://{}", peer.address());
        let words = ["mail", "fetch", &at, "--wait", "subject:x", "--within", "20s", "-v"];
        let done = run(&[&words[..], flags].concat());
        peer.finish();
        done
    };
    // It says that it listens, and then nothing more, even when it is asked.
    let dead = wait(&["+ go\r\n"], &["--idle", "100ms"]);
    assert!(dead.code == 6 && dead.err.contains("error[idle-timeout]"), "{dead:?}");
    assert!(dead.err.contains("»  DONE"), "{}", dead.err);
    let told = wait(
        &[
            "+ go\r\n* 1 EXISTS\r\n",
            "a5 OK\r\n",
            "* 1 FETCH (UID 7)\r\na6 OK\r\n",
            "* 1 FETCH (UID 7 BODY[] {12}\r\nSubject: x\r\n)\r\na7 OK\r\n",
            "* BYE\r\na8 OK\r\n",
        ],
        &[],
    );
    assert!(told.code == 0 && told.out.contains("Subject"), "{told:?}");
    let refused = wait(&["a5 NO not now\r\n"], &[]);
    assert!(refused.code == 1 && refused.err.contains("NO not now"), "{refused:?}");
    // One that says that it is done before it has begun would be asked for ever.
    let done = wait(&["a5 OK done\r\n"], &[]);
    assert!(done.code == 10 && done.err.contains("error[bad-frame]"), "{done:?}");
}

#[test]
fn a_server_names_no_file_that_is_written() {
    let folder = folder();
    let peer = scripted(&[
        "+OK\r\n",
        "-ERR\r\n",
        "+OK\r\n",
        "+OK\r\n",
        "+OK\r\n1 5\r\n2 5\r\n.\r\n",
        "+OK\r\n1 ../../../tmp/evil\r\n2 /etc/passwd\r\n.\r\n",
        "+OK\r\nSubject: two\r\n\r\n.\r\n",
        "+OK\r\nSubject: one\r\n\r\n.\r\n",
        "+OK\r\nSubject: two\r\n\r\n.\r\n",
        "+OK\r\nSubject: one\r\n\r\n.\r\n",
        "+OK bye\r\n",
    ]);
    let at = format!("pop3://{}", peer.address());
    let inner = folder.path().join("a");
    let done = run(&["mail", "fetch", &at, "--save", inner.to_str().expect("UTF-8")]);
    assert_eq!(done.code, 0, "{done:?}");
    peer.finish();
    let names = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path)
            .expect("a folder")
            .map(|one| one.expect("a file").file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&inner), ["_________tmp_evil.eml", "_etc_passwd.eml"]);
    assert_eq!(names(folder.path()), ["a"]);
}
