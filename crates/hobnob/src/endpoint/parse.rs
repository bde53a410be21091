//! From text to endpoint: which form it is, and its target.

use std::sync::Arc;

use super::grammar::{DASH_TRANSPORT, DEFAULT_TRANSPORT, Form, Grammar, PATH_TRANSPORT};
use super::net::{self, Port};
use super::piece::Piece;
use super::setting::{self, Given};
use super::stack::{self, StackText};
use super::target::Target;
use super::{Endpoint, command, escape, path, url};
use crate::error::{Error, Kind, Result};

impl Endpoint {
    /// Reads what a person typed. Errors are of the kinds `bad-address`, `missing-port` and `path-too-long`;
    /// each has a span inside `text` and something to try. Words that are not built in are read all the same.
    pub fn parse(text: &str, grammar: &Grammar) -> Result<Self> {
        read(Piece::of(&Arc::from(text)), grammar).map_err(with_help)
    }

    /// Reads `exec:` or `pty:`, layers before it included, with the words of its command given apart, as in
    /// `exec: -- python3 game.py`.
    pub fn parse_argv(text: &str, argv: &[String], grammar: &Grammar) -> Result<Self> {
        read_argv(Piece::of(&Arc::from(text)), argv, grammar).map_err(with_help)
    }
}

fn with_help(error: Error) -> Error {
    match error.kind() {
        Kind::BadAddress => error.hint_topic("addresses", ""),
        _ => error,
    }
}

fn read_argv(all: Piece, argv: &[String], grammar: &Grammar) -> Result<Endpoint> {
    let (head, tail) = all.cut(&[':']);
    let rest = if tail.is_empty() { tail } else { tail.from(1) };
    let stack = StackText::read(head, grammar)?;
    if stack.form != Form::Command || !rest.str().trim().is_empty() {
        let label = "words after -- are a command, so nothing but exec: or pty: stands before";
        return Err(all.bad(label).hint_endpoint("exec:", ""));
    }
    let target = command::from_argv(rest, argv)?;
    Ok(finish(all, stack, target, Vec::new()))
}

fn read(all: Piece, grammar: &Grammar) -> Result<Endpoint> {
    let text = all.str();
    if text.trim().is_empty() {
        return Err(all.bad("an address is missing here").hint_endpoint(":9000", ""));
    }
    if text == "-" || text.starts_with("-,") {
        let stack = StackText::implied(DASH_TRANSPORT, all.until(1), Form::Nothing);
        return Ok(finish(all, stack, Target::Nothing, setting::read_all(all.from(1))?));
    }
    if text.starts_with('@') {
        return Err(alias(all));
    }
    let (head, tail) = all.cut(&[':', '/', '[', ',']);
    let is_scheme = || head.str().contains('+') || stack::is_known(head, grammar);
    if tail.str().starts_with("://") || (tail.str().starts_with(':') && is_scheme()) {
        return with_scheme(all, head, tail, grammar);
    }
    match tail.str().chars().next() {
        Some('/') => bare_path(all),
        Some(':') if tail.cut(&[',']).0.str().contains('/') => {
            Err(colon_before_slash(all, head, tail, grammar))
        }
        None | Some(',') if is_scheme() => without_target(all, head, tail, grammar),
        _ => bare_net(all, grammar),
    }
}

fn finish(all: Piece, stack: StackText, target: Target, settings: Vec<Given>) -> Endpoint {
    let StackText { protocol, layers, transport, form: _ } = stack;
    Endpoint { protocol, layers, transport, target, settings, typed: all.typed() }
}

fn with_scheme(all: Piece, head: Piece, tail: Piece, grammar: &Grammar) -> Result<Endpoint> {
    let stack = StackText::read(head, grammar)?;
    let slashes = tail.str().starts_with("://").then(|| tail.from(1).until(2));
    let rest = if slashes.is_some() { tail.from(3) } else { tail.from(1) };
    let (target, settings) = match stack.form {
        Form::HostPort if url::is_url(head.str(), rest.str()) => match slashes {
            Some(_) => url::read(head, &stack, rest)?,
            None => return Err(no_slashes(tail.until(1))),
        },
        Form::HostPort => net_target(&stack, rest, Port::Needed(proposed_port(&stack)))?,
        Form::Host => net_target(&stack, rest, Port::None)?,
        Form::Command => {
            let (command, options) = command::read(rest)?;
            (command, setting::read_all(options)?)
        }
        form => {
            let (rest, options) = rest.cut(&[',']);
            (plain_target(form, rest, slashes)?, setting::read_all(options)?)
        }
    };
    Ok(finish(all, stack, target, settings))
}

/// The port to propose where one is missing: what most people mean by such an endpoint.
fn proposed_port(stack: &StackText) -> u16 {
    let is_tls = stack.layers.iter().any(|layer| layer.name() == "tls");
    match (is_tls, stack.transport.name()) {
        (true, _) => 443,
        (false, DEFAULT_TRANSPORT) => 80,
        (false, _) => 9000,
    }
}

fn net_target(stack: &StackText, rest: Piece, port: Port) -> Result<(Target, Vec<Given>)> {
    let (before, options) = rest.cut(&[',']);
    let (host, resource) = before.cut(&['/', '?']);
    let owner = stack.path_owner();
    if owner.is_none() && !resource.is_empty() {
        let error = resource.bad("there are no paths here");
        let error = error.why("a path follows the host in http and ws alone");
        let path = host.is_empty().then(|| format!("unix:{}", rest.str()));
        let meant = path.unwrap_or_else(|| resource.replaced(""));
        return Err(error.hint_endpoint(meant, ""));
    }
    let target = net::read(host, port)?;
    let mut settings = Vec::from_iter(url::path(resource, owner, escape::read_commas)?);
    settings.extend(setting::read_all(options)?);
    Ok((target, settings))
}

fn plain_target(form: Form, rest: Piece, slashes: Option<Piece>) -> Result<Target> {
    match form {
        Form::SocketPath => path::read(rest, slashes, true),
        Form::Path => path::read(rest, slashes, false),
        Form::Number => read_number(rest).map(Target::Number),
        Form::Name => read_name(rest).map(Target::Name),
        _ if rest.is_empty() => Ok(Target::Nothing),
        _ => Err(rest.bad("nothing follows here").hint_endpoint(rest.replaced(""), "")),
    }
}

fn read_number(typed: Piece) -> Result<u32> {
    // The kernel counts descriptors in an int.
    let number = typed.str().parse().ok().filter(|number| *number <= i32::MAX.unsigned_abs());
    number.filter(|_| !typed.str().starts_with('+')).ok_or_else(|| {
        typed.bad("a number is wanted here").why("as in fd:3, for a descriptor that was handed in")
    })
}

fn read_name(typed: Piece) -> Result<String> {
    if typed.is_empty() {
        return Err(typed.bad("a name is missing here").hint_endpoint(typed.replaced("name"), ""));
    }
    let is_strange = |c: char| !(c.is_alphanumeric() || "-_.".contains(c));
    match typed.find(is_strange) {
        Some(found) => {
            let error = found.bad(format!("{:?} cannot be in this name", found.str()));
            Err(error.why("a name is letters, digits, -, _ and dots"))
        }
        None => Ok(typed.str().to_owned()),
    }
}

fn bare_path(all: Piece) -> Result<Endpoint> {
    let stack = StackText::implied(PATH_TRANSPORT, all.until(0), Form::SocketPath);
    let (path, options) = all.cut(&[',']);
    let target = path::read(path, None, true)?;
    Ok(finish(all, stack, target, setting::read_all(options)?))
}

fn bare_net(all: Piece, grammar: &Grammar) -> Result<Endpoint> {
    let form = grammar.form(DEFAULT_TRANSPORT).unwrap_or(Form::HostPort);
    let stack = StackText::implied(DEFAULT_TRANSPORT, all.until(0), form);
    let (host, options) = all.cut(&[',']);
    let target = net::read(host, Port::Needed(80)).map_err(|error| match error.kind() {
        Kind::MissingPort if host.str() != ":" && !host.is_empty() => {
            let name = host.str().trim_end_matches(':');
            error.hint_dial(format!("http://{name}"), "")
        }
        _ => error,
    })?;
    Ok(finish(all, stack, target, setting::read_all(options)?))
}

/// A stack with nothing behind it: right for stdio alone.
fn without_target(all: Piece, head: Piece, tail: Piece, grammar: &Grammar) -> Result<Endpoint> {
    let stack = StackText::read(head, grammar)?;
    let example = match stack.form {
        Form::Nothing => {
            return Ok(finish(all, stack, Target::Nothing, setting::read_all(tail)?));
        }
        Form::HostPort => "://:9000",
        Form::Host => "://127.0.0.1",
        Form::SocketPath | Form::Path => ":/tmp/x.sock",
        Form::Command => ":cat",
        Form::Number => ":3",
        Form::Name => ":name",
    };
    let what = match head.str() {
        name if name == stack.transport.name() => format!("{name} is a transport"),
        name if stack.layers.len() == 1 => format!("{name} is a layer"),
        name => format!("{name} is a stack"),
    };
    let error = head.behind().bad(format!("{what}: what it is to open follows it"));
    Err(error.hint_endpoint(head.behind().replaced(example), ""))
}

fn alias(all: Piece) -> Error {
    let name = all.cut(&[',']).0;
    let error = name.wrong(
        Kind::BadAddress,
        format!("there is no alias {}", name.str()),
        "an alias comes from hobnob.toml",
    );
    let abstract_name = if name.str() == "@" { "unix:@name" } else { name.str() };
    error
        .why("a bare @word is an alias from hobnob.toml; unix:@word is a Linux abstract name")
        .hint_endpoint(format!("unix:{}", abstract_name.trim_start_matches("unix:")), "")
}

fn no_slashes(colon: Piece) -> Error {
    let error = colon.bad("two slashes are missing here");
    error.hint_endpoint(colon.replaced("://"), "")
}

/// `unx:/tmp/x` is a mistyped scheme; `localhost:80/x` is a URL without its scheme, or an odd path.
fn colon_before_slash(all: Piece, head: Piece, tail: Piece, grammar: &Grammar) -> Error {
    if tail.str().starts_with(":/") && !head.is_empty() {
        return stack::unknown(head, grammar);
    }
    let error = tail.cut(&['/']).1.bad("a path of what?");
    error
        .hint_endpoint(all.until(0).replaced("http://"), "a URL")
        .hint_endpoint(all.until(0).replaced("./"), "a unix socket's path")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{caret, grammar, parsed, proposals, refused};
    use super::*;

    /// Every endpoint of the table that defines the grammar, with its canonical text.
    #[test]
    fn every_row_of_the_table() {
        for (text, canonical) in [
            (":9000", "tcp://:9000"),
            ("9000", "tcp://:9000"),
            (":0", "tcp://:0"),
            ("example.com:80", "tcp://example.com:80"),
            ("0.0.0.0:9000", "tcp://0.0.0.0:9000"),
            ("[::1]:9000", "tcp://[::1]:9000"),
            ("udp://:9000", "udp://:9000"),
            ("udp://239.1.2.3:9000,iface=eth0", "udp://239.1.2.3:9000,iface=eth0"),
            ("/tmp/x.sock", "unix:/tmp/x.sock"),
            ("./x.sock", "unix:./x.sock"),
            ("unix:/tmp/x.sock", "unix:/tmp/x.sock"),
            ("unixgram:/tmp/x", "unixgram:/tmp/x"),
            ("unixseq:/tmp/x", "unixseq:/tmp/x"),
            ("unix:@name", "unix:@name"),
            ("tls://host:443", "tls://host:443"),
            ("tls+tcp://host:443", "tls://host:443"),
            ("tls://:8443,cert=c.pem,key=k.pem", "tls://:8443,cert=c.pem,key=k.pem"),
            ("ws://host/path", "ws://host/path"),
            ("wss://host:444/path?q", "wss://host:444/path?q"),
            ("http://host:80/a,b", "http://host/a,b"),
            ("https://host/", "https://host"),
            ("quic://host:4433", "quic://host:4433"),
            ("raw://host,proto=253", "raw://host,proto=253"),
            ("icmp://host", "icmp://host"),
            ("ws://:9001", "ws://:9001"),
            ("ws+unix:/run/x.sock", "ws+unix:/run/x.sock"),
            ("ws+tls+tcp://:9001", "wss://:9001"),
            ("lines+tls://host:993", "lines+tls://host:993"),
            ("len32+unix:/tmp/x", "len32+unix:/tmp/x"),
            ("-", "-"),
            ("-,idle=5s", "-,idle=5s"),
            ("lines+stdio", "lines+stdio:"),
            ("stdio:", "-"),
            ("exec:python3 game.py", "exec:python3 game.py"),
            ("exec:'python3 game.py'", "exec:python3 game.py"),
            ("exec: -- python3 game.py", "exec:-- python3 game.py"),
            ("pty:'bash -i'", "pty:bash -i"),
            ("fd:3", "fd:3"),
            ("fd:2147483647", "fd:2147483647"),
            ("memory:room", "memory:room"),
            ("file:/tmp/log", "file:/tmp/log"),
            ("http+unix:/run/docker.sock,path=/info", "http+unix:/run/docker.sock,path=/info"),
            ("udp:9000", "udp://:9000"),
        ] {
            let endpoint = parsed(text);
            assert_eq!(endpoint.to_string(), canonical, "{text}");
            assert_eq!(parsed(canonical), endpoint, "{text}");
        }
    }

    #[test]
    fn a_bare_word_in_at_signs_is_an_alias() {
        let error = refused("@prod");
        assert_eq!(error.kind(), Kind::BadAddress);
        assert_eq!(error.message(), "there is no alias @prod");
        assert_eq!(proposals(&error), ["unix:@prod"]);
    }

    #[test]
    fn each_mistake_is_pointed_at() {
        for (text, at, label, tries) in [
            ("", "", "an address is missing here", vec![":9000"]),
            (" ", " ", "an address is missing here", vec![":9000"]),
            ("9000 ", " ", "a space", vec!["9000"]),
            (" :9000", " ", "a space", vec![":9000"]),
            ("h:1/x", "/x", "a path of what?", vec!["http://h:1/x", "./h:1/x"]),
            ("stdio:x", "x", "nothing follows here", vec!["stdio:"]),
            ("fd:x", "x", "a number is wanted here", vec![]),
            ("fd:2147483648", "2147483648", "a number is wanted here", vec![]),
            ("fd:+3", "+3", "a number is wanted here", vec![]),
            ("fd:", "", "a number is wanted here", vec![]),
            ("memory:", "", "a name is missing here", vec!["memory:name"]),
            ("memory:a b", " ", r#"" " cannot be in this name"#, vec![]),
            (":9000\0", "9000\0", "a port is a number, 0 to 65535", vec![]),
        ] {
            let error = refused(text);
            assert_eq!((caret(&error), proposals(&error)), ((at, label), tries), "{text:?}");
            assert!(!error.hints().is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_stack_alone_is_shown_what_follows_it() {
        for (text, proposal) in [
            ("udp", "udp://:9000"),
            ("tls", "tls://:9000"),
            ("lines+unix", "lines+unix:/tmp/x.sock"),
            ("exec", "exec:cat"),
            ("icmp", "icmp://127.0.0.1"),
            ("fd,a=b", "fd:3,a=b"),
        ] {
            let error = refused(text);
            assert_eq!(proposals(&error), [proposal]);
            assert!(Endpoint::parse(proposal, &grammar()).is_ok(), "{proposal}");
        }
    }
}
