//! Where the servers are, and who we are to them, as a person says it.

use std::fmt;
use std::net::IpAddr;

use super::super::name::{ClusterRoom, NodeId};
use crate::error::{Error, Kind, Result};

/// What the servers know us by.
#[derive(Clone, PartialEq, Eq)]
pub enum NatsSecret {
    /// A user and a password.
    User(String, String),
    /// A token.
    Token(String),
}

impl NatsSecret {
    /// The secret in a text: `USER:PASSWORD`, or else a token. None where it holds neither.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.contains(char::is_control) {
            return None;
        }
        Some(match text.split_once(':') {
            Some((user, password)) => NatsSecret::User(user.to_owned(), password.to_owned()),
            None => NatsSecret::Token(text.to_owned()),
        })
    }
}

/// Where the servers are, and who we are to them.
#[derive(Clone)]
pub struct NatsTerms {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`, several with commas between.
    pub servers: String,
    /// What they know us by.
    pub secret: Option<NatsSecret>,
    /// Who vouches for them, in PEM; none: whom this machine trusts. With it, nothing is said without TLS.
    pub authorities: Option<Vec<u8>>,
    /// The room.
    pub room: ClusterRoom,
    /// Our number.
    pub me: NodeId,
}

impl fmt::Debug for NatsTerms {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NatsTerms { servers, secret, authorities, room, me } = self;
        let mut terms = f.debug_struct("NatsTerms");
        terms.field("servers", servers).field("has_password", &secret.is_some());
        terms.field("has_authorities", &authorities.is_some());
        terms.field("room", room).field("me", me).finish()
    }
}

fn wrong(what: &str) -> Error {
    let expected = "nats://HOST:PORT or tls://HOST:PORT, several with commas between";
    let error = Error::expecting(Kind::ClusterUrl, what, expected);
    error.hint_option("cluster", "nats://127.0.0.1:4222", "a server of this machine")
}

impl NatsTerms {
    /// The servers at these URLs: `nats://[USER:PASSWORD@]HOST:PORT`, or `tls://`, several with commas between.
    pub fn new(servers: &str, room: ClusterRoom, me: NodeId) -> Result<Self> {
        Self::guarded(servers, room, me, [false; 2])
    }

    /// Whether one of the servers is not spoken to without TLS.
    pub(super) fn wants_tls(&self) -> bool {
        self.authorities.is_some() || self.servers.split(',').any(|one| one.starts_with("tls://"))
    }

    /// The same, where a secret or those who vouch are still to come. It refuses to say a secret in clear text to another
    /// machine: each of the servers is told the one secret, whichever of them it stands beside.
    pub(super) fn guarded(
        servers: &str,
        room: ClusterRoom,
        me: NodeId,
        [has_secret, has_authorities]: [bool; 2],
    ) -> Result<Self> {
        let (servers, secret) = read(servers)?;
        if secret.is_some() && has_secret {
            return Err(wrong("a user stands there, and another one in the file"));
        }
        let terms = NatsTerms { servers, secret, authorities: None, room, me };
        let mut in_clear = terms.servers.split(',').filter_map(|one| one.strip_prefix("nats://"));
        let far = in_clear.find(|host| !is_here(host)).filter(|_| !has_authorities);
        match far.filter(|_| has_secret || terms.secret.is_some()) {
            None => Ok(terms),
            Some(host) => {
                let error = wrong("a password would leave this machine in clear text");
                let same = format!("tls://{host}");
                Err(error.hint_option("cluster", same, "the same with TLS"))
            }
        }
    }
}

/// The servers without what is secret, and that.
fn read(servers: &str) -> Result<(String, Option<NatsSecret>)> {
    let (mut plain, mut secret) = (Vec::new(), None);
    for server in servers.split(',').map(str::trim) {
        let (scheme, rest) = server.split_once("://").unwrap_or(("nats", server));
        if !["nats", "tls"].contains(&scheme) {
            return Err(wrong(&format!("{scheme}:// is no server of NATS")));
        }
        let (who, host) = match rest.rsplit_once('@') {
            Some((who, host)) => (Some(who), host),
            None => (None, rest),
        };
        if host.is_empty() || host.contains(['/', ' ']) {
            return Err(wrong("a server has a host"));
        }
        // The client reads the user of an URL and forgets it: it is to be said by itself.
        if let Some(who) = who {
            let (name, password) =
                who.split_once(':').ok_or_else(|| wrong("a user has a password"))?;
            let user = NatsSecret::User(name.to_owned(), password.to_owned());
            if secret.replace(user.clone()).is_some_and(|other| other != user) {
                return Err(wrong("all servers are told one user, and two stand there"));
            }
        }
        plain.push(format!("{scheme}://{host}"));
    }
    Ok((plain.join(","), secret))
}

/// Whether a host, with or without a port, is this machine for certain.
fn is_here(host: &str) -> bool {
    let has_port = host.ends_with(|c: char| c.is_ascii_digit()) && host.contains(':');
    let name = if has_port { host.rsplit_once(':').map_or(host, |(name, _)| name) } else { host };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(servers: &str) -> Result<NatsTerms> {
        NatsTerms::new(servers, ClusterRoom::named("lobby")?, NodeId::drawn([1, 2]))
    }

    #[test]
    fn a_password_is_not_said_again() {
        let error = terms("http://u:secret@far.test").expect_err("no scheme of ours");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        let two = terms("nats://u:secret@127.0.0.1,nats://v:secret@127.0.0.1:4223");
        assert!(!format!("{:?}", two.expect_err("two users")).contains("secret"));
        assert!(terms("nats://u:p@127.0.0.1,nats://u:p@127.0.0.1:4223").is_ok());
        let terms = terms("tls://u:secret@far.test").expect("a server");
        assert!(!format!("{terms:?}").contains("secret"), "{terms:?}");
    }

    #[test]
    fn a_password_leaves_this_machine_with_tls_alone() {
        for here in [
            "nats://u:p@127.0.0.1:4222",
            "nats://u:p@[::1]:4222",
            "u:p@localhost",
            "tls://u:p@far.test:4222",
        ] {
            let terms = terms(here).expect(here);
            assert!(terms.secret == NatsSecret::read("u:p"), "{here}");
            assert!(!terms.servers.contains("u:p"), "{}", terms.servers);
        }
        for far in [
            "nats://u:p@far.test:4222",
            "u:p@192.0.2.1",
            "nats://u:p@[2001:db8::1]:4222",
            "nats://u:p@127.0.0.1:4222,nats://far.test:4222",
            "far.test:4222,tls://u:p@other.test",
        ] {
            let error = terms(far).expect_err(far);
            assert_eq!(error.kind(), Kind::ClusterUrl);
            assert!(error.message().contains("clear text"), "{}", error.message());
            assert!(
                !format!("{error:?}").contains("u:p@"),
                "the password is not said again: {error:?}"
            );
        }
    }

    #[test]
    fn a_file_has_a_user_and_a_password_or_a_token() {
        let is = |text, wanted| assert!(NatsSecret::read(text) == wanted, "{text:?}");
        is("me:a:b\r\n", Some(NatsSecret::User("me".to_owned(), "a:b".to_owned())));
        is("s3cr3t\n", Some(NatsSecret::Token("s3cr3t".to_owned())));
        for none in ["", "\n", "a\nb\n", "a\0"] {
            is(none, None);
        }
    }
}
