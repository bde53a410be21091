//! `hobnob fault`: the relays that run, and their knobs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::control::Place;
use crate::kit::schema::valid;
use crate::kit::{
    BOUND, Bounded, Done, Served, as_nobody, code, finish, launch, serve_with, signal, skip, steady,
};

fn fault(place: &Place, words: &[&str]) -> Done {
    finish(place.hobnob(&[&["fault"], words].concat()), b"")
}

/// An echo, and relays before it of these names; one without a name has none said.
fn relays(place: &Place, names: &[&str]) -> (Served, Vec<Served>) {
    let behind = place.serve(&["serve", "echo", "127.0.0.1:0", "--name", "behind"]);
    let relay = |name: &&str| {
        let base = ["relay", "127.0.0.1:0", behind.address.as_str()];
        if name.is_empty() {
            place.serve(&base)
        } else {
            place.serve(&[&base[..], &["--name", name]].concat())
        }
    };
    let relays = names.iter().map(relay).collect();
    (behind, relays)
}

fn snapshot(name: &str, done: &Done, all: &[&Served]) {
    let mut text = format!("{}{}exit {}\n", done.out, done.err, done.code);
    for (at, served) in all.iter().enumerate() {
        text = text.replace(&format!("@{}", served.child.id()), &format!("@PID{at}"));
        text = text.replace(&format!(" {}", served.child.id()), &format!(" PID{at}"));
    }
    insta::assert_snapshot!(format!("fault-{name}"), steady(&text));
}

#[test]
fn where_none_runs_it_says_how_to_start_one() {
    let place = Place::new();
    let done = fault(&place, &[]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert_eq!(done.out, "no relay runs; hobnob relay :9001 :9000 starts one\n");
    assert_eq!((fault(&place, &["--json"]).out.as_str()), "");
    let done = fault(&place, &["redis"]);
    snapshot("not-running", &done, &[]);
    assert!(!place.folder().exists(), "asking makes nothing");
}

#[test]
fn the_relays_that_run_are_listed_and_nothing_else_is() {
    let place = Place::new();
    let (behind, all) = relays(&place, &["", "redis"]);
    let done = fault(&place, &[]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let lines: Vec<_> = done.out.lines().collect();
    let first = |relay: &Served| format!("tcp {}  »  {}", relay.address, behind.address);
    assert!(
        lines[0].starts_with(&format!("{:15}  {}", behind.address, first(&all[0]))),
        "{}",
        done.out
    );
    assert!(done.out.contains("\nredis"), "{}", done.out);
    assert_eq!(done.out.matches("no faults").count(), 2, "{}", done.out);
    assert!(!done.out.contains("behind"), "an echo is no relay");
    assert!(done.out.lines().all(|line| line.chars().count() <= 80), "{}", done.out);
    let json = fault(&place, &["--json"]);
    let told: Vec<Value> = json.out.lines().map(valid).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(
        (&told[0]["type"], &told[1]["name"]),
        (&Value::from("relay"), &Value::from("redis"))
    );
    assert_eq!(told[1]["bound"][0]["addr"], Value::from(all[1].address.as_str()));
    assert_eq!(told[1]["pid"], Value::from(all[1].child.id()));
}

#[test]
fn a_target_is_a_name_in_any_of_its_spellings() {
    let place = Place::new();
    let (behind, all) = relays(&place, &[""]);
    for typed in [behind.address.clone(), format!("tcp://{}", behind.address)] {
        let done = fault(&place, &[&typed]);
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(done.out.contains(&all[0].address), "{}", done.out);
    }
}

#[test]
fn long_names_keep_to_eighty_columns() {
    let place = Place::new();
    let long = "a-name-that-is-longer-than-any-column-of-a-list-could-ever-be";
    let (_behind, _all) = relays(&place, &[long, "redis"]);
    let faults = ["up:latency=1ms,jitter=1ms", "down:latency=100ms,jitter=50ms", "down:rate=64k"];
    assert_eq!(fault(&place, &[&[long], &faults[..]].concat()).code, 0);
    let done = fault(&place, &[]);
    assert!(done.out.lines().all(|line| line.chars().count() <= 80), "{}", done.out);
    assert!(faults.iter().all(|fault| done.out.contains(fault)), "{}", done.out);
}

#[test]
fn rules_without_a_fault_are_an_error_and_change_nothing() {
    let place = Place::new();
    let (behind, _all) = relays(&place, &["redis"]);
    assert_eq!(fault(&place, &["redis", "latency=1ms"]).code, 0);
    for (typed, proposed) in [
        ("when=10%", "hobnob fault redis latency=200ms,when=10%"),
        ("up:after=4k,for=1s", "hobnob fault redis up:latency=200ms,after=4k,for=1s"),
    ] {
        let done = fault(&place, &["redis", typed]);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{typed}");
        assert!(done.err.contains("names no fault"), "{}", done.err);
        assert!(done.err.contains(proposed), "{}", done.err);
        let now = fault(&place, &["redis"]);
        assert!(now.out.contains("latency=1ms"), "what was on is on: {}", now.out);
        let words = ["relay", "127.0.0.1:0", &behind.address, "--fault", typed];
        let done = finish(place.hobnob(&words), b"");
        assert_eq!(done.code, 2, "{}", done.err);
        assert!(done.err.contains("names no fault"), "{}", done.err);
        assert!(done.err.contains("latency=200ms,"), "{}", done.err);
    }
}

#[test]
fn a_name_that_does_not_run_or_is_no_relays() {
    let place = Place::new();
    let (behind, all) = relays(&place, &["redis"]);
    let all = [&behind, &all[0]];
    snapshot("nearest", &fault(&place, &["reddis"]), &all);
    snapshot("no-relay", &fault(&place, &["behind", "latency=1s"]), &all);
    let told = fault(&place, &["reddis", "--json"]);
    let error = valid(told.out.trim());
    assert_eq!((&error["slug"], told.code), (&Value::from("not-running"), 5));
}

#[test]
fn two_of_one_name_are_both_said_and_each_has_one_of_its_own() {
    let place = Place::new();
    let (behind, all) = relays(&place, &["redis", "redis"]);
    let done = fault(&place, &["redis", "latency=1s"]);
    assert_eq!(done.code, 2);
    for relay in &all {
        let own = format!("redis@{}", relay.child.id());
        assert!(
            done.err.contains(&format!("try    hobnob fault {own}"))
                || done.err.contains(&format!("         hobnob fault {own}")),
            "{}",
            done.err
        );
        assert!(
            done.err.contains(&format!("process {}: tcp {}", relay.child.id(), relay.address)),
            "{}",
            done.err
        );
        let one = fault(&place, &[&own]);
        assert_eq!(one.code, 0, "{}", one.err);
        assert!(
            one.out.contains(&relay.address) && one.out.contains(&behind.address),
            "{}",
            one.out
        );
    }
    assert!(
        done.err.starts_with("error[ambiguous-name]: 2 servers are called \"redis\""),
        "{}",
        done.err
    );
}

#[test]
fn a_process_that_is_stopped_is_said_and_holds_up_nobody() {
    let place = Place::new();
    let (_behind, all) = relays(&place, &["redis", "sleeping"]);
    signal(all[1].child.id(), "STOP");
    let listed = fault(&place, &[]);
    let missing = fault(&place, &["sleeping"]);
    signal(all[1].child.id(), "CONT");
    assert_eq!(listed.code, 0);
    assert!(listed.out.contains("redis") && !listed.out.contains("sleeping"), "{}", listed.out);
    let said = format!("process {} does not answer", all[1].child.id());
    assert!(listed.err.contains(&said), "{}", listed.err);
    assert_eq!(missing.code, 5);
    assert!(missing.err.contains(&said), "{}", missing.err);
    assert_eq!(fault(&place, &["sleeping"]).code, 0);
}

#[test]
fn the_sockets_of_another_user_are_not_for_us() {
    let place = Place::new();
    let (_behind, _all) = relays(&place, &["redis"]);
    let runtime = place.folder();
    let runtime = runtime.parent().expect("it is below");
    let open = |path: &Path| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("ours");
    };
    let Some(closed) = as_nobody(&["fault", "redis"], Some(runtime)) else {
        return skip("the_sockets_of_another_user_are_not_for_us", "needs root and setpriv");
    };
    assert_eq!(closed.code, 8, "{}", closed.err);
    open(runtime);
    let done = as_nobody(&["fault", "redis", "clear"], Some(runtime)).expect("as before");
    assert_eq!(done.code, 8, "{}", done.err);
    assert!(done.err.contains("error[permission-denied]: I will not use"), "{}", done.err);
    assert!(done.err.contains("it is another user's (uid 0)"), "{}", done.err);
}

#[test]
fn a_full_disk_and_a_reader_that_leaves() {
    let place = Place::new();
    let (_behind, _all) = relays(&place, &["redis"]);
    let mut command = place.hobnob(&["fault"]);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    command.stdin(Stdio::null()).stdout(full).stderr(Stdio::null());
    let child = Bounded::of(command.spawn().expect("the binary is there"));
    assert_eq!(code(child.wait()), 9);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = place.hobnob(&["fault", "redis", "--json"]);
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    let child = Bounded::of(command.spawn().expect("the binary is there"));
    assert_eq!(code(child.wait()), 141);
}

/// A client of a relay, who is answered what it says.
fn client(relay: &Served) -> TcpStream {
    let client = TcpStream::connect(&relay.address).expect("it listens");
    client.set_read_timeout(Some(BOUND)).expect("a timeout");
    client
}

fn echo(client: &mut TcpStream, text: &[u8]) {
    client.write_all(text).expect("it reads");
    let mut back = vec![0; text.len()];
    client.read_exact(&mut back).expect("it answers");
    assert_eq!(back, text);
}

#[test]
fn the_knobs_are_turned_while_it_runs() {
    let place = Place::new();
    let (_behind, all) = relays(&place, &["redis"]);
    let mut open = client(&all[0]);
    echo(&mut open, b"before");
    let said = |words: &[&str]| {
        let done = fault(&place, words);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{words:?}");
        done.out
    };
    assert_eq!(said(&["redis", "latency=1ms"]), "redis: latency=1ms on both ways\n");
    echo(&mut open, b"under it");
    let shown = said(&["redis"]);
    let rows: Vec<Vec<&str>> =
        shown.lines().skip(2).map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["way", "fault", "hits", "of"]);
    assert_eq!(rows[1], ["up", "latency", "1", "latency=1ms"]);
    assert_eq!(rows[2][..2], ["down", "latency"]);
    assert_ne!(rows[2][2], "0", "its answer went down under it: {shown}");
    let two = ["redis", "down:latency=2ms,jitter=1ms", "up:rate=64m"];
    assert_eq!(said(&two), "redis: down:latency=2ms,jitter=1ms   up:rate=64m\n");
    echo(&mut open, b"under the others");
    let told = fault(&place, &["redis", "--json"]);
    let faults = valid(told.out.trim())["faults"].clone();
    let ways: Vec<_> = faults
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["kind"].as_str(), one["up"].is_u64(), one["down"].is_u64()))
        .collect();
    assert_eq!(
        ways,
        [
            (Some("latency"), false, true),
            (Some("jitter"), false, true),
            (Some("rate"), true, false)
        ]
    );
    let listed = said(&[]);
    assert!(listed.contains("down:latency=2ms,jitter=1ms   up:rate=64m"), "{listed}");
    assert_eq!(said(&["redis", "clear"]), "redis: no faults\n");
    echo(&mut open, b"after");
    assert!(said(&["redis"]).ends_with("  no faults\n"));
    assert!(said(&["redis", "--like", "satellite"]).contains("latency=300ms"));
}

#[test]
fn a_relay_under_faults_says_how_to_change_them() {
    let place = Place::new();
    let behind = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let words = ["relay", "127.0.0.1:0", &behind.address, "--fault", "latency=1ms"];
    let relay = place.serve(&words);
    let said = relay.err.until("change them while it runs: ");
    let command = said.split("hobnob ").nth(1).expect("a command");
    let words: Vec<&str> = command.split(' ').collect();
    let done = finish(place.hobnob(&[&words[..], &["clear"]].concat()), b"");
    assert_eq!(done.out, format!("{}: no faults\n", behind.address), "{}", done.err);
}

#[test]
fn no_byte_is_lost_or_repeated_while_knobs_are_turned() {
    let place = Place::new();
    let (_behind, all) = relays(&place, &["redis"]);
    let mut open = client(&all[0]);
    let text: Vec<u8> = (0..4_u32 << 20).map(|at| (at % 251) as u8).collect();
    let mut to = open.try_clone().expect("a descriptor");
    std::thread::scope(|scope| {
        scope.spawn(|| to.write_all(&text).expect("it reads"));
        let turning = scope.spawn(|| {
            for words in
                [["latency=3ms"], ["slice=1000"], ["rate=100m"], ["clear"]].iter().cycle().take(20)
            {
                let done = fault(&place, &[&["redis"], &words[..]].concat());
                assert_eq!(done.code, 0, "{}", done.err);
            }
        });
        let mut back = vec![0; text.len()];
        open.read_exact(&mut back).expect("it answers");
        assert!(back == text);
        turning.join().expect("the knobs turn");
    });
}

#[test]
fn what_is_not_understood_or_does_not_fit_changes_nothing() {
    let place = Place::new();
    let (behind, all) = relays(&place, &["redis"]);
    assert_eq!(fault(&place, &["redis", "latency=7ms"]).code, 0);
    let served = [&behind, &all[0]];
    for (name, words) in [
        ("unknown", ["redis", "latncy=1s"]),
        ("unit", ["redis", "latency=200"]),
        ("datagrams", ["redis", "loss=2%"]),
        ("like", ["redis", "--like=5g"]),
    ] {
        let done = fault(&place, &words);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{name}: {}", done.err);
        snapshot(name, &done, &served);
        let told = fault(&place, &[words[0], words[1], "--json"]);
        assert_eq!(valid(told.out.trim())["type"], "error", "{name}");
    }
    snapshot("clear", &fault(&place, &["redis", "clear", "latency=1s"]), &served);
    assert!(fault(&place, &["redis"]).out.contains("latency=7ms"));
}

#[test]
fn a_part_of_a_file_is_called_as_there() {
    let (place, work) = (Place::new(), crate::kit::folder());
    let behind = place.serve(&["serve", "echo", "127.0.0.1:0"]);
    let config = format!(
        "[serve.front]\nservice = \"relay\"\nto = \"{}\"\non = \"tcp://127.0.0.1:0\"\n\
         [serve.other]\nservice = \"echo\"\non = \"tcp://127.0.0.1:0\"\n",
        behind.address
    );
    std::fs::write(work.path().join("hobnob.toml"), config).expect("written");
    let mut command = place.hobnob(&["up", "--json"]);
    command.current_dir(work.path());
    let up = launch(command);
    up.out.until(r#""name":"other""#);
    let done = fault(&place, &["front", "latency=1ms"]);
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, "front: latency=1ms on both ways\n"),
        "{}",
        done.err
    );
    assert_eq!(up.stop("TERM").0, 0);
    assert_eq!(fault(&place, &["front"]).code, 5);
}

/// Port and all: `127.0.0.1:6380` is found as `:6380` too.
fn port_of(served: &Served) -> &str {
    let at = served.address.rfind(':').expect("a port");
    &served.address[at..]
}

#[test]
fn a_relay_is_found_where_it_listens_where_it_leads_to_and_by_its_name() {
    let place = Place::new();
    let (behind, _all) = relays(&place, &["redis"]);
    let other = place.serve(&["relay", "127.0.0.1:0", &behind.address, "--name", "other"]);
    for typed in [
        "other".to_owned(),
        port_of(&other).to_owned(),
        port_of(&other)[1..].to_owned(),
        other.address.clone(),
        format!("tcp://{}", other.address),
        format!("localhost{}", port_of(&other)),
    ] {
        let done = fault(&place, &[&typed]);
        assert_eq!(done.code, 0, "{typed}: {}", done.err);
        assert!(done.out.starts_with("other "), "{typed}: {}", done.out);
        assert_eq!(fault(&place, &[&typed, "down:latency=1ms"]).code, 0, "{typed}");
    }
    // Both lead there, so that it names neither.
    let done = fault(&place, &[&behind.address]);
    assert_eq!(done.code, 2, "{}", done.out);
    let listed = fault(&place, &[]).out;
    assert!(listed.contains(&format!("also {}", port_of(&other))), "{listed}");
    assert!(!listed.contains(&format!(", {}", port_of(&behind))), "{listed}");
}

#[test]
fn where_one_relay_runs_it_needs_no_name() {
    let place = Place::new();
    let done = fault(&place, &["latency=1ms"]);
    assert_eq!((done.code, done.out.as_str()), (5, ""), "none runs: {}", done.err);
    let (behind, _all) = relays(&place, &["redis"]);
    for (words, said) in [
        (&["latency=1ms"][..], "redis: latency=1ms on both ways\n"),
        (&["up:rate=64k", "down:stall"], "redis: up:rate=64k   down:stall\n"),
        (&["clear"], "redis: no faults\n"),
    ] {
        let done = fault(&place, words);
        assert_eq!((done.code, done.out.as_str()), (0, said), "{}", done.err);
    }
    assert_eq!(fault(&place, &["--like", "3g"]).code, 0);
    let listed = fault(&place, &[]).out;
    assert!(listed.contains(port_of(&behind)), "it leads there alone: {listed}");
    let _other = place.serve(&["relay", "127.0.0.1:0", &behind.address, "--name", "other"]);
    let done = fault(&place, &["latency=1ms"]);
    assert_eq!(done.code, 2, "{}", done.out);
    for name in ["redis", "other"] {
        assert!(done.err.contains(&format!("hobnob fault {name} latency=1ms")), "{}", done.err);
    }
}

#[test]
fn words_of_other_tools_propose_ours() {
    let place = Place::new();
    let (_behind, _all) = relays(&place, &["redis"]);
    for (typed, proposed) in [
        ("delay=200ms", "hobnob fault redis latency=200ms"),
        ("bandwidth=64k", "hobnob fault redis rate=64k"),
        ("drop=2%", "hobnob fault redis loss=2%"),
        ("lag", "hobnob fault redis latency=200ms"),
        ("slow_close=1s", "hobnob fault redis slow-close=1s"),
        ("toxicity=10%", "hobnob fault redis latency=200ms,when=10%"),
        ("offline", "hobnob fault redis --like offline"),
        ("off", "hobnob fault redis clear"),
        ("none", "hobnob fault redis clear"),
    ] {
        for words in [&["redis", typed][..], &[typed]] {
            let done = fault(&place, words);
            assert_eq!((done.code, done.out.as_str()), (2, ""), "{words:?}: {}", done.err);
            assert!(done.err.contains(proposed), "{words:?}: {}", done.err);
        }
    }
}

/// The person at the relay sees what somebody else turned, and what that holds on both ways.
#[test]
fn the_relays_own_terminal_tells_of_a_change_and_of_what_is_held_on_both_ways() {
    let place = Place::new();
    let (_behind, all) = relays(&place, &["redis"]);
    assert_eq!(fault(&place, &["latency=20ms"]).code, 0);
    all[0].err.until("faults from now on: latency=20ms");
    let mut client = TcpStream::connect(&all[0].address).expect("it listens");
    client.write_all(b"there and back\n").expect("it is open");
    client.read_exact(&mut [0; 15]).expect("it comes back");
    let up = all[0].err.until("latency: held ");
    assert!(up.contains('»'), "{up}");
    all[0].err.until("«  there and back");
    assert_eq!(fault(&place, &["clear"]).code, 0);
    all[0].err.until("faults from now on: none");
}

#[cfg(feature = "mail")]
#[test]
fn what_mail_answers_is_turned_by_its_port_and_by_its_words() {
    use std::io::{BufRead as _, BufReader};

    let place = Place::new();
    let (_behind, _relays) = relays(&place, &["redis"]);
    // STARTTLS needs a place for its certificate.
    let state = tempfile::tempdir().expect("a folder");
    let mut command = place.hobnob(&["serve", "mail", "smtp=127.0.0.1:0", "--reply", "rcpt=550"]);
    command.env("XDG_STATE_HOME", state.path());
    let mail = serve_with(command);
    let address = mail.banner.split_whitespace().nth(2).expect("an address behind its door");
    let (_, port) = address.rsplit_once(':').expect("a port");
    let at_port = format!(":{port}");
    // A word of its own is enough, although a relay runs too.
    for words in [&[&*at_port, "rcpt=450,for=2"][..], &["rcpt=450,for=2"]] {
        let done = fault(&place, words);
        assert_eq!((done.code, done.err.as_str()), (0, ""));
        assert_eq!(done.out, "mail: rcpt=450,for=2\n");
    }
    let told = mail.err.until("from now on");
    assert!(told.contains("replies from now on: rcpt=450,for=2"), "{told}");
    let mut client = TcpStream::connect(address).expect("it listens");
    client.set_read_timeout(Some(BOUND)).expect("a timeout");
    client.write_all(b"HELO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n").expect("it reads");
    let lines = BufReader::new(&client).lines().map(|line| line.expect("text"));
    assert!(lines.take(4).last().is_some_and(|line| line.starts_with("450 4.0.0")));
    let json = fault(&place, &[&at_port, "--json"]);
    let told = valid(json.out.trim());
    let expected = serde_json::json!([{ "setting": "rcpt=450,for=2", "kind": "rcpt", "down": 1 }]);
    assert_eq!((&told["service"], &told["faults"]), (&Value::from("mail"), &expected));
    let done = fault(&place, &[&at_port, "latency=1s"]);
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(done.err.contains("there is no reply \"latency\""), "{}", done.err);
    assert_eq!(fault(&place, &[&at_port, "clear"]).out, "mail: no faults\n");
}
