//! Packets of interfaces, in networks of the tests' own.

use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use crate::kit::hardship::{a_lack_of_files_is_told, full};
use crate::kit::namespace::Namespace;
use crate::kit::{
    Bounded, Launched, Lines, as_nobody, code, finish, folder, launch, run, signal, skip,
};

const BINARY: &str = env!("CARGO_BIN_EXE_hobnob");
const LOOPBACK: &str = "ip link set lo up";
const PAIR: &str = "ip link set lo up; ip link add d0 type veth peer name d1; \
    ip link set d0 up; ip link set d1 up; ip addr add 10.9.0.1/24 dev d0";

/// A network of this test's own; where there is none, the test is left out.
fn network(test: &str, setup: &str) -> Option<Namespace> {
    match Namespace::with(setup) {
        Ok(network) => Some(network),
        Err(why) => {
            skip(&format!("sniff::live::{test}"), &why);
            None
        }
    }
}

/// Runs commands of a shell in a network, all of which must do well.
fn in_shell(network: &Namespace, script: &str) {
    let mut command = network.command("sh");
    command.args(["-ec", script]);
    let done = finish(command, b"");
    assert_eq!(done.code, 0, "{script}: {}", done.err);
}

/// Starts capturing, and waits until it does.
fn sniffing(network: &Namespace, words: &[&str]) -> Launched {
    let mut command = network.command(BINARY);
    command.arg("sniff").args(words);
    let launched = launch(command);
    launched.err.until(" on ");
    launched
}

/// One conversation on the loopback of a network.
fn converse(network: &Namespace) {
    let mut server = network.command(BINARY);
    server.args(["serve", "hello", "127.0.0.1:9000", "--once"]);
    let server = launch(server);
    server.err.until("127.0.0.1:9000");
    let mut talk = network.command(BINARY);
    talk.args(["talk", "127.0.0.1:9000", "Michael", "exit"]);
    assert_eq!(finish(talk, b"").code, 0);
    assert_eq!(code(server.child.wait()), 0);
}

/// Asks it to stop: its exit code, the lines of its stdout, and the last of its stderr.
fn stop(sniffed: Launched, name: &str) -> (i32, Vec<String>, String) {
    signal(sniffed.child.id(), name);
    let lines = sniffed.out.rest();
    let code = code(sniffed.child.wait());
    (code, lines, sniffed.err.rest().pop().unwrap_or_default())
}

#[test]
fn each_packet_of_the_loopback_is_seen_once_and_the_sum_is_told() {
    let test = "each_packet_of_the_loopback_is_seen_once_and_the_sum_is_told";
    let Some(network) = network(test, LOOPBACK) else { return };
    for (name, words) in [("INT", &["lo", "tcp port 9000"][..]), ("TERM", &["-i", "any", "tcp"])] {
        let sniffed = sniffing(&network, words);
        converse(&network);
        let (code, lines, sum) = stop(sniffed, name);
        let begun = lines.iter().filter(|line| line.contains("Flags [S],")).count();
        let ended = lines.iter().filter(|line| line.contains("Flags [F.],")).count();
        assert_eq!((code, begun, ended), (0, 1, 2), "{lines:#?}");
        let packets = format!(": {} packets shown, 0 dropped by the kernel, ", lines.len());
        assert!(sum.contains(&packets), "{sum}");
    }
}

#[test]
fn a_conversation_is_followed_as_it_passes() {
    let test = "a_conversation_is_followed_as_it_passes";
    let Some(network) = network(test, LOOPBACK) else { return };
    let sniffed = sniffing(&network, &["lo", "port", "9000", "--follow"]);
    converse(&network);
    sniffed.out.until("3-way handshake");
    let steps = sniffed.out.next();
    assert!(steps.contains(" SYN ") && steps.contains(" SYN,ACK ") && steps.ends_with(" ACK"));
    for said in ["«  Welcome!", "»  Michael", "«  Hello, Michael!", "»  exit"] {
        let line = sniffed.out.next();
        assert!(line.starts_with("#1  +") && line.contains(said), "{line}");
    }
    let end = sniffed.out.next();
    assert!(end.contains("closed by 9000 (FIN)") && end.contains(", 0 retransmitted"), "{end}");
    assert_eq!(sniffed.out.next(), "    up 13 B, down 24 B");
    let (code, _, sum) = stop(sniffed, "INT");
    assert!(code == 0 && sum.starts_with("lo: 1 stream in "), "{sum}");
}

#[test]
fn what_a_member_of_a_group_tells_its_routers_is_seen() {
    let test = "what_a_member_of_a_group_tells_its_routers_is_seen";
    let Some(network) = network(test, PAIR) else { return };
    let sniffed = sniffing(&network, &["d0", "igmp"]);
    let mut server = network.command(BINARY);
    server.args(["serve", "echo", "udp://239.1.2.3:9000,iface=d0"]);
    let server = launch(server);
    // It is the kernel that says so, of every group at its own time.
    sniffed.out.until("[gaddr 239.1.2.3 to_ex, 0 source(s)]");
    assert_eq!(server.stop("TERM").0, 0);
    sniffed.out.until("[gaddr 239.1.2.3 to_in, 0 source(s)]");
    assert_eq!(stop(sniffed, "INT").0, 0);
}

#[test]
fn a_count_or_a_time_ends_it_and_what_is_written_is_a_whole_file() {
    let test = "a_count_or_a_time_ends_it_and_what_is_written_is_a_whole_file";
    let Some(network) = network(test, LOOPBACK) else { return };
    let folder = folder();
    let path = folder.path().join("out.pcapng").display().to_string();
    let sniffed = sniffing(&network, &["lo", "tcp", "-c", "3", "-w", &path]);
    converse(&network);
    assert_eq!(code(sniffed.child.wait()), 0, "it ends by itself");
    let sum = sniffed.err.rest().pop().unwrap_or_default();
    assert!(sum.starts_with(&format!("lo: 3 packets written to {path}, 0 dropped")), "{sum}");
    let read = run(&["sniff", "-r", &path]);
    assert_eq!((read.code, read.out.lines().count()), (0, 3), "{}", read.err);
    let mut timed = network.command(BINARY);
    timed.args(["sniff", "lo", "--for", "30ms", "--json"]);
    let done = finish(timed, b"");
    let last = crate::kit::schema::valid(done.out.lines().last().expect("a summary"));
    assert_eq!((done.code, &last["shown"], &last["verb"]), (0, &0.into(), &"sniff".into()));
}

/// What a process may do, by /proc.
fn rights(id: u32) -> Vec<(String, String)> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let lines = status.lines().filter_map(|line| line.split_once(":\t"));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn once_it_is_open_no_thread_of_it_has_a_right() {
    let test = "once_it_is_open_no_thread_of_it_has_a_right";
    let Some(network) = network(test, LOOPBACK) else { return };
    for (sudo, user) in [(None, "65534"), (Some("1234"), "1234")] {
        let folder = folder();
        let path = folder.path().join("out.pcapng");
        let mut command = network.command(BINARY);
        command.args(["sniff", "lo", "-w"]).arg(&path);
        if let Some(user) = sudo {
            command.env("SUDO_UID", user).env("SUDO_GID", user);
        }
        let sniffed = launch(command);
        sniffed.err.until("capturing on lo");
        let tasks =
            std::fs::read_dir(format!("/proc/{}/task", sniffed.child.id())).expect("it runs");
        let mut threads = 0;
        for task in tasks {
            let task = task.expect("a thread").file_name();
            let id = task.to_string_lossy().parse().expect("a number");
            for (name, value) in rights(id) {
                match name.as_str() {
                    "CapInh" | "CapPrm" | "CapEff" | "CapBnd" | "CapAmb" => {
                        assert_eq!(value, "0000000000000000", "{name} of {id}");
                    }
                    "NoNewPrivs" => assert_eq!(value, "1"),
                    "Uid" | "Gid" => assert_eq!(value, [user; 4].join("\t"), "{name} of {id}"),
                    "Groups" => assert_eq!(value.trim(), "", "{name} of {id}"),
                    _ => {}
                }
            }
            threads += 1;
        }
        assert!(threads > 1, "its writer and its signals have threads of their own");
        let owner = std::fs::metadata(&path).expect("it was made").uid().to_string();
        assert_eq!(owner, sudo.unwrap_or("0"), "what sudo makes is of the user that called it");
        assert_eq!(stop(sniffed, "TERM").0, 0);
    }
}

#[test]
fn without_the_right_it_says_both_ways_out() {
    let Some(done) = as_nobody(&["sniff", "lo"], None) else {
        let test = "sniff::live::without_the_right_it_says_both_ways_out";
        return skip(test, "needs root, to give it up");
    };
    assert_eq!(done.code, 8);
    assert_eq!(
        done.err,
        "error[raw-socket-denied]: capturing packets needs a right you do not have\n\
         \x20 call   socket(AF_PACKET, SOCK_RAW) -> EPERM (1)\n\
         \x20 try    sudo setcap cap_net_raw+ep $(which hobnob)    once\n\
         \x20        sudo hobnob sniff lo                          just now\n\
         \x20        hobnob relay :9001 :9000                      needs no rights\n"
    );
}

#[test]
fn an_interface_that_is_not_there_is_told_with_those_that_are() {
    for words in [&["sniff", "eth77"][..], &["sniff", "-i", "eth77", "tcp"]] {
        let done = run(words);
        assert_eq!(done.code, 3, "{}", done.err);
        let said = "error[interface-not-here]: there is no network interface eth77\n";
        assert!(
            done.err.starts_with(said) && done.err.contains("this machine has "),
            "{}",
            done.err
        );
    }
}

#[test]
fn an_interface_that_goes_away_or_down_ends_it_after_what_came_before() {
    let test = "an_interface_that_goes_away_or_down_ends_it_after_what_came_before";
    for (what, said) in [
        ("ip link del d0", "error[interface-not-here]: d1 is not there any more"),
        ("ip link set d1 down", "error[interface-not-here]: d1 is down"),
    ] {
        let Some(network) = network(test, PAIR) else { return };
        let sniffed = sniffing(&network, &["d1", "arp"]);
        // Nobody has the address: it is asked for, which is the packet that counts.
        in_shell(&network, &format!("{BINARY} talk udp://10.9.0.2:9 x --wait 1ms || true; {what}"));
        let lines = sniffed.out.rest();
        assert_eq!(code(sniffed.child.wait()), 3);
        let err = sniffed.err.rest();
        assert!(
            lines.iter().any(|line| line.contains("who-has 10.9.0.2 tell 10.9.0.1")),
            "{lines:?}"
        );
        let sum = format!("d1: {} packet", lines.len());
        assert!(err[0].starts_with(&sum) && err[1].starts_with(said), "{err:?}");
    }
}

#[test]
fn a_reader_that_leaves_a_full_disk_and_a_lack_of_files_end_it() {
    let test = "a_reader_that_leaves_a_full_disk_and_a_lack_of_files_end_it";
    let Some(network) = network(test, LOOPBACK) else { return };
    // With the next packet or before it: nobody reads any more.
    let mut command = network.command("bash");
    let script = "\"$0\" sniff lo --for 19s | true; echo ${PIPESTATUS[0]}";
    command.args(["-c", script, BINARY]);
    let done = finish(command, b"");
    assert_eq!(done.out, "141\n", "{}", done.err);
    let mut command = network.command(BINARY);
    command
        .args(["sniff", "lo", "--json"])
        .stdin(Stdio::null())
        .stdout(full())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("nsenter is there");
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    assert_eq!(code(Bounded::of(child).wait()), 9);
    assert!(err.rest()[0].starts_with("error[output-failed]"));
    a_lack_of_files_is_told(&["sniff", "lo", "--for", "1ms"], 0);
}

#[test]
fn a_signal_ends_it_while_nobody_reads_and_counts_what_was_left() {
    let test = "a_signal_ends_it_while_nobody_reads_and_counts_what_was_left";
    let Some(network) = network(test, LOOPBACK) else { return };
    // More lines than a pipe and two buffers hold.
    let mut command = network.command(BINARY);
    command.args(["sniff", "lo", "tcp", "-x"]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("nsenter is there");
    let err = Lines::of(child.stderr.take().expect("it is piped"));
    let unread = child.stdout.take();
    let child = Bounded::of(child);
    err.until("capturing on lo");
    in_shell(
        &network,
        &format!(
            "{BINARY} serve discard 127.0.0.1:9001 -q --once & \
         head -c 8000000 /dev/zero | {BINARY} talk 127.0.0.1:9001 --retry; wait"
        ),
    );
    signal(child.id(), "INT");
    let code = code(child.wait());
    drop(unread);
    let sum = err.rest().pop().unwrap_or_default();
    assert!(code == 0 && sum.contains(" not shown any more"), "{code} {sum}");
}
