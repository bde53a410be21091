//! The scenarios run by `hobnob::socket`: what scenarios.py does with Python's, command by command.

use std::collections::HashMap;
use std::io::{BufRead as _, IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hobnob::address::Address;
use hobnob::socket::{
    self, ControlMessage, Flags, MessageFlags, OutgoingControl, PeerProcess, ServerOptions,
    Shutdown, Socket, Type,
};
use hobnob::spec::Value;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::names::of_names;
use super::words::{
    FAMILIES, FLAGS, Failure, Outcome, TYPES, all, asked, done, is, known, number, ok, option, say,
    seconds, shown, text, told, words_of,
};
use crate::stage::births;

/// The sockets of one scenario, by name.
pub(super) struct Scenario<'a> {
    folder: &'a Path,
    unique: &'a str,
    sockets: HashMap<String, Socket>,
    ports: HashMap<u16, String>,
}

impl<'a> Scenario<'a> {
    pub(super) fn new(folder: &'a Path, unique: &'a str) -> Self {
        Scenario { folder, unique, sockets: HashMap::new(), ports: HashMap::new() }
    }

    pub(super) fn run(&mut self, words: &[&str]) -> Outcome {
        let (name, rest) = (words[0], &words[1..]);
        self.opened(name, rest)
            .or_else(|| self.set_and_asked(name, rest))
            .or_else(|| self.received(name, rest))
            .or_else(|| self.sent(name, rest))
            .or_else(|| of_names(name, rest))
            .unwrap_or_else(|| panic!("{words:?} is no command"))
    }

    fn socket(&self, name: &str) -> Result<&Socket, Failure> {
        self.sockets.get(name).ok_or_else(|| Failure::Missing(name.to_owned()))
    }

    fn keep(&mut self, name: &str, socket: Socket) {
        self.sockets.insert(name.to_owned(), socket);
    }

    fn take(&mut self, name: &str) -> Result<Socket, Failure> {
        self.sockets.remove(name).ok_or_else(|| Failure::Missing(name.to_owned()))
    }

    fn port(&self, name: &str) -> Result<u16, Failure> {
        Ok(self.socket(name)?.local_address()?.ip().map_or(0, |ip| ip.port()))
    }

    /// Whose port it is, for what is shown: the port itself is another one each time.
    fn note(&mut self, name: &str) -> Outcome {
        let port = self.port(name)?;
        if port != 0 {
            self.ports.entry(port).or_insert_with(|| name.to_owned());
        }
        ok()
    }

    fn address(&self, word: &str) -> Result<Address, Failure> {
        let plain = match word {
            "loop4" => "127.0.0.1:0",
            "any4" => "0.0.0.0:0",
            "far4" => "192.0.2.1:0",
            "loop6" => "[::1]:0",
            "any6" => "[::]:0",
            "closed" => "127.0.0.1:1",
            "broadcast" => "255.255.255.255:9",
            _ => "",
        };
        if let Some(path) = word.strip_prefix("path:") {
            return Ok(Address::path(self.folder.join(words_of(path))));
        }
        if let Some(name) = word.strip_prefix("abstract:") {
            return Ok(Address::Abstract(format!("{name}{}", self.unique).into_bytes().into()));
        }
        match plain {
            "" => Ok(self.socket(word)?.local_address()?),
            plain => Ok(Address::Ip(number(plain))),
        }
    }

    fn named(&self, address: &Address) -> String {
        match address {
            Address::Ip(at) => {
                let (ip, port) = (at.ip(), at.port());
                match self.ports.get(&port) {
                    Some(name) => format!("{ip}:{name}"),
                    None if port < 1024 => format!("{ip}:{port}"),
                    None => format!("{ip}:?"),
                }
            }
            Address::Abstract(name) => {
                let name = String::from_utf8_lossy(name);
                format!("@{}", name.strip_suffix(self.unique).unwrap_or(&name))
            }
            Address::Path(path) => {
                path.strip_prefix(self.folder).unwrap_or(path).display().to_string()
            }
            other => other.to_string(),
        }
    }

    fn opened(&mut self, command: &str, words: &[&str]) -> Option<Outcome> {
        Some(match (command, words) {
            ("socket", [name, family, kind]) => {
                Socket::new(known(FAMILIES, family), known(TYPES, kind), 0)
                    .map_err(Failure::from)
                    .and_then(|socket| {
                        self.keep(name, socket);
                        ok()
                    })
            }
            ("pair", [one, other, kind]) => self.pair(one, other, known(TYPES, kind)),
            ("bind", [name, to]) => self.bind(name, to),
            ("listen", [name, backlog]) => self.listen(name, number(backlog)),
            ("accept", [name, new]) => self.accept(name, new),
            ("connect", [name, to]) => self.connect(name, to),
            ("connect_ex", [name, to]) => self.connect_ex(name, to),
            ("server", [name, at]) => self.server(name, at),
            ("dial", [name, to, time]) => self.dial(name, to, seconds(time), "127.0.0.1", None),
            ("dial", [name, to, time, host]) => self.dial(name, to, seconds(time), host, None),
            ("dial6", [name, to, time]) => self.dial(name, to, seconds(time), "::1", None),
            ("dialfrom", [name, to, source]) => {
                let source = SocketAddr::new(number(source), 0);
                self.dial(name, to, seconds("5"), "127.0.0.1", Some(source))
            }
            ("name", [name]) => self.address(name).map(|address| self.named(&address)),
            ("peer", [name]) => self.peer(name),
            ("close", [name]) => self.close(name),
            ("detach", [name]) => self.take(name).and_then(|s| is(s.into_fd().as_raw_fd() > 2)),
            ("dup", [name, new]) => self.copy(name, new, false),
            ("fromfd", [name, new]) => self.copy(name, new, true),
            ("fromfile", []) => from_file(),
            ("same", [one, other]) => self.are_same(one, other),
            _ => return None,
        })
    }

    fn pair(&mut self, one: &str, other: &str, kind: Type) -> Outcome {
        let (first, second) = Socket::pair(kind)?;
        self.keep(one, first);
        self.keep(other, second);
        ok()
    }

    fn bind(&mut self, name: &str, to: &str) -> Outcome {
        let to = self.address(to)?;
        self.socket(name)?.bind(&to)?;
        self.note(name)
    }

    fn listen(&self, name: &str, backlog: u32) -> Outcome {
        self.socket(name)?.listen(backlog)?;
        ok()
    }

    fn accept(&mut self, name: &str, new: &str) -> Outcome {
        let (accepted, peer) = self.socket(name)?.accept()?;
        self.keep(new, accepted);
        Ok(self.named(&peer))
    }

    fn connect(&mut self, name: &str, to: &str) -> Outcome {
        let to = self.address(to)?;
        self.socket(name)?.connect(&to)?;
        self.note(name)
    }

    fn connect_ex(&mut self, name: &str, to: &str) -> Outcome {
        let to = self.address(to)?;
        let errno = self.socket(name)?.connect_ex(&to)?;
        self.note(name)?;
        if errno == 0 { ok() } else { say(format!("{:?}", nix::errno::Errno::from_raw(errno))) }
    }

    fn server(&mut self, name: &str, at: &str) -> Outcome {
        let (at, is_dual_stack) = at.strip_suffix("both").map_or((at, false), |at| (at, true));
        let at = self.address(at)?.ip().expect("an IP address");
        let options = ServerOptions { is_dual_stack, ..ServerOptions::default() };
        self.keep(name, socket::create_server(at, options)?);
        self.note(name)
    }

    fn dial(
        &mut self,
        name: &str,
        to: &str,
        timeout: Option<Duration>,
        host: &str,
        source: Option<SocketAddr>,
    ) -> Outcome {
        let port = self.port(to)?;
        let dialled = match source {
            Some(source) => socket::create_connection_from(host, port, timeout, source),
            None => socket::create_connection(host, port, timeout),
        };
        self.keep(name, dialled?);
        self.note(name)
    }

    fn peer(&self, name: &str) -> Outcome {
        let peer = self.socket(name)?.peer_address()?;
        Ok(self.named(&peer))
    }

    fn close(&mut self, name: &str) -> Outcome {
        self.take(name)?.close()?;
        // Its peer is to see at once that it is gone, and a child that another test begins has a copy.
        births::settled();
        ok()
    }

    fn copy(&mut self, name: &str, new: &str, is_taken_over: bool) -> Outcome {
        let copy = self.socket(name)?.dup()?;
        let copy = if is_taken_over { Socket::from_fd(copy.into_fd())? } else { copy };
        self.keep(new, copy);
        ok()
    }

    fn are_same(&self, one: &str, other: &str) -> Outcome {
        let file = |name| -> Result<_, Failure> {
            Ok(std::fs::read_link(format!("/proc/self/fd/{}", self.socket(name)?.descriptor()))?)
        };
        is(file(one)? == file(other)?)
    }

    fn set_and_asked(&self, command: &str, words: &[&str]) -> Option<Outcome> {
        let first = words.first().copied().unwrap_or_default();
        let socket = match self.socket(first) {
            Ok(socket) => socket,
            Err(missing) if SETTINGS.contains(&command) => return Some(Err(missing)),
            Err(_) => return None,
        };
        Some(match (command, &words[1..]) {
            ("timeout", [time]) => done(socket.set_timeout(seconds(time))),
            ("gettimeout", []) => say(socket
                .timeout()
                .map_or("none".to_owned(), |timeout| format!("{}s", timeout.as_secs_f64()))),
            ("blocking", [value]) => done(socket.set_blocking(*value == "yes")),
            ("getblocking", []) => is(socket.is_blocking()),
            ("inheritable", []) => asked(socket.is_inheritable(), is),
            ("setinheritable", [value]) => done(socket.set_inheritable(*value == "yes")),
            ("inherited", []) => {
                let there = format!("/proc/self/fd/{}", socket.descriptor());
                let child = births::status(Command::new("test").args(["-e", &there]));
                child.map_err(Failure::from).and_then(|status| is(status.success()))
            }
            ("set", [name, value]) => done(socket.set_option(option(name), &value_of(name, value))),
            ("option", [name]) => asked(socket.option(option(name)), |value| {
                say(match value {
                    None => "off".to_owned(),
                    Some(Value::Flag(is_on)) => if is_on { "True" } else { "False" }.to_owned(),
                    Some(Value::Count(count)) => count.to_string(),
                    Some(Value::Duration(time)) => format!("{}s", time.as_secs()),
                    Some(other) => other.to_string(),
                })
            }),
            ("number", [level, which]) => {
                asked(socket.option_number(number(level), number(which)), say)
            }
            ("setnumber", [level, which, value]) => {
                done(socket.set_option_number(number(level), number(which), number(value)))
            }
            ("error", []) => asked(socket.take_error(), |error| {
                say(error.map_or("none".to_owned(), |error| told(Err(error.into()))))
            }),
            ("peercred", []) => asked(socket.peer_process(), |whose| say(whose_is(&whose))),
            ("readable", []) => asked(socket.is_readable_now(), is),
            ("readable-soon", []) => is(is_ready(socket, PollFlags::POLLIN)),
            ("writable", []) => is(is_ready(socket, PollFlags::POLLOUT)),
            _ => return None,
        })
    }

    fn received(&mut self, command: &str, words: &[&str]) -> Option<Outcome> {
        Some(match (command, words) {
            ("recv", [name, size, flags @ ..]) => self.recv(name, number(size), flags),
            ("recv_into", [name, size, flags @ ..]) => self.recv_into(name, number(size), flags),
            ("recvfrom", [name, size, flags @ ..]) => self.recv_from(name, number(size), flags),
            ("recvmsg", [name, sizes, room, flags @ ..]) => {
                self.recv_message(name, sizes, number(room), flags)
            }
            ("takefd", [name, size, most, names]) => {
                self.take_descriptors(name, number(size), number(most), names)
            }
            ("drain", [name]) => self.drain(name),
            ("reader", [name, size, steps @ ..]) => self.reader(name, size, steps),
            _ => return None,
        })
    }

    fn recv(&self, name: &str, size: usize, flags: &[&str]) -> Outcome {
        let mut into = Vec::new();
        self.socket(name)?.recv_append(&mut into, size, all(FLAGS, flags))?;
        Ok(shown(&into))
    }

    fn recv_into(&self, name: &str, size: usize, flags: &[&str]) -> Outcome {
        let mut room = vec![0; size];
        let count = self.socket(name)?.recv(&mut room, all(FLAGS, flags))?;
        Ok(format!("{count} {}", shown(&room[..count.min(size)])))
    }

    fn recv_from(&self, name: &str, size: usize, flags: &[&str]) -> Outcome {
        let mut room = vec![0; size];
        let (count, peer) = self.socket(name)?.recv_from(&mut room, all(FLAGS, flags))?;
        Ok(format!("{count} {} {}", shown(&room[..count.min(size)]), self.named(&peer)))
    }

    fn recv_message(&self, name: &str, sizes: &str, room: usize, flags: &[&str]) -> Outcome {
        let mut parts: Vec<Vec<u8>> = sizes.split(',').map(|size| vec![0; number(size)]).collect();
        let mut slices: Vec<_> = parts.iter_mut().map(|part| IoSliceMut::new(part)).collect();
        let message = self.socket(name)?.recv_message(&mut slices, room, all(FLAGS, flags))?;
        let received = parts.concat();
        let received = shown(&received[..message.length.min(received.len())]);
        let mut along: Vec<String> = Vec::new();
        for one in &message.control {
            along.push(control(one)?);
        }
        let came_with: &[(&str, fn(MessageFlags) -> bool)] = &[
            ("trunc", MessageFlags::is_truncated),
            ("ctrunc", MessageFlags::is_control_truncated),
            ("eor", MessageFlags::is_end_of_record),
            ("oob", MessageFlags::is_out_of_band),
            ("errqueue", MessageFlags::is_error),
        ];
        let flags = came_with.iter().filter(|(_, is_set)| is_set(message.flags));
        along.extend(flags.map(|(word, _)| (*word).to_owned()));
        let peer = self.named(&message.peer);
        Ok(format!("{} {received} {peer} [{}]", message.length, along.join(" ")))
    }

    fn take_descriptors(&mut self, name: &str, size: usize, most: usize, names: &str) -> Outcome {
        let mut room = vec![0; size];
        let (count, received) = self.socket(name)?.recv_descriptors(&mut room, most)?;
        let told = format!("{} {}", shown(&room[..count]), received.len());
        for (new, descriptor) in names.split(',').zip(received) {
            self.keep(new, Socket::from_fd(descriptor)?);
        }
        Ok(told)
    }

    fn drain(&self, name: &str) -> Outcome {
        let mut room = vec![0; 1 << 20];
        while self.socket(name)?.recv(&mut room, Flags::NONE)? > 0 {}
        ok()
    }

    fn reader(&self, name: &str, size: &str, steps: &[&str]) -> Outcome {
        let socket = self.socket(name)?;
        let mut file =
            if size == "default" { socket.reader() } else { socket.reader_with(number(size)) };
        let mut step = |step: &str| -> Outcome {
            let (what, rest) = step.split_once(':').unwrap_or((step, ""));
            let mut got = Vec::new();
            match what {
                "feed" => {
                    let (name, word) = rest.split_once(':').expect("a name and a word");
                    self.socket(name)?.send_all(&text(word))?;
                    return say("fed");
                }
                "readline" => file.read_until(b'\n', &mut got)?,
                "read" => (&mut file).take(number(rest)).read_to_end(&mut got)?,
                _ => file.read_to_end(&mut got)?,
            };
            Ok(shown(&got))
        };
        Ok(steps.iter().map(|one| told(step(one))).collect::<Vec<_>>().join(" | "))
    }

    fn sent(&self, command: &str, words: &[&str]) -> Option<Outcome> {
        Some(match (command, words) {
            ("send", [name, word, flags @ ..]) => {
                let sent = |socket: &Socket| socket.send(&text(word), all(FLAGS, flags));
                self.socket(name).and_then(|socket| asked(sent(socket), say))
            }
            ("sendall", [name, word]) => {
                self.socket(name).and_then(|socket| done(socket.send_all(&text(word))))
            }
            ("sendto", [name, word, to]) => self.send_to(name, word, to),
            ("sendmsg", [name, parts, rest @ ..]) => self.send_message(name, parts, rest),
            ("passfd", [name, word, names]) => self.pass_descriptors(name, word, names),
            ("fill", [name]) => {
                let all = vec![b'x'; 1 << 24];
                self.socket(name).and_then(|socket| done(socket.send_all(&all)))
            }
            ("shutdown", [name, how]) => {
                let how = match *how {
                    "read" => Shutdown::Read,
                    "write" => Shutdown::Write,
                    _ => Shutdown::Both,
                };
                self.socket(name).and_then(|socket| done(socket.shutdown(how)))
            }
            ("writer", [name, size, steps @ ..]) => self.writer(name, size, steps),
            _ => return None,
        })
    }

    fn send_to(&self, name: &str, word: &str, to: &str) -> Outcome {
        let to = self.address(to)?;
        say(self.socket(name)?.send_to(&text(word), Flags::NONE, &to)?)
    }

    fn send_message(&self, name: &str, parts: &str, rest: &[&str]) -> Outcome {
        let parts: Vec<&[u8]> =
            if parts == "''" { vec![b""] } else { parts.split(',').map(str::as_bytes).collect() };
        let parts: Vec<_> = parts.into_iter().map(IoSlice::new).collect();
        let (mut along, mut flags, mut to) = (Vec::new(), Flags::NONE, None);
        for word in rest {
            if let Some(peer) = word.strip_prefix("to:") {
                to = Some(self.address(peer)?);
            } else if word.contains(':') {
                along.extend(word.split(',').map(outgoing));
            } else {
                flags = flags | all(FLAGS, &[word]);
            }
        }
        say(self.socket(name)?.send_message(&parts, &along, flags, to.as_ref())?)
    }

    fn pass_descriptors(&self, name: &str, word: &str, names: &str) -> Outcome {
        let mut along = Vec::new();
        for one in names.split(',') {
            along.push(self.socket(one)?.as_fd());
        }
        say(self.socket(name)?.send_descriptors(&text(word), &along)?)
    }

    fn writer(&self, name: &str, size: &str, steps: &[&str]) -> Outcome {
        let socket = self.socket(name)?;
        let mut file =
            if size == "default" { socket.writer() } else { socket.writer_with(number(size)) };
        let mut step = |step: &str| -> Outcome {
            match step.split_once(':').unwrap_or((step, "")) {
                ("got", name) => self.recv(name, 65_536, &[]),
                ("write", word) => {
                    file.write_all(&text(word))?;
                    say("written")
                }
                _ => {
                    file.flush()?;
                    say("flushed")
                }
            }
        };
        Ok(steps.iter().map(|one| told(step(one))).collect::<Vec<_>>().join(" | "))
    }
}

/// Commands that set or ask, which tell of a socket that is missing.
const SETTINGS: &[&str] = &[
    "timeout",
    "gettimeout",
    "blocking",
    "getblocking",
    "inheritable",
    "setinheritable",
    "inherited",
    "set",
    "option",
    "number",
    "setnumber",
    "error",
    "peercred",
    "readable",
    "readable-soon",
    "writable",
];

fn value_of(name: &str, value: &str) -> Value {
    match value {
        "yes" => Value::Flag(true),
        "no" => Value::Flag(false),
        seconds if name == "linger" => Value::Duration(Duration::from_secs(number(seconds))),
        count => Value::Count(number(count)),
    }
}

fn is_ready(socket: &Socket, how: PollFlags) -> bool {
    let mut asked = [PollFd::new(socket.as_fd(), how)];
    poll(&mut asked, PollTimeout::from(10_000_u16)).expect("a socket") > 0
}

fn from_file() -> Outcome {
    Socket::from_fd(std::fs::File::open("/dev/null")?.into())?;
    ok()
}

fn own() -> PeerProcess {
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    PeerProcess { pid: std::process::id().cast_signed(), uid, gid }
}

fn whose_is(whose: &PeerProcess) -> &'static str {
    if *whose == own() { "own" } else { "other" }
}

fn outgoing(word: &str) -> OutgoingControl<'static> {
    match word.split_once(':').expect("a name and a value") {
        ("creds", _) => OutgoingControl::Credentials(own()),
        ("source", ip) => OutgoingControl::Source { address: number(ip), interface: 0 },
        ("ttl", ttl) => OutgoingControl::Ttl(number(ttl)),
        (_, class) => OutgoingControl::TrafficClass(number(class)),
    }
}

fn control(message: &ControlMessage) -> Outcome {
    Ok(match message {
        ControlMessage::Descriptors(each) => format!("fds:{}", each.len()),
        ControlMessage::Credentials(whose) => format!("creds:{}", whose_is(whose)),
        ControlMessage::Arrival(at) => {
            let ours = at.answer_from.map_or("none".to_owned(), |ours| ours.to_string());
            format!("pktinfo:{}/{ours}/{}", at.to, socket::interface_name(at.interface)?)
        }
        ControlMessage::Ttl(ttl) => format!("ttl:{ttl}"),
        ControlMessage::TrafficClass(class) => format!("tos:{class}"),
        ControlMessage::Timestamp(_) => "time".to_owned(),
        ControlMessage::Lost(count) => format!("lost:{count}"),
        ControlMessage::Report(report) => {
            let errno = nix::errno::Errno::from_raw(report.errno);
            let reporter = report.reporter.map_or("none".to_owned(), |ip| ip.to_string());
            let (origin, kind, code) = (report.origin, report.icmp_type, report.icmp_code);
            format!("report:{errno:?}/{origin}/{kind}/{code}/{}/{reporter}", report.info)
        }
        ControlMessage::Other { level, kind, data } => format!("{level}/{kind}/{}", data.len()),
    })
}
