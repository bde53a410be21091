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
            let whose = match node.as_str() {
                "" => "other nodes".to_owned(),
                node => format!("node {}", safe(node)),
            };
            format!("{missing} of {whose} missed: {why}")
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

    #[test]
    fn each_step_of_a_node_is_a_line() {
        let (server, version) = ("nats://a".to_owned(), "2.10.0".to_owned());
        let away = Duration::from_millis(61_500);
        for (fact, line) in [
            (
                ClusterFact::Linked { server, version, replicas: 3 },
                "linked to nats://a, nats-server 2.10.0, 3 copies of the room",
            ),
            (
                ClusterFact::Parted { why: "no link".to_owned() },
                "the other nodes cannot be reached, members are heard here only: no link",
            ),
            (
                ClusterFact::Rejoined { away, said_here: 1, said_there: 2 },
                "the other nodes are back after 61s: 1 message here meanwhile, 2 messages there",
            ),
            (
                ClusterFact::Missed { node: String::new(), count: None, why: "expired" },
                "messages of other nodes missed: expired",
            ),
        ] {
            assert_eq!(text(&fact), line);
        }
    }
}
