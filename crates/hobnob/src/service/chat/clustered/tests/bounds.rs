//! What is longer, or more, than a room takes: it is bounded, and told.

use super::*;

/// The number of messages in a line of the room, if it begins and goes on like this.
fn count_in(line: &str, before: &str, after: &str) -> u64 {
    let Some((count, _)) = line.strip_prefix(before).and_then(|rest| rest.split_once(after)) else {
        return 0;
    };
    match count.split_once(' ') {
        Some(("one", "message")) => 1,
        Some((count, "messages")) => count.parse().expect("a count"),
        _ => 0,
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_has_a_bound_and_what_goes_for_it_is_told_on_both_sides() {
    for (lines, length) in [(OUTBOX_ENTRIES + 120, 1), (3 * OUTBOX_BYTES / 60_000, 60_000)] {
        let mut two = Two::meet().await;
        let Two { wires, kite, ada, bob, .. } = &mut two;
        let mut cy = kite.enter("Cy").await;
        bob.until("* Cy joined").await;
        wires[0].cut(true);
        ada.until(ALONE).await;
        let text = "x".repeat(length);
        let mut told = Vec::new();
        for _ in 0..lines {
            ada.say(&text).await;
            told.extend(cy.until(&format!("Ada: {text}")).await);
        }
        cy.say("is that all?").await;
        tokio::time::sleep(SUM_PAUSE * 2).await;
        cy.say("/who").await;
        told.extend(cy.until("* here: ").await);
        let counts =
            told.iter().map(|line| count_in(line, "* ", " that waited for the other nodes "));
        let counts: Vec<_> = counts.filter(|count| *count > 0).collect();
        let told = counts.iter().sum::<u64>();
        assert!(told >= 10 && counts.len() < 5, "{lines} of {length} bytes: {counts:?}");
        assert_eq!(dropped(&facts(&kite.events), OUTBOX), told);
        let lines = lines + 1;
        wires[0].cut(false);
        let (mut missing, mut shown) = (0, 0);
        while shown + missing < lines as u64 {
            let line = bob.line().await;
            shown += u64::from(line == format!("Ada: {text}") || line == "Cy: is that all?");
            missing += count_in(&line, "* ", " from node kite ");
        }
        assert_eq!((missing, shown), (told, lines as u64 - told), "{lines} of {length} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_alone_is_shown_the_last_of_what_was_said_meanwhile_and_the_count_of_the_rest() {
    let mut two = Two::meet().await;
    let Two { wires, ada, bob, .. } = &mut two;
    wires[0].cut(true);
    ada.until(ALONE).await;
    let text = "x".repeat(30_000);
    for number in 0..60 {
        bob.say(&format!("{number} {text}")).await;
    }
    // The last line of somebody else at that node comes when the stream has all.
    tokio::time::sleep(Duration::from_secs(10)).await;
    wires[0].cut(false);
    ada.until("* the other nodes are back; 60 messages were said there meanwhile:").await;
    let unshown = ada.line().await;
    let count = unshown.strip_suffix(" of the first of them are not shown: too many");
    let count: u64 = count.and_then(|words| words[2..].parse().ok()).expect("a count");
    assert!(count >= 51, "256 KiB are shown: {unshown}");
    for number in count..60 {
        ada.hears(&format!("Bob: {number} {text}")).await;
    }
    ada.hears("* that was all").await;
}

#[tokio::test(start_paused = true)]
async fn what_another_version_says_is_told_at_once_and_then_once_in_a_while() {
    let mut two = Two::meet().await;
    let Two { hub, ada, .. } = &mut two;
    let eve = NodeId::drawn([1, 9]);
    let mut at = 0;
    let clock = Clock::start();
    for number in 1..=40_u64 {
        let header = format!("9 {eve} {number} 1 {at} {}", number - 1);
        at = hub.say(&RoomBatch::read(eve, &header, b"what nobody can read"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (mut told, mut count) = (0, 0);
    while count < 40 {
        count += count_in(&ada.line().await, "* ", &format!(" from node {eve} cannot be shown"));
        told += 1;
    }
    assert!(told <= 6, "{told} times in {:?}", clock.now());
}

#[tokio::test(start_paused = true)]
async fn servers_that_take_less_than_before_are_told_of_and_hold_nobody_up() {
    let mut two = Two::meet().await;
    let Two { wires, kite, ada, bob, .. } = &mut two;
    let mut cy = kite.enter("Cy").await;
    bob.until("* Cy joined").await;
    wires[0].hold(true);
    ada.say(&"x".repeat(60_000)).await;
    wires[0].held(1).await;
    wires[0].bound(20_000);
    wires[0].hold(false);
    cy.until("* one message of ours may reach no other node: too long for the servers").await;
    ada.say("short").await;
    let told = bob.until("Ada: short").await;
    assert!(told.contains(&"* one message from node kite is missing".to_owned()), "{told:?}");
    assert_eq!(dropped(&facts(&kite.events), "cluster-payload"), 1);
    wires[0].cut(true);
    wires[0].cut(false);
    ada.say(&"x".repeat(30_000)).await;
    ada.until("* too long: at most 1").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_longer_here_than_anybody_can_say_is_not_shown_and_cuts_nobody() {
    let mut two = Two::meet().await;
    let Two { hub, wires, ada, bob, .. } = &mut two;
    let eve = NodeId::drawn([1, 9]);
    let raw = "\u{7f}".repeat(ENTRY_TEXT); // four times as long where it is shown
    let first = hub.say(&batch(eve, (1, 1), (0, 0), &raw));
    for member in [&mut *ada, &mut *bob] {
        member.until(&format!("* one message from node {eve} cannot be shown")).await;
    }
    wires[0].cut(true);
    bob.say("while kite is away").await;
    ada.until(ALONE).await;
    let (mut at, raw) = (first, "\u{7f}".repeat(60_000));
    for number in 2..=9 {
        at = hub.say(&batch(eve, (number, 1), (number - 1, at), &raw));
    }
    wires[0].cut(false);
    ada.until("* that was all").await;
    bob.until(&format!("Eve: {}", r"\x7f".repeat(60_000))).await;
}

#[tokio::test(start_paused = true)]
async fn members_have_a_turn_to_read_while_much_is_shown_at_once() {
    let mut two = Two::meet().await;
    let Two { hub, wires, ada, .. } = &mut two;
    let (eve, text) = (NodeId::drawn([1, 9]), "x".repeat(60_000));
    // What is not passed on is read, several places at once: more together than waits for a member at most.
    wires[0].deafen(true);
    let mut at = 0;
    for number in 1..=40 {
        at = hub.say(&batch(eve, (number, 1), (number - 1, at), &text));
    }
    wires[0].deafen(false);
    hub.say(&batch(eve, (41, 1), (40, at), "the last"));
    for _ in 0..40 {
        ada.hears(&format!("Eve: {text}")).await;
    }
    ada.hears("Eve: the last").await;
}

#[tokio::test(start_paused = true)]
async fn nodes_that_a_list_of_members_has_no_room_for_are_counted() {
    let mut two = Two::meet().await;
    let Two { hub, ada, .. } = &mut two;
    for number in 0..500 {
        hub.beat(&NodeBeat {
            origin: NodeId::drawn([number + 1, 9]),
            acked: 0,
            at: 0,
            name: format!("node{number}"),
            members: 20,
            names: (0..20).map(|member| format!("a member of long name {member}")).collect(),
            is_last: false,
        });
    }
    ada.until("* node node499 is here").await;
    ada.say("/who").await;
    let list = ada.until("* here: Ada; at ").await.pop().expect("a line");
    let listed = list.matches("; at ").count();
    let more = list.rsplit("; and ").next().and_then(|words| words.strip_suffix(" more nodes"));
    let more: usize = more.and_then(|count| count.parse().ok()).expect("a count");
    assert_eq!(listed + more, 501, "{list}");
}
