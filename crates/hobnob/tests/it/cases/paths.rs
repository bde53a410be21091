//! Case 21: the path of a Unix socket is taken only from a dead socket of ours.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use hobnob::engine::{Server, parse};
use hobnob::error::{Error, Kind};
use hobnob::event::Fact;
use tempfile::TempDir;

use crate::stage::{Stage, skip};

const TRANSPORTS: [&str; 3] = ["unix", "unixgram", "unixseq"];

fn at(transport: &str, path: &Path) -> String {
    format!("{transport}:{}", path.display())
}

fn start(endpoint: &str) -> Result<Stage, Error> {
    let mut server = Server::new("echo").expect("it is built in");
    server.on(&parse(endpoint)?).expect("it fits");
    Stage::start(server)
}

fn refused(endpoint: &str) -> Error {
    match start(endpoint) {
        Err(error) => error,
        Ok(_) => panic!("{endpoint} was taken"),
    }
}

fn is_socket(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket())
}

/// A socket's file that nobody listens on.
fn stale(path: PathBuf) -> PathBuf {
    drop(UnixListener::bind(&path).expect("a free path"));
    assert!(is_socket(&path));
    path
}

#[tokio::test]
async fn case_21_a_stale_socket_of_ours_is_replaced_and_that_is_said() {
    let folder = TempDir::new().expect("a folder");
    for transport in TRANSPORTS {
        let path = stale(folder.path().join(transport));
        let mut stage = start(&at(transport, &path)).expect("it is replaced");
        let note = stage
            .until("note", |event| match &event.fact {
                Fact::Note(note) => Some(note.clone()),
                _ => None,
            })
            .await;
        assert!(note.contains("replaced") && note.contains(&path.display().to_string()), "{note}");
        assert!(is_socket(&path));
        stage.finish().await;
        assert!(!path.exists(), "its own file stays behind");
    }
}

#[tokio::test]
async fn case_21_a_live_socket_is_not_stolen() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("stream");
    let live = UnixListener::bind(&path).expect("a free path");
    let datagrams = folder.path().join("datagrams");
    let receives = UnixDatagram::bind(&datagrams).expect("a free path");
    for transport in TRANSPORTS {
        for path in [&path, &datagrams] {
            let error = refused(&at(transport, path));
            assert_eq!(error.kind(), Kind::SocketFileExists, "{transport}: {error:?}");
        }
    }
    let _caller = UnixStream::connect(&path).expect("it listens as before");
    live.accept().expect("its own caller comes first: nobody knocked meanwhile");
    UnixDatagram::unbound().expect("made").send_to(b"x", &datagrams).expect("it receives");
    assert_eq!(receives.recv(&mut [0; 8]).expect("one"), 1);
    // Ours as well.
    let ours = folder.path().join("ours");
    let stage = start(&at("unix", &ours)).expect("a free path");
    assert_eq!(refused(&at("unix", &ours)).kind(), Kind::SocketFileExists);
    assert!(is_socket(&ours));
    drop(stage);
}

#[tokio::test]
async fn case_21_whatever_else_is_there_is_kept() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), "precious").expect("a free path");
    fs::create_dir(path("folder")).expect("a free path");
    let dead = stale(path("dead"));
    for (link, to) in [("to-file", "file"), ("to-dead", "dead"), ("to-nothing", "nothing")] {
        symlink(path(to), path(link)).expect("a free path");
    }
    for name in ["file", "folder", "to-file", "to-dead", "to-nothing"] {
        let before = path(name).symlink_metadata().expect("it is there").ino();
        for transport in TRANSPORTS {
            let error = refused(&at(transport, &path(name)));
            assert_eq!(error.kind(), Kind::SocketFileExists, "{transport} {name}: {error:?}");
        }
        assert_eq!(path(name).symlink_metadata().expect("it is there").ino(), before);
    }
    assert_eq!(fs::read(path("file")).expect("it is there"), b"precious");
    assert!(is_socket(&dead) && !path("nothing").exists());
}

#[tokio::test]
async fn case_21_another_owners_socket_is_kept() {
    let folder = TempDir::new().expect("a folder");
    let path = stale(folder.path().join("theirs"));
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_err() {
        return skip("cases::paths::case_21_another_owners_socket_is_kept", "not root");
    }
    let error = refused(&at("unix", &path));
    assert_eq!(error.kind(), Kind::SocketFileExists);
    assert!(is_socket(&path));
}

#[tokio::test]
async fn case_21_a_path_too_long_is_said_before_anything_opens() {
    let path = format!("/tmp/{}", "x".repeat(103));
    assert_eq!(path.len(), 108);
    for transport in TRANSPORTS {
        let error = refused(&format!("{transport}:{path}"));
        assert_eq!(error.kind(), Kind::PathTooLong, "{error:?}");
        assert!(error.message().contains("107"), "{error}");
    }
}

#[tokio::test]
async fn case_21_nobody_else_may_connect_from_the_first_instant() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("private");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut modes = std::collections::BTreeSet::new();
            while !is_over.load(Relaxed) {
                if let Ok(found) = path.symlink_metadata() {
                    modes.insert(found.permissions().mode() & 0o777);
                }
            }
            modes
        });
        for round in 0..150 {
            let stage = start(&at(TRANSPORTS[round % 3], &path)).expect("a free path");
            let found = path.symlink_metadata().expect("it is bound");
            assert_eq!(found.permissions().mode() & 0o777, 0o600);
            drop(stage);
        }
        is_over.store(true, Relaxed);
        let modes = looking.join().expect("it only looks");
        assert!(modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
    });
}

#[tokio::test]
async fn case_21_a_start_that_fails_leaves_nothing_behind() {
    let folder = TempDir::new().expect("a folder");
    let (ours, taken) = (folder.path().join("ours"), folder.path().join("taken"));
    fs::write(&taken, "").expect("a free path");
    let mut server = Server::new("echo").expect("it is built in");
    for path in [&ours, &taken] {
        server.on(&parse(&at("unix", path)).expect("an endpoint")).expect("it fits");
    }
    assert!(Stage::start(server).is_err());
    assert!(!ours.exists() && taken.exists());
}
