//! `hobnob doctor`: what it says is so on this machine, with rights and without, and it always ends well.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::kit::hardship::{full, with_files};
use crate::kit::{Done, finish, folder, hobnob, run, skip};

fn examined(done: &Done) -> Value {
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    serde_json::from_str(&done.out).expect("JSON")
}

fn is_fine(told: &Value, name: &str) -> bool {
    let checks = told["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["name"] == name);
    check.unwrap_or_else(|| panic!("{name}: {told}"))["fine"].as_bool().expect("yes or no")
}

/// A command as somebody without any right.
fn as_nobody() -> Option<Command> {
    let drop = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let is_possible = Command::new("setpriv").args(drop).arg("true").output();
    if !is_possible.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let mut command = Command::new("setpriv");
    command.args(drop).arg(env!("CARGO_BIN_EXE_hobnob")).env_clear().env("PATH", "/usr/bin:/bin");
    Some(command)
}

#[test]
fn what_it_says_of_this_machine_is_so() {
    let told = examined(&run(&["doctor", "--json"]));
    let can_bind = |address: &str| TcpListener::bind(address).is_ok();
    assert_eq!(is_fine(&told, "IPv4 loopback"), can_bind("127.0.0.1:0"));
    assert_eq!(is_fine(&told, "IPv6 loopback"), can_bind("[::1]:0"));
    let protocol = Some(socket2::Protocol::ICMPV4);
    let opens = |kind| socket2::Socket::new(socket2::Domain::IPV4, kind, protocol).is_ok();
    assert_eq!(is_fine(&told, "ping without a right"), opens(socket2::Type::DGRAM));
    assert_eq!(is_fine(&told, "raw sockets"), opens(socket2::Type::RAW));
    let capture = socket2::Socket::new(socket2::Domain::PACKET, socket2::Type::RAW, None);
    assert_eq!(is_fine(&told, "packet capture"), capture.is_ok());
    assert!(is_fine(&told, "Unix sockets"));
    for row in hobnob::engine::layers().iter().filter(|row| row.make.is_some()) {
        is_fine(&told, &format!("dialling {}", row.spec.name));
    }
}

#[test]
fn it_knows_every_interface_with_its_addresses() {
    let told = examined(&run(&["doctor", "--json"]));
    let all = told["interfaces"].as_array().expect("a list");
    for entry in std::fs::read_dir("/sys/class/net").expect("Linux has it") {
        let entry = entry.expect("an entry");
        // bonding_masters and its like are files.
        if !entry.path().join("address").exists() {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let found = all.iter().find(|one| one["name"] == *name).expect(&name);
        let mac = std::fs::read_to_string(entry.path().join("address")).expect("text");
        let is_none = mac.trim().chars().all(|c| c == '0' || c == ':');
        assert!(is_none || found["mac"].is_null() || found["mac"] == mac.trim(), "{found} {mac}");
    }
    let addresses = all.iter().flat_map(|one| one["addresses"].as_array().expect("a list"));
    let addresses: Vec<IpAddr> =
        addresses.map(|one| one.as_str().expect("text").parse().expect("an address")).collect();
    for address in addresses.iter().filter(|address| address.is_ipv4()) {
        assert!(UdpSocket::bind((*address, 0)).is_ok(), "{address} is not ours");
    }
    let words = run(&["doctor"]).out;
    assert!(addresses.iter().all(|address| words.contains(&address.to_string())), "{words}");
}

#[test]
fn without_rights_it_says_what_would_help_and_ends_well() {
    let Some(mut command) = as_nobody() else {
        return skip("doctor::without_rights_it_says_what_would_help", "needs root and setpriv");
    };
    command.args(["doctor", "--json"]);
    let told = examined(&finish(command, b""));
    assert!(is_fine(&told, "IPv4 loopback"));
    for (name, remedy) in [
        ("raw sockets", "setcap cap_net_raw+ep"),
        ("packet capture", "setcap cap_net_raw+ep"),
        ("ports below 1024", "setcap cap_net_bind_service+ep"),
    ] {
        let checks = told["checks"].as_array().expect("a list");
        let check = checks.iter().find(|check| check["name"] == name).expect(name);
        // A machine may allow low ports to everybody.
        let is_allowed = name.starts_with("ports") && check["fine"] == true;
        assert!(is_allowed || check["fine"] == false, "{check}");
        let proposed = check["try"].as_str().unwrap_or_default();
        assert!(is_allowed || proposed.contains(remedy), "{check}");
    }
    let mut command = as_nobody().expect("it was possible");
    command.arg("doctor");
    let done = finish(command, b"");
    assert!(done.out.contains("✗  raw sockets"), "{}", done.out);
}

#[test]
fn a_machine_without_ipv6_is_told_as_one() {
    let is_possible = Command::new("unshare").args(["-rn", "ip", "link"]).output();
    if !is_possible.is_ok_and(|output| output.status.success()) {
        return skip("doctor::a_machine_without_ipv6_is_told_as_one", "needs unshare and ip");
    }
    let script = r#"
        echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && ip link set lo up || exit 99
        exec "$1" doctor --json
    "#;
    let mut command = Command::new("unshare");
    command.args(["-rn", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_hobnob")]);
    let told = examined(&finish(command, b""));
    assert!(is_fine(&told, "IPv4 loopback") && !is_fine(&told, "IPv6 loopback"), "{told}");
}

#[test]
fn it_fits_a_terminal_of_eighty_columns() {
    for words in [&["doctor"][..], &["doctor", "--ascii"], &["doctor", "--config"]] {
        let done = run(words);
        assert_eq!((done.code, done.err.as_str()), (0, ""));
        for line in done.out.lines() {
            // A command to paste is not folded.
            let is_command = line.starts_with("       ") && !line.starts_with("        ");
            assert!(is_command || line.chars().count() <= 80, "{line}");
        }
    }
    assert!(run(&["doctor", "--ascii"]).out.is_ascii());
}

#[test]
fn what_the_locale_does_not_have_is_not_shown() {
    let is_plain = |variables: &[(&str, &str)]| {
        let mut command = hobnob(&["doctor"]);
        command.envs(variables.iter().copied());
        finish(command, b"").out.is_ascii()
    };
    for (variables, expected) in [
        (&[][..], false),
        (&[("LANG", "C")], true),
        (&[("LANG", "POSIX")], true),
        (&[("LANG", "C.UTF-8")], false),
        (&[("LANG", "zh_CN.utf8")], false),
        (&[("LANG", "zh_CN.GB18030")], true),
        (&[("LANG", "C.UTF-8"), ("LC_ALL", "C")], true),
        (&[("LANG", "C"), ("LC_CTYPE", "en_GB.UTF-8")], false),
        (&[("LANG", "C"), ("HOBNOB_ASCII", "0")], false),
        (&[("LANG", "C.UTF-8"), ("HOBNOB_ASCII", "1")], true),
    ] {
        assert_eq!(is_plain(variables), expected, "{variables:?}");
    }
}

#[test]
fn nothing_is_left_behind() {
    let folder = folder();
    let state = folder.path().join("state");
    let mut command = hobnob(&["doctor"]);
    command.env("XDG_STATE_HOME", &state).env("XDG_RUNTIME_DIR", folder.path());
    let done = finish(command, b"");
    assert!(done.out.contains("made when it is needed"), "{}", done.out);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[cfg(feature = "tls")]
#[test]
fn a_machine_that_trusts_nobody_is_told_as_one() {
    let mut command = hobnob(&["doctor", "--json"]);
    command.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/nowhere");
    assert!(!is_fine(&examined(&finish(command, b"")), "dialling tls"));
}

#[test]
fn hardly_any_descriptors_are_said_and_no_reason_to_fail() {
    // One is left, which the loader needs for a moment.
    let told = examined(&finish(with_files(4, &["doctor", "--json"]), b""));
    assert!(!is_fine(&told, "Unix sockets"), "a pair is two: {told}");
    assert!(is_fine(&told, "IPv4 loopback"), "{told}");
    assert_eq!(told["limits"]["open_files"][0], 4);
}

#[test]
fn a_full_disk_is_said() {
    for words in [&["doctor"][..], &["doctor", "--config"], &["completions", "bash"], &["man"]] {
        let mut command = hobnob(words);
        command.stdin(Stdio::null()).stdout(full()).stderr(Stdio::piped());
        let output = command.spawn().expect("it is there").wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(9), "{words:?}: {err}");
        assert!(err.starts_with("error[output-failed]"), "{words:?}: {err}");
    }
}

#[test]
fn each_setting_says_where_it_comes_from() {
    let folder = folder();
    let own = folder.path().join("config/hobnob");
    std::fs::create_dir_all(&own).expect("a folder");
    let text = "[defaults]\ntimeout = \"3s\"\nascii = true\n";
    std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
    let text = "[defaults]\ntimeout = \"4s\"\ncolor = \"never\"\n";
    std::fs::write(own.join("config.toml"), text).expect("a file");
    let of = |words: &[&str], variable: Option<(&str, &str)>, name: &str| {
        let mut command = hobnob(&[&["doctor", "--config", "--json"], words].concat());
        command.current_dir(folder.path()).envs(variable);
        command.env("XDG_CONFIG_HOME", folder.path().join("config"));
        let told = examined(&finish(command, b""));
        let all = told["settings"].as_array().expect("a list").clone();
        let one = all.into_iter().find(|one| one["name"] == name).expect("it is there");
        let word = |key: &str| one[key].as_str().expect("text").to_owned();
        (word("value"), word("from"))
    };
    let pair = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    let file = own.join("config.toml").to_string_lossy().into_owned();
    assert_eq!(of(&[], None, "timeout"), pair("3s", "hobnob.toml"));
    assert_eq!(of(&[], Some(("HOBNOB_TIMEOUT", "9s")), "timeout"), pair("9s", "HOBNOB_TIMEOUT"));
    assert_eq!(of(&[], None, "color"), pair("never", &file));
    assert_eq!(of(&["--color", "always"], None, "color"), pair("always", "--color"));
    assert_eq!(of(&[], None, "ascii"), pair("yes", "hobnob.toml"));
    assert_eq!(of(&[], None, "lang"), pair("en", "default"));
}
