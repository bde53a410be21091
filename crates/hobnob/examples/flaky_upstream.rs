//! A test of one's own client against an upstream that misbehaves: `cargo run --example flaky_upstream`, and the same as
//! a test below.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use hobnob::Result;
use hobnob::engine::Running;

fn main() -> Result<()> {
    // The server that the client under test talks to, on a port of the kernel's choice.
    let server = hobnob::serve("echo", "tcp://127.0.0.1:0")?;

    let relay = hobnob::relay("tcp://127.0.0.1:0", &address(&server).to_string())?;
    let faults = relay.faults().expect("a relay has them");
    faults.turn(&["down:latency=200ms,jitter=50ms"])?;

    println!("asked once: {:?}", client(address(&relay)));
    faults.turn(&["down:stall"])?;
    println!("asked of one that says nothing: {:?}", client(address(&relay)));
    faults.clear();
    println!("asked of one that is well again: {:?}", client(address(&relay)));
    println!("hit: {:?}", faults.totals());
    Ok(())
}

/// The client under test: it gives up after a time, and asks once more.
fn client(to: SocketAddr) -> std::io::Result<String> {
    let ask = || {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        stream.write_all(b"ping")?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    ask().or_else(|_: std::io::Error| ask())
}

fn address(running: &Running) -> SocketAddr {
    running.bound()[0].address.ip().expect("it is on tcp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_tries_again_when_its_first_connection_is_reset() -> Result<()> {
        let server = hobnob::serve("echo", "tcp://127.0.0.1:0")?;
        let relay = hobnob::relay("tcp://127.0.0.1:0", &address(&server).to_string())?;
        let faults = relay.faults().expect("a relay has them");
        faults.turn(&["reset,on=/ping/,for=1conn"])?;

        assert_eq!(client(address(&relay)).expect("the second time"), "ping");
        assert_eq!(faults.totals(), [("reset", 1)]);
        Ok(())
    }
}
