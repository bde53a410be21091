//! How often the servers keep what is said.

use std::time::Duration;

use hobnob::cluster::ClusterRoom;

use super::servers::{Make, Servers};
use crate::stage::{PATIENCE, skip, soon};

/// Asks for the room's streams until they are kept so often.
async fn kept(servers: &Servers, room: &ClusterRoom, copies: u64) {
    let (link, _news) = servers.look(room).await;
    let asking = async {
        loop {
            match link.prepare().await {
                Ok(facts) if facts.replicas == copies => return,
                // Nobody tells when the servers have found each other, or have a leader.
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let asked = tokio::time::timeout(PATIENCE * 2, asking).await;
    asked.unwrap_or_else(|_| panic!("the streams are not kept {copies} times"));
}

#[tokio::test]
async fn a_stream_that_was_made_before_the_third_server_came_is_kept_three_times_then() {
    let test = "cluster::real::copies::a_stream_that_was_made_before_the_third_server_came_is_kept_three_times_then";
    let Some(program) = Make::Pinned.program() else { return skip(test, "missing nats-server") };
    let mut servers = Servers::start_some(&program, 3, 2);
    let room = ClusterRoom::named("copies").expect("a name");
    kept(&servers, &room, 1).await;
    servers.start_one(2);
    kept(&servers, &room, 3).await;
    // The names are kept as often.
    for stream in [room.stream(), room.name_stream()] {
        let asking = async {
            loop {
                match servers.copies(&stream).await {
                    Some(copies) => return copies,
                    None => tokio::time::sleep(Duration::from_millis(100)).await, // nobody has answered
                }
            }
        };
        assert_eq!(soon("an answer", asking).await, 3, "{stream}");
    }
}
