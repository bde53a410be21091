//! Which process holds a port or a path: /proc/net and /proc/PID/fd (proc(5)). None where it is not ours to see.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::address::canonical;

/// A process, as a person would name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process id.
    pub pid: u32,
    /// Its name (`/proc/PID/comm`).
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any process may name itself anything, escape sequences included.
        write!(f, "{} (pid {})", self.name.escape_debug(), self.pid)
    }
}

/// Who listens on this TCP port, or has this UDP port, in the way of `at`.
pub fn of_port(at: SocketAddr, is_udp: bool) -> Option<Holder> {
    let is_holding = |entry: &TableLine| is_udp || entry.state == LISTEN;
    let inode = in_the_way(at, is_udp).into_iter().find(is_holding)?.inode;
    (inode != "0").then(|| of_inode(&inode))?
}

/// TCP connections of this port in the way of `at` that are over, and that the kernel remembers (TIME-WAIT, RFC 9293
/// section 3.3.2): Linux does so for 60 s.
pub fn lingering(at: SocketAddr) -> usize {
    let is_over = |entry: &&TableLine| entry.state == TIME_WAIT;
    in_the_way(at, false).iter().filter(is_over).count()
}

/// `TCP_LISTEN` and `TCP_TIME_WAIT` as /proc/net/tcp writes them.
const LISTEN: &str = "0A";
const TIME_WAIT: &str = "06";

/// A socket in the kernel's tables.
struct TableLine {
    state: String,
    inode: String,
}

/// The sockets that may keep `at` from being bound.
fn in_the_way(at: SocketAddr, is_udp: bool) -> Vec<TableLine> {
    let tables = if is_udp { ["udp", "udp6"] } else { ["tcp", "tcp6"] };
    let table = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let entries = |name| {
        let table = table(name);
        table.lines().skip(1).filter_map(|line| overlapping(line, at)).collect::<Vec<_>>()
    };
    tables.into_iter().flat_map(entries).collect()
}

/// Who has bound this path, where the path stands in the kernel's table as it was bound.
pub fn of_path(path: &Path) -> Option<Holder> {
    let table = fs::read_to_string("/proc/net/unix").ok()?;
    let path = path.to_str()?;
    // Num RefCount Protocol Flags Type St Inode Path; the path is all the rest, spaces included.
    let inodes = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.splitn(8, ' ').skip(6);
        let (first, rest) = (fields.next()?, fields.next().unwrap_or(""));
        // The inode is padded on the left.
        let line = format!("{first} {rest}");
        let (inode, bound) = line.trim_start().split_once(' ')?;
        (bound == path).then(|| inode.to_owned())
    });
    inodes.into_iter().find_map(|inode| of_inode(&inode))
}

/// The socket of a line of /proc/net/tcp and its like, if it has the port of `at` and an address in common with it.
fn overlapping(line: &str, at: SocketAddr) -> Option<TableLine> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (ip, port) = local.split_once(':')?;
    let bound = canonical(hex_ip(ip)?);
    let overlaps =
        bound.is_unspecified() || at.ip().is_unspecified() || bound == canonical(at.ip());
    let is_it = u16::from_str_radix(port, 16) == Ok(at.port()) && overlaps;
    is_it.then(|| TableLine { state: (*state).to_owned(), inode: (*inode).to_owned() })
}

/// The kernel prints addresses as 32-bit words in its own byte order.
fn hex_ip(text: &str) -> Option<IpAddr> {
    let words: Option<Vec<[u8; 4]>> = (0..text.len() / 8)
        .map(|word| {
            let hex = text.get(word * 8..word * 8 + 8)?;
            u32::from_str_radix(hex, 16).ok().map(u32::to_ne_bytes)
        })
        .collect();
    match words?.as_slice() {
        [v4] => Some(Ipv4Addr::from(*v4).into()),
        v6 => <[u8; 16]>::try_from(v6.concat()).ok().map(|v6| Ipv6Addr::from(v6).into()),
    }
}

fn of_inode(inode: &str) -> Option<Holder> {
    let link = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let has_it = fs::read_dir(entry.path().join("fd"))
            .ok()?
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == link.as_str()));
        let name = fs::read_to_string(entry.path().join("comm")).ok().filter(|_| has_it)?;
        Some(Holder { pid, name: name.trim_end_matches('\n').to_owned() })
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    fn is_us(holder: Option<Holder>) -> bool {
        holder.is_some_and(|holder| holder.pid == std::process::id() && !holder.name.is_empty())
    }

    #[test]
    fn our_own_ports_are_ours() {
        for at in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
            let tcp = TcpListener::bind(at).expect("a free port");
            assert!(is_us(of_port(tcp.local_addr().expect("bound"), false)), "{at}");
            let udp = UdpSocket::bind(at).expect("a free port");
            assert!(is_us(of_port(udp.local_addr().expect("bound"), true)), "{at}");
        }
    }

    #[test]
    fn a_free_port_and_another_address_have_no_holder() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut at = tcp.local_addr().expect("bound");
        at.set_ip(Ipv4Addr::new(127, 0, 0, 2).into());
        assert_eq!(of_port(at, false), None);
        assert_eq!(of_port(at, true), None);
    }

    #[test]
    fn our_own_paths_are_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("a b"), folder.path().join("other"));
        let _stream = UnixListener::bind(&one).expect("bound");
        let _datagram = UnixDatagram::bind(&other).expect("bound");
        assert!(is_us(of_path(&one)) && is_us(of_path(&other)));
        assert_eq!(of_path(&folder.path().join("none")), None);
    }

    #[test]
    fn a_name_cannot_speak_to_the_terminal() {
        let holder = Holder { pid: 1, name: "\x1b[2Jx".to_owned() };
        assert_eq!(holder.to_string(), "\\u{1b}[2Jx (pid 1)");
    }
}
