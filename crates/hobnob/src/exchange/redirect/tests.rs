//! Where answers lead, and what goes along.

use super::*;
use crate::codec::http::{AnswerPart, AnswerReader};
use crate::error::Advice;

fn from(endpoint: &str) -> Exchange {
    let endpoint = engine::parse(endpoint).expect("an endpoint");
    Exchange::new(&endpoint, Request::to("/")).expect("it is planned")
}

fn answer(status: u16, location: &str) -> Head {
    answer_to(status, location.as_bytes())
}

fn answer_to(status: u16, location: &[u8]) -> Head {
    let begin = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nLocation: ");
    let text = [begin.as_bytes(), location, b"\r\n\r\n"].concat();
    match AnswerReader::to("GET").next(&mut text.as_slice()) {
        Ok(Some(AnswerPart::Head(head))) => head,
        other => panic!("{other:?}"),
    }
}

fn led(begin: &str, location: &str) -> (String, String) {
    let from = from(begin);
    let redirect = from.redirected(&answer(302, location)).expect("it redirects");
    let exchange =
        redirect.unwrap_or_else(|error| panic!("{begin} {location}: {error:?}")).exchange;
    let scheme = if exchange.endpoint.has_layer("tls") { "https" } else { "http" };
    (format!("{scheme}://{}", exchange.host), exchange.request.target)
}

#[test]
fn a_location_is_read_as_a_browser_does() {
    for (begin, location, whom, target) in [
        ("http://h/a/b?c", "/x?y", "http://h", "/x?y"),
        ("http://h/a/b?c", "x", "http://h", "/a/x"),
        ("http://h/a/b?c", "../x#y", "http://h", "/x"),
        ("http://h/a/b?c", "../../../x/./y/..", "http://h", "/x/"),
        ("http://h/a/b?c", "?d", "http://h", "/a/b?d"),
        ("http://h/a/b?c", "/x/../y/./z?a/../b", "http://h", "/y/z?a/../b"),
        ("http://h/", "http://g/../x//y/..", "http://g", "/x//"),
        ("http://h/", "//g/./x/.", "http://g", "/x/"),
        ("http://h/a/b?c", "//g/x", "http://g", "/x"),
        ("https://h/", "//g:8443/x", "https://g:8443", "/x"),
        ("http://h/", "HTTPS://G/x", "https://G", "/x"),
        ("http://h/", "http://h:80/x,insecure", "http://h", "/x,insecure"),
        ("http+unix:/run/x.sock", "/x", "http://localhost", "/x"),
    ] {
        assert_eq!(led(begin, location), (whom.to_owned(), target.to_owned()), "{location}");
    }
    let unix = from("http+unix:/run/x.sock");
    let redirect = unix.redirected(&answer(301, "http://localhost/x")).expect("it redirects");
    assert_eq!(redirect.expect("the same").exchange.endpoint, unix.endpoint);
}

#[test]
fn bytes_of_a_location_that_are_not_utf_8_are_escaped_as_they_are() {
    let head = answer_to(302, b"/caf\xe9/%41/../\xff?\xfe");
    let redirect = from("http://h/").redirected(&head).expect("it redirects");
    assert_eq!(redirect.expect("followed").exchange.request.target, "/caf%E9/%FF?%FE");
}

#[test]
fn a_body_goes_to_somebody_else_only_where_that_was_asked_for() {
    let posting = || {
        let request = Request {
            method: "POST".to_owned(),
            body: Some(b"hello".to_vec()),
            ..Request::to("/")
        };
        Exchange { request, ..from("http://h/") }
    };
    for status in [307, 308] {
        let led = |from: Exchange, to| from.redirected(&answer(status, to)).expect("it redirects");
        let error = led(posting(), "http://g/").expect_err("not unasked");
        assert_eq!(error.kind(), Kind::BadRedirect);
        let all = Advice::Option { name: "follow", value: Some("all".to_owned()) };
        assert_eq!(error.hints()[0].advice, all);
        let redirect = led(posting().carrying(true), "http://g/").expect("it was asked for");
        assert!(redirect.exchange.request.body.is_some() && redirect.exchange.is_carrying);
        assert!(led(posting(), "/x").is_ok(), "the same one may have it again");
    }
    let redirect = posting().redirected(&answer(303, "http://g/")).expect("it redirects");
    assert!(redirect.expect("a GET").exchange.request.body.is_none());
}

#[test]
fn where_nobody_should_be_led_nobody_goes() {
    for (begin, location) in [
        ("https://h/", "http://h/"),
        ("https://h/", "http://g/?a&b"),
        ("http://h/", "http+unix:/run/docker.sock"),
        ("http://h/", "unix:/run/docker.sock"),
        ("http://h/", "file:///etc/passwd"),
        ("http://h/", "exec:reboot"),
        ("http://h/", "javascript:alert(1)"),
        ("http://h/", "http:h"),
        ("http://h/", "http://"),
        ("http://h/", "http://:9000/x"),
        ("http://h/", "http://9000/x"),
        ("http://h/", "http://me:secret@g/"),
        ("http://h/", "http://g,insecure/x"),
        ("http://h/", "http://g:99999/"),
    ] {
        let redirect = from(begin).redirected(&answer(302, location)).expect("it redirects");
        let error = redirect.expect_err(location);
        assert_eq!(error.kind(), Kind::BadRedirect, "{location}");
    }
    let redirect = from("https://h/").redirected(&answer(302, "http://g/?a&b"));
    let error = redirect.expect("it redirects").expect_err("to http");
    assert_eq!(error.hints()[0].advice, Advice::Dial("http://g/?a&b".to_owned()));
}

#[test]
fn what_is_no_redirect_is_an_answer() {
    assert!(from("http://h/").redirected(&answer(200, "/x")).is_none());
    assert!(from("http://h/").redirected(&answer(304, "/x")).is_none());
    assert!(from("http://h/").redirected(&answer(302, "")).is_none());
}

#[test]
fn they_come_to_an_end() {
    let mut exchange = from("http://h/");
    for _ in 0..MAX_HOPS {
        let redirect = exchange.redirected(&answer(307, "/x")).expect("it redirects");
        exchange = redirect.expect("not too many yet").exchange;
    }
    let redirect = exchange.redirected(&answer(307, "/x")).expect("it redirects");
    assert_eq!(redirect.expect_err("one too many").kind(), Kind::BadRedirect);
}

/// A POST with secrets that is led elsewhere: what is left of it.
fn posted(begin: &str, status: u16, location: &str) -> (Request, Vec<String>) {
    let mut from = from(begin).carrying(true);
    from.request.method = "POST".to_owned();
    from.request.body = Some(b"hello".to_vec());
    let names = ["Accept", "AUTHORIZATION", "cookie", "X-Api-Key", "Host", "Content-Type"];
    from.request.fields = names.map(|name| (name.to_owned(), "x".to_owned())).to_vec();
    let redirect = from.redirected(&answer(status, location)).expect("it redirects");
    let redirect = redirect.expect("it is followed");
    (redirect.exchange.request, redirect.dropped)
}

fn names(request: &Request) -> Vec<&str> {
    request.fields.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn secrets_stay_with_whom_they_were_told() {
    for elsewhere in ["http://g/", "http://h:81/", "https://h/", "//h.evil/"] {
        let (request, dropped) = posted("http://h/", 307, elsewhere);
        assert_eq!(names(&request), ["Accept", "Content-Type"], "{elsewhere}");
        assert_eq!(dropped, ["AUTHORIZATION", "cookie", "X-Api-Key"], "{elsewhere}");
    }
    for same in ["/x", "http://H:80/x", "//h/x"] {
        let (request, dropped) = posted("http://h/", 308, same);
        assert_eq!((request.fields.len(), dropped.len()), (6, 0), "{same}");
        assert_eq!((request.method.as_str(), request.body.is_some()), ("POST", true), "{same}");
    }
}

#[test]
fn a_post_becomes_a_get_where_browsers_say_so() {
    for (status, method) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")]
    {
        let (request, _) = posted("http://h/", status, "/x");
        assert_eq!(request.method, method, "{status}");
        assert_eq!(request.body.is_some(), method == "POST", "{status}");
        assert_eq!(names(&request).contains(&"Content-Type"), method == "POST", "{status}");
    }
    let mut head = from("http://h/");
    head.request.method = "HEAD".to_owned();
    let redirect = head.redirected(&answer(303, "/x")).expect("it redirects");
    assert_eq!(redirect.expect("it is followed").exchange.request.method, "HEAD");
}

#[test]
fn options_are_for_whom_they_were_given() {
    let mut endpoint = engine::parse("https://h/").expect("an endpoint");
    endpoint.set("nodelay").expect("an option");
    let from = Exchange::new(&endpoint, Request::to("/")).expect("it is planned");
    let led = |location| from.redirected(&answer(302, location)).expect("it redirects");
    let settings = |location| led(location).expect("followed").exchange.endpoint.settings().len();
    assert_eq!(settings("/x"), 1);
    assert_eq!(settings("https://h/"), 1);
    assert_eq!(settings("https://g/"), 0);
}
