//! A target that is where the relay itself listens would open the next session with each, for ever.

use hobnob::engine::Running;
use hobnob::error::Kind;
use hobnob::event::Reason;
use tempfile::TempDir;

use super::{planned, relay};
use crate::ports::Port;
use crate::stage::{Stage, births, is_turned_away};

fn started(at: &str, to: &str) -> hobnob::Result<Running> {
    planned(at, to)?.start()
}

/// It is refused before anything happens, and leaves nothing open.
fn refused(at: &str, to: &str) {
    match started(at, to) {
        Ok(_) => panic!("{at} to {to} is served"),
        Err(error) => assert_eq!(error.kind(), Kind::Loop, "{at} to {to}: {error:?}"),
    }
    births::settled();
    drop(Stage::serve("echo", at));
}

#[test]
fn a_loop_in_so_many_words_is_refused_at_the_start() {
    for name in ["tcp", "udp"] {
        for (at, to) in [
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("", ""),
            ("", "127.0.0.1"),
            ("127.0.0.1", ""),
            ("0.0.0.0", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.2"),
            ("0.0.0.0", "0.0.0.0"),
            ("127.0.0.1", "0.0.0.0"),
            ("[::]", "[::1]"),
            ("[::]", "127.0.0.1"),
            ("[::1]", "[::]"),
            ("127.0.0.1", "[::ffff:127.0.0.1]"),
            ("0.0.0.0", "[::ffff:127.0.0.1]"),
        ] {
            let port = Port::draw();
            let number = port.number;
            refused(&format!("{name}://{at}:{number}"), &format!("{name}://{to}:{number}"));
        }
    }
}

#[test]
fn an_address_of_this_machine_is_where_a_wildcard_listens() {
    let Some(here) = crate::stage::elsewhere() else {
        let test = "relay::loops::an_address_of_this_machine_is_where_a_wildcard_listens";
        return crate::stage::skip(test, "no address but loopback");
    };
    let port = Port::draw();
    let number = port.number;
    refused(&format!("tcp://0.0.0.0:{number}"), &format!("tcp://{here}:{number}"));
}

#[test]
fn a_path_by_any_other_name_is_the_same_place() {
    let folder = TempDir::new().expect("a folder");
    let at = |path: &str| folder.path().join(path).display().to_string();
    std::os::unix::fs::symlink(folder.path(), at("link")).expect("a link");
    std::fs::create_dir(at("within")).expect("a folder");
    for name in ["unix", "unixgram", "unixseq"] {
        let place = at("door");
        for to in [at("door"), at("within/../door"), at("link/door"), at("./door")] {
            refused(&format!("{name}:{place}"), &format!("{name}:{to}"));
        }
        let abstract_name = format!("{name}:@hobnob-loop-{}", std::process::id());
        refused(&abstract_name, &abstract_name);
    }
    refused("memory:loop", "memory:loop");
}

#[test]
fn what_only_looks_like_a_loop_is_served() {
    let folder = TempDir::new().expect("a folder");
    let (door, other) = (folder.path().join("door"), folder.path().join("other"));
    let _other = Stage::serve("echo", &format!("unix:{}", other.display()));
    let [one, another] = [Port::draw(), Port::draw()];
    for (at, to) in [
        (format!("tcp://127.0.0.1:{}", one.number), format!("tcp://127.0.0.1:{}", another.number)),
        (format!("unix:{}", door.display()), format!("unix:{}", other.display())),
        // Nobody is there yet, which is for each session to find out.
        (format!("unix:{}", door.display()), format!("unix:{}-2", other.display())),
    ] {
        drop(started(&at, &to).unwrap_or_else(|error| panic!("{at} to {to}: {error:?}")));
    }
    let number = one.number;
    let beside = (format!("tcp://127.0.0.1:{number}"), format!("tcp://127.0.0.2:{number}"));
    drop(started(&beside.0, &beside.1).expect("another address of loopback"));
}

/// A name is looked up when a session needs it: its one session fails, and opens no other.
#[tokio::test]
async fn a_name_that_leads_back_is_refused_in_the_session() {
    for at in ["127.0.0.1", "0.0.0.0"] {
        let port = Port::draw();
        let to = format!("tcp://localhost:{}", port.number);
        let mut stage = relay(&format!("tcp://{at}:{}", port.number), &to, |_| {});
        let came = tokio::net::TcpStream::connect(("127.0.0.1", port.number)).await;
        assert!(is_turned_away(came).await, "it heard something");
        let closed = stage.closed().await;
        assert_eq!(closed.reason, Reason::Error);
        let detail = closed.detail.expect("it says why");
        assert!(detail.contains("where this very server listens"), "{detail}");
        assert_eq!(stage.finish().await.sessions, 1, "a chain of sessions");
    }
}

/// A path that leads back only once it exists is refused then.
#[tokio::test]
async fn a_path_that_leads_back_later_is_refused_in_the_session() {
    let folder = TempDir::new().expect("a folder");
    let (door, later) = (folder.path().join("door"), folder.path().join("later"));
    let (at, to) = (format!("unix:{}", door.display()), format!("unix:{}", later.display()));
    let mut stage = relay(&at, &to, |_| {});
    std::os::unix::fs::symlink(&door, &later).expect("a link");
    let _client = tokio::net::UnixStream::connect(&door).await.expect("it listens");
    assert_eq!(stage.closed().await.reason, Reason::Error);
    assert_eq!(stage.finish().await.sessions, 1, "a chain of sessions");
}
