//! A server for the length of a test: hobnob on a port that the kernel picks, and what it saw.
//!
//! `cargo test --example embed_in_a_test`; where this stands in a test, the mark is plainly `#[test]`.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use hobnob::bus::Wish;
use hobnob::event::{Fact, Reason};
use hobnob::{Result, Server};

/// What is to be tested: a client of the greeting protocol.
fn greet(server: &str, name: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    let mut welcome = [0; 8];
    stream.read_exact(&mut welcome)?;
    // In one write: until a peer has sent its first newline, what comes together is one message.
    stream.write_all(format!("{name}\n").as_bytes())?;
    stream.write_all(b"exit\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

#[cfg_attr(test, test)]
fn the_client_greets_and_leaves_in_order() -> Result<()> {
    let mut server = Server::new("hello")?;
    server.at("127.0.0.1:0")?;
    let events = server.subscribe(Wish { data: false, upstream: false, snap: 0, capacity: 64 });
    let running = server.start()?;
    let address = running.bound()[0].address.to_string();
    assert_eq!(greet(&address, "Ada").expect("it is served"), "Hello, Ada!");
    running.drain();
    assert_eq!(running.wait().sessions, 1);
    let mut seen = Vec::new();
    events.pull(&mut seen);
    let is_end = |fact: &Fact| matches!(fact, Fact::Closed(end) if end.reason == Reason::Eof);
    assert!(seen.iter().any(|event| is_end(&event.fact)), "{seen:?}");
    Ok(())
}

#[allow(dead_code, reason = "the tests find what is marked as one")]
fn main() -> Result<()> {
    the_client_greets_and_leaves_in_order()
}
