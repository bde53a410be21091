//! Other users of this machine, at the door of a Unix socket: of an abstract name, which has no mode to keep them out, and
//! of a path, which may be given one.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use hobnob::error::Kind;

use crate::stage::{Stage, births, own, skip};

/// Nobody's.
const OTHER: u32 = 54_321;

/// Says a word there as another user, and prints what is answered within a second, if anything is.
const ASKS: &str = "
import socket, sys
kind = {'unix': socket.SOCK_STREAM, 'unixgram': socket.SOCK_DGRAM, 'unixseq': socket.SOCK_SEQPACKET}
s = socket.socket(socket.AF_UNIX, kind[sys.argv[1]])
s.settimeout(1)
try:
    s.bind('')
    s.connect(sys.argv[2].replace('@', '\\0'))
    s.send(b'word')
    print(s.recv(9).decode())
except OSError:
    pass
";

fn as_another(transport: &str, name: &str) -> Option<String> {
    let mut asking = Command::new("python3");
    asking.args(["-c", ASKS, transport, name]).uid(OTHER).gid(OTHER).current_dir("/");
    let output = births::output(asking.stdin(Stdio::null())).ok()?;
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[tokio::test]
async fn an_abstract_name_is_for_ones_own_user_and_for_who_is_named() {
    let test = "users::an_abstract_name_is_for_ones_own_user_and_for_who_is_named";
    if !nix::unistd::geteuid().is_root() {
        return skip(test, "only root can be another user");
    }
    let mut names = 0..;
    for transport in ["unix", "unixgram", "unixseq"] {
        for (option, may_come) in [
            ("", false),
            (",allow-user=54321", true),
            (",allow-user=any", true),
            (",allow-user=54320", false),
        ] {
            for is_batched in [true, false] {
                // Another test's child may hold the name of the server before for a moment (`stage/births.rs`).
                let number = names.next().expect("there is no end of them");
                let name = format!("hobnob-it-users-{}-{number}", std::process::id());
                let at = format!("{transport}:@{name}{option}");
                let mut stage = if is_batched {
                    Stage::serve("echo", &at)
                } else {
                    // A session of packets has no end, and nothing is to be waited for here.
                    Stage::of(own::echo_sessions(), &at, |server| {
                        server.limits.grace = Duration::ZERO;
                    })
                };
                // The server has threads of its own.
                let asked = as_another(transport, &format!("@{name}"));
                let Some(heard) = asked else { return skip(test, "there is no python3") };
                assert_eq!(heard.trim() == "word", may_come, "{at}: {heard:?}");
                if !may_come {
                    stage.refused("allow-user").await;
                }
                own_user(&at.replace(option, "")).await;
                stage.finish().await;
            }
        }
    }
}

#[tokio::test]
async fn a_path_is_for_ones_own_user_unless_it_is_given_to_others() {
    let test = "users::a_path_is_for_ones_own_user_unless_it_is_given_to_others";
    if !nix::unistd::geteuid().is_root() {
        return skip(test, "only root can be another user");
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
    for transport in ["unix", "unixgram", "unixseq"] {
        for (option, given, may_come) in [
            ("", (0o600, 0, 0), false),
            (",mode=0666", (0o666, 0, 0), true),
            (",mode=660", (0o660, 0, 0), false),
            (",mode=660,group=54321", (0o660, 0, OTHER), true),
            (",user=54321", (0o600, OTHER, 0), true),
            (",user=root,group=root,mode=600", (0o600, 0, 0), false),
            (",mode=666,allow-user=54320", (0o666, 0, 0), false),
        ] {
            let path = folder.path().join("x.sock");
            // One that died without a word: it is replaced, whoever owned it.
            drop(UnixListener::bind(&path).expect("bound"));
            std::os::unix::fs::chown(&path, Some(given.1), None).expect("we are root");
            let stage = Stage::serve("echo", &format!("{transport}:{}{option}", path.display()));
            let found = path.symlink_metadata().expect("it is bound");
            assert_eq!((found.mode() & 0o777, found.uid(), found.gid()), given, "{option}");
            let asked = as_another(transport, path.to_str().expect("UTF-8"));
            let Some(heard) = asked else { return skip(test, "there is no python3") };
            assert_eq!(heard.trim() == "word", may_come, "{transport}{option}: {heard:?}");
            own_user(&format!("{transport}:{}", path.display())).await;
            stage.finish().await;
            assert!(!path.exists(), "its own file goes with it");
        }
    }
}

#[test]
fn what_a_path_cannot_be_given_is_an_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.sock");
    for transport in ["unix", "unixgram", "unixseq"] {
        let wrong = |at: String| hobnob::serve("echo", &at).map(drop).expect_err("it is wrong");
        let path = path.display();
        for (at, kind) in [
            (format!("{transport}:{path},mode=999"), Kind::BadOption),
            (format!("{transport}:{path},user=no such user"), Kind::BadOption),
            (format!("{transport}:{path},group=no such group"), Kind::BadOption),
            (format!("{transport}:@hobnob-it-no-file,mode=666"), Kind::DoesNotFit),
            (format!("{transport}:@hobnob-it-no-file,group=root"), Kind::DoesNotFit),
        ] {
            let error = wrong(at.clone());
            assert_eq!(error.kind(), kind, "{at}: {error:?}");
        }
    }
    assert!(!path.exists());
}

async fn own_user(to: &str) {
    let to = hobnob::engine::parse(to).expect("an endpoint");
    let mut conn = hobnob::Dialer::default().dial(&to).await.expect("it listens").conn;
    conn.send(b"own").await.expect("sent");
    let heard = crate::stage::soon("an answer", conn.recv(&mut [0; 8])).await;
    assert_eq!(heard, Ok(Some(3)), "{to}");
}
