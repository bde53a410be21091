//! `hobnob sniff` beside tcpdump and tshark, in networks of the tests' own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::namespace::Namespace;
use crate::peer::{Running, has, hobnob, python, succeeds};
use crate::queues::dropped_by_the_kernel;

/// Two interfaces that are joined, and nothing on them but what a test sends.
const PAIR: &str = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set lo up; \
    ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up";
/// What the script sends last: of a type that no filter here asks for.
const LAST: &str = "ether proto 0x88b5";

/// A network for this test, where these programs are there, too; else the test is left out.
fn network(test: &str, setup: &str, programs: &[&str]) -> Option<Namespace> {
    let test = format!("sniff::{test}");
    if !programs.iter().all(|program| has(&test, program)) {
        return None;
    }
    match Namespace::with(setup) {
        Ok(network) => Some(network),
        Err(why) => {
            crate::peer::skip(&test, &why);
            None
        }
    }
}

/// `hobnob sniff` in the network, once it captures; events are its stdout.
fn sniffing(network: &Namespace, words: &[&str]) -> Running {
    let mut command = network.command(env!("CARGO_BIN_EXE_hobnob"));
    let mut running = Running::start(command.arg("sniff").args(words).arg("--json"));
    let first = running.line();
    assert!(first.contains("capturing on") || first.contains("following streams on"), "{first}");
    running
}

/// Asks it to stop: all that it still told.
fn told(running: Running) -> Vec<Value> {
    let out = running.ask_to_end().stdout;
    let out = String::from_utf8(out).expect("UTF-8");
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// tcpdump on an interface, once it captures; its lines come at once.
fn dumping(network: &Namespace, interface: &str, filter: &str) -> Running {
    let mut command = network.command("sh");
    let script = "exec tcpdump -i \"$0\" -Z root --immediate-mode -lnn \"$1\" 2>&1";
    let mut running = Running::start(command.args(["-c", script, interface, filter]));
    running.hears("listening on");
    running
}

#[test]
fn filters_let_pass_in_the_kernel_what_those_of_tcpdump_do() {
    const FILTERS: [[&str; 9]; 3] = [
        ["", "tcp", "udp", "icmp", "icmp6", "igmp", "arp", "ip6", "ip and not tcp"],
        [
            "port 9000",
            "tcp port 9000",
            "src port 9000",
            "udp dst port 53",
            "portrange 40000-50000",
            "host 10.9.0.2",
            "src host 10.9.0.2",
            "net 10.9.1.0/24",
            "host fd00::9",
        ],
        [
            "tcp and dst 10.9.0.2 and not port 443",
            "port 9000 or 53 and ip6",
            "ip6 and (tcp or udp port 53)",
            "dst net fd00::/16 and src port 50000",
            "ip6 and not (udp or tcp)",
            "arp host 10.9.0.1",
            "ip host 10.9.0.1 and icmp",
            "! port 9000 and ip",
            "src net 10.9.0.0/30 or icmp6",
        ],
    ];
    let test = "filters_let_pass_in_the_kernel_what_those_of_tcpdump_do";
    let Some(network) = network(test, PAIR, &["tcpdump", "python3"]) else { return };
    for filters in FILTERS {
        let both = filters.map(|filter| {
            let with_last =
                if filter.is_empty() { String::new() } else { format!("({filter}) or {LAST}") };
            let words: Vec<_> =
                ["d1", filter].into_iter().filter(|word| !word.is_empty()).collect();
            (filter, sniffing(&network, &words), dumping(&network, "d1", &with_last))
        });
        let frames = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/python/frames.py");
        succeeds(network.command("python3").arg(frames).arg("d0"));
        for (filter, ours, mut theirs) in both {
            let lines = theirs.hears("0x88b5");
            let is_packet = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
            let theirs = lines.lines().filter(is_packet).count();
            let sum = told(ours).pop().expect("a summary");
            // Without a filter the last one is shown, too.
            let last = u64::from(!filter.is_empty());
            assert_eq!(number(&sum["shown"]) + last, theirs as u64, "{filter}: {lines}");
            assert_eq!(number(&sum["dropped"]), 0);
        }
    }
}

/// The same line with addresses and ports as tcpdump writes them.
fn as_tcpdump(line: &str) -> String {
    let line = line.replace("vlan 5, ", "");
    let line = line.split(" (fragment ").next().unwrap_or_default();
    let words = line.split(' ').map(|word| {
        let (bare, colon) = word.strip_suffix(':').map_or((word, ""), |bare| (bare, ":"));
        match bare.parse::<SocketAddr>() {
            Ok(end) => format!("{}.{}{colon}", end.ip(), end.port()),
            Err(_) => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_tcpdump_writes_is_read_and_shown_as_tcpdump_shows_it() {
    let test = "what_tcpdump_writes_is_read_and_shown_as_tcpdump_shows_it";
    let Some(network) = network(test, PAIR, &["tcpdump", "python3"]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("in.pcap");
    let frames = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/python/frames.py");
    // The queue of received packets is the processor's, and another test may have it overflow: then all is sent again.
    let mut tries = 0;
    loop {
        let before = dropped_by_the_kernel();
        let mut dump = network.command("sh");
        let script = "exec timeout 10 tcpdump -i d1 -Z root --immediate-mode -c 29 -w \"$0\" 2>&1";
        let mut dump = Running::start(dump.args(["-c", script]).arg(&path));
        dump.hears("listening on");
        succeeds(network.command("python3").arg(&frames).arg("d0"));
        let ended = dump.finish();
        if ended.status.success() {
            break;
        }
        tries += 1;
        let is_lost = dropped_by_the_kernel() > before && tries < 5;
        assert!(is_lost, "{}", String::from_utf8_lossy(&ended.stdout));
    }
    let theirs = succeeds(Command::new("tcpdump").args(["-nnr"]).arg(&path).env("TZ", "UTC"));
    let ours = succeeds(hobnob().args(["sniff", "-r"]).arg(&path).env("TZ", "UTC"));
    assert_eq!(ours.lines().count(), 29);
    // What tcpdump looks into further, or writes at greater length, is not compared.
    let is_plain = |line: &str| {
        let kinds = ["Flags [", "ARP, Re", "ICMP ", "ICMP6, echo", "UDP, length"];
        let is_known = kinds.iter().any(|kind| line.contains(kind));
        is_known && !["frag (", " HBH ", "Reverse"].iter().any(|other| line.contains(other))
    };
    let mut count = 0;
    for (theirs, ours) in theirs.lines().zip(ours.lines()).filter(|(theirs, _)| is_plain(theirs)) {
        assert_eq!(as_tcpdump(ours), theirs);
        count += 1;
    }
    assert!(count > 12, "{count} of {theirs}");
}

/// Fields of the packets of a file that tshark lets pass.
fn tshark(file: &Path, filter: &str, field: &str) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-T", "fields", "-e", field, "-Y", filter]);
    succeeds(&mut command).lines().map(str::to_owned).collect()
}

#[test]
fn tshark_reads_what_is_written_and_finds_the_same_streams_and_retransmissions() {
    // The loss is behind the place where packets are captured, so that each that is lost is seen twice.
    const LOSSLESS: &str = "ip link set lo up mtu 1500 gso_max_segs 1";
    const LOSS: &str = "nft add table inet t; \
        nft 'add chain inet t i { type filter hook input priority 0; }'; \
        nft add rule inet t i tcp dport 9000 numgen inc mod 100 == 57 drop";
    for (setup, is_lossy) in [(LOSSLESS.to_owned(), false), (format!("{LOSSLESS}; {LOSS}"), true)] {
        let test = "tshark_reads_what_is_written_and_finds_the_same_streams_and_retransmissions";
        let Some(network) = network(test, &setup, &["tshark", "nft"]) else { return };
        reads_as_tshark_does(&network, is_lossy);
    }
}

/// Two uploads while a file of them is written: tshark counts in it what we do.
fn reads_as_tshark_does(network: &Namespace, is_lossy: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.pcapng");
    let file = path.to_str().expect("UTF-8");
    let mut command = network.command("sh");
    let script = "exec \"$0\" sniff lo tcp -w \"$1\" 2>&1";
    let binary = env!("CARGO_BIN_EXE_hobnob");
    let mut sniffed = Running::start(command.args(["-c", script, binary, file]));
    sniffed.hears("capturing on lo");
    let script = "\"$0\" serve discard 127.0.0.1:9000 -q --max 2 & \
        for n in 1 2; do head -c 1000000 /dev/zero | \"$0\" talk 127.0.0.1:9000 --retry; done; wait";
    succeeds(network.command("sh").args(["-c", script, binary]));
    let said = String::from_utf8(sniffed.ask_to_end().stdout).expect("UTF-8");
    let read = succeeds(hobnob().args(["sniff", "-r", file, "--follow", "--json"]));
    let told: Vec<Value> =
        read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let sum = told.last().expect("a summary");
    let written = format!("lo: {} packets written", sum["shown"]);
    assert!(said.replace(',', "").contains(&written), "{said}");
    assert!(said.contains(", 0 dropped by the kernel"), "{said}");
    let of_type =
        |word: &str| told.iter().filter(|event| event["type"] == word).collect::<Vec<_>>();
    let closed = of_type("close");
    assert_eq!(tshark(&path, "frame", "frame.number").len() as u64, number(&sum["shown"]));
    let mut streams = tshark(&path, "tcp", "tcp.stream");
    streams.sort_unstable();
    streams.dedup();
    assert_eq!((streams.len(), number(&sum["sessions"])), (closed.len(), closed.len() as u64));
    let again = "tcp.analysis.retransmission or tcp.analysis.out_of_order";
    let theirs = tshark(&path, again, "frame.number").len() as u64;
    let faults = |event: &Value| number(&event["retrans"]) + number(&event["out_of_order"]);
    let ours: u64 = closed.iter().map(|event| faults(event)).sum();
    assert!(ours > 5 || !is_lossy, "{closed:?}");
    assert_eq!(ours, theirs, "{closed:?}");
    // What was said arrives in order and whole, however often it was lost on its way.
    let said = of_type("data").iter().map(|event| number(&event["len"])).sum::<u64>();
    assert!(closed.iter().all(|event| event["missed"] == 0), "{closed:?}");
    assert!(said >= 2_000_000, "{said}");
}

#[test]
fn at_full_speed_what_was_shown_and_what_was_dropped_are_what_was_sent() {
    let test = "at_full_speed_what_was_shown_and_what_was_dropped_are_what_was_sent";
    let Some(network) = network(test, "ip link set lo up", &["python3"]) else { return };
    let mut command = network.command("sh");
    let script = "exec \"$0\" sniff lo 'udp dst port 9' 2>&1 > /dev/null";
    let mut sniffed = Running::start(command.args(["-c", script, env!("CARGO_BIN_EXE_hobnob")]));
    sniffed.hears("capturing on lo");
    let flood = |count: u64| {
        let script = python("udp_flood.py");
        let path = script.get_args().next().expect("the script").to_owned();
        let mut command = network.command("python3");
        succeeds(command.arg(path).args(["127.0.0.1", "9", &count.to_string()]));
    };
    flood(100_000);
    // While nobody reads, the ring runs full.
    let signal = |name: &str| {
        let id = sniffed.id().to_string();
        succeeds(Command::new("kill").args([name, &id]).stdin(Stdio::null()));
    };
    signal("-STOP");
    flood(200_000);
    signal("-CONT");
    let output = sniffed.ask_to_end();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let sum = said.lines().last().expect("a summary").replace(',', "");
    let mut numbers = sum.split(' ').filter_map(|word| word.parse::<u64>().ok());
    let [shown, dropped] = [numbers.next(), numbers.next()].map(|number| number.expect(&sum));
    let left = if sum.contains("not shown any more") { numbers.next().expect(&sum) } else { 0 };
    assert_eq!(shown + dropped + left, 300_000, "{said}");
    assert!(dropped > 0 && shown > 0, "{said}");
}
