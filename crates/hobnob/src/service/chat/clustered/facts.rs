//! What a node tells whoever looks at its server.

use std::time::Duration;

use crate::cluster::nats::{OLDEST, is_old};
use crate::cluster::{LinkFacts, NodeIs, NodeTold};
use crate::error::{Error, Kind};
use crate::event::{ClusterFact, Fact};

fn of(fact: ClusterFact) -> Fact {
    Fact::Clustered(Box::new(fact))
}

/// The servers are there; and what a person must know of them.
pub(super) fn linked(servers: &str, facts: &LinkFacts) -> Vec<Fact> {
    let LinkFacts { version, replicas, .. } = facts;
    let linked = ClusterFact::Linked {
        server: servers.to_owned(),
        version: version.clone(),
        replicas: *replicas,
    };
    let mut told = vec![of(linked)];
    if *replicas == 1 {
        let words = "one server keeps what is said, and loses it when it is lost";
        told.push(Fact::Warning(words.to_owned()));
    }
    if is_old(version) {
        let words =
            format!("nats-server {version} is older than {OLDEST}, and its makers mend it no more");
        told.push(Fact::Warning(words));
    }
    told
}

/// We are alone.
pub(super) fn parted(is_linked: bool) -> Fact {
    let why = if is_linked {
        "what was said has not come back from the servers for 2 s"
    } else {
        "no link to the servers for 2 s"
    };
    of(ClusterFact::Parted { why: why.to_owned() })
}

/// We are not alone any more.
pub(super) fn rejoined(away: Duration, said_here: u64, said_there: u64) -> Fact {
    of(ClusterFact::Rejoined { away, said_here, said_there })
}

/// Another node came, is not reached, or is gone.
pub(super) fn node(name: String, is: NodeIs, members: u64) -> Fact {
    let is = match is {
        NodeIs::Came => "came",
        NodeIs::Unreachable => "unreachable",
        NodeIs::Gone => "gone",
    };
    of(ClusterFact::Node { node: name, is, members })
}

/// So many entries of a node cannot be shown.
pub(super) fn unreadable(node: String, count: u64) -> Fact {
    of(ClusterFact::Missed { node, count: Some(count), why: "version" })
}

/// The node has ended, and no other node will ever have so many messages of its members.
pub(super) fn unstored(count: usize) -> Error {
    let what = match count {
        1 => "one message that was said here has not reached the other nodes".to_owned(),
        count => format!("{count} messages that were said here have not reached the other nodes"),
    };
    let error = Error::new(Kind::ClusterUnreachable, what);
    let error = error.why("this node ended before the servers had said that they have them");
    error.hint_topic("doctor", "says whether the servers are there now, and what they can")
}

/// What else a node tells, with the name of the node that it is about.
pub(super) fn told(told: &NodeTold, node: String) -> Option<Fact> {
    Some(match told {
        NodeTold::Missed { from, before, is_dropped, .. } => {
            let count = from.map(|from| before - from);
            let why = if *is_dropped { "dropped" } else { "lost" };
            of(ClusterFact::Missed { node, count, why })
        }
        NodeTold::Expired => {
            of(ClusterFact::Missed { node: String::new(), count: None, why: "expired" })
        }
        NodeTold::WentBack => {
            Fact::Warning("the servers have lost what was said before".to_owned())
        }
        NodeTold::Twin => {
            let what = "somebody speaks in the name of this node, which has another number now";
            let error = Error::new(Kind::ClusterTwin, what);
            let error = error.why("whoever may write to the room's subjects can do that");
            Fact::Failed(error.hint_option(
                "cluster-auth",
                "FILE",
                "servers where nobody else may write there",
            ))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_copy_and_an_old_server_are_warned_of() {
        let warnings = |version: &str, replicas| {
            let facts = LinkFacts { version: version.to_owned(), replicas, max_payload: 1 };
            linked("nats://a", &facts).len() - 1
        };
        for (version, replicas, wanted) in [
            ("2.9.10", 3, 1),
            ("2.10.0", 3, 0),
            ("2.15.1", 1, 1),
            ("1.4.0", 1, 2),
            ("3.0", 3, 0),
            ("dev", 3, 0),
        ] {
            assert_eq!(warnings(version, replicas), wanted, "{version} {replicas}");
        }
    }
}
