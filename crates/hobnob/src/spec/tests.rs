//! How values of options are read and shown.

use super::*;

const SPECS: &[OptionSpec] = &[
    OptionSpec { name: "nodelay", kind: ValueKind::Flag, default: "yes", help: "" },
    OptionSpec { name: "idle", kind: ValueKind::Duration, default: "", help: "" },
    OptionSpec { name: "rcvbuf", kind: ValueKind::Bytes, default: "64k", help: "" },
];

#[test]
fn defaults_stand_until_given_and_a_switch_can_be_denied() {
    let mut options = Options::of(SPECS);
    assert!(options.flag("nodelay"));
    assert_eq!(options.count("rcvbuf"), Some(65_536));
    assert_eq!(options.duration("idle"), None);
    options.set(SPECS, "no-nodelay", None).expect("a switch");
    options.set(SPECS, "idle", Some("1.5s")).expect("a time");
    assert!(!options.flag("nodelay"));
    assert_eq!(options.duration("idle"), Some(Duration::from_millis(1_500)));
}

#[test]
fn a_mistyped_name_gets_its_neighbour() {
    let error = Options::of(SPECS).set(SPECS, "nodeley", None).expect_err("no such option");
    assert_eq!(error.kind(), Kind::UnknownOption);
    assert_eq!(error.reasons(), ["did you mean nodelay?"]);
    assert_eq!(nearest("ehco", ["echo", "hello"]), Some("echo"));
    assert_eq!(nearest("zzz", ["echo", "hello"]), None);
}

#[test]
fn a_time_without_a_unit_is_refused() {
    let error = Options::of(SPECS).set(SPECS, "idle", Some("5")).expect_err("no unit");
    assert_eq!(error.kind(), Kind::BadOption);
    assert!(parse_duration("-1s").is_err() && parse_duration("1e400s").is_err());
    assert_eq!(parse_duration("36500d"), Ok(LONGEST));
    assert_eq!(parse_duration("36500.001d"), Err(TOO_LONG));
    assert_eq!(show_duration(Duration::from_millis(1_500)), "1500ms");
    assert_eq!(show_duration(Duration::from_mins(2)), "2m");
}

#[test]
fn shares_and_rates_have_their_units() {
    assert_eq!(parse_percent("2%"), Ok(20_000));
    assert_eq!(parse_percent("0.05%"), Ok(500));
    assert!(["2", "101%", "-1%", "%"].iter().all(|text| parse_percent(text).is_err()));
    assert_eq!(show_percent(500), "0.05%");
    assert_eq!(parse_rate("64k"), Ok(65_536));
    assert_eq!(parse_rate("64k/s"), Ok(65_536));
    assert_eq!(parse_rate("10mbit/s"), Ok(1_250_000));
    assert!(parse_rate("10mbyte").is_err());
}

#[test]
fn what_cannot_be_counted_is_said_to_be_too_much() {
    assert_eq!(parse_count("18446744073709551616"), Err(TOO_MANY));
    assert_eq!(parse_bytes("17179869184g"), Err(TOO_MANY));
    assert_eq!(parse_rate("17179869184g/s"), Err(TOO_MANY));
    assert_eq!(parse_bytes("17179869183g"), Ok(u64::MAX - (1 << 30) + 1));
    assert!(parse_count("-1").is_err_and(|why| why != TOO_MANY));
}

#[test]
fn a_mode_is_octal_as_chmod_has_it() {
    for (text, mode) in [("660", 0o660), ("0660", 0o660), ("0", 0), ("7", 7), ("777", 0o777)] {
        assert_eq!(parse_mode(text), Ok(mode), "{text}");
    }
    for wrong in ["", "0o660", "888", "+660", "-1", "1777", "u=rw", "77777777777777"] {
        let error = ValueKind::Mode.parse("mode", wrong).expect_err("no mode");
        assert_eq!(error.kind(), Kind::BadOption, "{wrong}");
    }
    let shown = ValueKind::Mode.parse("mode", "60").expect("a mode").to_string();
    assert_eq!(shown, "0060");
}

#[test]
fn escapes_name_bytes() {
    assert_eq!(
        unescape(r"HTTP/1.1 200 OK\r\n\x41\\").as_deref(),
        Ok(&b"HTTP/1.1 200 OK\r\nA\\"[..])
    );
    assert_eq!(unescape(r"a\q"), Err(r"\q".to_owned()));
    assert_eq!(unescape(r"\x4"), Err(r"\x4".to_owned()));
    assert_eq!(unescape(r"\x+1"), Err(r"\x+1".to_owned()));
}
