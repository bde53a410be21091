//! What a service answers on purpose: which of its answers, and how often.

use super::*;
use crate::error::Kind;
use crate::fault::{ANSWERS, AnswerAct};

/// A panel, and the answers of one session.
struct AskedPanel {
    panel: Panel,
    session: u64,
    ordinal: u64,
    now: Duration,
}

impl AskedPanel {
    fn of(texts: &[&str]) -> Self {
        let panel = Panel::of(&ANSWERS);
        panel.turn(texts).expect("replies");
        AskedPanel { panel, session: 1, ordinal: 0, now: millis(5_000) }
    }

    fn judge(&mut self, kind: &'static str, about: &str) -> AnswerVerdict {
        let (session, ordinal, now) = (self.session, self.ordinal, self.now);
        self.ordinal += 1;
        let about = about.as_bytes();
        let peer = Some("10.0.0.7".parse().expect("an address"));
        self.panel.judge(&AnswerQuestion {
            kind,
            about,
            session,
            seed: session,
            peer,
            ordinal,
            now,
        })
    }

    /// The codes of so many answers; 0: the usual.
    fn codes(&mut self, kind: &'static str, about: &str, times: usize) -> Vec<u16> {
        let code = |verdict: AnswerVerdict| match verdict.act {
            Some(AnswerAct::Say { code, .. }) => code,
            _ => 0,
        };
        (0..times).map(|_| code(self.judge(kind, about))).collect()
    }
}

#[test]
fn a_refusal_is_said_in_the_words_of_its_protocol() {
    let mut asked = AskedPanel::of(&["imap.fetch=no [UNAVAILABLE] later", "pop3.retr=-ERR"]);
    let refused = |word, text: &str| Some(AnswerAct::Refuse { word, text: text.to_owned() });
    assert_eq!(asked.judge("imap.fetch", "INBOX").act, refused("NO", "[UNAVAILABLE] later"));
    assert_eq!(
        asked.judge("pop3.retr", "1").act,
        refused("-ERR", "answered on purpose: pop3.retr=-ERR")
    );
    let panel = Panel::of(&ANSWERS);
    for wrong in
        ["imap.fetch=450", "imap.login=OK", "pop3.retr=NO", "pop3.pass", "imap.fetch=NO a\tb"]
    {
        assert_eq!(panel.turn(&[wrong]).expect_err(wrong).kind(), Kind::BadOption, "{wrong}");
    }
}

#[test]
fn a_reply_is_for_its_own_answers_and_for_those_that_match() {
    let mut asked = AskedPanel::of(&["rcpt=550 5.1.1 no such user,on=/^no(body)?@/", "rcpt=450"]);
    assert_eq!(asked.codes("mail", "nobody@test", 1), [0]);
    assert_eq!(asked.codes("rcpt", "li@test", 1), [450]);
    let verdict = asked.judge("rcpt", "nobody@test");
    let text = "5.1.1 no such user".to_owned();
    assert_eq!(verdict.act, Some(AnswerAct::Say { code: 550, text }));
    assert_eq!(verdict.hits, [Hit { kind: "rcpt", act: Act::Answered(550) }]);
    assert_eq!(asked.panel.totals(), [("rcpt", 2)], "the first that fits is it");
    let state = asked.panel.state();
    assert_eq!((state[0].up, state[0].down), (None, Some(1)), "an answer goes one way");
}

#[test]
fn answers_are_counted_over_all_sessions() {
    let mut asked = AskedPanel::of(&["rcpt=450,after=1,for=2"]);
    assert_eq!(asked.codes("rcpt", "", 2), [0, 450]);
    asked.session = 2;
    assert_eq!(asked.codes("rcpt", "", 3), [450, 0, 0]);
    asked.panel.turn(&["rcpt=451,for=1"]).expect("a reply");
    assert_eq!(asked.codes("rcpt", "", 2), [451, 0], "a new one counts anew");
    asked.panel.clear();
    assert_eq!(asked.codes("rcpt", "", 1), [0]);
    assert_eq!(asked.panel.totals(), [("rcpt", 3)]);
}

#[test]
fn a_limit_lets_so_many_be_in_any_minute() {
    let mut asked = AskedPanel::of(&["mail=421,after=3/min"]);
    assert_eq!(asked.codes("mail", "", 2), [0, 0]);
    asked.now += millis(30_000);
    assert_eq!(asked.codes("mail", "", 3), [0, 421, 421]);
    asked.now += millis(30_000);
    assert_eq!(asked.codes("mail", "", 3), [0, 0, 421], "two are longer ago than a minute");
}

#[test]
fn times_are_from_the_first_answer_that_is_looked_at() {
    let mut asked = AskedPanel::of(&["rcpt=450,after=1s,for=2s"]);
    assert_eq!(asked.codes("conn", "", 1), [0], "from here on");
    for (at, code) in [(0, 0), (999, 0), (1_000, 450), (2_999, 450), (3_000, 0)] {
        asked.now = millis(5_000 + at);
        assert_eq!(asked.codes("rcpt", "", 1), [code], "{at} ms later");
    }
}

#[test]
fn a_share_is_drawn_from_the_seed_and_the_place_alone() {
    let codes = || AskedPanel::of(&["rcpt=450,when=30%"]).codes("rcpt", "", 1_000);
    assert_eq!(codes(), codes());
    let hits = codes().iter().filter(|code| **code != 0).count();
    assert!((250..350).contains(&hits), "{hits} of 1,000");
}

#[test]
fn what_holds_comes_before_what_is_said() {
    let mut asked =
        AskedPanel::of(&["rcpt,hold=3s", "rcpt=450,hold=1s", "dot,drop", "hide=starttls+size"]);
    let log = Arc::new(Notes::default());
    asked.panel.log(log.clone());
    let verdict = asked.judge("rcpt", "");
    assert_eq!(verdict.hold, millis(4_000));
    assert!(matches!(verdict.act, Some(AnswerAct::Say { code: 450, .. })));
    assert_eq!(asked.judge("dot", "").act, Some(AnswerAct::Drop));
    let words = ["STARTTLS".to_owned(), "SIZE".to_owned()];
    assert_eq!(asked.judge("hide", "").act, Some(AnswerAct::Hide(words.to_vec())));
    let noted = log.0.lock().expect("nobody panicked");
    let noted: Vec<_> =
        noted.iter().map(|one| (one.fault, one.decision.at, one.decision.what)).collect();
    let expected = [
        ("rcpt", 0, "hold"),
        ("rcpt", 0, "hold"),
        ("rcpt", 0, "answer"),
        ("dot", 1, "close"),
        ("hide", 2, "hide"),
    ];
    assert_eq!(noted, expected);
}

#[test]
fn only_who_is_named_and_only_so_many_sessions() {
    for (rule, sessions) in [
        ("from=10.0.0.0/8", [450, 450, 450]),
        ("from=10.0.0.8", [0, 0, 0]),
        ("after=1conn,for=1conn", [0, 450, 0]),
    ] {
        let mut asked = AskedPanel::of(&[&format!("rcpt=450,{rule}")]);
        for (session, code) in (1..).zip(sessions) {
            asked.session = session;
            assert_eq!(asked.codes("rcpt", "", 1), [code], "{rule} session {session}");
        }
    }
}

#[test]
fn the_caret_stands_under_what_is_wrong_with_a_reply() {
    for (text, kind, marked, label) in [
        ("rcpd=450", Kind::UnknownFault, "rcpd", "did you mean rcpt?"),
        ("latency=1s", Kind::UnknownFault, "latency", ""),
        ("for=2", Kind::UnknownFault, "for=2", "a reply stands with it"),
        (
            "rcpt=250",
            Kind::BadOption,
            "250",
            "a refusal has a code from 400 to 599, as in 450 or 550 5.1.1 no such user",
        ),
        (
            "rcpt=+45",
            Kind::BadOption,
            "+45",
            "a refusal has a code from 400 to 599, as in 450 or 550 5.1.1 no such user",
        ),
        ("rcpt=450 a\nb", Kind::BadOption, "450 a\nb", "its text is one line of at most 480 bytes"),
        (
            "rcpt",
            Kind::BadOption,
            "",
            "as in rcpt,hold=3s or rcpt,drop, or what is said behind rcpt=",
        ),
        ("rcpt=450,drop", Kind::BadOption, "450", "without drop"),
        ("rcpt=450,for=0", Kind::BadOption, "0", "it would be over before it began"),
        (
            "rcpt=450,for=9/min",
            Kind::BadOption,
            "9/min",
            "answers, sessions or time, as in 2, 3conn, 10s; after takes 100/min, too",
        ),
        (
            "rcpt=450,after=4k",
            Kind::BadOption,
            "4k",
            "answers, sessions or time, as in 2, 3conn, 10s; after takes 100/min, too",
        ),
        ("hide", Kind::BadOption, "", "as in hide=STARTTLS or hide=STARTTLS+PIPELINING"),
        ("up:rcpt=450", Kind::UnknownFault, "up:rcpt", ""),
    ] {
        let error = Panel::of(&ANSWERS).turn(&[text]).expect_err(text);
        let span = error.span().expect(text);
        assert_eq!((error.kind(), &span.text[span.at.clone()]), (kind, marked), "{text}");
        if !label.is_empty() {
            assert_eq!(span.label, label, "{text}");
        }
    }
    let of_a_relay = Panel::of(&ANSWERS).set(settings(&["latency=1s"]));
    assert_eq!(of_a_relay.expect_err("no reply").kind(), Kind::DoesNotFit);
}
