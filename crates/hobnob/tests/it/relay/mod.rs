//! `relay`: what comes in at one side goes out at the other, over every pair of transports whose shapes fit, and each
//! end and each failure of either side is told to the other as it was.

mod bulk;
mod ends;
mod left;
mod loops;
mod pair;
mod passing;
mod plans;
mod stops;
mod targets;
mod turned;

use hobnob::Result;
use hobnob::engine::{Server, parse};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{Stage, soon};

/// A relay that is planned.
fn planned(at: &str, to: &str) -> Result<Server> {
    let mut server = Server::new("relay")?;
    server.on(&parse(at)?)?;
    server.set("to", Some(to))?;
    Ok(server)
}

/// A relay that runs.
fn relay(at: &str, to: &str, set: impl FnOnce(&mut Server)) -> Stage {
    let mut server = planned(at, to).expect("a plan");
    set(&mut server);
    Stage::start(server).expect("it starts")
}

/// A target over TCP, in the test's hands.
async fn target() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, format!("tcp://{address}"))
}

/// A place where nobody listens, and which nobody else is given: it is bound, and not listened on.
struct Closed {
    socket: socket2::Socket,
}

impl Closed {
    fn new() -> Self {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).expect("a free port");
        Closed { socket }
    }

    fn endpoint(&self) -> String {
        let address = self.socket.local_addr().expect("it is bound");
        format!("tcp://{}", address.as_socket().expect("an IP address"))
    }

    /// Somebody listens there from now on.
    fn open(self) -> TcpListener {
        self.socket.listen(64).expect("nobody else does");
        self.socket.set_nonblocking(true).expect("a socket");
        TcpListener::from_std(self.socket.into()).expect("a runtime")
    }
}

async fn accept(target: &TcpListener) -> TcpStream {
    soon("a session at the target", target.accept()).await.expect("a conn").0
}
