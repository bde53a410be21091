//! Ports that are a test's own even while nobody is bound to them: the kernel gives them to nobody.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as Name, UnixDatagram};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Below this are the ports of what people run.
const LOWEST: u16 = 10_240;

/// A port of either family, for TCP and UDP. Nobody who asks for port 0 is given it, nor whoever connects; and no other
/// test draws it, in whatever process, until this is dropped.
pub(crate) struct Port {
    pub(crate) number: u16,
    /// A name that one at a time can have, and that the kernel takes back.
    _claim: UnixDatagram,
}

impl Port {
    pub(crate) fn draw() -> Self {
        static DRAWN: AtomicUsize = AtomicUsize::new(0);
        let all = beyond_the_kernels();
        // Not where another process began; a number that was let go of has its rest.
        let first = std::process::id() as usize * 97 + DRAWN.fetch_add(1, Relaxed);
        let mut each = (0..all.len()).map(|step| all[(first + step) % all.len()]);
        each.find_map(Port::claim).expect("a port that nobody is bound to")
    }

    fn claim(number: u16) -> Option<Self> {
        let name = Name::from_abstract_name(format!("hobnob-test-port-{number}"));
        let claim = UnixDatagram::bind_addr(&name.expect("a short name")).ok()?;
        is_free(number).then_some(Port { number, _claim: claim })
    }
}

/// Ports that the kernel does not give by itself (ip(7), `ip_local_port_range`). Where it gives all, any may be drawn:
/// there nothing is safe.
fn beyond_the_kernels() -> Vec<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let ends = range.expect("procfs").split_whitespace().map(str::parse).collect::<Vec<_>>();
    let [Ok(first), Ok(last)] = ends[..] else { panic!("not a range: {ends:?}") };
    let all: Vec<u16> = (LOWEST..=u16::MAX).filter(|port| !(first..=last).contains(port)).collect();
    if all.is_empty() { (LOWEST..=u16::MAX).collect() } else { all }
}

/// Whether nobody has it, by the kernel's own tables (proc(5)). Binding it to see would leave it bound for as long as a
/// child of this process, made at that moment, has copies of all open files.
fn is_free(number: u16) -> bool {
    let end = format!(":{number:04X}");
    let is_local = |line: &str| {
        line.split_ascii_whitespace().nth(1).is_some_and(|local| local.ends_with(&end))
    };
    ["tcp", "tcp6", "udp", "udp6"].iter().all(|family| {
        // A family that this machine does not have is nobody's.
        let table = std::fs::read_to_string(format!("/proc/net/{family}")).unwrap_or_default();
        !table.lines().any(is_local)
    })
}
