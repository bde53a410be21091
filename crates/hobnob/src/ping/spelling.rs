//! What `ping` makes of a word that is no endpoint, or another one than a person means who pings.

use std::net::Ipv6Addr;

use crate::engine;
use crate::error::{Error, Kind, Result};

/// What a host alone is asked over.
pub const ALONE: &str = "icmp";

/// The words that a round may go over: layers and transports that are built in, and protocols.
pub fn overs() -> Vec<&'static str> {
    engine::grammar().words().filter(|word| !["stdio", "memory"].contains(word)).collect()
}

/// The endpoint that a word stands for, over what was said, if anything was. A host without a port is asked over
/// [`ALONE`]. None: the word is an endpoint as it is.
pub fn spelt(word: &str, over: Option<&str>) -> Result<Option<String>> {
    let Some(over) = over else { return Ok(spelt_alone(word)) };
    let known = overs();
    if let Some(strange) = over.split('+').find(|part| !known.contains(part)) {
        let text = format!("nothing goes over {strange:?}");
        let error = Error::new(Kind::BadOption, text);
        return Err(error
            .why(format!("known are: {}", known.join(", ")))
            .hint_option("over", ALONE, ""));
    }
    let head = word.split([':', '/', ',']).next().unwrap_or_default();
    let has_scheme = word[head.len()..].starts_with(':')
        && (word[head.len()..].starts_with("://")
            || head.split('+').all(|part| known.contains(&part)))
        && !head.is_empty();
    if has_scheme {
        let text = format!("{word} says already what it is asked over");
        return Err(Error::new(Kind::Usage, text).hint_dial(word, "as it stands"));
    }
    let is_path = word.contains('/') || word.starts_with('@');
    Ok(Some(format!(
        "{over}{}{word}",
        if is_path && !over.starts_with("http") { ":" } else { "://" }
    )))
}

fn spelt_alone(word: &str) -> Option<String> {
    let host = word.split(',').next().unwrap_or_default();
    let is_v6 = host.split('%').next().is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
    let is_portless = engine::parse(word).is_err_and(|error| error.kind() == Kind::MissingPort);
    let is_named = !host.is_empty() && !host.ends_with(':') && !host.contains("://");
    (is_named && (is_v6 || is_portless)).then(|| format!("{ALONE}://{word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_alone_is_asked_over_icmp_and_an_endpoint_is_left() {
        for word in ["example.com", "127.0.0.1", "::1", "[::1]", "fe80::1%lo", "localhost,ttl=3"] {
            assert_eq!(spelt(word, None), Ok(Some(format!("icmp://{word}"))), "{word}");
            engine::parse(&format!("icmp://{word}")).expect(word);
        }
        for word in
            [":9000", "9000", "h:80", "udp://h:9", "udp://h", "/tmp/x", "@alias", "", ":", "h:"]
        {
            assert_eq!(spelt(word, None), Ok(None), "{word}");
        }
    }

    #[test]
    fn what_it_goes_over_may_be_said_apart() {
        for (over, word, endpoint) in [
            ("udp", ":9000", "udp://:9000"),
            ("tls", "example.com:443", "tls://example.com:443"),
            ("http", "example.com", "http://example.com"),
            ("http", "example.com/x", "http://example.com/x"),
            ("unix", "/tmp/x.sock", "unix:/tmp/x.sock"),
            ("unix", "@name", "unix:@name"),
            ("icmp", "::1", "icmp://::1"),
            ("lines+tcp", ":9000", "lines+tcp://:9000"),
        ] {
            assert_eq!(spelt(word, Some(over)), Ok(Some(endpoint.to_owned())));
            engine::parse(endpoint).expect(endpoint);
        }
        let kind = |word, over| spelt(word, Some(over)).expect_err("refused").kind();
        assert_eq!(kind("h:1", "smoke"), Kind::BadOption);
        assert_eq!(kind("udp://h:1", "tcp"), Kind::Usage);
        assert_eq!(kind("unix:/tmp/x", "tcp"), Kind::Usage);
    }
}
