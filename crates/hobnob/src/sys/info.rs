//! What the kernel knows about a socket, and about this process.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{call, check, size_for_kernel};

/// What `TCP_INFO` says (tcp(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpInfo {
    /// Smoothed round trip.
    pub round_trip: Duration,
    /// Segments sent again since the connection began.
    pub resent: u32,
    /// Segments sent in all, those that carried nothing included.
    pub segments_out: u32,
    /// Segments that came.
    pub segments_in: u32,
    /// Whether the peer's kernel has not acknowledged all that was sent.
    pub is_sending: bool,
}

/// Who made the other end of a Unix socket (unix(7) `SO_PEERCRED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerProcess {
    /// Process id; 0 where it is not to be seen from here.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// `TCP_INFO`.
pub(crate) fn tcp_info(fd: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    let info: libc::tcp_info = read(fd, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    Ok(TcpInfo {
        round_trip: Duration::from_micros(info.tcpi_rtt.into()),
        resent: info.tcpi_total_retrans,
        segments_out: info.tcpi_segs_out,
        segments_in: info.tcpi_segs_in,
        is_sending: info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0,
    })
}

/// How many connections wait to be accepted at a listening TCP socket (`TCP_INFO`, whose `tcpi_unacked` is that of a
/// listener: Linux `tcp_get_info`).
pub(crate) fn backlog(listener: BorrowedFd<'_>) -> io::Result<u32> {
    let info: libc::tcp_info = read(listener, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    Ok(info.tcpi_unacked)
}

/// `SO_PEERCRED`.
pub(crate) fn peer_process(fd: BorrowedFd<'_>) -> io::Result<PeerProcess> {
    let raw: libc::ucred = read(fd, libc::SOL_SOCKET, libc::SO_PEERCRED)?;
    Ok(PeerProcess { pid: raw.pid, uid: raw.uid, gid: raw.gid })
}

/// Takes the pending error (`SO_ERROR`): how a connect ended, or an ICMP refusal. Reading it clears it.
pub(crate) fn take_error(fd: BorrowedFd<'_>) -> io::Result<Option<io::Error>> {
    let errno = call::int_option(fd, libc::SOL_SOCKET, libc::SO_ERROR)?;
    Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno)))
}

/// The mode that a Unix socket's file will have from the first instant: bind takes the descriptor's own, less the
/// umask, so nothing of the process has to change (the umask belongs to all threads).
pub(crate) fn set_mode(fd: BorrowedFd<'_>, mode: u32) -> io::Result<()> {
    Ok(nix::sys::stat::fchmod(fd, nix::sys::stat::Mode::from_bits_truncate(mode))?)
}

/// Raises this process's soft limit of open files to the hard one; answers the limit that now holds.
pub(crate) fn raise_open_files() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

/// The soft and the hard limit of open files.
pub(crate) fn open_files() -> io::Result<(u64, u64)> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?)
}

/// The soft limit of open files.
pub(crate) fn open_files_limit() -> io::Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// Reads an option that is a plain structure of integers.
fn read<T: Plain>(fd: BorrowedFd<'_>, level: i32, option: i32) -> io::Result<T> {
    let mut room = MaybeUninit::<T>::zeroed();
    let mut length = size_for_kernel::<T>();
    let (fd, value) = (fd.as_raw_fd(), room.as_mut_ptr().cast());
    // SAFETY: the room is as long as it says.
    check(unsafe { libc::getsockopt(fd, level, option, value, &raw mut length) })?;
    // SAFETY: all of it is zero or written by the kernel (an older one writes less), and it is `Plain`.
    Ok(unsafe { room.assume_init() })
}

/// Structures of integers alone, of which every bit pattern is a value.
trait Plain {}
impl Plain for libc::tcp_info {}
impl Plain for libc::ucred {}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use super::*;
    use crate::sys::name::Name;

    #[test]
    fn tcp_tells_its_round_trip_and_others_do_not() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stream = TcpStream::connect(address).expect("connected");
        let info = tcp_info(stream.as_fd()).expect("TCP");
        assert!(info.round_trip > Duration::ZERO && info.round_trip < Duration::from_secs(5));
        assert_eq!(info.resent, 0);
        assert!(tcp_info(UdpSocket::bind("127.0.0.1:0").expect("a port").as_fd()).is_err());
    }

    #[test]
    fn a_pairs_peer_is_this_process() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let peer = peer_process(ours.as_fd()).expect("a Unix socket");
        assert_eq!(peer.pid.cast_unsigned(), std::process::id());
        assert_eq!(peer.uid, nix::unistd::getuid().as_raw());
    }

    #[test]
    fn a_refusal_is_taken_once() {
        let gone = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(gone).expect("no packet yet");
        socket.send(b"?").expect("sent");
        let error = take_error(socket.as_fd()).expect("readable");
        assert_eq!(error.and_then(|error| error.raw_os_error()), Some(libc::ECONNREFUSED));
        assert!(take_error(socket.as_fd()).expect("readable").is_none());
    }

    #[test]
    fn the_descriptors_mode_is_the_files_mode_and_the_umask_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        for (mode, name) in [(0o600, "private"), (0o640, "group")] {
            let path = folder.path().join(name);
            let socket = call::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).expect("a socket");
            set_mode(socket.as_fd(), mode).expect("a socket has a mode");
            let at = Name::of(&crate::address::Address::path(path.clone())).expect("short");
            call::bind(socket.as_fd(), &at).expect("bound");
            assert_eq!(path.symlink_metadata().expect("bound").mode() & 0o777, mode);
        }
        let path = folder.path().join("plain");
        let _plain = UnixDatagram::bind(&path).expect("bound");
        assert_ne!(path.symlink_metadata().expect("bound").mode() & 0o777, 0o600);
    }

    #[test]
    fn the_limit_of_open_files_is_raised_to_the_hard_one() {
        let limit = raise_open_files().expect("allowed to everybody");
        assert_eq!(open_files_limit().expect("readable"), limit);
        assert_eq!(raise_open_files().expect("again"), limit);
    }
}
