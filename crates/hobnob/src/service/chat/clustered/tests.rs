//! Nodes of one room on servers that are made up, with time held still: what members are told, whatever happens.

mod bounds;

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::bus::{Subscription, Wish};
use crate::cluster::{BEAT, OUTBOX_BYTES, RoomBatch};
use crate::event::ClusterFact;
use crate::service::chat::tests::Guest;
use crate::service::{Made, Service, Site};
use crate::session::powers::{Job, Powers};
use crate::testing::cluster::{FakeHub, FakeWire};

/// More time than anything here takes, of the time that nobody waits for.
const PATIENCE: Duration = Duration::from_hours(2);

const ALONE: &str =
    "* the other nodes cannot be reached: you are heard here only, and there when they are back";

/// Powers that have no thread for work that blocks.
struct AtOnce;

impl Powers for AtOnce {
    fn work(&self, job: Job) -> Boxed<'_, ()> {
        job();
        Box::pin(std::future::ready(Ok(())))
    }
}

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("{what} does not come"))
}

/// A node of the room, as an engine has it.
struct Node {
    chat: Arc<dyn Service>,
    bus: Bus,
    events: Subscription,
    is_over: watch::Sender<bool>,
    is_hurried: watch::Sender<bool>,
    keeping: JoinHandle<Result<()>>,
    seats: u64,
}

impl Node {
    async fn start(wire: &FakeWire, name: &str) -> Self {
        let Made::Service(chat) = wire.node(&[("node", name)]).expect("options of chat") else {
            panic!("chat is a service of sessions")
        };
        let (chat, bus): (Arc<dyn Service>, _) = (chat.into(), Bus::new(Clock::start(), 1));
        let wish = Wish { data: false, upstream: false, snap: 0, capacity: 1 << 16 };
        let events = bus.subscribe(wish);
        let (is_over, over) = watch::channel(false);
        let (is_hurried, hurried) = watch::channel(false);
        let keeper = Keeper::new(bus.clone(), Arc::new(AtOnce), [over, hurried]);
        let mut site = Site::new(keeper.clone(), false);
        soon("a start", chat.open(&mut site)).await.expect("it opens");
        site.settle();
        let kept = chat.clone();
        // It runs until it is asked to end, whether the test holds it or not.
        let held = (is_over.clone(), is_hurried.clone());
        let keeping = tokio::spawn(async move {
            let ended = kept.keep(&keeper).await;
            drop(held);
            ended
        });
        Node { chat, bus, events, is_over, is_hurried, keeping, seats: 0 }
    }

    /// Somebody who comes in under this name.
    async fn enter(&mut self, name: &str) -> Member {
        self.seats += 1;
        Member(Guest::called(&self.chat, self.seats, name).await)
    }

    /// Somebody who is asked for its name.
    async fn come(&mut self) -> Member {
        self.seats += 1;
        let mut member = Member(Guest::come(&self.chat, self.seats));
        assert_eq!(member.line().await, "* your name?");
        member
    }

    /// It is to end, and does.
    async fn end(&mut self) -> (Result<()>, Vec<Fact>) {
        self.is_over.send_replace(true);
        let ended = soon("an end", &mut self.keeping).await.expect("no panic");
        (ended, facts(&self.events))
    }

    /// Its process is killed.
    fn kill(self) {
        self.keeping.abort();
    }
}

fn facts(events: &Subscription) -> Vec<Fact> {
    let mut told = Vec::new();
    events.pull(&mut told);
    told.into_iter().map(|event| event.fact).collect()
}

/// How many were dropped by this limit.
fn dropped(facts: &[Fact], by: &str) -> u64 {
    let counts = facts.iter().map(|fact| match fact {
        Fact::Dropped { limit, count } if *limit == by => *count,
        _ => 0,
    });
    counts.sum()
}

struct Member(Guest);

impl Member {
    async fn say(&mut self, text: &str) {
        self.0.say(&format!("{text}\n")).await;
    }

    async fn line(&mut self) -> String {
        let line = soon("a line", self.0.line()).await;
        assert!(!line.is_empty(), "it was cut off");
        line
    }

    /// The lines up to the one that begins like this, and that one.
    async fn until(&mut self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.line().await);
            if lines[lines.len() - 1].starts_with(words) {
                return lines;
            }
        }
    }

    /// The next line is this one.
    async fn hears(&mut self, line: &str) {
        assert_eq!(self.line().await, line);
    }
}

/// Two nodes with a wire each, and somebody at each: Ada at kite, Bob at lark.
struct Two {
    hub: FakeHub,
    wires: [FakeWire; 2],
    kite: Node,
    lark: Node,
    ada: Member,
    bob: Member,
}

impl Two {
    async fn meet() -> Self {
        let hub = FakeHub::default();
        let wires = [hub.wire(), hub.wire()];
        let (mut kite, mut lark) =
            (Node::start(&wires[0], "kite").await, Node::start(&wires[1], "lark").await);
        let mut ada = kite.enter("Ada").await;
        ada.until("* node lark is here").await;
        let bob = lark.enter("Bob").await;
        ada.hears("* Bob joined").await;
        tokio::time::sleep(BEAT * 2).await; // each knows who is at the other
        Two { hub, wires, kite, lark, ada, bob }
    }
}

/// A batch of a node that is elsewhere: from this number on so many entries, the last one before them and its place.
fn batch(origin: NodeId, numbers: (u64, u64), before: (u64, u64), text: &str) -> RoomBatch {
    let entry = RoomEntry {
        kind: EntryKind::Say,
        seat: 1,
        name: "Eve".into(),
        text: text.into(),
        waited: 0,
    };
    let count = usize::try_from(numbers.1).expect("a few");
    RoomBatch::frozen(origin, numbers, before, entry.line(0).repeat(count))
}

#[tokio::test(start_paused = true)]
async fn two_nodes_are_one_room() {
    let mut two = Two::meet().await;
    let Two { kite, lark, ada, bob, .. } = &mut two;
    ada.say("hello").await;
    bob.until("Ada: hello").await;
    ada.say("/who").await;
    ada.hears("* here: Ada; at lark: Bob").await;
    let mut eve = lark.come().await;
    eve.say("aDa").await;
    eve.hears("* aDa is taken, at node kite; your name?").await;
    eve.say("Eve").await;
    eve.until("* welcome, Eve: one other is here, 1 at one other node").await;
    eve.until("Ada: hello").await;
    bob.say("/name Ben").await;
    ada.until("* Bob is Ben now").await;
    let mut late = kite.come().await;
    late.say("Bob").await;
    late.until("* welcome, Bob: one other is here, ").await;
}

#[tokio::test(start_paused = true)]
async fn what_was_said_on_both_sides_of_a_cut_is_told_with_its_age_and_its_count() {
    let mut two = Two::meet().await;
    let Two { wires, ada, bob, .. } = &mut two;
    wires[0].cut(true);
    ada.say("alone at kite").await;
    ada.hears(ALONE).await;
    bob.say("one").await;
    bob.say("two").await;
    let node_is_gone = bob.until("* node kite is gone").await;
    assert_eq!(
        node_is_gone,
        ["* node kite is not reached", "* node kite is gone, and one who was there"]
    );
    wires[0].cut(false);
    ada.hears("* the other nodes are back; 2 messages were said there meanwhile:").await;
    ada.hears("Bob: one").await;
    ada.hears("Bob: two").await;
    ada.hears("* that was all").await;
    let told = bob.until("Ada: alone at kite").await;
    let away = told.iter().find(|line| line.starts_with("* from node kite, which was away for "));
    assert!(away.is_some(), "how late it is: {told:?}");
    bob.say("and now").await;
    ada.hears("Bob: and now").await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_killed_is_gone_after_a_minute_and_so_are_its_names() {
    let Two { kite, mut lark, mut bob, ada: _ada, .. } = Two::meet().await;
    let clock = Clock::start();
    kite.kill();
    bob.until("* node kite is not reached").await;
    assert!((4..=6).contains(&clock.now().as_secs()), "{:?}", clock.now());
    bob.say("/who").await;
    bob.until("* here: Bob; at kite (not reached for ").await;
    let mut eve = lark.come().await;
    eve.say("Ada").await;
    eve.hears("* Ada is taken, at node kite; your name?").await;
    bob.hears("* node kite is gone, and one who was there").await;
    assert!((59..=61).contains(&clock.now().as_secs()), "{:?}", clock.now());
    eve.say("Ada").await;
    eve.until("* welcome, Ada: ").await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_says_who_leaves_and_that_it_goes() {
    let Two { mut kite, mut bob, mut ada, lark: _lark, .. } = Two::meet().await;
    ada.say("/quit").await;
    bob.until("* Ada left").await;
    let (ended, facts) = kite.end().await;
    assert!(ended.is_ok() && dropped(&facts, OUTBOX) == 0, "{ended:?}");
    bob.hears("* node kite is gone").await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_taken_while_its_node_was_away_is_told_to_its_member_and_to_both_rooms() {
    let mut two = Two::meet().await;
    let Two { wires, lark, ada, bob, .. } = &mut two;
    wires[0].cut(true);
    ada.until(ALONE).await;
    bob.until("* node kite is gone").await;
    let mut eve = lark.enter("Ada").await;
    wires[0].cut(false);
    let told = ada.until("* you are Ada~").await;
    assert!(told.contains(&"* Ada is taken, at node lark".to_owned()), "{told:?}");
    let lent = &told[told.len() - 1]["* you are ".len()..];
    let lent = lent.strip_suffix(" now").expect("its name");
    for member in [&mut *bob, &mut eve] {
        member.until(&format!("* Ada is {lent} now")).await;
    }
    eve.say("I am Ada").await;
    ada.until("Ada: I am Ada").await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_nobody_can_be_asked_is_lent_a_name_and_gets_its_own_later() {
    let mut two = Two::meet().await;
    let Two { wires, kite, ada, .. } = &mut two;
    wires[0].cut(true);
    ada.until(ALONE).await;
    let mut eve = kite.come().await;
    eve.say("Eve").await;
    let welcome = eve.line().await;
    assert!(welcome.starts_with("* welcome, Eve~"), "{welcome}");
    eve.until("* you are Eve~").await;
    wires[0].cut(false);
    eve.until("* you are Eve now").await;
    let mut di = kite.come().await;
    di.say("D~i").await;
    di.hears("* a name has no ~ in a room of many nodes; your name?").await;
}

#[tokio::test(start_paused = true)]
async fn a_name_is_said_anew_each_twenty_minutes() {
    let mut two = Two::meet().await;
    let Two { wires, ada, bob, .. } = &mut two;
    let before = wires[0].named();
    tokio::time::sleep(Duration::from_mins(119)).await;
    assert_eq!(wires[0].named() - before, 5, "in two hours");
    ada.say("still here").await;
    bob.until("Ada: still here").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_told_with_its_count_or_that_nobody_knows_it() {
    let mut two = Two::meet().await;
    let Two { hub, ada, .. } = &mut two;
    let (eve, cy) = (NodeId::drawn([1, 9]), NodeId::drawn([2, 9]));
    let first = hub.say(&batch(eve, (1, 1), (0, 0), "first"));
    ada.hears("Eve: first").await;
    let third = hub.say(&batch(eve, (3, 1), (1, first), "third"));
    ada.hears(&format!("* one message from node {eve} is missing")).await;
    ada.hears("Eve: third").await;
    // What its node says that it has sent, and nobody has.
    hub.say(&batch(eve, (8, 1), (7, third), "eighth"));
    ada.hears(&format!("* 4 messages from node {eve} are missing")).await;
    ada.hears("Eve: eighth").await;
    hub.say(&batch(cy, (5, 1), (4, third), "fifth"));
    ada.hears(&format!("* messages from node {cy} are missing; how many is not known")).await;
    ada.hears("Eve: fifth").await;
}

#[tokio::test(start_paused = true)]
async fn servers_that_lose_all_are_told_and_the_room_goes_on() {
    let mut two = Two::meet().await;
    let Two { hub, wires, ada, bob, .. } = &mut two;
    for number in 0..5 {
        ada.say(&format!("{number}")).await;
        bob.until(&format!("Ada: {number}")).await;
    }
    for wire in wires.iter() {
        wire.cut(true);
    }
    bob.until(ALONE).await;
    hub.lose_all();
    for wire in wires.iter() {
        wire.cut(false);
    }
    bob.until("* what was said before is gone: the cluster lost it").await;
    ada.say("anew").await;
    let told = bob.until("Ada: anew").await;
    assert!(!told.iter().any(|line| line.starts_with("Ada: 4")), "nothing twice: {told:?}");
    bob.say("well").await;
    ada.until("Bob: well").await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_waits_for_what_it_has_asked_and_asks_it_once() {
    let Two { wires, mut kite, mut ada, mut bob, lark: _lark, .. } = Two::meet().await;
    wires[0].hold(true);
    ada.say("my last").await;
    wires[0].held(1).await;
    let before = wires[0].came();
    let ending = tokio::spawn(async move { kite.end().await });
    tokio::task::yield_now().await;
    wires[0].hold(false);
    let (ended, facts) = ending.await.expect("no panic");
    assert!(ended.is_ok() && dropped(&facts, OUTBOX) == 0, "{ended:?}");
    bob.until("Ada: my last").await;
    assert_eq!(wires[0].came(), before, "it was asked once");
}

#[tokio::test(start_paused = true)]
async fn what_a_node_could_not_pass_on_before_its_end_is_an_error_with_its_count() {
    for is_hurried in [false, true] {
        let mut two = Two::meet().await;
        let Two { wires, kite, ada, .. } = &mut two;
        let mut cy = kite.enter("Cy").await;
        wires[0].cut(true);
        ada.until(ALONE).await;
        ada.say("one").await;
        ada.say("two").await;
        cy.until("Ada: two").await;
        let clock = Clock::start();
        kite.is_hurried.send_replace(is_hurried);
        let (ended, facts) = kite.end().await;
        let error = ended.expect_err("nobody has it");
        assert_eq!(error.kind(), Kind::ClusterUnreachable);
        assert!(error.message().starts_with("2 messages "), "{}", error.message());
        assert_eq!(dropped(&facts, OUTBOX), 2);
        let most = if is_hurried { 1 } else { 3 };
        assert!(clock.now() < Duration::from_secs(most), "{:?}", clock.now());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_once_the_servers_have_refused_a_node_is_counted() {
    let Two { wires, kite, mut ada, lark: _lark, bob: _bob, .. } = Two::meet().await;
    let mut ended = kite.keeping;
    wires[0].refuse();
    let error = soon("an end", &mut ended).await.expect("no panic").expect_err("it is refused");
    assert_eq!(error.kind(), Kind::ClusterRefused);
    ada.say("said to nobody").await;
    soon("the count", async {
        while kite.bus.drops() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await; // of the time that is held still
        }
    })
    .await;
    assert_eq!(dropped(&facts(&kite.events), OUTBOX), 1);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_begins_alone_is_shown_the_last_of_what_was_said_before() {
    let hub = FakeHub::default();
    let wires = [hub.wire(), hub.wire()];
    let mut lark = Node::start(&wires[1], "lark").await;
    let mut bob = lark.enter("Bob").await;
    bob.say("long ago").await;
    wires[0].cut(true);
    let mut kite = Node::start(&wires[0], "kite").await;
    let warned = facts(&kite.events).into_iter().any(|fact| {
        matches!(fact, Fact::Warning(words) if words == "the servers are away: the room is served alone")
    });
    assert!(warned, "whoever runs it is told");
    let mut ada = Member(Guest::come(&kite.chat, 1));
    kite.seats = 1;
    ada.hears("* your name?").await;
    ada.say("Ada").await;
    ada.until("* you are Ada~").await;
    wires[0].cut(false);
    ada.until("* the other nodes are back; this is the last message from there:").await;
    ada.hears("Bob: long ago").await;
    ada.hears("* that was all").await;
}

#[tokio::test(start_paused = true)]
async fn what_the_servers_forgot_while_a_node_was_away_is_told() {
    let mut two = Two::meet().await;
    let Two { hub, wires, ada, bob, .. } = &mut two;
    wires[0].cut(true);
    ada.until(ALONE).await;
    bob.say("forgotten").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    hub.expire();
    wires[0].cut(false);
    ada.until("* some of what was said there meanwhile is gone: the servers keep it for an hour")
        .await;
    bob.say("and now").await;
    ada.until("Bob: and now").await;
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_server_is_parted_from_the_others_goes_to_another_one() {
    let mut two = Two::meet().await;
    let Two { wires, ada, bob, .. } = &mut two;
    // Who says something hears that nothing of it comes back.
    wires[0].part();
    ada.say("is anybody there?").await;
    bob.until("Ada: is anybody there?").await;
    let told = ada.until("* the other nodes are back").await;
    assert!(told.contains(&ALONE.to_owned()), "{told:?}");
    // Who listens alone hears nobody.
    wires[0].part();
    let clock = Clock::start();
    ada.until("* node lark is not reached").await;
    ada.until("* node lark is here").await;
    assert!(clock.now() < Duration::from_secs(20), "{:?}", clock.now());
    bob.say("I am").await;
    ada.until("Bob: I am").await;
}

/// A process that was stopped may be told of neither: it looks.
#[tokio::test(start_paused = true)]
async fn a_link_that_came_and_went_unheard_is_noticed_by_who_says_nothing() {
    let mut two = Two::meet().await;
    let Two { wires, ada, bob, .. } = &mut two;
    wires[0].cut_unheard(true);
    ada.hears(ALONE).await;
    bob.say("is anybody there?").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    wires[0].cut_unheard(false);
    ada.until("* the other nodes are back").await;
    ada.until("Bob: is anybody there?").await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_between_nodes_is_told_to_who_looks_at_the_server() {
    let Two { wires, kite, mut ada, lark: _lark, bob: _bob, .. } = Two::meet().await;
    let said = |facts: Vec<Fact>| {
        let words = facts.into_iter().filter_map(|fact| match fact {
            Fact::Clustered(fact) => Some(match *fact {
                ClusterFact::Linked { server, replicas, .. } => {
                    format!("linked {server} {replicas}")
                }
                ClusterFact::Parted { .. } => "parted".to_owned(),
                ClusterFact::Rejoined { said_here, said_there, .. } => {
                    format!("rejoined {said_here} {said_there}")
                }
                ClusterFact::Missed { why, .. } => format!("missed {why}"),
                ClusterFact::Node { node, is, members } => format!("node {node} {is} {members}"),
            }),
            _ => None,
        });
        words.collect::<Vec<_>>()
    };
    assert_eq!(said(facts(&kite.events)), ["linked made up 3", "node lark came 0"]);
    wires[0].cut(true);
    ada.until(ALONE).await;
    ada.say("one").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    wires[0].cut(false);
    ada.until("* the other nodes are back").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(said(facts(&kite.events)), ["parted", "rejoined 1 0"]);
}

fn shown(kind: EntryKind, name: &str, text: &str) -> Option<String> {
    line(&RoomEntry { kind, seat: 1, name: name.into(), text: text.into(), waited: 0 })
}

#[test]
fn what_a_hostile_node_sends_forges_no_line_and_moves_no_terminal() {
    let say = |name, text| shown(EntryKind::Say, name, text).expect("a line");
    assert_eq!(say("Ada", "\u{1b}[2J\r\nBob: hi"), r"Ada: \x1b[2J\x0d\x0aBob: hi");
    for forged in ["* the room", "Ada: yes", "/quit", "#7 x", "A\u{200b}da", "", "\u{202e}"] {
        assert_eq!(say(forged, "hi"), "somebody: hi", "{forged:?}");
    }
    assert_eq!(say("#12~k7", "hi"), "#12~k7: hi");
    assert_eq!(shown(EntryKind::Join, "* x", "").as_deref(), Some("* somebody joined"));
    assert_eq!(shown(EntryKind::Name, "Ada", "* Bob"), None);
    assert_eq!(shown(EntryKind::Unknown, "Ada", "hi"), None);
}
