//! A call in C's notation: `connect(9, {AF_INET, 9000, "127.0.0.1"}, 16) = 0`.
//!
//! What is close-on-exec and what does not block is left out, as it is in Python's.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;

use super::observe::{KernelCall, NOTHING, SHOWN};
use crate::address::Address;
use crate::error::errno_name;

impl KernelCall<'_> {
    /// The whole call in C's notation, with its result behind `=`.
    pub fn in_c(&self) -> impl fmt::Display {
        InC(self)
    }
}

struct InC<'a>(&'a KernelCall<'a>);

impl fmt::Display for InC<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.0;
        let carried = &call.carried;
        write!(f, "{}(", call.name)?;
        if let Some(descriptor) = call.descriptor {
            write!(f, "{descriptor}")?;
        }
        let bytes = carried.bytes.map(CBytes);
        match (call.name, bytes, carried.address.map(CAddress)) {
            ("connect" | "bind", _, Some(address)) => write!(f, ", {address}, {}", address.size()),
            ("accept" | "getsockname" | "getpeername", _, Some(address)) => {
                write!(f, ", {address}, [{}]", address.size())
            }
            ("accept" | "getsockname" | "getpeername", ..) => f.write_str(", NULL, NULL"),
            ("send", Some(bytes), _) => {
                write!(f, ", {bytes}, {}, {}", bytes.0.len(), self.flags_of_send())
            }
            ("sendto", Some(bytes), Some(address)) => {
                let (length, size) = (bytes.0.len(), address.size());
                write!(f, ", {bytes}, {length}, {}, {address}, {size}", self.flags_of_send())
            }
            ("recv", Some(bytes), _) => write!(f, ", {bytes}, {}, {}", carried.room, self.flags()),
            ("recv", None, _) => write!(f, ", NULL, {}, {}", carried.room, self.flags()),
            ("recvfrom", Some(bytes), Some(address)) => {
                let (room, size) = (carried.room, address.size());
                write!(f, ", {bytes}, {room}, {}, {address}, [{size}]", self.flags())
            }
            ("recvmmsg", ..) => {
                let (batch, room) = (CBatch(carried.datagrams), carried.room);
                write!(f, ", {batch}, {room}, MSG_DONTWAIT | MSG_TRUNC, NULL")
            }
            ("sendmmsg", ..) => {
                let (batch, count) = (CBatch(carried.datagrams), carried.datagrams.len());
                write!(f, ", {batch}, {count}, MSG_DONTWAIT | MSG_NOSIGNAL")
            }
            _ => {
                let arguments = call.arguments.to_string();
                let comma = call.descriptor.is_some() && !arguments.is_empty();
                write!(f, "{}{arguments}", if comma { ", " } else { "" })?;
                match call.result {
                    Ok(value) if call.name == "getsockopt" => write!(f, ", [{value}]"),
                    _ => Ok(()),
                }
            }
        }?;
        f.write_str(") = ")?;
        self.result(f)
    }
}

impl InC<'_> {
    fn result(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KernelCall { name, result, carried, .. } = self.0;
        match result {
            Err(errno) if *errno < 0 => write!(f, "{errno}"),
            Err(errno) => write!(f, "-1 {}", errno_name(*errno)),
            Ok(_) if carried.made.is_some() => write!(f, "{}", carried.made.unwrap_or(-1)),
            Ok(_) if carried.bytes.is_some() => write!(f, "{}", carried.count),
            Ok(_) if *name == "recvmmsg" => write!(f, "{}", carried.datagrams.len()),
            Ok(_) if matches!(*name, "getsockname" | "getpeername" | "getsockopt") => {
                f.write_str("0")
            }
            Ok(value) => {
                let value = value.to_string();
                f.write_str(if value == NOTHING { "0" } else { &value })
            }
        }
    }

    /// With the one that every send has, so that a broken pipe raises no signal. Python ignores the signal instead.
    fn flags_of_send(&self) -> String {
        let flags = self.0.carried.flags.to_string();
        let others = flags.strip_prefix(", ").map(|flags| format!(" | {flags}"));
        format!("MSG_NOSIGNAL{}", others.unwrap_or_default())
    }

    /// `0` where there are none.
    fn flags(&self) -> String {
        let flags = self.0.carried.flags.to_string();
        flags.strip_prefix(", ").unwrap_or("0").to_owned()
    }
}

/// Bytes as C writes a string, cut after [`SHOWN`].
#[derive(Clone, Copy)]
struct CBytes<'a>(&'a [u8]);

impl fmt::Display for CBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for byte in &self.0[..self.0.len().min(SHOWN)] {
            match byte {
                b'\\' => f.write_str("\\\\")?,
                b'"' => f.write_str("\\\"")?,
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\t' => f.write_str("\\t")?,
                0x20..=0x7e => write!(f, "{}", char::from(*byte))?,
                // Three digits, so that no digit that follows belongs to it.
                _ => write!(f, "\\{byte:03o}")?,
            }
        }
        f.write_str(if self.0.len() > SHOWN { "\"..." } else { "\"" })
    }
}

/// Datagrams of one call, each with its peer.
#[derive(Clone, Copy)]
struct CBatch<'a>(&'a [(Address, &'a [u8])]);

impl fmt::Display for CBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, (address, bytes)) in self.0.iter().enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}{{{}, {}}}", CBytes(bytes), CAddress(address))?;
        }
        f.write_str("]")
    }
}

/// An address as strace(1) shows it.
#[derive(Clone, Copy)]
struct CAddress<'a>(&'a Address);

impl CAddress<'_> {
    /// Bytes of it.
    fn size(self) -> usize {
        /// What stands before a Unix name: the family.
        const FAMILY: usize = 2;
        match self.0 {
            Address::Ip(SocketAddr::V4(_)) => 16,
            Address::Ip(SocketAddr::V6(_)) => 28,
            Address::Path(path) => FAMILY + path.as_os_str().len() + 1,
            Address::Abstract(name) => FAMILY + 1 + name.len(),
            Address::Unnamed | Address::Name(_) => FAMILY,
        }
    }
}

impl fmt::Display for CAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::Ip(SocketAddr::V4(at)) => {
                write!(f, "{{AF_INET, {}, \"{}\"}}", at.port(), at.ip())
            }
            Address::Ip(SocketAddr::V6(at)) => {
                write!(f, "{{AF_INET6, {}, \"{}\"}}", at.port(), at.ip())
            }
            Address::Path(path) => {
                write!(f, "{{AF_UNIX, {}}}", CBytes(path.as_os_str().as_bytes()))
            }
            Address::Abstract(name) => {
                write!(f, "{{AF_UNIX, {}}}", CBytes(&[b"\0", &name[..]].concat()))
            }
            Address::Unnamed | Address::Name(_) => f.write_str("{AF_UNIX}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::{
        Batch, Family, Flags, Observer, Outgoing, Shutdown, Socket, SocketOption, Type,
    };
    use super::*;
    use crate::spec::Value;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Observer for Lines {
        fn saw(&self, call: &KernelCall<'_>) {
            self.0.lock().expect("no panic while held").push(call.in_c().to_string());
        }
    }

    #[test]
    fn a_conversation_reads_as_c_would_have_it() {
        let lines = Arc::new(Lines::default());
        let watched =
            |kind| Socket::open(Family::V4, kind, 0, Some(lines.clone() as _)).expect("a socket");
        let listener = watched(Type::Stream);
        listener.set_switch(SocketOption::ReuseAddress, true).expect("set");
        listener.bind(&Address::Ip(([127, 0, 0, 1], 0).into())).expect("a free port");
        listener.listen(1).expect("bound");
        assert_eq!(listener.option(SocketOption::ReuseAddress), Ok(Some(Value::Flag(true))));
        let at = listener.local_address().expect("bound");
        let port = at.ip().expect("an IP address").port();
        let client = Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
        client.connect(&at).expect("it listens");
        let (server, peer) = listener.accept().expect("one waits");
        let peer = peer.ip().expect("an IP address").port();
        client.send_all(b"\"1\xff2\n").expect("connected");
        assert_eq!(server.recv(&mut [0; 64], Flags::NONE).expect("came"), 5);
        server.send_all(b"back").expect("connected");
        server.shutdown(Shutdown::Write).expect("connected");
        let error = server.recv(&mut [0; 8], Flags::DONT_WAIT).expect_err("nothing is there");
        assert_eq!(error.errno(), Some(libc::EAGAIN));
        let (l, s) = (listener.descriptor(), server.descriptor());
        drop(server);
        let seen = lines.0.lock().expect("no panic while held").clone();
        let wanted = [
            format!("socket(AF_INET, SOCK_STREAM, 0) = {l}"),
            format!("setsockopt({l}, SOL_SOCKET, SO_REUSEADDR, 1) = 0"),
            format!("bind({l}, {{AF_INET, 0, \"127.0.0.1\"}}, 16) = 0"),
            format!("listen({l}, 1) = 0"),
            format!("getsockopt({l}, SOL_SOCKET, SO_REUSEADDR, [1]) = 0"),
            format!("getsockname({l}, {{AF_INET, {port}, \"127.0.0.1\"}}, [16]) = 0"),
            format!("accept({l}, {{AF_INET, {peer}, \"127.0.0.1\"}}, [16]) = {s}"),
            format!(r#"recv({s}, "\"1\3772\n", 64, 0) = 5"#),
            format!(r#"send({s}, "back", 4, MSG_NOSIGNAL) = 4"#),
            format!("shutdown({s}, SHUT_WR) = 0"),
            format!("recv({s}, NULL, 8, MSG_DONTWAIT) = -1 EAGAIN"),
            format!("close({s}) = 0"),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn a_batch_is_an_array() {
        let lines = Arc::new(Lines::default());
        let server = Socket::open(Family::V4, Type::Datagram, 0, Some(lines.clone() as _));
        let server = server.expect("a socket");
        server.bind(&Address::Ip(([127, 0, 0, 1], 0).into())).expect("a free port");
        let client = Socket::new(Family::V4, Type::Datagram, 0).expect("a socket");
        client.connect(&server.local_address().expect("bound")).expect("it is there");
        let port = client.local_address().expect("bound").ip().expect("an IP address").port();
        client.send(b"20C", Flags::NONE).expect("sent");
        let mut batch = Batch::new(4, 64);
        assert_eq!(server.recv_batch(&mut batch), Ok(1));
        let mut answers = Outgoing::new();
        let peer = client.local_address().expect("bound");
        answers.push(&peer, None, b"68.0 F").expect("an address");
        server.send_batch(&mut answers, &mut |_, error| panic!("{error}"));
        let seen = lines.0.lock().expect("no panic while held").split_off(3);
        let (s, slots) = (server.descriptor(), batch.slots());
        let at = format!("{{AF_INET, {port}, \"127.0.0.1\"}}");
        let wanted = [
            format!(
                "recvmmsg({s}, [{{\"20C\", {at}}}], {slots}, MSG_DONTWAIT | MSG_TRUNC, NULL) = 1"
            ),
            format!("sendmmsg({s}, [{{\"68.0 F\", {at}}}], 1, MSG_DONTWAIT | MSG_NOSIGNAL) = 1"),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn addresses_have_their_size() {
        let shown = |address: Address| {
            let address = CAddress(&address);
            format!("{address}, {}", address.size())
        };
        assert_eq!(shown(Address::path("/tmp/x")), "{AF_UNIX, \"/tmp/x\"}, 9");
        assert_eq!(shown(Address::Abstract(Arc::from(&b"n"[..]))), "{AF_UNIX, \"\\000n\"}, 4");
        assert_eq!(shown(Address::Unnamed), "{AF_UNIX}, 2");
        let v6 = Address::Ip("[::1]:9".parse().expect("one"));
        assert_eq!(shown(v6), "{AF_INET6, 9, \"::1\"}, 28");
    }
}
