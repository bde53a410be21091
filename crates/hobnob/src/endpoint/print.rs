//! The canonical text: what parses back into an equal endpoint.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::grammar::{DASH_TRANSPORT, DEFAULT_TRANSPORT};
use super::host::Host;
use super::setting::Given;
use super::stack::Word;
use super::target::Target;
use super::{Endpoint, command, escape, url};

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.protocol.iter().chain(&self.layers).map(Word::name).collect();
        if self.transport.name() == DEFAULT_TRANSPORT
            && let Some(url) = url::write(&words, &self.target, &self.settings)
        {
            return f.write_str(&url);
        }
        if words.is_empty() && self.transport.name() == DASH_TRANSPORT {
            f.write_str("-")?;
        } else {
            f.write_str(&self.stack(words))?;
            self.write_target(f)?;
        }
        self.settings.iter().try_for_each(|setting: &Given| setting.fmt(f))
    }
}

impl Endpoint {
    /// The stack without its default transport where that leaves a stack, and no URL.
    fn stack<'a>(&'a self, mut words: Vec<&'a str>) -> String {
        let is_tcp = self.transport.name() == DEFAULT_TRANSPORT;
        let is_here = self.host() == Some(&Host::Loopback);
        match url::scheme_of(&words) {
            Some(scheme) if is_tcp && is_here => return scheme.word.to_owned(),
            // One word and a host would be a URL, which takes no options.
            Some(_) if is_tcp && words.len() == 1 => words.push(DEFAULT_TRANSPORT),
            _ if is_tcp && !words.is_empty() => {}
            _ => words.push(self.transport.name()),
        }
        words.join("+")
    }

    fn write_target(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Net { host, port: Some(port) } => write!(f, "://{host}:{port}"),
            Target::Net { host, port: None } => write!(f, "://{host}"),
            Target::Path(path) => write_path(f, path),
            Target::Abstract(name) => write!(f, ":@{}", escape::write_bytes(name)),
            Target::Command(command) => {
                f.write_str(":")?;
                command::write(f, command, !self.settings.is_empty())
            }
            Target::Number(number) => write!(f, ":{number}"),
            Target::Name(name) => write!(f, ":{name}"),
            Target::Nothing => f.write_str(":"),
        }
    }
}

fn write_path(f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
    let path = path.as_os_str().as_bytes();
    let text = escape::write_bytes(path);
    match path {
        // Behind a single colon these two would be read as `://` and as an abstract name.
        [b'/', b'/', ..] => write!(f, "://{text}"),
        [b'@', ..] => write!(f, ":%40{}", &text[1..]),
        _ => write!(f, ":{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;

    #[test]
    fn what_would_be_misread_is_written_otherwise() {
        for (text, canonical) in [
            ("unix:////x", "unix:////x"),
            ("unix:%40x", "unix:%40x"),
            ("unix:/a%2cb", "unix:/a%2Cb"),
            ("unix:@%40", "unix:@@"),
            ("exec:'--x'", "exec:'--x'"),
            ("ws+tcp://h:80,a=b", "ws+tcp://h:80,a=b"),
            ("ws+tcp://h:80", "ws://h"),
            ("http+tls://:80", "https://:80"),
            ("lines+ws://h:80", "lines+ws://h:80"),
        ] {
            assert_eq!(parsed(text).to_string(), canonical);
            assert_eq!(parsed(canonical), parsed(text));
        }
    }
}
