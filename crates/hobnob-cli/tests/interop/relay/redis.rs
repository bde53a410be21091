//! Redis: many small commands, many at once, and one large value.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{Server, bent, concluded, file, relay, succeeds_with, text, told};
use crate::peer::{Running, has};

/// Commands of a conversation.
const COMMANDS: usize = 3_000;
/// Bytes of the large value.
const LARGE: usize = 16 << 20;

struct Redis {
    folder: TempDir,
    _server: Server,
    relay: Running,
    port: String,
}

impl Redis {
    fn start() -> Self {
        Redis::behind(relay)
    }

    fn behind(relay: impl Fn(&str) -> (Running, String)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("redis.sock");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]);
        command.arg(&socket).arg("--dir").arg(folder.path());
        let server = Server::start(&mut command, &folder);
        let (relay, port) = relay(&format!("unix:{}", socket.display()));
        Redis { folder, _server: server, relay, port }
    }

    fn client(&self) -> Command {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port]);
        command
    }
}

#[test]
fn redis_answers_each_of_many_commands() {
    let test = "relay::redis::redis_answers_each_of_many_commands";
    if !has(test, "redis-server") || !has(test, "redis-cli") {
        return;
    }
    let redis = Redis::start();
    let (mut commands, mut answers) = (String::new(), String::new());
    for at in 0..COMMANDS {
        writeln!(commands, "SET key:{at} value-{}", at * 7).expect("room");
        writeln!(commands, "GET key:{at}").expect("room");
        writeln!(answers, "OK\nvalue-{}", at * 7).expect("room");
    }
    let commands = file(&redis.folder, "commands", commands.as_bytes());
    let said = succeeds_with(&mut redis.client(), Some(&commands)).stdout;
    assert!(said == answers.as_bytes(), "{} bytes", said.len());
    let closed = concluded(redis.relay);
    assert_eq!((closed.len(), &closed[0]["reason"]), (1, &"eof".into()), "{closed:?}");
}

/// Each command waits for the answer of the one before, so that each costs a round trip. Nothing is lost, only late.
#[test]
fn redis_under_latency_is_slow_and_right() {
    let test = "relay::redis::redis_under_latency_is_slow_and_right";
    if !has(test, "redis-server") || !has(test, "redis-cli") {
        return;
    }
    let redis = Redis::behind(|target| bent(target, "latency=30ms"));
    let commands = "INCR counter\n".repeat(20);
    let commands = file(&redis.folder, "commands", commands.as_bytes());
    let clock = hobnob::clock::Clock::start();
    let said = succeeds_with(&mut redis.client(), Some(&commands)).stdout;
    let took = clock.now();
    let said = String::from_utf8(said).expect("text");
    let counted = said.lines().map(|line| line.parse::<u64>().expect("a number"));
    assert!(counted.eq(1..=20), "{said}");
    // No machine is so fast that it takes less.
    assert!(took >= 20 * Duration::from_millis(60), "{took:?}");
    let events = told(redis.relay);
    let held: Vec<f64> = events.iter().filter_map(|event| event["held_ms"].as_f64()).collect();
    assert!(held.len() >= 40 && held.iter().all(|held| *held >= 30.0), "{held:?}");
}

#[test]
fn redis_answers_many_commands_at_once() {
    let test = "relay::redis::redis_answers_many_commands_at_once";
    if !has(test, "redis-server") || !has(test, "redis-cli") {
        return;
    }
    let redis = Redis::start();
    let mut commands = String::new();
    for at in 0..4 * COMMANDS {
        let (key, value) = (format!("key:{at}"), format!("value-{at}"));
        let (of_key, of_value) = (key.len(), value.len());
        write!(commands, "*3\r\n$3\r\nSET\r\n${of_key}\r\n{key}\r\n${of_value}\r\n{value}\r\n")
            .expect("room");
    }
    let commands = file(&redis.folder, "commands", commands.as_bytes());
    let said = succeeds_with(redis.client().arg("--pipe"), Some(&commands)).stdout;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains(&format!("errors: 0, replies: {}", 4 * COMMANDS)), "{said}");
    let count = succeeds_with(redis.client().arg("DBSIZE"), None).stdout;
    assert_eq!(count, format!("{}\n", 4 * COMMANDS).as_bytes());
}

#[test]
fn redis_keeps_a_large_value() {
    let test = "relay::redis::redis_keeps_a_large_value";
    if !has(test, "redis-server") || !has(test, "redis-cli") {
        return;
    }
    let redis = Redis::start();
    let value = text(LARGE);
    let path = file(&redis.folder, "value", &value);
    let said = succeeds_with(redis.client().args(["-x", "SET", "large"]), Some(&path)).stdout;
    assert_eq!(said, b"OK\n");
    let back = succeeds_with(redis.client().args(["--raw", "GET", "large"]), None).stdout;
    assert!(back[..back.len() - 1] == value, "{} bytes", back.len());
    let closed = concluded(redis.relay);
    assert_eq!(closed.len(), 2);
    assert!(closed[0]["in"].as_u64() > Some(LARGE as u64), "{closed:?}");
    assert!(closed[1]["out"].as_u64() > Some(LARGE as u64), "{closed:?}");
}
