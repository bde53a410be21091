//! A command line as nc and its like read it, said as it is typed here.

use std::net::Ipv6Addr;
use std::slice::Iter;

use hobnob::engine;
use hobnob::error::{Kind, quoted};
use hobnob::spec::ValueKind;

use super::{Flag, Usage, Usages};

/// A command to try, and when it is the right one.
pub(super) type Proposal = (String, &'static str);

/// Our verb that listens for one peer, and the flag that makes it.
const LISTENS: [&str; 2] = ["talk", "--listen"];

/// What a switch of nc's asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    /// To be dialled.
    Listen,
    /// To be there for the next peer too.
    Stay,
    /// UDP, or datagrams where a path is meant.
    Packets,
    /// A Unix socket.
    Path,
    /// TLS.
    Secret,
}

/// Words and flags of nc's kind, read for one of our verbs.
pub(super) struct Netcat {
    usages: Usages,
    usage: &'static Usage,
    pub(super) wishes: Vec<Meant>,
    host: Option<String>,
    port: Option<String>,
    /// Where a relay listens and what it dials, as toxiproxy's `create -l` and `-u` say it.
    sides: [Option<String>; 2],
    words: Vec<String>,
    /// Flags as they are typed here.
    flags: Vec<String>,
    /// What stands behind `--`.
    messages: Vec<String>,
}

impl Netcat {
    /// Nothing yet.
    pub(super) fn of(usage: &'static Usage, usages: Usages) -> Self {
        Netcat {
            usages,
            usage,
            wishes: Vec::new(),
            host: None,
            port: None,
            sides: [None, None],
            words: Vec::new(),
            flags: Vec::new(),
            messages: Vec::new(),
        }
    }

    fn wants(&self, wish: Meant) -> bool {
        self.wishes.contains(&wish)
    }

    /// Reads all; none where a word has no meaning here.
    pub(super) fn read(&mut self, words: &[String]) -> Option<()> {
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                self.messages = rest.by_ref().cloned().collect();
            } else if word.starts_with("--") {
                self.long(word, &mut rest)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                self.letters(letters, &mut rest)?;
            } else {
                self.words.push(word.clone());
            }
        }
        Some(())
    }

    fn letters(&mut self, letters: &str, rest: &mut Iter<String>) -> Option<()> {
        for (at, letter) in letters.char_indices() {
            // A value stands behind its letter or in the next word.
            let joined = &letters[at + letter.len_utf8()..];
            let mut value = || match joined {
                "" => rest.next().cloned(),
                joined => Some(joined.to_owned()),
            };
            match letter {
                'l' | 'u' if is_between(self.usage) => {
                    self.sides[usize::from(letter == 'u')] = Some(value()?);
                    return Some(());
                }
                'l' => self.wishes.push(Meant::Listen),
                'k' => self.wishes.push(Meant::Stay),
                'u' => self.wishes.push(Meant::Packets),
                'U' => self.wishes.push(Meant::Path),
                // Both are as they should be: the end of the input is told, and names are looked up in vain at most.
                'N' | 'n' => {}
                'C' => self.flag(&["--eol", "crlf"]),
                'p' => {
                    self.port = Some(value()?);
                    return Some(());
                }
                'w' => {
                    let time = format!("{}s", value()?.parse::<u32>().ok()?);
                    self.flag(&["--timeout", &time, "--idle", &time]);
                    return Some(());
                }
                letter => {
                    let own = self.usage.own_flags().find(|flag| flag.short == Some(letter))?;
                    if takes_value(own) {
                        let value = value()?;
                        self.flag(&[&format!("-{letter}"), &value]);
                        return Some(());
                    }
                    self.flag(&[&format!("-{letter}")]);
                }
            }
        }
        Some(())
    }

    fn long(&mut self, word: &str, rest: &mut Iter<String>) -> Option<()> {
        let (flag, joined) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word, None),
        };
        let mut value = || joined.clone().or_else(|| rest.next().cloned());
        match flag {
            "--listen" => self.wishes.push(Meant::Listen),
            "--keep-open" => self.wishes.push(Meant::Stay),
            "--udp" => self.wishes.push(Meant::Packets),
            "--tcp" => {}
            "--ssl" | "--tls" => self.wishes.push(Meant::Secret),
            "--crlf" => self.flag(&["--eol", "crlf"]),
            "--port" => self.port = Some(value()?),
            "--host" | "--address" | "--bind" => self.host = Some(value()?),
            flag if self.takes_value(flag)? && joined.is_none() => {
                let value = value()?;
                self.flag(&[flag, &value]);
            }
            _ => self.flag(&[word]),
        }
        Some(())
    }

    /// Whether a flag of ours takes a value; none where there is no such flag.
    fn takes_value(&self, flag: &str) -> Option<bool> {
        let name = flag.trim_start_matches('-');
        let own = self.usage.own_flags().find(|flag| flag.long == name).map(takes_value);
        let bare = name.strip_prefix("no-").unwrap_or(name);
        let lent = self.usage.lent_options().into_iter().find(|option| option.name == bare);
        own.or_else(|| lent.map(|option| option.kind != ValueKind::Flag))
    }

    fn flag(&mut self, words: &[&str]) {
        self.flags.extend(words.iter().map(|word| (*word).to_owned()));
    }

    /// The same as commands of ours, the likeliest first.
    pub(super) fn commands(mut self) -> Option<Vec<Proposal>> {
        if is_server(self.usage) {
            let service = self.words.first().filter(|word| is_service(word)).cloned();
            self.words.drain(..usize::from(service.is_some()));
            let is_said = service.is_some();
            let service = service.or_else(|| usual_service().map(str::to_owned))?;
            let endpoint = self.endpoint()?;
            let notes = if is_said { "" } else { "for one; hobnob serve lists them all" };
            let words = ["serve".to_owned(), service, endpoint.clone()];
            let mut all = vec![(self.command(&words), notes)];
            if !is_said {
                let words = [LISTENS[0].to_owned(), LISTENS[1].to_owned(), endpoint];
                let words: Vec<_> = words.into_iter().chain(self.switches_of(LISTENS[0])).collect();
                all.push((commanded(&words), "to type to who comes"));
            }
            return Some(all);
        }
        if is_between(self.usage) {
            let sides = std::mem::take(&mut self.sides);
            let given: Vec<_> = sides.into_iter().flatten().collect();
            let spelt = |word: String| match word.parse::<u16>() {
                Ok(port) => format!(":{port}"),
                Err(_) => word,
            };
            self.words = given.into_iter().chain(self.words).map(spelt).collect();
            let is_whole = self.words.len() == 2 && self.wishes.is_empty();
            let is_plain = self.words.iter().all(|word| word == "-" || is_endpoint(word));
            let words = [self.usage.name.to_owned()];
            return (is_whole && is_plain).then(|| vec![(self.command(&words), "")]);
        }
        if self.wants(Meant::Stay) && !self.wants(Meant::Listen) {
            // Of ours, it stands for --insecure.
            self.flag(&["-k"]);
        }
        let endpoint = self.endpoint()?;
        let mut words = vec![self.usage.name.to_owned()];
        if self.wants(Meant::Listen) {
            words.push("--listen".to_owned());
        }
        words.push(endpoint.clone());
        let mut all = vec![(self.command(&words), "")];
        if self.wants(Meant::Stay) && self.wants(Meant::Listen) {
            let command = format!("hobnob serve discard {}", quoted(&endpoint));
            all.push((command, "for many at once: shows what they say"));
        }
        Some(all)
    }

    fn command(&self, first: &[String]) -> String {
        let mut words = first.to_vec();
        words.extend_from_slice(&self.words);
        words.extend_from_slice(&self.flags);
        if !self.messages.is_empty() {
            words.push("--".to_owned());
            words.extend_from_slice(&self.messages);
        }
        commanded(&words)
    }

    /// Those of the flags that are switches of another verb as well.
    fn switches_of(&self, verb: &str) -> Vec<String> {
        let has =
            |flag: &str| self.usages.of(verb).is_some_and(|usage| usage.spellings(flag).is_some());
        let is_switch = |flag: &str| self.takes_value(flag) == Some(false);
        self.flags.iter().filter(|flag| has(flag) && is_switch(flag)).cloned().collect()
    }

    /// The address that the words begin with. It is taken out of them.
    fn endpoint(&mut self) -> Option<String> {
        let address = self.address()?;
        let scheme = match [Meant::Path, Meant::Packets, Meant::Secret].map(|wish| self.wants(wish))
        {
            [true, false, false] if address.starts_with(['/', '.']) => "",
            [true, false, false] => "unix:",
            [true, true, false] => "unixgram:",
            [false, true, false] => "udp://",
            [false, false, true] => "tls://",
            [false, false, false] => "",
            _ => return None,
        };
        let scheme = if address.contains("://") { "" } else { scheme };
        let endpoint = format!("{scheme}{address}");
        // get reads a host alone as one whose port is known.
        let is_url = self.usage.name == "get" && lacks_port(&endpoint);
        (is_url || is_endpoint(&endpoint)).then_some(endpoint)
    }

    fn address(&mut self) -> Option<String> {
        if let Some(port) = self.port.take() {
            let host = self.host.take().or_else(|| {
                let is_host = self.words.first().is_some_and(|host| lacks_port(host));
                is_host.then(|| self.words.remove(0))
            });
            return match host {
                Some(host) => joined(&host, &port),
                None if self.words.is_empty() => Some(format!(":{port}")),
                None => None,
            };
        }
        let first = if self.words.is_empty() { None } else { Some(self.words.remove(0)) };
        let first = match (self.host.take(), first) {
            (Some(host), Some(port)) => return joined(&host, &port),
            (host, first) => host.or(first)?,
        };
        if first.parse::<u16>().is_ok() {
            return Some(format!(":{first}"));
        }
        match self.words.first().and_then(|port| joined(&first, port)) {
            Some(address) => {
                self.words.remove(0);
                Some(address)
            }
            None => Some(first),
        }
    }
}

fn commanded(words: &[String]) -> String {
    let words = words.iter().map(|word| format!(" {}", quoted(word)));
    format!("hobnob{}", words.collect::<String>())
}

fn takes_value(flag: &Flag) -> bool {
    !flag.value.is_empty() && !flag.may_stand_alone()
}

/// Whether its first word is a service.
pub(super) fn is_server(usage: &Usage) -> bool {
    usage.words.starts_with("SERVICE") || usage.words.starts_with("[SERVICE")
}

/// Whether it has an address on either side.
fn is_between(usage: &Usage) -> bool {
    usage.words.starts_with("LISTEN TARGET")
}

/// The service that is proposed where none is said.
fn usual_service() -> Option<&'static str> {
    engine::services().iter().find(|row| row.make.is_some()).map(|row| row.spec.name)
}

/// Whether this build has such a service.
pub(super) fn is_service(word: &str) -> bool {
    engine::services().iter().any(|row| row.spec.name == word && row.make.is_some())
}

/// Whether it is an address by itself.
pub(super) fn is_endpoint(text: &str) -> bool {
    text != "-" && engine::parse(text).and_then(|at| engine::resolve(&at)).is_ok()
}

/// HOST and PORT as one address, where the first is none by itself.
pub(super) fn joined(host: &str, port: &str) -> Option<String> {
    let address = match host.parse::<Ipv6Addr>() {
        Ok(_) => format!("[{host}]:{port}"),
        Err(_) if lacks_port(host) => format!("{host}:{port}"),
        Err(_) => return None,
    };
    is_endpoint(&address).then_some(address)
}

fn lacks_port(host: &str) -> bool {
    engine::parse(host).is_err_and(|error| error.kind() == Kind::MissingPort)
}
