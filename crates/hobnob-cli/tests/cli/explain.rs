//! `hobnob explain`: hosts alone, what a name is found by, what a port is known for, and what makes a connection one.

use serde_json::{Value, json};

use crate::kit::run;

fn told(words: &[&str]) -> Value {
    let done = run(&[&["explain", "--json"], words].concat());
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{words:?}");
    serde_json::from_str(&done.out).expect("JSON")
}

fn words(word: &str) -> String {
    let done = run(&["explain", word]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{word}");
    done.out
}

#[test]
fn a_host_alone_is_said_in_its_other_spellings() {
    for (name, word) in [
        ("explain-number", "2130706433"),
        ("explain-v6", "2001:db8::ff00:42:8329"),
        ("explain-mapped", "[::ffff:10.0.0.7]"),
        ("explain-zone", "fe80::1%lo"),
    ] {
        insta::assert_snapshot!(name, words(word));
    }
}

#[test]
fn an_address_and_its_number_say_the_same() {
    let address = words("127.0.0.1");
    for number in ["2130706433", "0x7f000001", "0X7F000001"] {
        assert_eq!(words(number), address, "{number}");
    }
    let number = told(&["10.0.0.7"])["addresses"][0]["number"].to_string();
    assert_eq!(words(&number), words("10.0.0.7"), "back again");
    let short = words("2001:db8::1");
    assert_eq!(words("2001:0db8:0000:0000:0000:0000:0000:0001"), short);
    assert_eq!(words("[2001:db8::1]"), short);
    assert!(words("::1:80").contains("hobnob explain '[::1]:80', if its end is the port"));
    let full = &told(&["2001:db8::1"])["addresses"][0]["in_full"];
    assert_eq!(full, "2001:0db8:0000:0000:0000:0000:0000:0001");
}

#[test]
fn a_number_that_can_be_a_port_is_one() {
    assert_eq!(told(&["65535"])["connection"]["there"]["port"], 65_535);
    assert_eq!(told(&["65536"])["addresses"][0]["address"], "0.1.0.0");
    let done = run(&["explain", "4294967296"]);
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(done.err.contains("a port is 0 to 65535"), "{}", done.err);
}

#[test]
fn a_host_with_settings_or_a_transport_lacks_its_port() {
    for word in ["localhost,ttl=3", "tcp://127.0.0.1", "udp:localhost"] {
        let done = run(&["explain", word]);
        assert_eq!(done.code, 2, "{word}: {}", done.err);
        assert!(done.err.contains("missing-port"), "{word}: {}", done.err);
    }
    for flags in [&["--options"][..], &["--listen"], &["-O", "ttl=3"]] {
        let done = run(&[&["explain", "127.0.0.1"], flags].concat());
        assert!(done.err.contains("missing-port"), "{flags:?}: {}", done.err);
    }
}

#[test]
fn a_name_is_found_by_a_source_in_the_machines_order() {
    for word in ["localhost", "localhost:80"] {
        let names = &told(&[word])["names"];
        let order = names["order"].as_array().expect("a list");
        assert!(!order.is_empty(), "{names}");
        let hosts = std::fs::read_to_string("/etc/hosts").expect("every machine of ours has one");
        let line = names["hosts_line"].as_u64().expect("localhost is in it");
        let line = hosts.lines().nth(usize::try_from(line).expect("small") - 1).expect("a line");
        assert!(line.split_whitespace().any(|name| name == "localhost"), "{line}");
        if order[0] == "files" {
            assert_eq!(names["found_by"], "files");
            assert!(words(word).contains("  found by    files: /etc/hosts, line "), "{word}");
        }
    }
    for numbers in ["127.0.0.1", "10.0.0.7:80", ":80", "unix:@x"] {
        assert_eq!(told(&[numbers])["names"], Value::Null, "{numbers}");
    }
}

#[test]
fn what_has_no_address_says_so_and_where_it_was_sought() {
    let name = "no-such-host.invalid";
    let told = told(&[name]);
    assert_eq!((&told["addresses"], &told["names"]["found_by"]), (&json!([]), &Value::Null));
    let words = words(name);
    let lines: Vec<_> = words.lines().collect();
    assert!(lines[1].starts_with("  addresses   none: no address found"), "{words}");
    assert!(lines.contains(&"  found by    none of them"), "{words}");
}

#[test]
fn a_port_is_known_for_what_this_machine_says() {
    for (address, port) in [("udp://10.0.0.7:53", 53), (":443", 443), (":54321", 54_321)] {
        let known = |protocol| hobnob::socket::service_name(port, Some(protocol)).ok();
        let each = ["tcp", "udp"].map(|of| known(of).map(|name| format!("{name}/{of}")));
        let expected: Vec<_> = each.into_iter().flatten().collect();
        assert_eq!(told(&[address])["services"], json!(expected), "{address}");
        let is_said = words(address).contains(&format!("  services    port {port} is "));
        assert_eq!(is_said, !expected.is_empty(), "{address}");
    }
}

#[test]
fn five_facts_tell_a_connection_from_all_others() {
    let connection = |words: &[&str]| told(words)["connection"].clone();
    let there = json!({ "addresses": ["10.0.0.7"], "port": 53 });
    let nobody = json!({ "addresses": null, "port": null });
    let dials = json!({ "protocol": "udp", "here": nobody, "there": there });
    assert_eq!(connection(&["udp://10.0.0.7:53"]), dials);
    let listens = json!({ "protocol": "udp", "here": there, "there": nobody });
    assert_eq!(connection(&["udp://10.0.0.7:53", "--listen"]), listens);
    let from = connection(&["10.0.0.7:53,source=127.0.0.2"]);
    assert_eq!(from["here"]["addresses"], json!(["127.0.0.2"]));
    for none in ["unix:@x", "raw://127.0.0.1", ":0", "exec:true"] {
        assert_eq!(connection(&[none]), Value::Null, "{none}");
    }
}
