//! A server that comes back has all again who were linked to it. How they spread is `nats::delay`, which has its own test.

use std::time::Duration;

use hobnob::clock::Clock;
use hobnob::cluster::nats::{NatsLink, NatsNews, NatsTerms};
use hobnob::cluster::{ClusterRoom, LinkNews, NodeId};
use tokio::task::JoinSet;

use super::servers::{Make, Servers};
use crate::stage::{skip, soon};

const LINKS: u64 = 50;

/// How long the server is away: long enough that those who try again do it seldom.
const AWAY: Duration = Duration::from_secs(3);

/// Waits for this news.
async fn until(news: &mut NatsNews, is_it: fn(&LinkNews) -> bool) {
    while !is_it(&news.next().await.expect("the link lives")) {}
}

#[tokio::test]
async fn links_come_back_to_a_server_that_was_away() {
    let test = "cluster::real::stampede::links_come_back_to_a_server_that_was_away";
    let Some(program) = Make::Pinned.program() else { return skip(test, "missing nats-server") };
    let mut servers = Servers::start(&program, 1);
    servers.ready().await;
    let room = ClusterRoom::named("stampede").expect("a name");
    let url = format!("nats://127.0.0.1:{}", servers.port(0));
    let mut links = Vec::new();
    for number in 0..LINKS {
        let terms = NatsTerms::new(&url, room.clone(), NodeId::drawn([number, 1])).expect("an URL");
        links.push(soon("a link", NatsLink::connect(&terms)).await.expect("it is there"));
    }
    servers.kill(0);
    for (_, news) in &mut links {
        soon("word that it is gone", until(news, |news| matches!(news, LinkNews::Down))).await;
    }
    tokio::time::sleep(AWAY).await; // what they try meanwhile is in vain
    servers.start_one(0);
    let clock = Clock::start();
    let mut coming = JoinSet::new();
    for (link, mut news) in links {
        coming.spawn(async move {
            until(&mut news, |news| matches!(news, LinkNews::Up)).await;
            drop(link);
            clock.now()
        });
    }
    let mut came = soon("all of them", coming.join_all()).await;
    came.sort_unstable();
    println!("{LINKS} links are back after {:.1?} to {:.1?}", came[0], came[came.len() - 1]);
    assert_eq!(came.len() as u64, LINKS);
}
