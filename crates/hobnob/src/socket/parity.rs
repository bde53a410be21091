//! A test alone: each mode ends each step with the same errno, or none, as Python's socket module does.

use std::process::Command;
use std::time::Duration;

use super::{Family, Flags, Shutdown, Socket, Type};
use crate::address::Address;
use crate::error::{Result, errno_name};

const SHORT: Duration = Duration::from_millis(20);

/// The same sequence in Python and here: what each step ends with.
const PARITY: &str = "
import socket, errno
def ended(f):
    try: f(); return 'ok'
    except TimeoutError as e: return 'timeout' if e.errno is None else errno.errorcode[e.errno]
    except OSError as e: return errno.errorcode[e.errno]
out = []
a, b = socket.socketpair()
for t in (0, 0.02):
    a.settimeout(t)
    out += [ended(lambda: a.recv(1)), str(a.getblocking()), str(a.gettimeout())]
    out.append(ended(lambda: a.sendall(b'x' * (1 << 24))))
a.settimeout(None)
b.settimeout(0)
out += [str(a.getblocking()), ended(lambda: [b.recv(1 << 20) for _ in range(10000)])]
b.close()
out += [ended(lambda: a.recv(1)), ended(lambda: a.sendall(b'x'))]
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen(1)
for t in (0, 0.02):
    l.settimeout(t); out.append(ended(l.accept))
c = socket.socket(); c.settimeout(0)
out += [errno.errorcode.get(c.connect_ex(l.getsockname()), 'ok')]
l.settimeout(5)
s, _ = l.accept()
out += [str(s.gettimeout()), ended(lambda: c.connect(l.getsockname())), ended(c.getpeername)]
u = socket.socket()
out += [ended(u.getpeername), ended(lambda: u.shutdown(1)), ended(lambda: u.recv(1)), ended(lambda: u.send(b''))]
l2 = socket.socket(); out.append(ended(lambda: l2.bind(l.getsockname())))
l.close()
d = socket.socket(); out += [ended(lambda: d.connect(('127.0.0.1', 1))), errno.errorcode.get(d.connect_ex(('127.0.0.1', 1)), 'ok')]
q = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
out += [ended(lambda: q.connect('/nowhere/x')), ended(lambda: q.bind('/nowhere/x'))]
print('|'.join(out))
";

#[test]
fn each_step_ends_as_it_does_in_python() {
    let Ok(python) = Command::new("python3").args(["-c", PARITY]).output() else {
        println!("left out: python3 is not here");
        return;
    };
    let pythons = String::from_utf8_lossy(&python.stdout);
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    assert_eq!(parity().join("|"), pythons.trim_end());
}

fn ended<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => match error.errno() {
            Some(errno) => errno_name(errno),
            None => "timeout".to_owned(),
        },
    }
}

fn bool_of(is_so: bool) -> String {
    if is_so { "True" } else { "False" }.to_owned()
}

fn seconds(timeout: Option<Duration>) -> String {
    timeout.map_or("None".to_owned(), |timeout| match timeout.as_secs_f64() {
        0.0 => "0.0".to_owned(),
        seconds => seconds.to_string(),
    })
}

fn errno_of(errno: i32) -> String {
    if errno == 0 { "ok".to_owned() } else { errno_name(errno) }
}

fn parity() -> Vec<String> {
    let mut out = Vec::new();
    parity_of_streams(&mut out);
    parity_of_connections(&mut out);
    out
}

fn parity_of_streams(out: &mut Vec<String>) {
    let (ours, theirs) = Socket::pair(Type::Stream).expect("a pair");
    for timeout in [Duration::ZERO, SHORT] {
        ours.set_timeout(Some(timeout)).expect("set");
        out.push(ended(ours.recv(&mut [0], Flags::NONE)));
        out.extend([bool_of(ours.is_blocking()), seconds(ours.timeout())]);
        out.push(ended(ours.send_all(&vec![b'x'; 1 << 24])));
    }
    ours.set_timeout(None).expect("set");
    theirs.set_timeout(Some(Duration::ZERO)).expect("set");
    out.push(bool_of(ours.is_blocking()));
    let mut buf = vec![0; 1 << 20];
    out.push(ended((0..10_000).try_for_each(|_| theirs.recv(&mut buf, Flags::NONE).map(drop))));
    theirs.close().expect("open");
    out.push(ended(ours.recv(&mut [0], Flags::NONE)));
    out.push(ended(ours.send_all(b"x")));
}

fn parity_of_connections(out: &mut Vec<String>) {
    let new = || Socket::new(Family::V4, Type::Stream, 0).expect("a socket");
    let listener = new();
    let any = Address::Ip("127.0.0.1:0".parse().expect("an address"));
    listener.bind(&any).expect("a free port");
    listener.listen(1).expect("bound");
    let address = listener.local_address().expect("bound");
    for timeout in [Duration::ZERO, SHORT] {
        listener.set_timeout(Some(timeout)).expect("set");
        out.push(ended(listener.accept()));
    }
    let client = new();
    client.set_timeout(Some(Duration::ZERO)).expect("set");
    out.push(errno_of(client.connect_ex(&address).expect("an address")));
    listener.set_timeout(Some(Duration::from_secs(5))).expect("set");
    let (accepted, _) = listener.accept().expect("one waits");
    out.extend([
        seconds(accepted.timeout()),
        ended(client.connect(&address)),
        ended(client.peer_address()),
    ]);
    let unconnected = new();
    out.extend([ended(unconnected.peer_address()), ended(unconnected.shutdown(Shutdown::Write))]);
    out.extend([
        ended(unconnected.recv(&mut [0], Flags::NONE)),
        ended(unconnected.send(b"", Flags::NONE)),
    ]);
    out.push(ended(new().bind(&address)));
    drop(listener);
    let (dials, closed) = (new(), Address::Ip("127.0.0.1:1".parse().expect("an address")));
    out.push(ended(dials.connect(&closed)));
    out.push(errno_of(dials.connect_ex(&closed).expect("an address")));
    let unix = Socket::new(Family::Unix, Type::Seqpacket, 0).expect("a socket");
    let nowhere = Address::path("/nowhere/x");
    out.extend([ended(unix.connect(&nowhere)), ended(unix.bind(&nowhere))]);
}
