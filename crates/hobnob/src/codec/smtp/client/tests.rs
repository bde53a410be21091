use proptest::prelude::*;

use super::*;
use crate::codec::smtp::Mailbox;

fn manner() -> SmtpManner {
    SmtpManner {
        name: "me".to_owned(),
        is_secure: false,
        upgrade: Upgrade::Try,
        login: None,
        may_tell_all: false,
        breaks: None,
    }
}

fn login() -> Option<Login> {
    Some(Login { name: "li".to_owned(), password: "secret".to_owned() })
}

fn envelope(to: &[&str]) -> SmtpEnvelope {
    let read = |text: &&str| Mailbox::parse(text).expect("an address");
    SmtpEnvelope::of(
        Some(read(&"app@test")),
        to.iter().map(read).collect(),
        b"a: b\r\n\r\nhello\r\n",
    )
}

/// What a conversation comes to: the lines that left, as they are shown, and what became of it.
type Told = (Vec<String>, Vec<String>, Option<SmtpFailure>);

/// Talks to a server that says this, cut there; each handshake begins a new piece of what it says.
fn talk(manner: &SmtpManner, to: &[&[&str]], said: &[&str], cuts: &[usize]) -> Told {
    let (mut client, mut letters) = (SmtpClient::new(manner.clone()), to.iter());
    let (mut lines, mut news) = (Vec::new(), Vec::new());
    let mut secured = said.iter();
    while let Some(piece) = secured.next() {
        let piece = piece.as_bytes();
        let (mut from, mut is_dressed) = (0, false);
        for end in cuts.iter().map(|cut| *cut.min(&piece.len())).chain([piece.len()]) {
            let mut bytes = &piece[from.min(end)..end];
            from = from.max(end);
            loop {
                lines.extend(client.leaves().into_iter().map(|line| line.shown));
                let turn = match client.next(&mut bytes) {
                    Ok(Some(turn)) => turn,
                    Ok(None) => break,
                    Err(failure) => return (lines, news, Some(failure)),
                };
                match turn {
                    SmtpTurn::Heard(_) => {}
                    SmtpTurn::Secure => {
                        client.secured();
                        is_dressed = true;
                    }
                    SmtpTurn::Text => {
                        lines.push("(text)".to_owned());
                        client.text_is_sent();
                    }
                    SmtpTurn::Ready | SmtpTurn::Done(_) => {
                        if let SmtpTurn::Done(outcome) = turn {
                            let code = match &outcome.answer {
                                Ok(answer) => format!("kept {}", answer.code),
                                Err((what, answer)) => format!("{what} {}", answer.code),
                            };
                            news.push(format!("{code}, {} of it", outcome.taken));
                        }
                        match letters.next() {
                            Some(to) => client.begin(envelope(to)).expect("it can be sent"),
                            None => client.quit(),
                        }
                    }
                    SmtpTurn::Over => news.push("over".to_owned()),
                }
            }
        }
        assert!(is_dressed || secured.len() == 0, "each piece but the last ends with a handshake");
    }
    (lines, news, None)
}

fn at_every_split(manner: &SmtpManner, to: &[&[&str]], said: &[&str]) -> Told {
    let whole = talk(manner, to, said, &[]);
    let longest = said.iter().map(|piece| piece.len()).max().unwrap_or(0);
    for cut in 0..longest {
        assert_eq!(talk(manner, to, said, &[cut]), whole, "cut at {cut}");
    }
    let each: Vec<_> = (0..longest).collect();
    assert_eq!(talk(manner, to, said, &each), whole, "byte by byte");
    whole
}

#[test]
fn a_letter_goes_step_by_step_or_all_at_once_as_the_server_likes_it() {
    let steps = "220 hi\r\n250-x\r\n250 SIZE 9\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n221 bye\r\n";
    let (lines, news, failure) = at_every_split(&manner(), &[&["a@b", "c@d"]], &[steps]);
    let asked = [
        "EHLO me",
        "MAIL FROM:<app@test> SIZE=15",
        "RCPT TO:<a@b>",
        "RCPT TO:<c@d>",
        "DATA",
        "(text)",
        "QUIT",
    ];
    assert_eq!((lines, failure), (asked.map(str::to_owned).to_vec(), None));
    assert_eq!(news, ["kept 250, 2 of it", "over"]);
    let piped = steps.replace("250-x", "250-PIPELINING");
    assert_eq!(at_every_split(&manner(), &[&["a@b", "c@d"]], &[&piped]).1, news);
}

#[test]
fn who_was_refused_is_told_and_the_others_get_the_letter() {
    for offers in ["250 x", "250-x\r\n250 PIPELINING"] {
        let said = format!(
            "220 hi\r\n{offers}\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n250 kept\r\n221 bye\r\n"
        );
        let news = at_every_split(&manner(), &[&["a@b", "c@d"]], &[&said]).1;
        assert_eq!(news, ["kept 250, 1 of it", "over"]);
    }
    // Nobody: a server that asks for the letter all the same gets an empty one, and the next letter goes on.
    let said = "220 hi\r\n250-x\r\n250 PIPELINING\r\n250 ok\r\n550 no\r\n354 go\r\n554 none\r\n\
        250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n221 bye\r\n";
    let (lines, news, _) = at_every_split(&manner(), &[&["a@b"], &["c@d"]], &[said]);
    assert_eq!(news, ["everybody 550, 0 of it", "kept 250, 1 of it", "over"]);
    assert!(lines.contains(&".".to_owned()));
    let said = "220 hi\r\n250 x\r\n250 ok\r\n550 no\r\n250 reset\r\n221 bye\r\n";
    let (lines, news, _) = at_every_split(&manner(), &[&["a@b"]], &[said]);
    assert_eq!((lines[3].as_str(), news[0].as_str()), ("RSET", "everybody 550, 0 of it"));
}

#[test]
fn a_server_that_goes_away_in_a_letter_is_not_waited_for() {
    for (said, what) in [
        ("220 hi\r\n250-x\r\n250 PIPELINING\r\n421 bye\r\n", "the sender 421, 0 of it"),
        ("220 hi\r\n250-x\r\n250 PIPELINING\r\n250 ok\r\n421 bye\r\n", "a recipient 421, 0 of it"),
        ("220 hi\r\n250 x\r\n250 ok\r\n250 ok\r\n421 bye\r\n", "DATA 421, 0 of it"),
        ("220 hi\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n421 bye\r\n", "the letter 421, 0 of it"),
    ] {
        let (lines, news, failure) = at_every_split(&manner(), &[&["a@b"]], &[said]);
        assert_eq!((news, failure), (vec![what.to_owned()], None), "{said}");
        assert!(!lines.contains(&"QUIT".to_owned()), "{said}");
    }
}

#[test]
fn a_clear_conn_becomes_tls_and_a_password_leaves_behind_it_alone() {
    let secured = "250-x\r\n250 AUTH PLAIN LOGIN\r\n235 ok\r\n221 bye\r\n";
    let clear = "220 hi\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n";
    let with_login = SmtpManner { login: login(), ..manner() };
    let (lines, news, failure) = at_every_split(&with_login, &[], &[clear, secured]);
    assert_eq!(lines, ["EHLO me", "STARTTLS", "EHLO me", "AUTH PLAIN ***", "QUIT"]);
    assert_eq!((news, failure), (vec!["over".to_owned()], None));
    let bare = "220 hi\r\n250 AUTH PLAIN\r\n";
    let (lines, _, failure) = at_every_split(&with_login, &[], &[bare]);
    assert_eq!((lines.len(), failure), (1, Some(SmtpFailure::InTheClear)));
    let need = SmtpManner { upgrade: Upgrade::Need, ..manner() };
    assert_eq!(at_every_split(&need, &[], &[bare]).2, Some(SmtpFailure::NoTls(None)));
    let refuses = "220 hi\r\n250-x\r\n250 STARTTLS\r\n454 not now\r\n";
    let failure = at_every_split(&need, &[], &[refuses]).2;
    assert!(matches!(failure, Some(SmtpFailure::NoTls(Some(answer))) if answer.code == 454));
    assert_eq!(at_every_split(&manner(), &[], &[&format!("{refuses}221 bye\r\n")]).2, None);
}

#[test]
fn what_is_said_in_the_clear_behind_starttls_is_not_believed() {
    let clear = "220 hi\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n250 injected\r\n";
    assert_eq!(talk(&manner(), &[], &[clear], &[]).2, Some(SmtpFailure::SaidInTheClear));
}

#[test]
fn login_is_done_in_the_way_that_is_offered_and_the_secret_is_not_shown() {
    let secure = SmtpManner { login: login(), is_secure: true, ..manner() };
    for (said, lines) in [
        ("250 AUTH LOGIN", vec!["AUTH LOGIN", "***", "***"]),
        ("250 AUTH=LOGIN PLAIN", vec!["AUTH PLAIN ***", "***"]),
    ] {
        let challenges = "334 x\r\n".repeat(lines.len() - 1);
        let said = format!("220 hi\r\n250-x\r\n{said}\r\n{challenges}235 ok\r\n221 bye\r\n");
        let (told, _, failure) = at_every_split(&secure, &[], &[&said]);
        assert_eq!(
            (&told[1..told.len() - 1], failure),
            (&lines.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..], None)
        );
    }
    let failure = at_every_split(&secure, &[], &["220 hi\r\n250 AUTH CRAM-MD5\r\n"]).2;
    assert_eq!(failure, Some(SmtpFailure::NoMechanism));
    let said = "220 hi\r\n250-x\r\n250 AUTH PLAIN\r\n535 wrong\r\n";
    let failure = at_every_split(&secure, &[], &[said]).2;
    assert!(
        matches!(failure, Some(SmtpFailure::Refused("the login", answer)) if answer.code == 535)
    );
}

#[test]
fn an_old_server_is_greeted_as_it_knows_it_and_what_is_no_answer_ends_it() {
    let (lines, news, _) =
        at_every_split(&manner(), &[], &["220 hi\r\n502 what\r\n250 x\r\n221 bye\r\n"]);
    assert_eq!(
        (lines, news),
        (["EHLO me", "HELO me", "QUIT"].map(str::to_owned).to_vec(), vec!["over".to_owned()])
    );
    let failure = at_every_split(&manner(), &[], &["HTTP/1.1 400 Bad\r\n"]).2;
    assert!(matches!(failure, Some(SmtpFailure::Unreadable(_))));
    let failure = at_every_split(&manner(), &[], &["554 go away\r\n"]).2;
    assert!(matches!(failure, Some(SmtpFailure::Refused("the connection", _))));
    let failure = at_every_split(&manner(), &[], &["220 hi\r\n250 x\r\n250 ok\r\n"]).2;
    assert!(matches!(failure, Some(SmtpFailure::OutOfStep(_))));
}

#[test]
fn a_server_that_breaks_is_told_of_by_what_it_answers() {
    let breaks = |how| SmtpManner { breaks: Some(how), ..manner() };
    let (lines, ..) =
        talk(&breaks(SmtpBreak::EarlyTalk), &[], &["220 hi\r\n250 x\r\n221 bye\r\n"], &[]);
    assert_eq!(lines, ["EHLO me", "QUIT"]);
    let clear = "220 hi\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n";
    let injecting = breaks(SmtpBreak::PipelineStartTls);
    let taken = talk(&injecting, &[], &[clear, "500 XINJECTED?\r\n250 x\r\n"], &[]).2;
    assert!(matches!(taken, Some(SmtpFailure::Injected(_))));
    assert_eq!(talk(&injecting, &[], &[clear, "250 x\r\n221 bye\r\n"], &[]).2, None);
    let early = breaks(SmtpBreak::EarlyData);
    let said = "220 hi\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n221 bye\r\n";
    let (lines, news, _) = talk(&early, &[&["a@b"]], &[said], &[]);
    assert_eq!((lines[4].as_str(), news[0].as_str()), ("(text)", "kept 250, 1 of it"));
    let said = "220 hi\r\n250 x\r\n250 ok\r\n250 ok\r\n554 early\r\n";
    let (lines, news, _) = talk(&early, &[&["a@b"]], &[said], &[]);
    assert_eq!(
        (lines.last().map(String::as_str), news[0].as_str()),
        (Some("(text)"), "DATA 554, 0 of it")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_a_server_says_it_means_the_same_however_it_is_cut(
        answers in proptest::collection::vec(proptest::sample::select(vec![
            "220 a\r\n", "250 b\r\n", "250-c\r\n250-PIPELINING\r\n250 AUTH LOGIN\r\n", "354 d\r\n", "421 e\r\n", "451 f\r\n",
            "550 g\r\n", "221 h\r\n", "334 i\r\n", "235 j\r\n", "x\r\n", "250", "\n",
        ]), 0..16),
        cuts in proptest::collection::vec(0_usize..200, 0..6),
        is_secure in any::<bool>(),
    ) {
        let said = answers.concat();
        let manner = SmtpManner { login: login(), may_tell_all: true, is_secure, ..manner() };
        let mut cuts = cuts;
        cuts.sort_unstable();
        let to: &[&[&str]] = &[&["a@b", "c@d"], &["e@f"]];
        prop_assert_eq!(talk(&manner, to, &[&said], &cuts), talk(&manner, to, &[&said], &[]));
    }
}
