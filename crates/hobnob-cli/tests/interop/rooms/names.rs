//! Names over several nodes: each has one owner.

use std::time::Duration;

use hobnob::cluster::nats::{NatsLink, NatsTerms};
use hobnob::cluster::{ClusterRoom, NameRecord, NodeId, WriteFault};

use super::{Member, Nats, node};
use crate::peer::PATIENCE;

#[test]
fn one_name_at_two_nodes_at_once_has_one_owner_and_is_free_when_that_one_leaves() {
    let test = "rooms::names::one_name_at_two_nodes_at_once_has_one_owner_and_is_free_when_that_one_leaves";
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    let (_kite, at_kite) = node(&nats, "kite", &[]);
    let (_lark, at_lark) = node(&nats, "lark", &[]);
    let mut judged = 0;
    for round in 0..10 {
        let name = format!("Ada{round}");
        let mut members = [Member::come(&at_kite), Member::come(&at_lark)];
        for member in &mut members {
            member.say(&name);
        }
        let heard = members.each_mut().map(|member| member.until(&name));
        if heard.iter().any(|line| line.contains('~')) {
            continue; // the servers took longer than a member waits, who was lent a name
        }
        judged += 1;
        let welcome = format!("* welcome, {name}: ");
        let owner = heard.iter().position(|line| line.starts_with(&welcome)).expect("an owner");
        let node = ["kite", "lark"][owner];
        let other = &heard[1 - owner];
        assert_eq!(*other, format!("* {name} is taken, at node {node}; your name?"));

        // The other one gets it when its owner has another one, or has left.
        let [mut first, mut second] = members;
        let (owner, other) =
            if owner == 0 { (&mut first, &mut second) } else { (&mut second, &mut first) };
        if round % 2 == 0 {
            owner.say(&format!("/name Once{round}"));
            // Who was here in the round before may still be leaving.
            owner.until("* so be it");
        } else {
            owner.say("/quit");
            owner.until("* goodbye");
        }
        loop {
            // It is given back a moment later than its owner hears of it.
            other.say(&name.to_uppercase());
            if other.until(&name.to_uppercase()).starts_with("* welcome, ") {
                break;
            }
        }
    }
    assert!(judged > 0, "each time the servers took longer than a member waits");
}

#[test]
fn who_comes_while_the_servers_are_away_is_lent_a_name_and_gets_its_own_when_they_are_back() {
    let test = "rooms::names::who_comes_while_the_servers_are_away_is_lent_a_name_and_gets_its_own_when_they_are_back";
    let Some(mut nats) = Nats::keeping(test, &[]) else { return };
    let (_kite, at_kite) = node(&nats, "kite", &[]);
    let (_lark, at_lark) = node(&nats, "lark", &[]);
    let mut ada = Member::called("Ada", &at_kite);
    let mut bob = Member::come(&at_lark);
    bob.say("B~b");
    assert_eq!(bob.until("~"), "* a name has no ~ in a room of many nodes; your name?");
    bob.say("Bob");
    bob.until("* welcome, Bob: ");

    nats.kill();
    ada.until("* the other nodes cannot be reached");
    bob.until("* the other nodes cannot be reached");
    let mut eves = [Member::come(&at_kite), Member::come(&at_lark)];
    let lent = eves.each_mut().map(|eve| {
        eve.say("Eve");
        let welcome = eve.until("* welcome, ");
        let name = welcome.trim_start_matches("* welcome, ").split(':').next().expect("a name");
        assert!(name.starts_with("Eve~") && name.len() == 6, "{welcome}");
        assert_eq!(
            eve.until("* you are"),
            format!("* you are {name} until the other nodes are back")
        );
        name.to_owned()
    });
    // A name of another node is asked for: who has it is not known now.
    eves[0].say("/name Bob");
    let bobs = eves[0].until("* you are Bob~");
    eves[0].say("/name Eve");
    eves[0].until("* you are Eve~");
    assert!(bobs.ends_with("until the other nodes are back"), "{bobs}");

    nats.start_again();
    let outcome = eves.each_mut().map(|eve| {
        loop {
            let line = eve.until("* ");
            if line == "* you are Eve now" || line.starts_with("* Eve is taken, at node ") {
                return line;
            }
        }
    });
    assert!(outcome.contains(&"* you are Eve now".to_owned()), "{outcome:?}");
    assert!(outcome.iter().any(|line| line.starts_with("* Eve is taken, at node ")), "{outcome:?}");
    let winner = outcome.iter().position(|line| line.ends_with("now")).expect("one");
    let other = if winner == 0 { &mut bob } else { &mut ada };
    assert_eq!(other.until("is Eve now"), format!("* {} is Eve now", lent[winner]));
}

/// Claims a name by one link: whether the link has it. In doubt the leader is asked, as a node does.
async fn claim(link: NatsLink, me: NodeId, key: String) -> bool {
    let record = NameRecord { owner: me, name: key.as_str().into(), node: "kite".into() };
    let mut is_in_doubt = false;
    loop {
        match link.write_name(&key, &record, Some(0)).await {
            Ok(_) => return true,
            Err(WriteFault::Conflict) if !is_in_doubt => return false,
            // It may be our own that stands there.
            Err(WriteFault::Conflict) => {
                if let Ok((_, Some(found))) = link.read_name(&key).await {
                    return found.owner == me;
                }
            }
            Err(WriteFault::Doubt) => is_in_doubt = true,
            Err(WriteFault::Untaken) => {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // what came of it, a leader knows
    }
}

#[test]
fn five_nodes_claim_500_names_at_once_and_each_has_one_owner() {
    let test = "rooms::names::five_nodes_claim_500_names_at_once_and_each_has_one_owner";
    let Some(nats) = Nats::keeping(test, &[]) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let owners = runtime.block_on(async {
        let mut claims = tokio::task::JoinSet::new();
        for number in 1..=5 {
            let me = NodeId::drawn([number, 0]);
            let room = ClusterRoom::named("lobby").expect("a room");
            let terms = NatsTerms::new(&nats.url(), room, me).expect("a server");
            let (link, news) = NatsLink::connect(&terms).await.expect("a link");
            link.prepare().await.expect("streams");
            drop(news);
            for name in 0..500_usize {
                let link = link.clone();
                claims.spawn(async move { (name, claim(link, me, format!("name{name}")).await) });
            }
        }
        let mut owners = vec![0; 500];
        let claimed = tokio::time::timeout(PATIENCE, claims.join_all()).await;
        for (name, is_owner) in claimed.expect("each claim has its answer") {
            owners[name] += usize::from(is_owner);
        }
        owners
    });
    assert_eq!(owners, vec![1; 500]);
}
