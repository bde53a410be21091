//! A resolver, as such programs are: it asks over UDP, waits, and asks again. Before it a relay that loses packets.

use super::{started, told};
use crate::peer::{has, python, serve, succeeds};

/// How many questions.
const QUESTIONS: u64 = 60;

#[test]
fn a_resolver_asks_again_for_each_packet_that_is_lost() {
    let test = "relay::lossy::a_resolver_asks_again_for_each_packet_that_is_lost";
    if !has(test, "python3") {
        return;
    }
    let (_server, at) = serve("echo", "udp://127.0.0.1:0", &[]);
    let to = format!("udp://127.0.0.1:{}", at[1]);
    let lossy =
        ["relay", "udp://127.0.0.1:0", &to, "--fault", "loss=20%", "--seed", "7", "--explain"];
    let (relay, port) = started(&lossy);
    let mut client = python("resolver_client.py");
    let said = succeeds(client.args(["127.0.0.1", &port, "--questions", &QUESTIONS.to_string()]));
    // ok: 60 questions answered, asked 95 times, 60 answers
    let numbers: Vec<u64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [answered, asked, answers] = numbers[..] else { panic!("it said {said:?}") };
    assert_eq!(answered, QUESTIONS, "{said}");
    let lost = asked - answers;
    // One in five there and one in five back: a third of those that were asked.
    assert!(lost > QUESTIONS / 5, "{said}");
    let events = told(relay);
    let summary = events.last().expect("a summary");
    assert_eq!(summary["hits"], serde_json::json!({ "loss": lost }), "{said}{summary}");
    let discarded = events.iter().filter(|event| event["discarded"].is_u64()).count() as u64;
    assert_eq!(discarded, lost, "each is told");
    let calls = |names: &[&str], told: &str| {
        let calls = events.iter().filter(|event| names.iter().any(|name| event["call"] == *name));
        calls
            .map(|call| call[told].as_str().unwrap_or("").matches("b'question ").count() as u64)
            .sum()
    };
    let received: u64 = calls(&["recvmmsg", "recvfrom"], "result");
    let sent: u64 = calls(&["sendmmsg", "sendto"], "args");
    assert_eq!(
        (received, sent),
        (asked, answers),
        "its calls tell what came from the client, and what went there"
    );
}
