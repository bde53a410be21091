//! `hobnob ping` beside Debian's ping (iputils-ping), in networks of the tests' own.

use serde_json::Value;

use crate::namespace::Namespace;
use crate::peer::{has, skip, succeeds};

/// This network, a router behind it, and a host behind the router, each a network of its own: 10.0.1.1 - 10.0.1.2,
/// 10.0.2.1 - 10.0.2.2; `fd01::1` and so on. The router drops every seventh echo request of each family. A process holds
/// each network, and ends with the shell.
const LOSSY: &str = r#"
    hold() { unshare --net tail -s 0.1 --pid=$$ -f /dev/null >/dev/null 2>&1 & }
    at() { process=$1; shift; nsenter --net=/proc/$process/ns/net "$@"; }
    hold; R=$!; hold; H=$!
    for each in $R $H; do
        while [ "$(readlink /proc/$each/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
    done
    ip link set lo up
    ip link add name e1 type veth peer name e2 netns $R
    at $R ip link add name f1 type veth peer name f2 netns $H
    side() {
        at $1 ip addr add 10.0.$3.$4/24 dev $2
        at $1 ip addr add fd0$3::$4/64 dev $2 nodad
        at $1 ip link set $2 up
    }
    side self e1 1 1; side $R e2 1 2; side $R f1 2 1; side $H f2 2 2
    ip route add default via 10.0.1.2; ip -6 route add default via fd01::2
    at $H ip route add default via 10.0.2.1; at $H ip -6 route add default via fd02::1
    at $R sh -ec 'cd /proc/sys/net; echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding'
    at $R nft 'add table inet t'
    at $R nft 'add chain inet t f { type filter hook forward priority 0; }'
    at $R nft 'add rule inet t f icmp type echo-request numgen inc mod 7 3 drop'
    at $R nft 'add rule inet t f icmpv6 type echo-request numgen inc mod 7 3 drop'
"#;
/// Rounds of a run: as many sevenths as are lost.
const ROUNDS: u64 = 70;

/// What was sent and what came back, by Debian's ping.
fn theirs(network: &Namespace, to: &str) -> (u64, u64) {
    let mut ping = network.command("ping");
    let count = ROUNDS.to_string();
    let said = succeeds(ping.args(["-n", "-q", "-c", &count, "-i", "0.002", "-W", "1", to]));
    let sum = said.lines().find(|line| line.contains("packets transmitted")).expect(&said);
    let mut numbers = sum.split(' ').filter_map(|word| word.parse().ok());
    let mut next = || numbers.next().expect(sum);
    (next(), next())
}

/// The same and what was lost, by ours.
fn ours(network: &Namespace, to: &str) -> (u64, u64, u64) {
    let mut ping = network.command(env!("CARGO_BIN_EXE_hobnob"));
    let (to, count) = (format!("icmp://{to}"), ROUNDS.to_string());
    let words = ["ping", &to, "--json", "-q", "-c", &count, "-i", "2ms", "--timeout", "1s"];
    let said = succeeds(ping.args(words));
    let sum: Value = serde_json::from_str(said.lines().last().expect("a summary")).expect("JSON");
    let number = |key: &str| sum[key].as_u64().unwrap_or_else(|| panic!("{key} in {sum}"));
    (number("sent"), number("back"), number("lost"))
}

#[test]
fn the_same_is_sent_back_and_lost_as_by_debians_ping() {
    let test = "pings::the_same_is_sent_back_and_lost_as_by_debians_ping";
    if !["ping", "nft"].iter().all(|program| has(test, program)) {
        return;
    }
    let network = match Namespace::with(LOSSY) {
        Ok(network) => network,
        Err(why) => return skip(test, &why),
    };
    for (to, lost) in [("127.0.0.1", 0), ("[::1]", 0), ("10.0.2.2", 10), ("[fd02::2]", 10)] {
        let back = ROUNDS - lost;
        assert_eq!(theirs(&network, to.trim_matches(['[', ']'])), (ROUNDS, back), "{to}");
        assert_eq!(ours(&network, to), (ROUNDS, back, lost), "{to}");
    }
}
