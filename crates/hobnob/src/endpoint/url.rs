//! URLs, and the request path that HTTP and WebSocket take from a target.

use super::escape;
use super::host::Host;
use super::net::{self, Port};
use super::piece::Piece;
use super::protocol::{PATH, SCHEMES, Scheme};
use super::setting::{self, Given};
use super::stack::StackText;
use super::target::Target;
use crate::error::{Error, Result};

/// The scheme of these words above tcp.
pub(super) fn scheme_of(words: &[&str]) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| scheme.protocol.iter().chain(scheme.layers).eq(words))
}

/// Whether this is a URL with a host: `ws://h/x`, and neither `ws://:9001` nor `ws://9001`.
pub(super) fn is_url(scheme: &str, rest: &str) -> bool {
    let host = rest.split(['/', '?', '#', ':', ',']).next().unwrap_or(rest);
    Scheme::of(scheme).is_some() && !host.bytes().all(|b| b.is_ascii_digit())
}

/// Reads a URL behind its `://`. Commas are part of it.
pub(super) fn read(scheme: Piece, stack: &StackText, rest: Piece) -> Result<(Target, Vec<Given>)> {
    let (authority, resource) = rest.cut(&['/', '?', '#']);
    if let Some(at) = authority.str().rfind('@') {
        return Err(with_secret(authority, at));
    }
    let port = Scheme::of(scheme.str()).map_or(0, |scheme| scheme.port);
    let (host, options) = authority.cut(&[',']);
    let target = net::read(host, Port::Default(port))?;
    if !options.is_empty() {
        return Err(options_in_a_url(scheme, &target, options, rest));
    }
    let path = path(resource, stack.path_owner(), str::to_owned)?;
    Ok((target, Vec::from_iter(path)))
}

/// Reads the path and query of a request into a setting; `/` alone is none, as it is what is asked for
/// anyway.
pub(super) fn path(
    typed: Piece,
    owner: Option<&str>,
    unescape: impl Fn(&str) -> String,
) -> Result<Option<Given>> {
    let typed = typed.cut(&['#']).0;
    if let Some(space) = typed.find(|c| c.is_whitespace() || c.is_control()) {
        let mut escaped = String::new();
        escape::push_escaped(&mut escaped, space.str().as_bytes());
        let error = space.bad(format!("{:?} cannot be in a URL", space.str()));
        return Err(error.hint_endpoint(space.replaced(&escaped), ""));
    }
    let value = match unescape(typed.str()) {
        value if value.is_empty() || value == "/" => return Ok(None),
        query if query.starts_with('?') => format!("/{query}"),
        value => value,
    };
    let layer = owner.map(str::to_owned);
    let (key, typed) = (PATH.to_owned(), typed.typed());
    Ok(Some(Given { layer, key, value: Some(value), typed }))
}

/// The URL that says the same, if there is one; a URL has no place for options beside its path.
pub(super) fn write(words: &[&str], target: &Target, settings: &[Given]) -> Option<String> {
    let Scheme { word: scheme, port: default, .. } = scheme_of(words)?;
    let Target::Net { host, port: Some(port) } = target else { return None };
    let path = match settings {
        [] => "",
        [Given { layer: Some(layer), key, value: Some(path), .. }]
            if layer == words[0] && key == PATH && is_plain_path(path) =>
        {
            path
        }
        _ => return None,
    };
    match host {
        Host::Loopback => None,
        _ if port == default => Some(format!("{scheme}://{host}{path}")),
        _ => Some(format!("{scheme}://{host}:{port}{path}")),
    }
}

/// Whether the path comes back as it is when it is read from a URL.
fn is_plain_path(path: &str) -> bool {
    let is_strange = |c: char| c == '#' || c.is_whitespace() || c.is_control();
    path != "/" && path.starts_with('/') && !path.contains(is_strange)
}

/// Names and passwords in a URL end up in logs and in the list of processes. The caret's text has them no
/// more.
fn with_secret(authority: Piece, at: usize) -> Error {
    let masked = authority.until(at).replaced("***").into();
    let start = authority.typed().range().start;
    let error =
        Piece::of(&masked).from(start).until(3).bad("a URL takes no user and password here");
    error.hint_endpoint(authority.until(at + 1).replaced(""), "").why(
        "other users of this machine can read a command line; send them in a header from a file",
    )
}

fn options_in_a_url(scheme: Piece, target: &Target, options: Piece, rest: Piece) -> Error {
    let mut error = options.bad("a comma is part of a URL, so options do not follow it");
    for option in setting::read_all(options).unwrap_or_default() {
        let option = option.to_string();
        error = error.hint_setting(&option[1..], "");
    }
    if let Target::Net { host, port: Some(port) } = target {
        let stack = format!("{}+tcp://{host}:{port}{}", scheme.str(), options.str());
        error = error.hint_endpoint(scheme.through(rest).replaced(&stack), "the same as a stack");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::super::tests::{caret, parsed, proposals, refused};

    #[test]
    fn a_url_is_taken_as_it_is() {
        for (text, protocol, layers, port, path) in [
            ("http://h/a,b?c=d,e", Some("http"), 0, 80, Some("/a,b?c=d,e")),
            ("https://h", Some("http"), 1, 443, None),
            ("https://h/%2C%20", Some("http"), 1, 443, Some("/%2C%20")),
            ("ws://h:9001/chat#top", None, 1, 9001, Some("/chat")),
            ("wss://[::1]?q=1", None, 2, 443, Some("/?q=1")),
            ("ws://h/", None, 1, 80, None),
        ] {
            let endpoint = parsed(text);
            let value = endpoint.settings().first().and_then(|setting| setting.value.as_deref());
            assert_eq!(
                (endpoint.protocol(), endpoint.layers().len(), endpoint.port(), value),
                (protocol, layers, Some(port), path),
                "{text}"
            );
        }
    }

    #[test]
    fn without_a_host_it_is_a_stack() {
        let endpoint = parsed("ws://:9001/a%2Cb,ping=5s");
        assert_eq!(endpoint.settings()[0].value.as_deref(), Some("/a,b"));
        assert_eq!(endpoint.to_string(), "ws://:9001,ws.path=/a%2Cb,ping=5s");
        assert_eq!(parsed("http://8080,dir=.").to_string(), "http://:8080,dir=.");
        assert_eq!(parsed("wss://:8443").to_string(), "wss://:8443");
    }

    #[test]
    fn options_make_a_stack_of_it() {
        let mut endpoint = parsed("wss://h/chat");
        assert_eq!(endpoint.to_string(), "wss://h/chat");
        endpoint.set("ping=5s").expect("a setting");
        assert_eq!(endpoint.to_string(), "ws+tls://h:443,ws.path=/chat,ping=5s");
        let mut endpoint = parsed("http://h");
        endpoint.set("http.path=/").expect("a setting");
        assert_eq!(endpoint.to_string(), "http+tcp://h:80,http.path=/");
        let error = refused("ws://h,ping=5s/x");
        assert_eq!(proposals(&error), ["ws+tcp://h:80,ping=5s"]);
    }

    #[test]
    fn a_password_is_not_shown_again() {
        let error = refused("http://me:secret@h/x");
        assert_eq!(caret(&error), ("***", "a URL takes no user and password here"));
        assert_eq!(error.span().map(|span| span.text.as_str()), Some("http://***@h/x"));
        assert_eq!(proposals(&error), ["http://h/x"]);
    }

    #[test]
    fn each_mistake_is_pointed_at() {
        for (text, at, label, proposal) in [
            ("http://h/a b", " ", r#"" " cannot be in a URL"#, "http://h/a%20b"),
            ("ws://:1/a b", " ", r#"" " cannot be in a URL"#, "ws://:1/a%20b"),
            ("http:h/x", ":", "two slashes are missing here", "http://h/x"),
            ("tcp:/x,a=b", "/x", "there are no paths here", "unix:/x,a=b"),
            ("tcp://h:80/", "/", "there are no paths here", "tcp://h:80"),
        ] {
            let error = refused(text);
            assert_eq!((caret(&error), proposals(&error)), ((at, label), vec![proposal]), "{text}");
        }
    }
}
