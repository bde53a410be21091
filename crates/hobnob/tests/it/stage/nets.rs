//! A test in a network of its own, with addresses and interfaces that this machine need not have.

use std::io::Read;
use std::process::{Command, Stdio};

use super::{alone, births, skip};

/// Runs the test once more in a child that has a network of its own, set up by these commands of a shell, and lets it play
/// there. Where a user may not have such a network, or the kernel lacks a part of it, the test is left out.
pub(crate) fn in_a_network(name: &str, setup: &str, play: impl FnOnce()) {
    if alone::part().is_some() {
        return play();
    }
    let inner = format!("({setup}) >&2 || exit 77; {SETTLED}; exec \"$0\" \"$@\"");
    let mut child = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        child.args(["--user", "--map-root-user"]);
    }
    child.args(["--net", "--mount", "--", "sh", "-ec", &inner]);
    child.arg(std::env::current_exe().expect("it runs"));
    child.args([&alone::test(), "--exact", "--nocapture"]).env(alone::PART, name);
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = births::spawn(&mut child, |child| {
        let (mut said, mut first) = (child.stderr.take().expect("piped"), [0; 1]);
        let length = said.read(&mut first).unwrap_or(0);
        (said, first[..length].to_vec())
    });
    let Ok((mut child, (mut rest, mut said))) = started else {
        return skip(name, "there is no unshare(1)");
    };
    rest.read_to_end(&mut said).expect("a pipe");
    let (status, said) = (child.wait().expect("it is ours"), String::from_utf8_lossy(&said));
    if !said.contains("stage-part") {
        let why = said.lines().last().unwrap_or("unshare says nothing").to_owned();
        return skip(name, &format!("no network of its own: {why}"));
    }
    assert!(status.success(), "{name}: {said}");
}

/// Waits until what was set up is in force: the kernel adds the route to an IPv6 address of its own a moment after the address.
const SETTLED: &str = "ip -6 -o addr show up -tentative | while read -r _ _ _ address _; do \
    tries=0; until ip -6 route show table local | grep -q \"local ${address%/*} \" || [ $tries = 200 ]; do \
    tries=$((tries + 1)); sleep 0.02; done; done";

/// That /etc/hosts alone knows names, so that no question for one leaves the machine.
pub(crate) const NO_NAME_SERVERS: &str = "mount -t tmpfs none /mnt; \
    echo 'hosts: files' > /mnt/nsswitch.conf; mount --bind /mnt/nsswitch.conf /etc/nsswitch.conf";

/// An interface `d0` that is up, of the first kind that this kernel has.
pub(crate) const INTERFACE: &str = "ip link set lo up; \
    ip link add d0 type dummy || ip link add d0 type ifb || ip link add d0 type veth peer name d1; \
    ip link set d0 up";
