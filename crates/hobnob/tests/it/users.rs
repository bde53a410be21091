//! Other users of this machine, at the door of a Unix socket that has no mode to keep them out.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

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
    s.connect('\\0' + sys.argv[2])
    s.send(b'word')
    print(s.recv(9).decode())
except OSError:
    pass
";

fn as_another(transport: &str, name: &str) -> Option<String> {
    let mut asking = Command::new("python3");
    asking.args(["-c", ASKS, transport, name]).uid(OTHER).current_dir("/");
    asking.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let (child, ()) = births::spawn(&mut asking, |_| ()).ok()?;
    let output = child.wait_with_output().expect("it is ours");
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[tokio::test]
async fn an_abstract_name_is_for_ones_own_user_and_for_who_is_named() {
    let test = "users::an_abstract_name_is_for_ones_own_user_and_for_who_is_named";
    if !nix::unistd::geteuid().is_root() {
        return skip(test, "only root can be another user");
    }
    for transport in ["unix", "unixgram", "unixseq"] {
        for (option, may_come) in [
            ("", false),
            (",allow-user=54321", true),
            (",allow-user=any", true),
            (",allow-user=54320", false),
        ] {
            for is_batched in [true, false] {
                let name = format!("hobnob-it-users-{}-{transport}", std::process::id());
                let at = format!("{transport}:@{name}{option}");
                let mut stage = if is_batched {
                    Stage::serve("echo", &at)
                } else {
                    Stage::of(own::echo_sessions(), &at, |_| {})
                };
                // The server has threads of its own.
                let asked = as_another(transport, &name);
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

async fn own_user(to: &str) {
    let to = hobnob::engine::parse(to).expect("an endpoint");
    let mut conn = hobnob::Dialer::default().dial(&to).await.expect("it listens").conn;
    conn.send(b"own").await.expect("sent");
    let heard = crate::stage::soon("an answer", conn.recv(&mut [0; 8])).await;
    assert_eq!(heard, Ok(Some(3)), "{to}");
}
