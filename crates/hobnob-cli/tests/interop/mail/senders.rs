//! Programs that send: swaks, msmtp, curl.

use super::post::{Post, have, letter};
use crate::peer::{Running, succeeds};

/// What the server wrote in front of a letter, and the letter.
fn stored(post: &Post, number: usize) -> String {
    let said = post.ask(&["SELECT INBOX", &format!("FETCH {number} BODY.PEEK[]")]);
    let (_, rest) = said.split_once("BODY[] {").expect("a letter");
    let (length, rest) = rest.split_once("}\r\n").expect("its length");
    rest[..length.parse().expect("a number")].to_owned()
}

#[test]
fn swaks_sends_in_the_clear_behind_tls_in_one_go_and_with_a_login() {
    let test = "mail::senders::swaks_sends_in_the_clear_behind_tls_in_one_go_and_with_a_login";
    if !have(test, &["swaks"]) {
        return;
    }
    let post = Post::open(&[]);
    let (plain, tls) = (format!("127.0.0.1:{}", post.smtp), format!("127.0.0.1:{}", post.smtps));
    let login = |how| ["--auth", how, "--auth-user", "li", "--auth-password", "secret"];
    for (number, (server, flags, with)) in [
        (&plain, vec![], "ESMTP"),
        (&plain, [&["--pipeline"][..], &login("LOGIN")].concat(), "ESMTPA"),
        (&plain, [&["--tls"][..], &login("PLAIN")].concat(), "ESMTPSA"),
        (&tls, vec!["--tls-on-connect", "--pipeline"], "ESMTPS"),
        (&plain, vec!["--protocol", "SMTP"], "SMTP"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut swaks = post.run("swaks");
        swaks.args(["--server", server, "--from", "app@test", "--to", "li@test,han@test"]);
        swaks.args(["--helo", "swaks.test", "--body", ".\\n..dots\\n"]).args(&flags);
        let said = succeeds(&mut swaks);
        assert!(said.contains(" kept as ") && !said.contains("secret"), "{flags:?}: {said}");
        let kept = stored(&post, number + 1);
        // No `for` where that would tell one recipient of the other (RFC 5321 section 7.6).
        let head = kept.split_once("\r\n\r\n").expect("a head").0.replace("\r\n\t", " ");
        assert!(head.starts_with("Return-Path: <app@test>\r\nReceived: "), "{head}");
        assert!(head.contains("from swaks.test"), "{head}");
        assert!(head.contains(&format!(" with {with} ")), "{flags:?}: {head}");
        assert!(!head.contains(" for <"), "{head}");
        assert!(kept.contains("\r\n\r\n.\r\n..dots\r\n"), "{kept}");
    }
    assert_eq!(post.letters(), 5);
}

#[test]
fn msmtp_sends_in_the_clear_behind_starttls_and_behind_tls() {
    let test = "mail::senders::msmtp_sends_in_the_clear_behind_starttls_and_behind_tls";
    if !have(test, &["msmtp"]) {
        return;
    }
    let post = Post::open(&[]);
    let login = ["--user=li", "--passwordeval=echo secret", "--tls=on", "--tls-certcheck=off"];
    for (port, flags) in [
        (&post.smtp, vec!["--auth=off", "--tls=off"]),
        (&post.smtp, [&login[..], &["--auth=plain", "--tls-starttls=on"]].concat()),
        (&post.smtps, [&login[..], &["--auth=login", "--tls-starttls=off"]].concat()),
    ] {
        let mut msmtp = post.run("msmtp");
        msmtp.args(["--file=/dev/null", "--host=127.0.0.1", "--from=app@test"]).args(&flags);
        msmtp.arg(format!("--port={port}")).args(["--tls-trust-file=", "--", "li@test"]);
        let mut running = Running::start(&mut msmtp);
        running.type_in(&letter("msmtp").replace("\r\n", "\n"));
        let done = running.finish();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{flags:?}: {said}");
    }
    assert_eq!(post.letters(), 3);
    for number in 1..=3 {
        let kept = stored(&post, number);
        assert!(kept.ends_with(&letter("msmtp")), "{kept}");
        assert!(
            kept.replace("\r\n\t", " ").contains(" for <li@test>"),
            "the only recipient: {kept}"
        );
    }
}

#[test]
fn curl_sends_and_fetches_by_all_three_protocols_in_the_clear_and_behind_tls() {
    let test =
        "mail::senders::curl_sends_and_fetches_by_all_three_protocols_in_the_clear_and_behind_tls";
    if !have(test, &["curl"]) {
        return;
    }
    let post = Post::open(&["--no-trace"]);
    let (sent, other) = (letter("curl"), letter("other"));
    let (file, again) = (post.write("letter", &sent), post.write("other", &other));
    let curl = |flags: &[&str]| {
        let mut curl = post.run("curl");
        curl.args(["-sSk", "--user", "li:secret"]).args(flags);
        curl
    };
    let (smtp, smtps) =
        (format!("smtp://127.0.0.1:{}", post.smtp), format!("smtps://127.0.0.1:{}", post.smtps));
    let file = file.to_str().expect("UTF-8");
    let to = ["--mail-from", "app@test", "--mail-rcpt", "li@test", "-T", file];
    succeeds(curl(&to).arg(&smtp));
    succeeds(curl(&to).args(["--ssl-reqd", &smtp]));
    succeeds(curl(&to).arg(&smtps));
    let (pop3, pop3s) =
        (format!("pop3://127.0.0.1:{}", post.pop3), format!("pop3s://127.0.0.1:{}", post.pop3s));
    assert_eq!(succeeds(curl(&[]).arg(&pop3)).lines().count(), 3);
    assert_eq!(succeeds(curl(&["-X", "UIDL"]).arg(&pop3s)).lines().count(), 3);
    assert_eq!(succeeds(curl(&[]).arg(format!("{pop3}/1"))), sent);
    assert_eq!(succeeds(curl(&["--ssl-reqd"]).arg(format!("{pop3}/2"))), sent);
    assert_eq!(succeeds(curl(&[]).arg(format!("{pop3s}/3"))), sent);
    succeeds(curl(&["--head", "-X", "DELE 3"]).arg(format!("{pop3}/")));
    let (imap, imaps) =
        (format!("imap://127.0.0.1:{}", post.imap), format!("imaps://127.0.0.1:{}", post.imaps));
    assert_eq!(succeeds(curl(&[]).arg(format!("{imap}/INBOX;UID=1"))), sent);
    assert_eq!(succeeds(curl(&[]).arg(format!("{imaps}/INBOX;MAILINDEX=2"))), sent);
    assert!(succeeds(curl(&["--ssl-reqd"]).arg(format!("{imap}/"))).contains("INBOX"));
    let again = again.to_str().expect("UTF-8");
    succeeds(curl(&["-T", again]).arg(format!("{imaps}/INBOX")));
    assert_eq!(succeeds(curl(&[]).arg(format!("{imap}/INBOX?SUBJECT%20other"))), "* SEARCH 3\r\n");
    assert_eq!(succeeds(curl(&[]).arg(format!("{imap}/INBOX;UID=4"))), other);
    let said = succeeds(curl(&["-X", "STATUS INBOX (MESSAGES UIDNEXT)"]).arg(&imap));
    assert_eq!(said, "* STATUS \"INBOX\" (MESSAGES 3 UIDNEXT 5)\r\n");
}
