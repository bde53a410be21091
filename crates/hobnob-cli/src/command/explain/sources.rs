//! In which order names are looked up, and by which source one is found (nsswitch.conf(5), hosts(5), resolv.conf(5)).

use std::fmt::Write as _;
use std::path::Path;

use hobnob::files;
use serde_json::{Value, json};

use crate::report::show::safe;

const ORDER: &str = "/etc/nsswitch.conf";
const HOSTS: &str = "/etc/hosts";
const SERVERS: &str = "/etc/resolv.conf";

/// Bytes of such a file that are read; a longer one is told as none. Some block lists are hosts files of many megabytes.
const MOST: u64 = 64 << 20;

/// What nsswitch.conf calls the source that reads `/etc/hosts`.
const FILES: &str = "files";

/// Where a name comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NameSources {
    /// The sources, in the order in which they are asked.
    order: Vec<String>,
    /// The line of `/etc/hosts` that has the name.
    line: Option<usize>,
    /// The name servers, which the source `dns` asks.
    servers: Vec<String>,
}

impl NameSources {
    /// Reads the files of this machine.
    pub(super) fn of(name: &str) -> Self {
        NameSources {
            order: order(&text(ORDER)),
            line: line_of(&text(HOSTS), name),
            servers: servers(&text(SERVERS)),
        }
    }

    /// The source that has answered, as far as it is certain; none where several may have.
    fn answered(&self) -> Option<&str> {
        let is_files = |source: &&String| *source == FILES;
        // Whoever is asked before the file may have read it, too, or may have answered first.
        if self.line.is_some() {
            return self.order.first().filter(is_files).map(String::as_str);
        }
        let mut others = self.order.iter().filter(|source| !is_files(source));
        let only = others.next()?;
        others.next().is_none().then_some(only)
    }

    /// What is told of a name, in lines with their labels.
    pub(super) fn words(&self, was_found: bool) -> [(&'static str, String); 2] {
        let mut asked = String::new();
        for (at, source) in self.order.iter().enumerate() {
            let then = if at == 0 { "" } else { ", then " };
            let _ = write!(asked, "{then}{}", safe(source));
            match source.as_str() {
                FILES => asked.push_str(" (/etc/hosts)"),
                "dns" if !self.servers.is_empty() => {
                    let _ = write!(asked, " ({})", safe(&self.servers.join(", ")));
                }
                _ => {}
            }
        }
        let found = match (self.line, self.answered()) {
            _ if !was_found => "none of them".to_owned(),
            (Some(line), Some(_)) => format!("files: {HOSTS}, line {line}"),
            (Some(line), None) => {
                format!("files, unless one before them has it: {HOSTS}, line {line}")
            }
            (None, Some(source)) => format!("{}: {HOSTS} does not have it", safe(source)),
            (None, None) => format!("one of them: {HOSTS} does not have it"),
        };
        [("asked", asked), ("found by", found)]
    }

    pub(super) fn json(&self, was_found: bool) -> Value {
        json!({
            "order": self.order,
            "found_by": self.answered().filter(|_| was_found),
            "hosts_line": self.line,
            "name_servers": self.servers,
        })
    }
}

fn text(path: &str) -> String {
    let bytes = files::read(Path::new(path), MOST).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The sources of nsswitch.conf's line `hosts`, without what is to happen between them. Where there is no such line, glibc's
/// own order.
fn order(text: &str) -> Vec<String> {
    let lines = text.lines().map(without_comment);
    let found = lines.filter_map(|line| line.split_once(':')).find(|(of, _)| of.trim() == "hosts");
    let Some((_, sources)) = found else { return vec![FILES.to_owned(), "dns".to_owned()] };
    // `[NOTFOUND=return !UNAVAIL=continue]` is one action, which may have spaces in it.
    let mut is_action = false;
    let each = sources.split_inclusive([' ', '\t', '[', ']']).filter_map(|part| {
        let source = part.trim_matches([' ', '\t', '[', ']']);
        let is_source = !is_action && !source.is_empty();
        is_action = part.ends_with('[') || is_action && !part.ends_with(']');
        is_source.then(|| source.to_owned())
    });
    each.collect()
}

/// The number of the first line that gives the name an address, from 1.
fn line_of(text: &str, name: &str) -> Option<usize> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let has = |line: &str| {
        without_comment(line).split_whitespace().skip(1).any(|one| one.eq_ignore_ascii_case(name))
    };
    text.lines().position(has).map(|at| at + 1)
}

fn servers(text: &str) -> Vec<String> {
    let each = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        words.next().map(str::to_owned)
    });
    each.collect()
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_file_without_its_actions() {
        for (text, expected) in [
            ("passwd: files\nhosts:  files dns # mine\n", "files dns"),
            (
                "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns",
                "mymachines resolve files myhostname dns",
            ),
            (
                "hosts: files mdns4_minimal [NOTFOUND=return TRYAGAIN=continue] dns",
                "files mdns4_minimal dns",
            ),
            ("hosts:files[NOTFOUND=return]dns", "files dns"),
            ("# hosts: nis\n", "files dns"),
            ("hosts:", ""),
        ] {
            assert_eq!(order(text).join(" "), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_of_hosts_has_an_address_and_names() {
        let hosts = "# localhost\n127.0.0.1 localhost\n10.0.0.7\tDB.example db # old\n";
        for (name, line) in [
            ("localhost", Some(2)),
            ("db", Some(3)),
            ("db.EXAMPLE.", Some(3)),
            ("old", None),
            ("10.0.0.7", None),
        ] {
            assert_eq!(line_of(hosts, name), line, "{name}");
        }
    }

    #[test]
    fn the_source_is_named_where_it_is_certain() {
        let sources = |order: &str, line| NameSources {
            order: order.split(' ').map(str::to_owned).collect(),
            line,
            servers: vec!["192.0.2.53".to_owned()],
        };
        for (order, line, answered) in [
            ("files dns", Some(1), Some("files")),
            ("files dns", None, Some("dns")),
            ("dns files", Some(1), None),
            ("files mdns4_minimal dns", None, None),
            ("files", None, None),
        ] {
            assert_eq!(sources(order, line).answered(), answered, "{order} {line:?}");
        }
        let [asked, found] = sources("files dns", None).words(true);
        assert_eq!(asked, ("asked", "files (/etc/hosts), then dns (192.0.2.53)".to_owned()));
        assert_eq!(found, ("found by", "dns: /etc/hosts does not have it".to_owned()));
        assert_eq!(sources("files dns", None).words(false)[1].1, "none of them");
        assert_eq!(sources("files dns", None).json(false)["found_by"], Value::Null);
    }
}
