//! OpenSSH: a session over a relay that lives through several changes of its keys, each of which both sides must take
//! part in while bytes go both ways.

use std::process::Command;

use tempfile::TempDir;

use super::{Server, concluded, file, is_root, program, relay, succeeds_with, text};
use crate::peer::{has, succeeds};
use crate::ports::Port;

/// Bytes that go there and come back.
const MUCH: usize = 16 << 20;
/// After so much the keys are changed.
const REKEY: &str = "RekeyLimit=1M";

fn user() -> String {
    succeeds(Command::new("id").arg("-un")).trim_end().to_owned()
}

/// A secure shell daemon with keys of its own, and its port.
fn sshd(folder: &TempDir) -> (Server, Port) {
    if is_root() {
        // Where it locks itself in before it knows who comes; a system that starts one makes it.
        std::fs::create_dir_all("/run/sshd").expect("root may");
    }
    for key in ["host", "client"] {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        succeeds(command.arg(folder.path().join(key)));
    }
    let (at, port) = (folder.path().display(), Port::draw());
    let configuration = format!(
        "ListenAddress 127.0.0.1:{}\nHostKey {at}/host\nPidFile {at}/sshd.pid\n\
         AuthorizedKeysFile {at}/client.pub\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nPermitRootLogin prohibit-password\n{}\n",
        port.number,
        REKEY.replace('=', " ")
    );
    let path = file(folder, "sshd_config", configuration.as_bytes());
    let mut command = Command::new(program("sshd").expect("it is there"));
    (Server::start(command.args(["-D", "-e", "-f"]).arg(path), folder), port)
}

#[test]
fn ssh_changes_its_keys_in_the_middle_of_a_transfer() {
    let test = "relay::ssh::ssh_changes_its_keys_in_the_middle_of_a_transfer";
    if program("sshd").is_none() && !has(test, "sshd") || !has(test, "ssh") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, own) = sshd(&folder);
    let (relay, port) = relay(&format!("127.0.0.1:{}", own.number));
    let much = text(MUCH);
    let path = file(&folder, "much", &much);
    let mut command = Command::new("ssh");
    command.args(["-v", "-F", "none", "-o", REKEY, "-o", "StrictHostKeyChecking=no"]);
    command.arg("-o").arg(format!("UserKnownHostsFile={}", folder.path().join("known").display()));
    command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(folder.path().join("client"));
    command.args(["-p", &port, &format!("{}@127.0.0.1", user()), "cat"]);
    let back = succeeds_with(&mut command, Some(&path));
    assert!(back.stdout == much, "{} bytes", back.stdout.len());
    let said = String::from_utf8_lossy(&back.stderr);
    let changes = said.matches("SSH2_MSG_NEWKEYS received").count();
    assert!(changes > 4, "the keys were agreed on {changes} times");
    let closed = concluded(relay);
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0]["reason"], "eof", "{closed:?}");
    assert!(closed[0]["in"].as_u64() > Some(MUCH as u64), "{closed:?}");
}
