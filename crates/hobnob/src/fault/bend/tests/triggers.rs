//! When faults come on, and for how long.

use super::*;

fn texts_when(rule: &str, says: &[&str]) -> Vec<String> {
    let mut bench = Bench::bytes(&[&format!("latency=10ms,{rule}")]);
    for text in says {
        bench.say(text.as_bytes());
    }
    bench.finish();
    let mut at_once = String::new();
    let mut later = String::new();
    for (time, item) in &bench.out {
        if let Item::Chunk(chunk) = item {
            let text = String::from_utf8_lossy(&chunk.bytes);
            if time.is_zero() { at_once.push_str(&text) } else { later.push_str(&text) }
        }
    }
    vec![at_once, later]
}

#[test]
fn a_rule_counts_bytes_wherever_they_were_cut() {
    for says in [&["abcdefgh"][..], &["abc", "defgh"], &["ab", "c", "d", "ef", "gh"]] {
        assert_eq!(texts_when("after=3", says), ["abc", "defgh"]);
        assert_eq!(texts_when("on=/d.?f/", says), ["abcdef", "gh"]);
        assert_eq!(texts_when("after=4,on=/[a-f]/", says), ["abcde", "fgh"]);
    }
}

#[test]
fn a_pattern_is_found_across_four_kib_in_single_bytes() {
    let mut bench = Bench::bytes(&["reset,on=/(?s)BEGIN.*END/"]);
    let text = [b"..BEGIN".to_vec(), vec![b'x'; 4_096], b"END..".to_vec()].concat();
    for byte in &text {
        bench.say(&[*byte]);
    }
    assert_eq!(bench.text().len(), text.len() - 2);
    assert_eq!(bench.out.last().map(|(_, item)| item), Some(&Item::Abort { by: "reset" }));
}

#[test]
fn what_lasts_is_over_after_its_bytes_packets_or_time() {
    let mut bench = Bench::packets(&["loss=100%,after=1pkt,for=2pkt"]);
    for text in ["a", "b", "c", "d"] {
        bench.say(text.as_bytes());
    }
    assert_eq!(bench.text(), b"ad");

    let mut bench = Bench::packets(&["loss=100%,on=/^GET/,for=1pkt"]);
    for text in ["a", "GET /", "GET /", "xGET"] {
        bench.say(text.as_bytes());
    }
    assert_eq!(bench.text(), b"aGET /xGET");

    let mut bench = Bench::bytes(&["latency=10ms,for=3"]);
    bench.say(b"abcde");
    bench.finish();
    assert_eq!(bench.text(), b"abcde", "nothing overtakes what is still held");

    let mut bench = Bench::bytes(&["stall,after=1s,for=10s"]);
    bench.say(b"a");
    bench.until(millis(2_000));
    bench.say(b"b");
    bench.until(millis(20_000));
    bench.say(b"c");
    assert_eq!(bench.times(), [0, 11_000, 20_000]);
}

#[test]
fn a_rule_of_time_needs_no_byte_to_come() {
    let mut bench = Bench::bytes(&["reset,after=3s"]);
    bench.finish();
    assert_eq!(bench.out, [(millis(3_000), Item::Abort { by: "reset" })]);
}

#[test]
fn sessions_are_counted_and_chosen() {
    let panel = Panel::default();
    panel.set(settings(&["refuse,after=3conn,for=2conn"])).expect("it fits");
    let refused = |number| panel.enter(number, 9, None).refused_by.is_some();
    assert_eq!([1, 2, 3, 4, 5, 6].map(refused), [false, false, false, true, true, false]);

    panel.set(settings(&["latency=1s,rate=1k,when=10%"])).expect("it fits");
    let mut chosen = 0;
    for number in 1..=10_000 {
        let mut bend = panel.enter(number, number * 31, None).bend;
        let (mut up, mut down) = (None, None);
        bend.refresh(None, std::task::Waker::noop(), Duration::ZERO, [&mut up, &mut down]);
        assert_eq!(up.is_some(), down.is_some(), "a session is hit both ways or not at all");
        chosen += u32::from(up.is_some());
    }
    assert!((901..=1_099).contains(&chosen), "{chosen}");
}

#[test]
fn from_takes_the_clients_of_a_network_alone() {
    let panel = Panel::default();
    panel.turn(&["refuse,from=10.0.0.0/8,from=fd00::1"]).expect("it fits");
    let is_refused = |peer: &str| {
        let peer = peer.parse().ok();
        panel.enter(1, 7, peer).refused_by.is_some()
    };
    for (peer, refused) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("fd00::1", true),
        ("11.0.0.1", false),
        ("fd00::2", false),
        ("a socket without an address", false),
    ] {
        assert_eq!(is_refused(peer), refused, "{peer}");
    }
    for wrong in ["refuse,from=10.0.0.0/33", "refuse,from=example.com", "refuse,from"] {
        assert!(Setting::parse(wrong).is_err(), "{wrong}");
    }
}
