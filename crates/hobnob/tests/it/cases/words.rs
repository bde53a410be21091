//! The library's part of cases 14 and 26: no call that blocks holds up the end, and no word of a peer goes anywhere as
//! it came.

use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc;
use std::time::Duration;

use hobnob::address::Address;
use hobnob::engine::{Server, parse};
use hobnob::event::Fact;
use tempfile::TempDir;
use tokio::net::UnixDatagram;

use crate::stage::{Stage, own, soon};

#[tokio::test]
async fn case_14_a_blocking_look_up_does_not_hold_up_the_end() {
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let service = own::does(move |_, _| {
        let held = held.clone();
        Box::pin(async move {
            // As getaddrinfo does when no name server answers.
            let blocked =
                tokio::task::spawn_blocking(move || drop(held.lock().map(|held| held.recv())));
            drop(blocked.await);
            Ok(())
        })
    });
    let mut stage = Stage::of(service, "tcp://127.0.0.1:0", |server| {
        server.limits.grace = Duration::from_millis(50);
    });
    let _client = stage.connect().await;
    stage.opened().await;
    // The look-up is still held.
    stage.finish().await;
    drop(release);
}

/// OSC 52, a title report, 8-bit C1, an override of direction, a line that is overwritten, a second line.
const HOSTILE: &[u8] = b"\x1b]52;c;x\x07\x1b[21t\x9b31m\xe2\x80\xae\rok\nforged";

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[tokio::test]
async fn case_26_what_a_peer_calls_itself_is_shown_escaped() {
    let name = std::ffi::OsStr::from_bytes(HOSTILE);
    for address in [Address::path(name), Address::Abstract(HOSTILE.into())] {
        assert!(is_plain(&address.to_string()), "{address}");
    }
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("hello");
    let mut stage = Stage::of(own::deaf(), &format!("unixgram:{}", path.display()), |_| {});
    let peer = UnixDatagram::bind(folder.path().join(name)).expect("any bytes are a path");
    soon("room", peer.send_to(HOSTILE, &path)).await.expect("somebody is bound there");
    let shown = stage
        .until("opened session", |event| match &event.fact {
            Fact::Opened(opened) => Some(opened.peer.to_string()),
            _ => None,
        })
        .await;
    assert!(is_plain(&shown) && shown.contains("\\x1b]52"), "{shown}");
}

#[tokio::test]
async fn case_26_an_error_shows_no_byte_as_it_came() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(std::ffi::OsStr::from_bytes(HOSTILE));
    std::fs::write(&path, "").expect("any bytes are a path");
    let socket =
        hobnob::socket::Socket::new(hobnob::socket::Family::Unix, hobnob::socket::Type::Stream, 0);
    let socket = socket.expect("a descriptor");
    for failed in [socket.bind(&Address::path(&*path)), socket.connect(&Address::path(&*path))] {
        let error = failed.expect_err("a plain file is there");
        assert!(is_plain(&error.to_string()), "{error}");
        assert!(is_plain(&format!("{error:?}")), "{error:?}");
        assert!(error.reasons().iter().all(|reason| is_plain(reason)));
    }
    let error = hobnob::socket::path::claim(&path, hobnob::socket::access::Access::default())
        .expect_err("a plain file is there");
    assert!(is_plain(&error.to_string()), "{error}");
}

/// Nothing that a session tells of itself repeats what its peer said.
#[tokio::test]
async fn case_26_a_session_tells_nothing_of_what_was_said() {
    for service in ["hello", "echo", "temp", "upper", "ok", "reply"] {
        let mut server = Server::new(service).expect("it is built in");
        if service == "reply" {
            server.set("reply", Some("x")).expect("it has it");
        }
        server.on(&parse("tcp://127.0.0.1:0").expect("an endpoint")).expect("it fits");
        let mut stage = Stage::start(server).expect("it starts");
        let mut client = stage.connect().await;
        tokio::io::AsyncWriteExt::write_all(&mut client, HOSTILE).await.expect("it is open");
        stage.opened().await;
        drop(client);
        let closed = stage.closed().await;
        assert!(is_plain(&closed.detail.unwrap_or_default()), "{service}");
    }
}
