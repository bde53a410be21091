//! Where answers lead, and what goes along.

use super::*;
use crate::codec::http::{AnswerPart, AnswerReader};
use crate::error::Advice;

fn from(endpoint: &str) -> Exchange {
    let endpoint = engine::parse(endpoint).expect("an endpoint");
    Exchange::new(&endpoint, Request::to("/")).expect("it is planned")
}

fn answer(status: u16, location: &str) -> Head {
    let text = format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    match AnswerReader::to("GET").next(&mut text.as_bytes()) {
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
    let mut from = from(begin);
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
