//! What a transcript says, and in how many columns.

use super::*;
use hobnob::address::Address;
use hobnob::error::{Error, Kind};
use hobnob::event::{Opened, UpstreamDialed};

fn transcript() -> Transcript {
    let mut transcript = Transcript::new(Clock::start(), Look::default(), View::Text, false);
    transcript.began = SystemTime::UNIX_EPOCH;
    transcript.zone = TimeZone::UTC;
    transcript
}

fn data(session: u64, bytes: &[u8], peer: Option<&str>) -> Event {
    let fact = Fact::Data(Box::new(Data {
        side: hobnob::chunk::Side::Downstream,
        is_hidden: false,
        direction: Direction::In,
        ordinal: 1,
        bytes: bytes.into(),
        length: bytes.len(),
        is_packet: false,
        peer: peer.map(Address::name),
    }));
    Event { at: Duration::from_secs(51), session, fact }
}

#[test]
fn what_a_target_learnt_stands_beside_whom_it_was_dialled_to() {
    let mut out = String::new();
    let mut transcript = transcript();
    transcript.is_verbose = true;
    for with in [By::Peer, By::Upstream] {
        let value = "1.3\x1b[2J".to_owned();
        let learnt = vec![Learnt { layer: "tls", name: "version", value }];
        let fact = Fact::Dressed { with, learnt };
        let event = Event { at: Duration::from_secs(51), session: 1, fact };
        transcript.event(&mut out, &event);
    }
    assert_eq!(
        out,
        "00:00:51  #1  tls: version 1.3\\x1b[2J\n\
         00:00:51  #1  »  tls: version 1.3\\x1b[2J\n"
    );
}

#[test]
fn sizes_stand_in_one_column() {
    let mut out = String::new();
    let mut transcript = transcript();
    transcript.event(&mut out, &data(1, b"Michael\n", None));
    transcript.event(&mut out, &data(12, "李雷\x1b[2J".as_bytes(), None));
    transcript.event(&mut out, &data(0, b"20C", Some("127.0.0.1:40001")));
    assert_eq!(
        out,
        "00:00:51  #1  «  Michael                                            8 B\n\
         00:00:51  #12  «  李雷\\x1b[2J                                      10 B\n\
         00:00:51  127.0.0.1:40001  «  20C                                   3 B\n"
    );
}

#[test]
fn what_is_said_is_broken_at_words_in_the_columns_of_the_terminal() {
    let words = "words that go on for longer than any of these terminals has columns for a line";
    let peer = Address::Ip(([127, 0, 0, 1], 40_001).into());
    let error = hobnob::error::Error::new(hobnob::error::Kind::System, words);
    let limit = "accept-rate";
    let facts = [
        Fact::Note(words.to_owned()),
        Fact::Warning(words.to_owned()),
        Fact::Failed(error),
        Fact::Paused { limit, waiting: None },
        Fact::Paused { limit, waiting: Some(2) },
        Fact::Resumed { limit },
        Fact::Refused { peer, limit },
        Fact::Dropped { limit, count: 1_000 },
    ];
    for (fact, columns) in facts.iter().flat_map(|fact| [40, 60].map(|cells| (fact, cells))) {
        let said = |columns| {
            let (mut out, mut transcript) = (String::new(), transcript());
            transcript.is_verbose = true;
            transcript.speak_of(0, "greet  ");
            transcript.fit(columns);
            let event = Event { at: Duration::ZERO, session: 0, fact: fact.clone() };
            transcript.event(&mut out, &event);
            transcript.missed(&mut out, Duration::ZERO, 12_345);
            out
        };
        let (narrow, wide) = (said(Some(columns)), said(None));
        assert!(narrow.lines().all(|line| width(line) <= columns), "{columns}:\n{narrow}");
        let times = |text: &str| text.replace("00:00:00", "");
        let words = |text: &str| times(text).split_whitespace().map(str::to_owned).collect();
        let (narrow, wide): (Vec<_>, Vec<_>) = (words(&narrow), words(&wide));
        assert_eq!(narrow, wide, "no word is broken, and none is left out");
    }
}

#[test]
fn no_line_is_wider_than_the_terminal_and_none_is_cut_in_an_escape() {
    let request = b"POST /a/target/that/is/rather/long HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\nbody\r\n";
    let text = format!("{} \x1b[2J\u{202e}\n", "several words of a sentence".repeat(3));
    for columns in [40, 60, 80, 132] {
        for (view, bytes) in [
            (View::Text, &request[..]),
            (View::Text, text.as_bytes()),
            (View::Text, &b"x\xff".repeat(90)),
            (View::Hex, text.as_bytes()),
        ] {
            let (mut out, mut transcript) = (String::new(), transcript());
            transcript.view = view;
            transcript.speak_of(0, "greet  ");
            transcript.fit(Some(columns));
            transcript.event(&mut out, &data(12, bytes, None));
            transcript.event(&mut out, &closed(12));
            assert!(out.lines().all(|line| width(line) <= columns), "{columns}:\n{out}");
            assert!(out.contains(&size(bytes.len() as u64)), "{out}");
            let cut = out.lines().filter_map(|line| line.split_once(" ...")).map(|(kept, _)| kept);
            for kept in cut {
                assert!(!kept.ends_with(['\\', 'x', '{']) || kept.ends_with("\\xffx"), "{kept}");
            }
        }
    }
}

#[test]
fn lines_of_text_stand_below_each_other() {
    let (mut out, mut transcript) = (String::new(), transcript());
    transcript.event(&mut out, &data(1, b"220 hello\r\nEHLO me\r\n", None));
    transcript.fit(Some(40));
    transcript.event(&mut out, &data(1, b"one two three four five six seven", None));
    assert_eq!(
        out,
        "00:00:51  #1  «  220 hello                                         20 B\n                 EHLO me\n\
         #1  «  one two three four five ...  33 B\n"
    );
}

fn closed(session: u64) -> Event {
    let end = End { by: By::Peer, how: How::Fin };
    let fact = Fact::Closed(Box::new(Closed {
        reason: Reason::Reset,
        inward: end,
        outward: end,
        bytes_in: 0,
        bytes_out: 0,
        lasted: Duration::from_secs(1),
        detail: None,
        upstream: None,
        round_trip: None,
        resent: None,
    }));
    Event { at: Duration::from_secs(51), session, fact }
}

fn held(session: u64, millis: u64) -> Event {
    let act = Act::Held(Duration::from_millis(millis));
    let fact = Fact::Bent(Box::new(Bent { kind: "a", direction: Direction::Out, act }));
    Event { at: Duration::from_secs(51), session, fact }
}

#[test]
fn what_was_held_is_of_a_session_of_one_server() {
    let (mut out, mut transcript) = (String::new(), transcript());
    transcript.speak_of(0, "one  ");
    transcript.event(&mut out, &held(1, 200));
    transcript.speak_of(1, "two  ");
    let mut down = data(1, b"x", None);
    if let Fact::Data(data) = &mut down.fact {
        data.direction = Direction::Out;
    }
    transcript.event(&mut out, &down);
    assert!(!out.contains("held"), "{out}");
    transcript.speak_of(0, "one  ");
    transcript.event(&mut out, &down);
    assert!(out.contains("held 200 ms"), "{out}");
}

#[test]
fn an_error_stays_within_the_page() {
    let mut out = String::new();
    let error = Error::new(Kind::System, "word ".repeat(40).trim_end());
    let event = Event { at: Duration::ZERO, session: 7, fact: Fact::Failed(error) };
    transcript().event(&mut out, &event);
    assert!(out.lines().count() > 2, "{out}");
    assert!(out.lines().all(|line| width(line) <= COLUMNS), "{out}");
}

fn opened(session: u64) -> Event {
    let here = Address::Ip(([127, 0, 0, 1], 9_000).into());
    let fact = Fact::Opened(Box::new(Opened {
        parent: 0,
        transport: "tcp",
        local: here.clone(),
        peer: here,
        door: "",
    }));
    Event { at: Duration::from_secs(51), session, fact }
}

fn dialed(session: u64) -> Event {
    let there = Address::Ip(([127, 0, 0, 1], 6_379).into());
    let fact = Fact::Dialed(Box::new(UpstreamDialed {
        transport: "tcp",
        local: there.clone(),
        peer: there,
        took: Duration::from_micros(100),
    }));
    Event { at: Duration::from_secs(51), session, fact }
}

/// The words that begin each line's text, of these events of a relay.
fn said_between(events: &[Event]) -> Vec<&'static str> {
    let (mut out, mut transcript) = (String::new(), transcript());
    transcript.speak_between(true);
    for event in events {
        transcript.event(&mut out, event);
    }
    let words = ["error[", "  in", "connect", "word", "out after"];
    let all = out.lines().filter_map(|line| words.into_iter().find(|word| line.contains(word)));
    all.collect()
}

#[test]
fn what_is_said_during_a_dial_stands_below_it_and_is_never_lost() {
    let word = |session| data(session, b"word", None);
    let late = |event: Event| Event { at: event.at + Duration::from_secs(1), ..event };
    let failed = || Fact::Failed(Error::new(Kind::ConnectionRefused, "refused"));
    let failed = Event { at: Duration::from_secs(51), session: 1, fact: failed() };
    for (events, lines) in [
        (vec![opened(1), word(1), dialed(1), word(1)], vec!["  in", "connect", "word", "word"]),
        (vec![opened(1), dialed(1), word(1)], vec!["  in", "connect", "word"]),
        (vec![opened(1), word(1), failed], vec!["  in", "word", "error["]),
        (vec![opened(1), word(1), closed(1)], vec!["  in", "word", "out after"]),
        // A dial that takes long leaves nobody in the dark.
        (vec![opened(1), late(word(1)), dialed(1)], vec!["  in", "word", "connect"]),
        (vec![opened(1), word(1), late(word(1))], vec!["  in", "word", "word"]),
        // Another session is another dial.
        (vec![opened(1), opened(2), word(1), dialed(2)], vec!["  in", "  in", "connect"]),
    ] {
        assert_eq!(said_between(&events), lines);
    }
    let many: Vec<_> = std::iter::once(opened(1)).chain((0..20).map(|_| word(1))).collect();
    assert_eq!(said_between(&many).len(), many.len(), "more than is kept is shown at once");
}

#[test]
fn what_is_said_during_a_dial_is_shown_where_events_were_missed() {
    let (mut out, mut transcript) = (String::new(), transcript());
    transcript.speak_between(true);
    transcript.event(&mut out, &opened(1));
    transcript.event(&mut out, &data(1, b"word", None));
    assert!(!out.contains("word") && transcript.in_mind() == 1);
    transcript.missed(&mut out, Duration::from_secs(51), 3);
    transcript.forget(0, |_| false);
    assert!(out.contains("word") && transcript.in_mind() == 0, "{out}");
}
