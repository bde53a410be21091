//! The programs that the tests talk to: there, or installed, or named.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

struct Peer {
    program: &'static str,
    packages: &'static [&'static str],
    /// What its `-h` must say, where several programs share the name.
    says: Option<&'static str>,
    /// A module of Python and no program.
    is_module: bool,
}

const fn peer(program: &'static str, packages: &'static [&'static str]) -> Peer {
    Peer { program, packages, says: None, is_module: false }
}

const PEERS: &[Peer] = &[
    Peer { says: Some("OpenBSD"), ..peer("nc", &["netcat-openbsd"]) },
    peer("ncat", &["ncat"]),
    peer("socat", &["socat"]),
    peer("telnet", &["telnet"]),
    peer("python3", &["python3"]),
    peer("openssl", &["openssl"]),
    peer("curl", &["curl"]),
    peer("tmux", &["tmux"]),
    peer("jq", &["jq"]),
    peer("redis-server", &["redis-server"]),
    peer("redis-cli", &["redis-tools"]),
    peer("nginx", &["nginx"]),
    peer("initdb", &["postgresql"]),
    peer("psql", &["postgresql-client"]),
    peer("sshd", &["openssh-server", "openssh-client"]),
    peer("cc", &["gcc", "libc6-dev"]),
    peer("wrk", &["wrk"]),
    peer("iperf3", &["iperf3"]),
    peer("hey", &["hey"]),
    peer("nft", &["nftables"]),
    peer("strace", &["strace"]),
    peer("fish", &["fish"]),
    peer("zsh", &["zsh"]),
    peer("ping", &["iputils-ping"]),
    peer("tcpdump", &["tcpdump"]),
    peer("tshark", &["tshark"]),
    peer("chromium", &["chromium"]),
    peer("swaks", &["swaks", "libnet-ssleay-perl"]),
    peer("msmtp", &["msmtp"]),
    peer("mbsync", &["isync"]),
    peer("fetchmail", &["fetchmail"]),
    peer("mpop", &["mpop"]),
    peer("offlineimap", &["offlineimap3"]),
    peer("mutt", &["mutt"]),
    peer("node", &["nodejs"]),
    peer("npm", &["npm"]),
    Peer { is_module: true, ..peer("pip", &["python3-pip"]) },
    Peer { is_module: true, ..peer("h11", &["python3-h11"]) },
    Peer { is_module: true, ..peer("scapy", &["python3-scapy"]) },
    Peer { is_module: true, ..peer("aiosmtpd", &["python3-aiosmtpd"]) },
    peer("dovecot", &["dovecot-imapd", "dovecot-pop3d"]),
];

/// The programs' names, as a skip's reason would have them.
pub(crate) const NAMES: &[&str] = &[
    "nc",
    "ncat",
    "socat",
    "telnet",
    "python3",
    "openssl",
    "curl",
    "tmux",
    "jq",
    "redis-server",
    "redis-cli",
    "nginx",
    "initdb",
    "psql",
    "sshd",
    "cc",
    "wrk",
    "iperf3",
    "hey",
    "nft",
    "strace",
    "fish",
    "zsh",
    "ping",
    "tcpdump",
    "tshark",
    "chromium",
    "swaks",
    "msmtp",
    "mbsync",
    "fetchmail",
    "mpop",
    "offlineimap",
    "mutt",
    "node",
    "npm",
    "pip",
    "h11",
    "scapy",
    "aiosmtpd",
    "dovecot",
];

/// Where systems keep what only their servers run: not on everybody's path.
const ELSEWHERE: &str = "/usr/lib/postgresql";

/// Nothing may be left out for a missing peer where this holds.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Install what is missing if we may, and say what is missing still.
pub(crate) fn ensure() -> Result<String, String> {
    let before = missing();
    if before.is_empty() {
        return Ok(format!("all {} there", PEERS.len()));
    }
    if can_install() {
        println!("installing {}", packages(&before).join(" "));
        if let Err(why) = install(&packages(&before)) {
            println!("{why}");
        }
    }
    let after = missing();
    if after.is_empty() {
        return Ok(format!("installed {}", packages(&before).join(" ")));
    }
    let remark = format!(
        "missing {}; on Debian or Ubuntu: sudo apt-get install {}",
        after.iter().map(|p| p.program).collect::<Vec<_>>().join(" "),
        packages(&after).join(" ")
    );
    println!("{remark}");
    if in_ci() { Err(remark) } else { Ok(remark) }
}

fn missing() -> Vec<&'static Peer> {
    PEERS.iter().filter(|peer| !is_there(peer)).collect()
}

fn is_there(peer: &Peer) -> bool {
    if peer.is_module {
        // Debian's own Python has Debian's modules, also where another one stands before it.
        return ["python3", "/usr/bin/python3"].iter().any(|python| imports(python, peer.program));
    }
    is_on_path(peer.program) && peer.says.is_none_or(|words| help_says(peer.program, words))
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir(ELSEWHERE).into_iter().flatten().flatten();
    let elsewhere = versions.map(|version| version.path().join("bin"));
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]).chain(elsewhere);
    folders.into_iter().any(|folder| is_executable(&folder.join(program)))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

fn help_says(program: &str, words: &str) -> bool {
    let said = Command::new(program).arg("-h").stdin(Stdio::null()).output();
    said.is_ok_and(|output| {
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).contains(words)
    })
}

fn imports(python: &str, module: &str) -> bool {
    let tried = Command::new(python).args(["-c", &format!("import {module}")]).output();
    tried.is_ok_and(|output| output.status.success())
}

fn packages(peers: &[&Peer]) -> Vec<&'static str> {
    peers.iter().flat_map(|peer| peer.packages).copied().collect()
}

fn can_install() -> bool {
    // /proc/self belongs to the effective user
    let is_root = fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    is_root && is_debian(&release) && is_on_path("apt-get")
}

fn is_debian(release: &str) -> bool {
    release.lines().filter_map(|line| line.split_once('=')).any(|(key, value)| {
        matches!(key, "ID" | "ID_LIKE")
            && value.trim_matches('"').split(' ').any(|id| matches!(id, "debian" | "ubuntu"))
    })
}

fn install(packages: &[&str]) -> Result<(), String> {
    apt(&["update"])?;
    let install = ["install", "--yes", "--no-install-recommends"];
    let _quiet = NoServices::begin();
    apt(&[&install, packages].concat())
}

/// While this lives, a package that comes with a service does not start it: a peer is installed to be asked by a test,
/// and not to listen to the network.
struct NoServices(bool);

impl NoServices {
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn begin() -> Self {
        let is_ours = !Path::new(Self::POLICY).exists()
            && fs::write(Self::POLICY, "#!/bin/sh\nexit 101\n").is_ok()
            && fs::set_permissions(Self::POLICY, fs::Permissions::from_mode(0o755)).is_ok();
        NoServices(is_ours)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.0 {
            let _ = fs::remove_file(Self::POLICY);
        }
    }
}

fn apt(args: &[&str]) -> Result<(), String> {
    let status = Command::new("apt-get")
        .args(["-qq", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1") // no server is started because it is installed
        .stdin(Stdio::null())
        .stdout(Stdio::null()) // dpkg talks even under -qq; errors go to stderr
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("apt-get {} ended with {status}", args.join(" "))),
        Err(e) => Err(format!("apt-get: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_peers_agree() {
        let programs: Vec<&str> = PEERS.iter().map(|peer| peer.program).collect();
        assert_eq!(programs, NAMES);
    }

    #[test]
    fn debian_and_its_children_are_known() {
        assert!(is_debian("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nNAME=\"not debian\"\n"));
        assert!(!is_debian(""));
    }

    #[test]
    fn a_shell_is_on_the_path_and_nonsense_is_not() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
    }
}
