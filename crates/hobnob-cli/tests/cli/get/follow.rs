//! Redirects: where they are followed to, and with what.

use super::{HELLO, Played};
use crate::kit::run;

fn moved(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\nhere")
}

#[test]
fn it_is_followed_when_asked() {
    let there = moved(302, "/other?z");
    let played = Played::answers(&[&there, HELLO]);
    let done = run(&["get", &played.url("/a/b"), "--follow", "-H", "Authorization: x", "-v"]);
    assert_eq!((done.code, done.out.as_str()), (0, "hello"), "{}", done.err);
    assert!(done.err.contains("   which leads to 127.0.0.1:"), "{}", done.err);
    let asked = played.asked();
    assert!(asked[1].starts_with("GET /other?z HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[1].contains("Authorization: x\r\n"), "the same one is asked: {asked:?}");
    let played = Played::answers(&[&there]);
    assert_eq!(run(&["get", &played.url("/")]).out, "here");
}

#[test]
fn another_host_is_not_told_what_is_secret() {
    let other = Played::answers(&[HELLO]);
    let first = Played::answers(&[&moved(307, &other.url("/x"))]);
    let words = ["-H", "Authorization: a", "-H", "Cookie: b", "-H", "X: c", "-d", "body", "-v"];
    let done = run(&[&["get", &first.url("/"), "--follow=all"], &words[..]].concat());
    assert_eq!((done.code, done.out.as_str()), (0, "hello"), "{}", done.err);
    assert!(done.err.contains(", who is not told Authorization, Cookie\n"), "{}", done.err);
    let asked = other.asked().remove(0);
    assert!(!asked.contains("Authorization") && !asked.contains("Cookie"), "{asked}");
    assert!(asked.starts_with("POST ") && asked.ends_with("\r\n\r\nbody"), "{asked}");
    assert!(asked.contains("X: c\r\n"), "{asked}");
}

#[test]
fn another_host_is_given_no_body_unless_all_is_said() {
    for status in [307, 308] {
        let first = Played::answers(&[&moved(status, "http://127.0.0.2:9/x")]);
        let done = run(&["get", &first.url("/"), "-L", "-d", "body"]);
        assert_eq!((done.code, done.out.as_str()), (10, ""), "{}", done.err);
        assert!(done.err.starts_with("error[bad-redirect]"), "{}", done.err);
        assert!(done.err.contains(" -d body --follow=all"), "{}", done.err);
        first.asked();
    }
    let done = run(&["get", ":9", "--follow=some"]);
    assert_eq!(done.code, 2, "{}", done.err);
}

#[test]
fn there_is_an_end_to_it() {
    let loops = moved(301, "/again");
    let played = Played::answers(&[&*loops; 11]);
    let done = run(&["get", &played.url("/"), "--follow"]);
    assert_eq!((done.code, done.out.as_str()), (10, ""), "{}", done.err);
    assert!(done.err.starts_with("error[bad-redirect]: over 10 redirects"), "{}", done.err);
    assert_eq!(played.asked().len(), 11);
}

#[test]
fn nobody_is_led_to_a_socket_of_this_machine() {
    let played = Played::answers(&[&moved(302, "http+unix:/run/\x1bdocker.sock")]);
    let done = run(&["get", &played.url("/"), "--follow"]);
    assert_eq!(done.code, 10);
    assert!(done.err.starts_with("error[bad-redirect]"), "{}", done.err);
    assert!(!done.err.contains('\x1b'), "{:?}", done.err);
    played.asked();
}
