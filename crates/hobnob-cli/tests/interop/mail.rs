//! Letters, as programs of others send, fetch and look at them: smtplib, poplib and imaplib here; what else there is, a
//! file each.

#[cfg(feature = "tls")]
mod fetchers;
#[cfg(feature = "tls")]
mod libraries;
#[cfg(feature = "tls")]
mod maildir;
#[cfg(feature = "tls")]
mod mirrors;
#[cfg(feature = "tls")]
mod post;
#[cfg(feature = "tls")]
mod postfix;
#[cfg(feature = "tls")]
mod senders;

use crate::peer::{Running, has, hobnob, python, succeeds};

/// A server of mail, and the ports of its doors.
fn serve() -> (Running, [String; 3]) {
    serve_by(["smtp=127.0.0.1:0", "pop3=127.0.0.1:0", "imap=127.0.0.1:0"])
}

fn serve_by<const N: usize>(doors: [&str; N]) -> (Running, [String; N]) {
    let mut server = Running::start(hobnob().args(["serve", "mail"]).args(doors).arg("--json"));
    let ports = doors.map(|_| {
        let line = server.line();
        let (_, rest) = line.split_once("\"addr\":\"127.0.0.1:").expect("where it listens");
        rest.split('"').next().expect("a port").to_owned()
    });
    (server, ports)
}

fn probe(test: &str, script: &str, doors: &[usize]) {
    if !has(test, "python3") {
        return;
    }
    let (_server, ports) = serve();
    let said =
        succeeds(python(script).arg("127.0.0.1").args(doors.iter().map(|door| &ports[*door])));
    println!("{script}: {}", said.trim());
    let (kept, all) = said.trim().split_once(" of ").expect("N of N");
    assert_eq!(kept, all, "{script}");
}

#[cfg(feature = "tls")]
#[test]
fn the_rules_that_naive_smtp_servers_break_are_kept() {
    probe("mail::the_rules_that_naive_smtp_servers_break_are_kept", "smtp_probe.py", &[0]);
}

#[cfg(feature = "tls")]
#[test]
fn the_rules_that_naive_imap_servers_break_are_kept() {
    probe("mail::the_rules_that_naive_imap_servers_break_are_kept", "imap_probe.py", &[2]);
}

#[cfg(feature = "tls")]
#[test]
fn the_rules_that_naive_pop3_servers_break_are_kept() {
    probe("mail::the_rules_that_naive_pop3_servers_break_are_kept", "pop3_probe.py", &[1, 0]);
}

#[cfg(feature = "tls")]
#[test]
fn letters_go_from_smtplib_to_poplib_in_clear_text_and_behind_tls() {
    if !has("mail::letters_go_from_smtplib_to_poplib_in_clear_text_and_behind_tls", "python3") {
        return;
    }
    for flags in [&[][..], &["--tls"]] {
        let (_server, ports) = serve();
        let journey = &mut python("mail_journey.py");
        let said = succeeds(journey.args(["127.0.0.1", &ports[0], &ports[1]]).args(flags));
        assert!(said.starts_with("ok:"), "{said}");
    }
}

#[cfg(feature = "http")]
#[test]
fn letters_show_in_a_browser_and_run_and_load_nothing() {
    let name = "mail::letters_show_in_a_browser_and_run_and_load_nothing";
    if !has(name, "python3") || !has(name, "chromium") {
        return;
    }
    let (_server, ports) = serve_by(["smtp=127.0.0.1:0", "http=127.0.0.1:0"]);
    let said = succeeds(python("inbox_browser.py").args(&ports));
    assert!(said.starts_with("ok:"), "{said}");
}
