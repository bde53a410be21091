//! A node that began while no server was to be had.

use hobnob::clock::Clock;
use hobnob::engine::Crew;

use super::super::judge::{ALONE, BACK, MemberLog};
use super::super::member::{Member, Said};
use super::node::Node;
use super::servers::{Make, Servers};
use crate::stage::{skip, soon};

async fn until(member: &Member, is_so: impl Fn(&MemberLog) -> bool) {
    soon("what it is to be shown", member.until(is_so)).await;
}

#[tokio::test]
async fn who_came_while_its_node_was_alone_is_shown_what_was_said_elsewhere() {
    let test =
        "cluster::real::alone::who_came_while_its_node_was_alone_is_shown_what_was_said_elsewhere";
    let Some(program) = Make::Pinned.program() else { return skip(test, "missing nats-server") };
    let servers = Servers::start(&program, 1);
    servers.ready().await;
    let (crew, clock, said) = (Crew::start().expect("threads"), Clock::start(), Said::default());
    let node = |at| Node::new(at, "alone", &[servers.port(0)], &crew, clock);
    let (mut lark, mut kite) = (node(0), node(1));
    lark.start(2, &said).await;
    kite.bend(&["refuse"]);
    kite.start(2, &said).await;
    let (bob, ada) = (&lark.members[0], &kite.members[0]);
    let text = "said while kite was alone";
    let line = format!("{}: {text}", bob.name);
    bob.say(text);
    until(&lark.members[1], |log| log.lines.contains(&line)).await;
    ada.say("said at kite alone");
    until(&kite.members[1], |log| log.lines.iter().any(|line| line.ends_with("at kite alone")))
        .await;
    kite.bend(&[]);
    until(ada, |log| log.lines.iter().any(|line| line.starts_with(BACK))).await;
    bob.say("said when it was back");
    until(ada, |log| log.lines.iter().any(|line| line.ends_with("when it was back"))).await;
    let lines = ada.with(|log| log.lines.clone());
    let back = lines.iter().position(|line| line.starts_with(BACK)).expect("it is back");
    let shown = lines.iter().enumerate().filter(|(_, shown)| **shown == line);
    let shown: Vec<_> = shown.map(|(at, _)| at > back).collect();
    assert_eq!(shown, [true], "once, and after the word that they are back: {lines:#?}");
}

#[tokio::test]
async fn who_was_alone_is_shown_what_fits_and_nobody_is_cut_for_it() {
    let test = "cluster::real::alone::who_was_alone_is_shown_what_fits_and_nobody_is_cut_for_it";
    let Some(program) = Make::Pinned.program() else { return skip(test, "missing nats-server") };
    let servers = Servers::start(&program, 1);
    servers.ready().await;
    let (crew, clock, said) = (Crew::start().expect("threads"), Clock::start(), Said::default());
    let node = |at| Node::new(at, "much", &[servers.port(0)], &crew, clock);
    let (mut lark, mut kite) = (node(0), node(1));
    lark.start(2, &said).await;
    kite.start(8, &said).await;
    let (bob, ada) = (&lark.members[0], &kite.members[0]);
    // What kite says is heard by nobody else, and what it hears is all that is said elsewhere.
    kite.bend(&["up:stall"]);
    ada.say("said at kite alone");
    until(ada, |log| log.lines.iter().any(|line| line.starts_with(ALONE))).await;
    let long = "x".repeat(30_000);
    for number in 0..60 {
        bob.say(&format!("{number} {long}"));
    }
    until(&lark.members[1], |log| log.lines.iter().any(|line| line.contains(": 59 x"))).await;
    kite.bend(&[]);
    for member in &kite.members {
        until(member, |log| log.lines.iter().any(|line| line.contains(": 59 x"))).await;
        let lines = member.with(|log| log.lines.clone());
        let unshown = lines.iter().find_map(|line| {
            line.strip_prefix("* ")?.strip_suffix(" of the first of them are not shown: too many")
        });
        let unshown: usize =
            unshown.and_then(|count| count.parse().ok()).expect("256 KiB are shown");
        let shown = lines.iter().filter_map(|line| line.split_once(": ")?.1.strip_suffix(&long));
        let shown: Vec<_> =
            shown.map(|number| number.trim_end().parse::<usize>().expect("a number")).collect();
        assert_eq!(
            shown,
            (unshown..60).collect::<Vec<_>>(),
            "the last of them, and the rest counted"
        );
    }
    bob.say("and now");
    for member in &kite.members {
        until(member, |log| log.lines.iter().any(|line| line.ends_with(": and now"))).await;
    }
}
