//! Raw packets beside scapy (python3-scapy), which builds and reads headers by itself.
//!
//! Everything happens in a network of its own: every raw socket of a protocol hears all of its packets.

use std::process::Command;

use crate::peer::skip;

/// The network: two addresses of each family, so that a question and its answer have different ones.
const NETWORK: &str = "ip link set lo up; for at in 1 2; do ip addr add fd00::$at/128 dev lo nodad; done; \
    exec \"$0\" \"$@\"";

/// Pythons that may have scapy: Debian's own has Debian's modules, also where another one stands before it.
fn python_with_scapy() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let mut command = Command::new(python);
        command.args(["-c", "import scapy.all"]).output().is_ok_and(|done| done.status.success())
    })
}

/// Runs a script in the network; the words that it printed last, or none where it is left out.
fn in_the_network(name: &str, script: &str) -> Option<String> {
    let Some(python) = python_with_scapy() else {
        skip(name, "missing scapy");
        return None;
    };
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--", "timeout", "25", "sh", "-ec", NETWORK, python, "-c", script]);
    command.arg(env!("CARGO_BIN_EXE_hobnob")).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let done = command.output().expect("unshare is there");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if err.contains("unshare:") {
        skip(name, &format!("no network of its own: {err}"));
        return None;
    }
    assert!(done.status.success(), "{out}{err}");
    Some(out.into_owned())
}

/// What both scripts begin with: a server, and what the loopback interface carries.
const SHARED: &str = r"
import json, socket, subprocess, sys, time
from scapy.all import IP, IPv6, IPv6ExtHdrDestOpt, IPOption_NOP, Raw, raw
BINARY = sys.argv[1]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(('lo', 0))
wire.settimeout(10)

def next_packet(wanted):
    'The next packet on the wire that is as wanted; loopback shows each twice, as it leaves and as it arrives.'
    while True:
        frame, about = wire.recvfrom(70000)
        if about[2] != socket.PACKET_OUTGOING:
            packet = (IPv6 if frame[12:14] == b'\x86\xdd' else IP)(frame[14:])
            if wanted(packet):
                return packet

def check_sum(packet):
    'scapy computes what it finds missing.'
    again = packet.copy()
    del again.chksum
    assert IP(raw(again)).chksum == packet.chksum, packet.summary()

def send(packet):
    if packet.version == 4:
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        s.sendto(raw(packet), (packet.dst, 0))
    else:
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        s.sendto(raw(packet), (packet.dst, 0, 0, 0))
    s.close()
";

const ECHO: &str = r"
server = subprocess.Popen(
    [BINARY, 'serve', 'echo', 'raw://127.0.0.1,proto=253', 'raw://fd00::1,proto=253', '--json'],
    stdout=subprocess.PIPE, text=True)
try:
    bound = [json.loads(server.stdout.readline())['addr'] for _ in range(2)]
    assert bound == ['127.0.0.1', 'fd00::1'], bound
    v4 = IP(src='127.0.0.2', dst='127.0.0.1', proto=253)
    v6 = IPv6(src='fd00::2', dst='fd00::1', nh=253)
    kinds = [
        v4 / b'plain', v4 / b'', v4 / b'odd',
        IP(src='127.0.0.2', dst='127.0.0.1', proto=253, ttl=1, id=7) / b'ttl 1',
        IP(src='127.0.0.2', dst='127.0.0.1', proto=253, flags='DF', tos=0x20) / b'not to be cut',
        IP(src='127.0.0.2', dst='127.0.0.1', proto=253, options=[IPOption_NOP()] * 4) / b'options',
        v4 / bytes(range(256)), v4 / (b'long' * 2000),
        v6 / b'plain', IPv6(src='fd00::2', dst='fd00::1', nh=253, hlim=1, tc=8, fl=77) / b'',
        IPv6(src='fd00::2', dst='fd00::1') / IPv6ExtHdrDestOpt(nh=253) / b'behind an option',
        v6 / (b'long' * 2000),
    ]
    for number, packet in enumerate(kinds):
        said = raw(packet.lastlayer()) if packet.haslayer(Raw) else b''
        send(packet)
        answer = next_packet(lambda p: p.src == packet.dst and p.dst == packet.src)
        if answer.version == 4:
            assert (answer.proto, answer.ihl, answer.ttl) == (253, 5, 64), answer.show()
            assert answer.len == 20 + len(said), (number, answer.len)
            assert answer.tos == 0x1c, answer.tos  # how an answer of ours is marked
            check_sum(answer)
        else:
            assert (answer.nh, answer.hlim, answer.plen) == (253, 64, len(said)), answer.show()
            assert answer.tc == 0x1c, answer.tc
        assert raw(answer.payload) == said, (number, raw(answer.payload))
    # From its own address, and an answer of its own kind: silence, and then an answer to somebody else.
    send(IP(src='127.0.0.1', dst='127.0.0.1', proto=253) / b'from itself')
    send(IP(src='127.0.0.2', dst='127.0.0.1', proto=253, tos=0x1c) / b'an answer')
    send(IPv6(src='fd00::2', dst='fd00::1', nh=253, tc=0x1c) / b'an answer')
    send(v4 / b'the last')
    answer = next_packet(lambda p: p.src == '127.0.0.1' and raw(p.payload) != b'from itself')
    assert raw(answer.payload) == b'the last', raw(answer.payload)
finally:
    server.terminate()
    told = [json.loads(line) for line in server.stdout]
    server.wait()
refused = sorted(line['limit'] for line in told if line.get('what') == 'refused')
assert refused == ['own-address', 'own-answer', 'own-answer'], refused
print(len(kinds), 'kinds')
";

#[test]
fn an_echo_answers_every_kind_of_packet_that_scapy_builds() {
    const NAME: &str = "packets::an_echo_answers_every_kind_of_packet_that_scapy_builds";
    let Some(said) = in_the_network(NAME, &format!("{SHARED}{ECHO}")) else { return };
    assert_eq!(said, "12 kinds\n");
}

const WHOLE: &str = r"
for whole in [
    IP(src='127.0.0.3', dst='127.0.0.1', proto=253, ttl=33, id=0x4242, tos=4) / b'whole',
    IPv6(src='fd00::2', dst='fd00::1', nh=253, hlim=33, tc=4, fl=9) / b'whole',
]:
    assert b'\n' not in raw(whole)
    at = 'raw://%s,proto=253,hdrincl,source=%s' % (whole.dst, {4: '127.0.0.2', 6: 'fd00::2'}[whole.version])
    done = subprocess.run([BINARY, 'talk', at, '--wait', '50ms'], input=raw(whole), capture_output=True)
    seen = next_packet(lambda p: p.src == whole.src)
    if seen.version == 4:
        assert (seen.ttl, seen.id, seen.tos, seen.proto) == (33, 0x4242, 4, 253), seen.show()
        check_sum(seen)
    else:
        assert (seen.hlim, seen.tc, seen.fl, seen.nh) == (33, 4, 9, 253), seen.show()
    assert raw(seen.payload) == b'whole', seen.show()
print('seen')
";

#[test]
fn scapy_reads_the_whole_packets_that_are_sent() {
    const NAME: &str = "packets::scapy_reads_the_whole_packets_that_are_sent";
    let Some(said) = in_the_network(NAME, &format!("{SHARED}{WHOLE}")) else { return };
    assert_eq!(said, "seen\n");
}
