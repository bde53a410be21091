//! What a node tells of the others, as lines of JSON.

use std::thread::JoinHandle;

use serde_json::Value;

use super::hostile::Hostile;
use super::{Member, Nats, begun, node};
use crate::peer::Running;
use crate::schema::valid;

/// The next event of a type; each before it is by the schema too.
fn next(node: &mut Running, word: &str) -> Value {
    loop {
        let line = node.line();
        assert!(!line.is_empty(), "it ended before {word}");
        let event = valid(&line);
        if event["type"] == word {
            return event;
        }
    }
}

/// What an event says in these of its fields.
fn said<const N: usize>(event: &Value, fields: [&str; N]) -> [String; N] {
    fields.map(|field| event.get(field).unwrap_or_else(|| panic!("{field}: {event}")).to_string())
}

#[test]
fn what_happens_between_nodes_is_told_by_the_schema() {
    let test = "rooms::told::what_happens_between_nodes_is_told_by_the_schema";
    let Some(mut nats) = Nats::keeping(test, &[]) else { return };
    let mut kite = begun(&nats, "kite", &[]);
    let linked = next(&mut kite, "linked");
    assert_eq!(
        said(&linked, ["server", "replicas"]),
        [format!("{:?}", nats.url()), "1".to_owned()]
    );

    let other = |node: &mut Running| said(&next(node, "node"), ["node", "is", "members"]);
    let (lark, _) = node(&nats, "lark", &[]);
    assert_eq!(other(&mut kite), ["\"lark\"", "\"came\"", "0"]);
    drop(lark);
    assert_eq!(other(&mut kite), ["\"lark\"", "\"unreachable\"", "0"]);
    // Who ends in order says so.
    let (wren, at_wren) = node(&nats, "wren", &[]);
    assert_eq!(other(&mut kite), ["\"wren\"", "\"came\"", "0"]);
    let cy = Member::called("Cy", &at_wren);
    let leaving = std::thread::spawn(move || {
        let mut cy = cy;
        cy.until("* the room is closing"); // it closes at once, as nc does
    });
    let rest = wren.ask_to_end();
    leaving.join().expect("it is told");
    assert_eq!(other(&mut kite), ["\"wren\"", "\"gone\"", "0"]);
    let last = String::from_utf8_lossy(&rest.stdout).lines().last().map(valid);
    assert_eq!(last.expect("a summary")["dropped"], 0, "all that it had begun was answered");

    // Entries that a node says it has dropped, some that it says were sent, and one of whom nobody knows what it said.
    let mut hostile = Hostile::at(&nats);
    let (me, stranger) = ("aaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaac");
    for (from, header) in [(me, "1 1 0 0"), (me, "5 1 1 1"), (me, "9 1 2 8"), (stranger, "7 1 3 6")]
    {
        let entry =
            format!("{{\"k\":\"say\",\"s\":{},\"n\":\"Ada\",\"t\":\"hi\"}}\n", &header[..1]);
        hostile.publish_headed(
            &format!("in.{from}"),
            &format!("Hobnob: 1 {from} {header}\r\n"),
            &entry,
        );
    }
    hostile.settle();
    for (count, why) in [("3", "dropped"), ("3", "lost"), ("null", "lost")] {
        let missed = next(&mut kite, "missed");
        assert_eq!(
            said(&missed, ["count", "why"]),
            [count.to_owned(), format!("{why:?}")],
            "{missed}"
        );
    }

    nats.kill();
    next(&mut kite, "parted");
    nats.start_again();
    let rejoined = next(&mut kite, "rejoined");
    assert_eq!(rejoined["said_here"], 0, "{rejoined}");
    let rest = kite.ask_to_end();
    String::from_utf8_lossy(&rest.stdout).lines().for_each(|line| drop(valid(line)));
}

/// What a node says that ends while its server is away, once so much was said there: its exit code, and its last events.
fn ends_away(said_then: usize, end: End, mut nats: Nats) -> (Option<i32>, Vec<Value>) {
    let (mut kite, at_kite) = node(&nats, "kite", &[]);
    let mut ada = Member::called("Ada", &at_kite);
    let mut bob = Member::called("Bob", &at_kite);
    ada.say("the others have this");
    bob.until("the others have this");
    nats.kill();
    next(&mut kite, "parted");
    for _ in 0..said_then {
        ada.say("nobody else has this");
        bob.until("nobody else has this");
    }
    let mut left = vec![bob];
    if end == End::Left {
        drop(ada);
        left[0].until("* Ada left");
    } else {
        left.push(ada);
    }
    // They close at once, as nc does.
    let leaving = left
        .into_iter()
        .map(|mut member| std::thread::spawn(move || drop(member.until("* the room is closing"))));
    let leaving: Vec<_> = leaving.collect();
    let rest = if end == End::Hurried {
        kite.ask();
        join(leaving);
        kite.ask_to_end()
    } else {
        let rest = kite.ask_to_end();
        join(leaving);
        rest
    };
    (rest.status.code(), String::from_utf8_lossy(&rest.stdout).lines().map(valid).collect())
}

fn join(leaving: Vec<JoinHandle<()>>) {
    for member in leaving {
        member.join().expect("it is told");
    }
}

/// Whether who said it is still there when the node ends, and whether that is asked for twice.
#[derive(Clone, Copy, PartialEq)]
enum End {
    There,
    Left,
    Hurried,
}

#[test]
fn what_was_said_while_the_server_is_away_is_told_as_lost_by_a_node_that_ends() {
    let test =
        "rooms::told::what_was_said_while_the_server_is_away_is_told_as_lost_by_a_node_that_ends";
    std::thread::scope(|scope| {
        for (said_then, end) in [(2, End::There), (1, End::Left), (0, End::Left), (2, End::Hurried)]
        {
            let Some(nats) = Nats::keeping(test, &[]) else { return };
            scope.spawn(move || {
                let (code, events) = ends_away(said_then, end, nats);
                let is_lost = said_then > 0;
                assert_eq!(code, Some(if is_lost { 5 } else { 0 }), "{events:#?}");
                let all = |field: &str, value: &str, wanted: &str| {
                    let found = events.iter().filter(|event| event[field] == value);
                    found.map(|event| event[wanted].clone()).collect::<Vec<_>>()
                };
                let count = is_lost.then_some(Value::from(said_then));
                assert_eq!(all("limit", "cluster-outbox", "count"), Vec::from_iter(count));
                assert_eq!(all("type", "summary", "dropped"), [Value::from(said_then)]);
                let slug = is_lost.then_some("cluster-unreachable");
                assert_eq!(all("type", "error", "slug"), Vec::from_iter(slug), "{events:#?}");
            });
        }
    });
}
