//! `hobnob mail send`: letters as they are, wrong ones on purpose, and many.

use super::{office, sends};
use crate::kit::{run, run_with};

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
