//! The one door to the kernel: sockets as the field knows them, public and safe. Linux only.
//!
//! The calls of Python's module `socket`, the C functions below them, and what they are called here. Each page says what
//! the call does in each mode ([`Socket`]), and how it fails.
//!
//! | Python | C | here |
//! |---|---|---|
//! | **Making one** | | |
//! | `socket.socket()` | `socket(2)` | [`Socket::new`] |
//! | `socketpair` | `socketpair(2)` | [`Socket::pair`] |
//! | `create_connection` | - | [`create_connection`], [`create_connection_from`] |
//! | `create_server` | - | [`create_server`] |
//! | `has_dualstack_ipv6` | - | [`has_dual_stack`] |
//! | `socket(fileno=fd)`, `fromfd` | - | [`Socket::from_fd`] |
//! | `detach` | - | [`Socket::into_fd`] |
//! | `dup` | `dup(2)` | [`Socket::dup`] |
//! | `close` | `close(2)` | [`Socket::close`] |
//! | **Naming and connecting** | | |
//! | `bind` | `bind(2)` | [`Socket::bind`]; a path safely: [`path::claim`] |
//! | `listen` | `listen(2)` | [`Socket::listen`] |
//! | `accept` | `accept4(2)` | [`Socket::accept`] |
//! | `connect` | `connect(2)` | [`Socket::connect`] |
//! | `connect_ex` | `connect(2)` | [`Socket::connect_ex`] |
//! | `getsockname` | `getsockname(2)` | [`Socket::local_address`] |
//! | `getpeername` | `getpeername(2)` | [`Socket::peer_address`] |
//! | **Receiving** | | |
//! | `recv_into` | `recv(2)` | [`Socket::recv`] |
//! | `recv` | `recv(2)` | [`Socket::recv_append`] |
//! | `recvfrom`, `recvfrom_into` | `recvfrom(2)` | [`Socket::recv_from`] |
//! | `recvmsg`, `recvmsg_into` | `recvmsg(2)` | [`Socket::recv_message`] |
//! | `recv_fds` | `recvmsg(2)` | [`Socket::recv_descriptors`] |
//! | `makefile('rb')` | `fdopen(3)` | [`Socket::reader`], [`Socket::reader_with`] |
//! | `select.select` | `poll(2)` | [`Socket::is_readable_now`] |
//! | **Sending** | | |
//! | `send` | `send(2)` | [`Socket::send`] |
//! | `sendall` | `send(2)` | [`Socket::send_all`] |
//! | `sendto` | `sendto(2)` | [`Socket::send_to`] |
//! | `sendmsg` | `sendmsg(2)` | [`Socket::send_message`] |
//! | `send_fds` | `sendmsg(2)` | [`Socket::send_descriptors`] |
//! | `makefile('wb')` | `fdopen(3)` | [`Socket::writer`], [`Socket::writer_with`] |
//! | `shutdown` | `shutdown(2)` | [`Socket::shutdown`] |
//! | `MSG_PEEK`, `MSG_WAITALL` ... | the same | [`Flags`] |
//! | `CMSG_SPACE`, `CMSG_LEN` | `cmsg(3)` | [`control_space`], [`control_length`] |
//! | **Modes and options** | | |
//! | `settimeout` | `poll(2)` | [`Socket::set_timeout`] |
//! | `gettimeout` | - | [`Socket::timeout`] |
//! | `setblocking` | `fcntl(2)` | [`Socket::set_blocking`] |
//! | `getblocking` | `fcntl(2)` | [`Socket::is_blocking`] |
//! | `set_inheritable` | `fcntl(2)` | [`Socket::set_inheritable`] |
//! | `get_inheritable` | `fcntl(2)` | [`Socket::is_inheritable`] |
//! | `setsockopt` | `setsockopt(2)` | [`Socket::set_option`], [`Socket::set_switch`], [`Socket::set_option_number`] |
//! | `getsockopt` | `getsockopt(2)` | [`Socket::option`], [`Socket::option_number`], [`Socket::option_bytes`]; all: [`option::TABLE`] |
//! | `SO_ERROR` | the same | [`Socket::take_error`] |
//! | `SO_PEERCRED` | the same | [`Socket::peer_process`] |
//! | `TCP_INFO` | the same | [`Socket::tcp_info`] |
//! | `fileno` | - | [`Socket::descriptor`] |
//! | `family`, `type` | `SO_DOMAIN`, `SO_TYPE` | [`Socket::family`], [`Socket::kind`] |
//! | **Names** | | |
//! | `gethostname` | `gethostname(2)` | [`host_name`] |
//! | `gethostbyname` | `gethostbyname(3)` | [`host_by_name`] |
//! | `gethostbyname_ex` | `gethostbyname(3)` | [`host_entry`] |
//! | `gethostbyaddr` | `gethostbyaddr(3)` | [`host_of_address`] |
//! | `getfqdn` | - | [`full_host_name`] |
//! | `getaddrinfo` | `getaddrinfo(3)` | [`look_up`], [`address_info`] |
//! | `getnameinfo` | `getnameinfo(3)` | [`name_info`] |
//! | `getservbyname` | `getservbyname(3)` | [`service_port`] |
//! | `getservbyport` | `getservbyport(3)` | [`service_name`] |
//! | `inet_pton` | `inet_pton(3)` | [`address_of_text`] |
//! | `inet_ntop`, `inet_ntoa` | `inet_ntop(3)` | [`address_of_bytes`] |
//! | `inet_aton` | `inet_aton(3)` | [`loose_address`] |
//! | `htons`, `ntohl` ... | `byteorder(3)` | [`u16::to_be`], [`u32::from_be`]; no address here needs it |
//! | `if_nameindex` | `getifaddrs(3)` | [`interfaces`] |
//! | `if_nametoindex` | `if_nametoindex(3)` | [`interface_index`] |
//! | `if_indextoname` | `if_indextoname(3)` | [`interface_name`] |
//!
//! Three of Python's are not here: `setdefaulttimeout`, which is one setting for all parts of a program, `sendfile`, and
//! `getprotobyname`. [`AsyncSocket`] is the same door for a runtime.
//!
//! ```
//! use hobnob::socket::{Family, Flags, Shutdown, Socket, Type};
//! let listener = Socket::new(Family::V4, Type::Stream, 0)?;
//! listener.bind(&hobnob::address::Address::Ip(([127, 0, 0, 1], 0).into()))?;
//! listener.listen(1)?;
//! let client = Socket::new(Family::V4, Type::Stream, 0)?;
//! client.connect(&listener.local_address()?)?;
//! let (server, _) = listener.accept()?;
//! client.send_all(b"hi")?;
//! client.shutdown(Shutdown::Write)?;
//! assert_eq!(server.recv(&mut [0; 8], Flags::NONE)?, 2);
//! assert_eq!(server.recv(&mut [0; 8], Flags::NONE)?, 0, "the end");
//! # Ok::<(), hobnob::Error>(())
//! ```

pub mod access;
mod aio;
mod async_message;
mod connect;
#[cfg(test)]
mod conversations;
mod create;
mod entry;
mod explain;
mod facts;
mod family;
mod file;
mod flags;
mod handle;
pub mod holder;
pub mod host;
mod interface;
mod message;
mod mode;
mod names;
mod notation;
pub mod observe;
pub mod option;
pub mod path;
mod pipe;
mod queue;
mod reach;
mod receive;
mod resolver;
mod setting;
mod text;
mod timed;
mod transmit;

pub use aio::AsyncSocket;
pub use create::{
    ServerOptions, create_connection, create_connection_from, create_server, has_dual_stack,
};
pub use entry::{HostEntry, full_host_name, host_entry, host_of_address};
pub use family::{Family, Shutdown, Type};
pub use file::{FILE_BUFFER, SocketReader, SocketWriter};
pub use flags::Flags;
pub use handle::Socket;
pub use host::interface_addresses;
pub use interface::{Interface, interface_index, interface_name, interfaces};
pub use message::{MessageFlags, ReceivedMessage, control_length, control_space};
pub use names::{host_name, look_up, look_up_async};
pub(crate) use observe::together;
pub use observe::{Carried, KernelCall, Observer};
pub use option::SocketOption;
pub use pipe::{PIPE_SIZE, Pipe};
pub use resolver::{
    AddressHints, AddressInfo, LookUpFlags, NameFlags, address_info, host_by_name, known_services,
    name_info, service_name, service_port,
};
pub use setting::option_defaults;
pub use text::{address_of_bytes, address_of_text, loose_address};

pub(crate) use queue::AcceptQueue;

pub(crate) use crate::sys::alarm::Alarm;
pub(crate) use crate::sys::bell::{CallBell, Readiness};
pub use crate::sys::control::{Arrival, ControlMessage, ErrorReport, OutgoingControl};
pub(crate) use crate::sys::group::{hear_own_groups, join, send_to_groups};
pub(crate) use crate::sys::hangup::HangupPoll;
pub use crate::sys::info::{PeerProcess, TcpInfo};
pub use crate::sys::mmsg::{Batch, Outgoing, Received, Sent};
pub use crate::sys::objection::{Objection, ask_for_objections, objections};
pub(crate) use crate::sys::packet_ring::{Instruction, PacketRing, RingPacket};
pub use crate::sys::record::Record;
pub(crate) use crate::sys::rights::give_up_rights;
pub(crate) use crate::sys::watch::{SocketState, state, watch, watch_room};
pub(crate) use crate::sys::whole::take_whole_packets;

use crate::error::{Error, Result};
use crate::sys;

/// This process's limits of open files: the soft one, which holds, and the hard one, up to which it can be raised.
pub fn open_files() -> Result<(u64, u64)> {
    sys::info::open_files().map_err(|error| Error::from_io("getrlimit(RLIMIT_NOFILE)", &error))
}

/// Raises this process's soft limit of open files to the hard one (getrlimit(2)); answers the limit that now holds.
pub fn raise_open_files() -> Result<u64> {
    sys::info::raise_open_files()
        .map_err(|error| Error::from_io("setrlimit(RLIMIT_NOFILE)", &error))
}

/// What the kernel knows about a TCP connection, for who has only its descriptor (tcp(7), `TCP_INFO`).
pub fn tcp_info(socket: std::os::fd::BorrowedFd<'_>) -> Result<TcpInfo> {
    sys::info::tcp_info(socket).map_err(|error| Error::from_io("getsockopt(TCP_INFO)", &error))
}
