//! What happened between the nodes of a room, in words.

use std::time::Duration;

use hobnob::event::ClusterFact;
use hobnob::spec::show_duration;

use crate::report::show::{count, safe};

/// The word in JSON.
pub(crate) fn word(fact: &ClusterFact) -> &'static str {
    match fact {
        ClusterFact::Linked { .. } => "linked",
        ClusterFact::Parted { .. } => "parted",
        ClusterFact::Rejoined { .. } => "rejoined",
        ClusterFact::Missed { .. } => "missed",
        ClusterFact::Node { .. } => "node",
    }
}

/// Whether a person must not overlook it.
pub(crate) fn is_warning(fact: &ClusterFact) -> bool {
    matches!(fact, ClusterFact::Parted { .. } | ClusterFact::Missed { .. })
}

/// What a person reads.
pub(crate) fn text(fact: &ClusterFact) -> String {
    match fact {
        ClusterFact::Linked { server, version, replicas } => {
            let copies = match replicas {
                1 => "one copy".to_owned(),
                replicas => format!("{replicas} copies"),
            };
            format!(
                "linked to {}, nats-server {}, {copies} of the room",
                safe(server),
                safe(version)
            )
        }
        ClusterFact::Parted { why } => {
            format!("the other nodes cannot be reached, members are heard here only: {}", safe(why))
        }
        ClusterFact::Rejoined { away, said_here, said_there } => {
            let (here, there) = (count(*said_here, "message"), count(*said_there, "message"));
            let away = show_duration(Duration::from_secs(away.as_secs()));
            format!("the other nodes are back after {away}: {here} here meanwhile, {there} there")
        }
        ClusterFact::Missed { node, count: missing, why } => {
            let missing =
                missing.map_or_else(|| "messages".to_owned(), |many| count(many, "message"));
            format!("{missing} of node {} missed: {why}", safe(node))
        }
        ClusterFact::Node { node, is, members } => {
            format!("node {} {is}, {}", safe(node), count(*members, "member"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_node_calls_itself_moves_no_terminal() {
        let node = || "kite\x1b[2J".to_owned();
        let missed = ClusterFact::Missed { node: node(), count: Some(1), why: "lost" };
        assert_eq!(text(&missed), "1 message of node kite\\x1b[2J missed: lost");
        let gone = ClusterFact::Node { node: node(), is: "gone", members: 14 };
        assert_eq!(text(&gone), "node kite\\x1b[2J gone, 14 members");
        assert!(is_warning(&missed) && !is_warning(&gone));
    }
}
