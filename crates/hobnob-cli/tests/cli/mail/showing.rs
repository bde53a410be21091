//! `hobnob mail show`: letters of servers that run, and letters that would drive a terminal.

use std::fs;

use super::sends;
use crate::control::Place;
use crate::kit::{finish, folder, run_with};

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
