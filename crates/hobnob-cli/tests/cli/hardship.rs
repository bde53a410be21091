//! What `docs/reference/hardship.md` says, each cell that no other test shows.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::kit::hardship::{
    connect, ends_without_its_events, goes_on_without_its_log, is_light, reset,
};
use crate::kit::{Bounded, Lines, Served, at_first_door, code, hobnob, needs, serve, signal};

/// The services of this build, each on a port of its own.
fn each_service() -> impl Iterator<Item = (&'static str, Served)> {
    let rows = hobnob::engine::services().iter().filter(|row| row.make.is_some());
    rows.map(|row| {
        let name = row.spec.name;
        let at = at_first_door(name, "127.0.0.1:0");
        let words: &[&str] = match name {
            "reply" => &[name, &at, "--json", "--reply", "x"],
            _ => &[name, &at, "--json"],
        };
        let needs = needs(name);
        let needs = needs.iter().map(String::as_str);
        (name, serve(&words.iter().copied().chain(needs).collect::<Vec<_>>()))
    })
}

#[test]
fn a_reset_ends_one_session_of_any_service() {
    for (name, served) in each_service() {
        let mut first = connect(&served.address);
        served.out.until(r#""type":"open""#);
        let _ = first.write_all(b"20C\n");
        reset(first);
        served.out.until(r#""type":"close""#);
        let mut second = connect(&served.address);
        let _ = second.write_all(b"20C\n");
        let _ = second.shutdown(std::net::Shutdown::Write);
        let mut some = [0; 4];
        let heard = second.read(&mut some).expect("the next peer is served");
        assert!(heard > 0 || name == "discard", "{name} answers the next peer");
    }
}

#[test]
fn sigterm_and_sigint_end_any_service_with_peers() {
    for name in ["TERM", "INT"] {
        // All of them at once: a session of bytes may take its time to hear that its peer has nothing to say.
        let mut all: Vec<_> = each_service().collect();
        let peers: Vec<_> = all.iter().map(|(_, served)| connect(&served.address)).collect();
        for (_, served) in &mut all {
            served.out.until(r#""type":"open""#);
            signal(served.child.id(), name);
        }
        for (service, served) in all {
            assert_eq!(code(served.child.wait()), 0, "{service} {name}");
            let last = served.out.rest().pop().unwrap_or_default();
            assert!(last.contains(r#""type":"summary""#), "{service} {name}: {last}");
        }
        drop(peers);
    }
}

#[test]
fn a_full_disk_ends_a_server_of_events_and_no_other() {
    let said = ends_without_its_events(hobnob(&["serve", "echo", "127.0.0.1:0", "--json"]));
    assert!(said[1].contains("ENOSPC"), "{said:?}");
    let folder = crate::kit::folder();
    let path = folder.path().join("x.sock").to_string_lossy().into_owned();
    goes_on_without_its_log(hobnob(&["serve", "echo", &path]), &path);
}

#[test]
fn a_slow_reader_of_events_does_not_slow_the_server() {
    let mut command = hobnob(&["serve", "echo", "127.0.0.1:0", "--json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary is there");
    let mut out = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    let child = Bounded::of(child);
    let mut first = String::new();
    std::io::BufRead::read_line(&mut out, &mut first).expect("a line");
    let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    let mut peer = connect(first["addr"].as_str().expect("an address"));
    // 64 MiB through a server whose events nobody reads.
    let piece = vec![b'x'; 1 << 20];
    let mut back = vec![0; 1 << 20];
    for _ in 0..64 {
        let mut to = peer.try_clone().expect("a descriptor");
        std::thread::scope(|scope| {
            scope.spawn(|| to.write_all(&piece).expect("it reads"));
            peer.read_exact(&mut back).expect("it answers");
        });
    }
    drop(peer);
    signal(child.id(), "TERM");
    let events = Lines::of(out).rest();
    assert_eq!(code(child.wait()), 0);
    assert!(events.iter().any(|line| line.contains("events")), "what is missing is counted");
    assert!(
        events.last().is_some_and(|line| line.contains(r#""in":67108864"#)),
        "{:?}",
        events.last()
    );
}

#[test]
fn a_peer_that_does_not_read_holds_up_nobody_else() {
    let served = serve(&["source", "127.0.0.1:0", "--json"]);
    let _deaf = connect(&served.address);
    served.out.until(r#""type":"open""#);
    let mut other = connect(&served.address);
    let mut some = vec![0; 1 << 20];
    other.read_exact(&mut some).expect("it is served all the same");
    is_light(served.child.id());
    drop(other);
    let (code, _) = served.stop("INT");
    assert_eq!(code, 0);
}

#[test]
fn the_page_names_tests_that_are_there() {
    let page = include_str!("../../../../docs/reference/hardship.md");
    let listed = Command::new(std::env::current_exe().expect("this is a program"))
        .args(["--list"])
        .output()
        .expect("it runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut count = 0;
    let is_built = |name: &&str| cfg!(feature = "tls") || !name.starts_with("tls::");
    let names = page.split('`').filter(|word| word.contains("::") && !word.contains(' '));
    for name in names.filter(is_built) {
        assert!(listed.contains(&format!("{name}: test")), "{name} is no test");
        count += 1;
    }
    assert!(count > 12, "{count}");
}
