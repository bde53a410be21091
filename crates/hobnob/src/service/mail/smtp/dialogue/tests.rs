//! What is answered to what, at every split.

use proptest::prelude::*;

use super::*;
use crate::service::mail::rules::BoxesBy;

fn rules() -> MailRules {
    MailRules {
        host: "mail.test".to_owned(),
        size: 1_000,
        is_strict: false,
        has_trace: false,
        auth: Offer::There,
        starttls: Offer::There,
        forwards: false,
        boxes: BoxesBy::One,
        users: None,
        #[cfg(feature = "http")]
        web_hosts: Vec::new(),
    }
}

/// What a conversation came to: the codes that were answered, and the letters that were kept.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    codes: Vec<u16>,
    letters: Vec<String>,
    findings: Vec<&'static str>,
    is_over: bool,
}

/// Says all of this, cut at these places. What comes behind STARTTLS in the same piece is dropped, as the door does.
fn talk(rules: &MailRules, all: &[u8], splits: &[usize]) -> Told {
    let (mut dialogue, mut told) =
        (SmtpDialogue::new(rules, false, OnPurpose::default()), Told::default());
    let SmtpStep::Reply(greeting) = dialogue.greeting(false) else { panic!("a greeting") };
    told.codes.push(greeting.code);
    let (mut letter, mut from) = (Vec::new(), 0);
    for end in splits.iter().copied().chain([all.len()]) {
        let mut bytes = &all[from..end];
        from = end;
        while let Some(step) = dialogue.next(&mut bytes) {
            let step = match step {
                SmtpStep::Text(text) => {
                    letter.extend_from_slice(text);
                    continue;
                }
                SmtpStep::Keep => {
                    let kept = dialogue.take_letter().expect("a letter");
                    told.findings.extend(kept.findings.iter().map(|finding| finding.slug));
                    let (to, text) = (kept.to.len(), String::from_utf8_lossy(&letter));
                    told.letters.push(format!("{} {to} {text}", kept.reverse_path()));
                    dialogue.kept(SmtpReply::new(250, "2.0.0", "kept"))
                }
                SmtpStep::Login(login) => {
                    dialogue.logged_in((login.password == "right").then_some(login.name))
                }
                step => step,
            };
            if !dialogue.is_writing() {
                letter.clear();
            }
            match step {
                SmtpStep::Reply(reply) => {
                    let has_status = !reply.status.is_empty();
                    let is_bare = matches!(reply.code, 334 | 354)
                        || reply.code == 250 && reply.lines[0].contains(" greets ");
                    assert_ne!(has_status, is_bare, "{reply:?}: RFC 2034");
                    told.codes.push(reply.code);
                }
                SmtpStep::Close(reply) => {
                    told.codes.push(reply.code);
                    told.is_over = true;
                    return told;
                }
                SmtpStep::StartTls(reply) => {
                    told.codes.push(reply.code);
                    dialogue.secured(!bytes.is_empty());
                    bytes = b"";
                }
                SmtpStep::Http => {
                    told.is_over = true;
                    return told;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(bytes.is_empty(), "all is read");
    }
    told
}

/// What is answered after the greeting and EHLO, the same at every split.
fn codes(rules: &MailRules, said: &str) -> Vec<u16> {
    let all = format!("EHLO me\r\n{said}");
    let whole = talk(rules, all.as_bytes(), &[]);
    // Where STARTTLS is said, it matters what came with it.
    if !said.contains("STARTTLS\r\n") {
        for split in 0..all.len() {
            let told = talk(rules, all.as_bytes(), &[split]);
            assert_eq!(
                (&told.codes, &told.letters),
                (&whole.codes, &whole.letters),
                "{said:?} {split}"
            );
        }
    }
    assert_eq!(whole.codes[..2], [220, 250]);
    whole.codes[2..].to_vec()
}

const BEGUN: &str = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

#[test]
fn every_command_has_its_answer_in_its_place() {
    let rules = rules();
    let long = "x".repeat(5_000);
    let large = format!("{BEGUN}DATA\r\n{}\r\n.\r\nNOOP\r\n", "y\r\n".repeat(400));
    let hundred = format!("MAIL FROM:<a@b>\r\n{}", "RCPT TO:<c@d>\r\n".repeat(101));
    for (said, answers) in [
        (
            "NOOP\r\nRSET\r\nVRFY a\r\nEXPN a\r\nHELP\r\nQUIT\r\nNOOP\r\n",
            &[250, 250, 252, 502, 214, 221][..],
        ),
        ("DATA\r\nRCPT TO:<a@b>\r\n", &[503, 503]),
        ("MAIL FROM:<a@b>\r\nDATA\r\nMAIL FROM:<a@b>\r\n", &[250, 554, 503]),
        ("MAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<>\r\n", &[250, 250, 250]),
        ("MAIL FROM:<a@b>\r\nEHLO me\r\nRCPT TO:<a@b>\r\n", &[250, 250, 503]),
        ("MAIL FROM:<a@b> SIZE=1001\r\nMAIL FROM:<a@b> SIZE=1000\r\n", &[552, 250]),
        ("MAIL FROM:<a@b> X=1\r\n", &[555]),
        (
            "MAIL FROM:<\u{e9}@b>\r\nMAIL FROM:<\u{e9}@b> SMTPUTF8\r\nRCPT TO:<\u{e8}@b>\r\n",
            &[553, 250, 250],
        ),
        ("MAIL FROM:<a@b>\r\nRCPT TO:<\u{e8}@b>\r\n", &[250, 553]),
        (
            "MAIL FROM:<a@b>\r\nRCPT TO:<x>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\nNOOP\r\n",
            &[250, 501, 250, 354, 250, 250],
        ),
        (&format!("NOOP {long}\r\nNOOP\r\n"), &[500, 250]),
        ("NOOP\nMAIL FROM:<a@b>\r\nNOOP\r\n", &[500, 250]),
        (&large, &[250, 250, 354, 552, 250]),
        ("STARTTLS x\r\nSTARTTLS\r\nEHLO me\r\n", &[501, 220]),
        ("BDAT 4\r\nNOOPBDAT 0 LAST\r\nNOOP\r\n", &[503, 503, 250]),
        (&format!("{BEGUN}BDAT 1001\r\n{}NOOP\r\n", "z".repeat(1_001)), &[250, 250, 552, 250]),
        (
            &format!("{BEGUN}BDAT 3\r\n.\r\nDATA\r\nRCPT TO:<a@b>\r\nBDAT 0 LAST\r\nDATA\r\n"),
            &[250, 250, 250, 503, 503, 250, 503],
        ),
        (
            &format!("{BEGUN}BDAT 2\r\nabRSET\r\nBDAT 1 LAST\r\nxNOOP\r\n"),
            &[250, 250, 250, 250, 503, 250],
        ),
        ("BDAT x\r\nNOOP\r\n", &[501]),
        ("GET / HTTP/1.1\r\nHost: x\r\n", &[]),
        (
            "AUTH FOO\r\nAUTH PLAIN AGFiAHdyb25n\r\nAUTH PLAIN AGFiAHJpZ2h0\r\nAUTH LOGIN\r\n",
            &[504, 535, 235, 503],
        ),
        ("AUTH PLAIN\r\nAGFiAHJpZ2h0\r\nMAIL FROM:<a@b>\r\n", &[334, 235, 250]),
        ("AUTH LOGIN\r\nYWI=\r\ncmlnaHQ=\r\n", &[334, 334, 235]),
        ("AUTH LOGIN\r\n*\r\nAUTH PLAIN =\r\nAUTH PLAIN %\r\nNOOP\r\n", &[334, 501, 501, 501, 250]),
        ("MAIL FROM:<a@b>\r\nAUTH PLAIN\r\n", &[250, 503]),
    ] {
        assert_eq!(codes(&rules, said), answers, "{said:?}");
    }
    let answers = codes(&rules, &hundred);
    assert_eq!((answers[100], answers[101]), (250, 452));
    assert_eq!(talk(&rules, b"MAIL FROM:<a@b>\r\nAUTH PLAIN\r\n", &[]).codes, [220, 503, 503]);
    let plain =
        b"HELO me\r\nMAIL FROM:<a@b> SIZE=9\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d> NOTIFY=NEVER\r\n";
    assert_eq!(talk(&rules, plain, &[]).codes, [220, 250, 555, 250, 555]);
}

#[test]
fn what_is_asked_for_first_has_to_come_first() {
    let need = MailRules { auth: Offer::Need, starttls: Offer::Need, ..rules() };
    let said = format!("AUTH PLAIN AGFiAHJpZ2h0\r\n{BEGUN}BDAT 2 LAST\r\nabNOOP\r\n");
    assert_eq!(codes(&need, &said), [530, 530, 530, 530, 250]);
    let login = MailRules { starttls: Offer::Off, ..need };
    assert_eq!(codes(&login, "MAIL FROM:<a@b>\r\nSTARTTLS\r\n"), [530, 503]);
    assert_eq!(codes(&login, "AUTH PLAIN AGFiAHJpZ2h0\r\nMAIL FROM:<a@b>\r\n"), [235, 250]);
    let off = MailRules { auth: Offer::Off, ..rules() };
    assert_eq!(codes(&off, "AUTH PLAIN\r\n"), [502]);
}

#[test]
fn behind_starttls_nothing_counts_that_came_before() {
    let rules = rules();
    let (first, behind) = ("EHLO me\r\nSTARTTLS\r\n", "MAIL FROM:<x@y>\r\n");
    let then =
        "MAIL FROM:<a@b>\r\nEHLO me\r\nSTARTTLS\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    let (then, end) = (then, "hi\r\n.\r\n");
    let all = format!("{first}{behind}{then}{end}");
    let splits = [first.len() + behind.len(), first.len() + behind.len() + then.len()];
    let told = talk(&rules, all.as_bytes(), &splits);
    assert_eq!(told.codes, [220, 250, 220, 503, 250, 503, 250, 250, 354, 250], "{told:?}");
    assert_eq!(told.letters, ["<a@b> 1 hi\r\n"]);
    assert_eq!(beside_headers(&told), ["pipelined-too-early", "wrote-behind-starttls"]);
}

/// What a letter without headers is said to do wrong beside that.
fn beside_headers(told: &Told) -> Vec<&'static str> {
    let is_of_headers = |slug: &&str| slug.starts_with("no-");
    told.findings.iter().copied().filter(|slug| !is_of_headers(slug)).collect()
}

#[test]
fn a_letter_is_kept_whole_with_what_its_sender_did_wrong() {
    let rules = rules();
    for (text, kept, findings) in [
        ("..x\r\n", ".x\r\n", &[][..]),
        ("a\nb\r\n", "a\nb\r\n", &["bare-lf"]),
        ("a\rb\0\r\n", "a\rb\0\r\n", &["bare-cr", "nul"]),
        ("\u{e9}\r\n", "\u{e9}\r\n", &["8bit-not-announced", "charset-lies"]),
        (".x\r\n", "x\r\n", &["dot-not-stuffed"]),
    ] {
        let head = format!("EHLO me\r\n{BEGUN}DATA\r\n");
        let own = "Date: x\r\nFrom: a@b\r\nMessage-ID: <1@b>\r\n\r\n";
        let all = format!("{head}{own}{text}.\r\n");
        let told = talk(&rules, all.as_bytes(), &[9, head.len()]);
        assert_eq!(told.letters, [format!("<a@b> 1 {own}{kept}")]);
        assert_eq!(told.findings, findings, "{text:?}");
        let strict = MailRules { is_strict: true, ..rules.clone() };
        let told = talk(&strict, all.as_bytes(), &[9, head.len()]);
        let last = if findings.is_empty() { 250 } else { 550 };
        assert_eq!(told.codes.last(), Some(&last), "{text:?}");
        assert_eq!(told.letters.len(), usize::from(findings.is_empty()));
    }
    let all = format!("EHLO me\r\n{BEGUN}DATA\r\nhi\r\n.\r\n");
    assert_eq!(beside_headers(&talk(&rules, all.as_bytes(), &[])), ["pipelined-too-early"]);
    let sized = all.replace("<a@b>", "<a@b> SIZE=2");
    let told = talk(&rules, sized.as_bytes(), &[9, sized.len() - 7]);
    assert_eq!(beside_headers(&told), ["size-differs"]);
}

#[test]
fn who_makes_too_many_mistakes_is_shown_the_door() {
    let told = talk(&rules(), "WHAT\r\n".repeat(100).as_bytes(), &[]);
    assert_eq!((told.codes.len(), told.codes.last(), told.is_over), (21, Some(&421), true));
}

#[test]
fn a_password_is_in_no_script() {
    let rules = rules();
    let mut dialogue = SmtpDialogue::new(&rules, false, OnPurpose::default());
    let said =
        "EHLO me\r\nAUTH PLAIN AGFiAHJpZ2h0\r\nAUTH LOGIN\r\nYWI=\r\nAGFi\r\nAUTH x y AGFi\r\n";
    let mut bytes = said.as_bytes();
    while let Some(step) = dialogue.next(&mut bytes) {
        if let SmtpStep::Login(_) = step {
            dialogue.logged_in(None);
        }
    }
    assert!(dialogue.expects_secret());
    let script = dialogue.script().lines().join("\n");
    assert!(script.contains("> AUTH PLAIN ***") && script.contains("> ***"), "{script}");
    assert!(!script.contains("AGFi") && !script.contains("YWI="), "{script}");
}

fn piece() -> impl Strategy<Value = &'static [u8]> {
    proptest::sample::select(vec![
        &b"EHLO x\r\n"[..],
        b"HELO x\r\n",
        b"MAIL FROM:<a@b>\r\n",
        b"MAIL FROM:<> BODY=8BITMIME\r\n",
        b"RCPT TO:<c@d>\r\n",
        b"DATA\r\n",
        b".\r\n",
        b"\r\n.\r\n",
        b"..\r\n",
        b"BDAT 5\r\n",
        b"BDAT 3 LAST\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT 2000\r\n",
        b"abc\r\n",
        b"abcde",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"NOOP\n",
        b"\r",
        b"\n",
        b"AUTH PLAIN\r\n",
        b"AUTH PLAIN AGFiAHJpZ2h0\r\n",
        b"AUTH LOGIN\r\n",
        b"YWI=\r\n",
        b"*\r\n",
        b"\0",
        b"\xff\r\n",
        b"QUIT\r\n",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_conversation_is_the_same_however_it_is_cut(
        pieces in proptest::collection::vec(piece(), 0..32),
        first in any::<proptest::sample::Index>(),
        second in any::<proptest::sample::Index>(),
    ) {
        let (rules, all) = (rules(), pieces.concat());
        let mut splits = [first.index(all.len() + 1), second.index(all.len() + 1)];
        splits.sort_unstable();
        let (whole, cut) = (talk(&rules, &all, &[]), talk(&rules, &all, &splits));
        // Whether something came too early is in how it came.
        prop_assert_eq!((whole.codes, whole.letters, whole.is_over), (cut.codes, cut.letters, cut.is_over));
    }
}
