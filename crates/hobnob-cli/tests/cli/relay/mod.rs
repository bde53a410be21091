//! `hobnob relay`: what it says, what it tells of its sessions, how it ends and how it fails.

mod bent;
mod errors;
mod hardship;
mod stdio;
mod telling;

use std::net::TcpListener;

use crate::kit::{Served, hobnob, serve_with, steady};

/// Starts `hobnob relay WORDS` and waits until it listens.
fn relay(words: &[&str]) -> Served {
    serve_with(hobnob(&[&["relay"], words].concat()))
}

/// A target in the test's hands, and where it is.
fn target() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

/// An echo in this process, and where it is.
fn echo(at: &str) -> (hobnob::engine::Running, String) {
    let running = hobnob::serve("echo", at).expect("a free place");
    let address = running.bound()[0].address.to_string();
    (running, address)
}

/// A place where nobody listens, for as long as it is held: it is bound, and not listened on.
struct Nobody(socket2::Socket);

impl Nobody {
    fn new() -> Self {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).expect("a free port");
        Nobody(socket)
    }

    fn address(&self) -> String {
        let address = self.0.local_addr().expect("it is bound");
        address.as_socket().expect("an IP address").to_string()
    }

    /// Somebody listens there from now on.
    fn open(self) -> TcpListener {
        self.0.listen(64).expect("nobody else does");
        self.0.into()
    }
}

/// Lines without their time of day, and without what differs from run to run.
fn told(lines: &[String]) -> String {
    let is_time =
        |line: &str| line.len() > 8 && line.as_bytes()[2] == b':' && line.as_bytes()[5] == b':';
    let bare = lines.iter().map(|line| if is_time(line) { &line[8..] } else { line });
    // A port may stand alone, as nc has it.
    let is_port = |word: &&str| word.parse::<u16>().is_ok_and(|port| port >= 10_000);
    let all = bare.fold(String::new(), |all, line| all + line + "\n");
    let ports: Vec<_> = all.split_whitespace().filter(is_port).map(str::to_owned).collect();
    steady(&ports.iter().fold(all, |all, port| all.replace(port, "PORT")))
}
