//! `hobnob mail fetch`: letters that are waited for, and names of files that a server would choose.

use std::fs;
use std::path::Path;

use super::{office, scripted, sends};
use crate::kit::{code, folder, hobnob, launch, run};

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
