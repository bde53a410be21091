//! Real events against the schema that is checked in.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};

use serde_json::Value;

use crate::kit::schema::{check, schema, valid};
use crate::kit::{run, run_with, serve, signal};

#[test]
fn the_checker_finds_what_is_wrong() {
    let schema = schema();
    for wrong in [
        r#"{"v":2,"type":"note","t":0,"what":"note"}"#,
        r#"{"v":1,"type":"note","t":0}"#,
        r#"{"v":1,"type":"note","t":0,"what":"note","extra":1}"#,
        r#"{"v":1,"type":"data","t":0,"dir":"in","seq":1,"len":1}"#,
        r#"{"v":1,"type":"data","t":0,"dir":"in","seq":1,"len":1,"text":"a","b64":"YQ=="}"#,
        r#"{"v":1,"type":"data","t":-1,"dir":"in","seq":1,"len":1,"text":"a"}"#,
        r#"{"v":1,"type":"gossip","t":0}"#,
        r#"{"v":1,"type":"missed","t":0,"node":"kite","count":"3","why":"lost"}"#,
        r#"{"v":1,"type":"missed","t":0,"node":"kite","count":-1,"why":"lost"}"#,
        r#"{"v":1,"type":"missed","t":0,"node":"kite","why":"lost"}"#,
    ] {
        let value = serde_json::from_str(wrong).expect("JSON");
        assert!(check(&schema, &value).is_err(), "{wrong}");
    }
}

#[test]
fn a_server_speaks_by_the_schema() {
    let served = serve(&["echo", "127.0.0.1:0", "udp://127.0.0.1:0", "--json"]);
    let second = valid(&served.out.next());
    let mut peer = TcpStream::connect(&served.address).expect("it listens");
    peer.write_all("你好 \u{9b}\u{202e}".as_bytes()).expect("it is open");
    let mut room = [0; 64];
    let _ = peer.read(&mut room).expect("an answer");
    peer.write_all(b"\xff\x00").expect("it is open");
    let _ = peer.read(&mut room).expect("an answer");
    drop(peer);
    served.out.until(r#""close""#);
    let packets = UdpSocket::bind("127.0.0.1:0").expect("a port");
    packets.send_to(b"", second["addr"].as_str().expect("an address")).expect("it listens");
    let line = served.out.until(r#""data""#);
    let empty = valid(&line);
    assert_eq!((empty["len"].as_u64(), empty["text"].as_str()), (Some(0), Some("")), "{line}");
    assert!(empty["peer"].is_string() && empty["id"].is_null());
    signal(served.child.id(), "TERM");
    let rest = served.out.rest();
    assert_eq!(crate::kit::code(served.child.wait()), 0);
    assert_eq!(valid(rest.last().expect("a summary"))["type"], "summary");
    for line in &rest {
        valid(line);
    }
}

#[test]
fn each_event_of_a_session() {
    let served = serve(&["hello", "127.0.0.1:0", "--json", "--once", "--name", "greeter"]);
    let done = run(&["talk", &served.address, "Michael", "exit"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let events: Vec<Value> = served.out.rest().iter().map(|line| valid(line)).collect();
    let words: Vec<_> = events
        .iter()
        .map(|event| (event["type"].as_str().unwrap_or(""), event["text"].as_str().unwrap_or("")))
        .filter(|(word, _)| *word != "note")
        .collect();
    let expected = [
        ("open", ""),
        ("data", "Welcome!"),
        ("data", "Michael\n"),
        ("data", "Hello, Michael!\n"),
        ("data", "exit\n"),
        ("close", ""),
        ("summary", ""),
    ];
    assert_eq!(words, expected);
    assert_eq!(events[0]["name"], "greeter");
    let close = &events[events.len() - 2];
    assert_eq!((close["in"].as_u64(), close["out"].as_u64()), (Some(13), Some(24)), "{close}");
    assert_eq!(close["detail"], "said exit");
}

#[test]
fn talk_speaks_by_the_schema() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    let done = run_with(&["talk", &served.address, "--json"], b"a\xff");
    assert_eq!(done.code, 0, "{}", done.err);
    let words: Vec<_> = done.out.lines().map(|line| valid(line)["type"].clone()).collect();
    assert_eq!(words, ["open", "data", "data", "close"]);
    let done = run(&["talk", "127.0.0.1:1", "--json"]);
    let error = valid(done.out.trim());
    assert_eq!(
        (error["slug"].as_str(), error["exit"].as_i64()),
        (Some("connection-refused"), Some(5))
    );
    assert!(done.err.starts_with("error[connection-refused]"));
}

/// The events of a type.
fn of_type<'e>(events: &'e [Value], word: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["type"] == word).collect()
}

#[test]
fn an_exchange_is_told_by_the_schema_on_both_sides() {
    let served = serve(&["http", "127.0.0.1:0", "--json", "--once"]);
    let done = run(&["get", &format!("http://{}/a?b", served.address), "--json", "-d", "hello"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let ours: Vec<Value> = done.out.lines().map(valid).collect();
    let words: Vec<_> = ours.iter().map(|event| event["type"].as_str().unwrap_or("")).collect();
    assert_eq!(words[..2], ["open", "data"]);
    assert_eq!(words[words.len() - 2..], ["exchange", "close"]);
    let exchange = of_type(&ours, "exchange")[0];
    assert_eq!(
        (exchange["method"].as_str(), exchange["target"].as_str()),
        (Some("POST"), Some("/a?b"))
    );
    assert_eq!((exchange["status"].as_u64(), exchange["bytes"].as_u64()), (Some(200), Some(14)));
    let fields = exchange["fields"].as_array().expect("fields");
    assert!(fields.iter().any(|field| field["name"] == "content-length" && field["value"] == "14"));
    let theirs: Vec<Value> = served.out.rest().iter().map(|line| valid(line)).collect();
    let exchange = of_type(&theirs, "exchange")[0];
    assert_eq!(
        (exchange["method"].as_str(), exchange["target"].as_str()),
        (Some("POST"), Some("/a?b"))
    );
    assert_eq!((exchange["status"].as_u64(), exchange["bytes"].as_u64()), (Some(200), Some(14)));
}

#[test]
fn layers_and_a_file_are_told_by_the_schema() {
    let folder = crate::kit::folder();
    let path = folder.path().display().to_string();
    let served = serve(&["http", &format!("tls://127.0.0.1:0,dev-ca={path}"), "--json", "--once"]);
    let (url, file) = (format!("https://{}/", served.address), format!("{path}/page"));
    let done = run(&["get", &url, "-O", "insecure", "--json", "-o", &file]);
    assert_eq!(done.code, 0, "{}", done.err);
    let ours: Vec<Value> = done.out.lines().map(valid).collect();
    let words: Vec<_> = ours.iter().map(|event| event["type"].as_str().unwrap_or("")).collect();
    assert_eq!(words, ["open", "dressed", "exchange", "close"]);
    assert_eq!(ours[2]["saved"].as_str(), Some(&*file));
    assert!(ours[2]["layers"].as_f64() >= ours[2]["connect"].as_f64());
    assert_eq!(ours[1]["tls.version"], "1.3");
    served.out.rest().iter().for_each(|line| drop(valid(line)));
}

#[test]
fn an_answer_that_is_none_is_told_by_the_schema() {
    let served = serve(&["echo", "127.0.0.1:0"]);
    let done = run(&["get", &served.address, "--json"]);
    assert_eq!(done.code, 10);
    let events: Vec<Value> = done.out.lines().map(valid).collect();
    let words: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap_or("")).collect();
    assert_eq!(words, ["open", "data", "data", "close", "error"]);
    assert_eq!(events[3]["reason"], "error");
    assert_eq!(events[4]["slug"], "bad-frame");
}
