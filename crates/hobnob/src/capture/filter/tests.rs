use super::*;
use crate::capture::testing::{each_kind, whole};

/// Which of the frames of each kind pass.
fn passing(words: &str) -> Vec<&'static str> {
    let filter = Filter::parse(words).unwrap_or_else(|error| panic!("{words}: {error:?}"));
    let all = each_kind();
    all.iter()
        .filter(|(_, link, bytes)| filter.matches(&whole(*link, bytes)))
        .map(|(name, ..)| *name)
        .collect()
}

#[test]
fn words_mean_what_they_mean_to_tcpdump() {
    let tcp = ["tcp", "tcp options", "vlan", "null", "cooked"];
    let v4_tcp = ["tcp", "vlan", "null", "cooked"];
    let udp = ["udp", "udp6 raw", "two vlans", "first fragment", "later fragment", "udp6 fragment"];
    assert_eq!(passing("").len(), each_kind().len());
    for (words, expected) in [
        ("tcp", &tcp[..]),
        ("udp", &udp),
        ("icmp", &["icmp"]),
        ("icmp6", &["icmp6"]),
        ("igmp", &["igmp"]),
        ("arp", &["arp"]),
        ("ip6 and tcp", &["tcp options"]),
        ("port 9000", &tcp),
        ("tcp port 9000", &tcp),
        ("udp port 9000", &[]),
        ("src port 9000", &["tcp options"]),
        ("tcp dst port 9000", &v4_tcp),
        ("portrange 8990-9010", &tcp),
        ("portrange 9001-53141", &[]),
        ("port 53 and not ip6", &["udp", "first fragment"]),
        ("host fd00::1 and icmp6", &["icmp6"]),
        ("src host fd00::2", &[]),
        ("ip6 host 10.0.0.1", &[]),
        ("arp host 10.0.0.2", &["arp"]),
        ("arp src 10.0.0.2", &[]),
        ("net 10.0.0.0/8 and icmp", &["icmp"]),
        ("net fd00::/16 and port 9000", &["tcp options"]),
        ("net 0.0.0.0/0 and igmp", &["igmp"]),
        ("dst net 10.0.0.2/32 and arp", &["arp"]),
        // The qualifier is repeated, and `and` and `or` bind alike.
        ("src port 9000 or 53142 and ip6", &["tcp options"]),
        ("ip6 and src port 9000 or 53142", &tcp),
        ("10.0.0.1 and igmp", &["igmp"]),
        ("! ( ip or ip6 )", &["arp", "other"]),
        ("not not arp", &["arp"]),
    ] {
        assert_eq!(passing(words), expected, "{words}");
    }
}

#[test]
fn a_filter_that_is_not_understood_is_shown_where() {
    for (words, marked, why) in [
        ("prot 80", "prot", "did you mean port?"),
        ("port http", "http", "a port is expected here, 0 to 65535"),
        ("port 65536", "65536", "a port is expected here, 0 to 65535"),
        ("port", "", "a port is expected here, 0 to 65535"),
        ("tcp and", "", "a word is missing"),
        ("tcp and or udp", "or", "what a packet is is expected here, as tcp or port 80"),
        ("(tcp or udp", "", "a ) is missing"),
        ("tcp)", ")", "no ( stands before it"),
        ("tcp udp", "udp", "and, or, or nothing more is expected here"),
        ("(tcp udp)", "udp", "and, or, or ) is expected here"),
        (
            "host example.com",
            "example.com",
            "an IP address is expected here; names are not looked up",
        ),
        ("net 10.0.0.0/33", "10.0.0.0/33", "a network is expected here, as in 10.0.0.0/8"),
        ("portrange 80", "80", "two ports are expected here, as in 9000-9010"),
        ("tcp host 10.0.0.1", "host", "tcp and udp have ports; addresses are of ip, ip6 and arp"),
        ("icmp port 9", "port", "only tcp and udp have ports"),
        ("nonsense", "nonsense", "there is no filter word of that name"),
        ("\u{202e}x", "\u{202e}x", "there is no filter word of that name"),
    ] {
        let error = Filter::parse(words).expect_err(words);
        assert_eq!(error.kind(), Kind::BadFilter, "{words}");
        let span = error.span().expect("a place");
        assert_eq!((&span.text[span.at.clone()], span.label.as_str()), (marked, why), "{words}");
    }
}

#[test]
fn neither_depth_nor_length_is_without_end() {
    let deep = "(".repeat(65) + "tcp" + &")".repeat(65);
    assert!(Filter::parse(&deep).expect_err("deep").span().is_some());
    assert!(Filter::parse(&("not ".repeat(65) + "tcp")).is_err());
    let long = vec!["port 9"; 2_000].join(" or ");
    let error = Filter::parse(&long).expect_err("long");
    let why = "these are too many conditions for the kernel";
    assert_eq!(error.span().map(|span| span.label.as_str()), Some(why));
    // Comparisons that jump farther than eight bits go there in two steps.
    let far = vec!["host fd00::9"; 40].join(" or ") + " or udp port 1000";
    assert_eq!(passing(&far), ["udp", "udp6 raw", "first fragment"]);
}

#[test]
fn the_kernels_program_finds_out_what_the_other_is_told() {
    let filter = Filter::parse("port 9000").expect("words");
    assert!(filter.program().len() > filter.body.len());
    let empty = Filter::parse(" ").expect("no words");
    assert_eq!((empty.text(), empty.program().len()), ("", 7), "only the loopback is looked at");
}

#[test]
fn a_filter_of_any_length_is_taken_or_refused() {
    for (word, count) in [("ip", 1_025), ("tcp", 1_000), ("tcp", 500_000), ("not", 500_000)] {
        let text =
            format!("{}tcp", format!("{word} and ").replace("not and ", "not ").repeat(count));
        let error = Filter::parse(&text).expect_err("it is too long");
        assert_eq!(error.kind(), Kind::BadFilter, "{word} {count}");
    }
    let most = format!("{}ip", "ip and ".repeat(1_000));
    assert_eq!(Filter::parse(&most).map(|filter| filter.text().len()), Ok(most.len()));
}
