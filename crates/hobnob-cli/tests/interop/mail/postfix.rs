//! Postfix's smtp-source, which sends many letters at once, and its smtp-sink, to which letters are passed on.

use std::process::Command;

use super::post::{Post, fetched};
use crate::peer::{Running, succeeds};
use crate::ports::Port;

/// Letters of a dose, and connections that bring them. By hand: 2,000 of them, as the plan has it.
const DOSE: (&str, &str) = ("200", "20");

fn source(post: &Post, test: &str) -> Option<Command> {
    let postfix = fetched(test, "postfix", "smtp-source")?;
    let mut source = post.run(postfix.join("usr/sbin/smtp-source"));
    source.env("LD_LIBRARY_PATH", postfix.join("usr/lib/postfix"));
    source.args(["-l", "4096", "-f", "app@test", "-t", "li@test"]);
    Some(source)
}

#[test]
fn smtp_source_brings_a_dose_over_twenty_connections_and_every_letter_is_kept() {
    let test =
        "mail::postfix::smtp_source_brings_a_dose_over_twenty_connections_and_every_letter_is_kept";
    for (flags, more) in [(&["--dir", "letters"][..], &[][..]), (&["--keep", "1000"], &["-d"])] {
        let post = Post::open(flags);
        let Some(mut source) = source(&post, test) else { return };
        source.args(["-m", DOSE.0, "-s", DOSE.1]);
        succeeds(source.args(more).arg(format!("inet:127.0.0.1:{}", post.smtp)));
        assert_eq!(post.letters().to_string(), DOSE.0);
        let sizes = post.ask(&["SELECT INBOX", "FETCH 1:* RFC822.SIZE"]);
        let is_whole = |line: &&str| {
            let size = line.split_once("RFC822.SIZE ").map(|(_, size)| size.trim_end_matches(')'));
            size.and_then(|size| size.parse::<u32>().ok()).is_some_and(|size| size > 4096)
        };
        assert_eq!(sizes.lines().filter(is_whole).count().to_string(), DOSE.0);
    }
}

/// Starts smtp-sink on a port of its own.
fn sink(post: &Post, test: &str, flags: &[&str], port: &Port) -> Option<Running> {
    let postfix = fetched(test, "postfix", "smtp-sink")?;
    let mut sink = post.keep_running(postfix.join("usr/sbin/smtp-sink"));
    sink.env("LD_LIBRARY_PATH", postfix.join("usr/lib/postfix"));
    if nix::unistd::geteuid().is_root() {
        sink.args(["-u", "root"]);
    }
    Some(Running::start(sink.args(flags).arg(format!("127.0.0.1:{}", port.number)).arg("100")))
}

#[test]
fn smtp_sink_takes_what_is_passed_on_and_what_it_refuses_comes_back() {
    let test = "mail::postfix::smtp_sink_takes_what_is_passed_on_and_what_it_refuses_comes_back";
    let port = Port::draw();
    let next = format!("smtp://127.0.0.1:{}", port.number);
    for (flags, wanted) in [(&["-c"][..], "forwarded"), (&["-f", "rcpt"], "bounced")] {
        let mut post = Post::open(&["--forward", &next]);
        let Some(mut sink) = sink(&post, test, flags, &port) else { return };
        let Some(mut source) = source(&post, test) else { return };
        source.args(["-m", "20", "-s", "4"]);
        succeeds(source.arg(format!("inet:127.0.0.1:{}", post.smtp)));
        let mut passed = 0;
        while passed < 20 {
            let line = post.server.line();
            assert!(!line.is_empty(), "the server goes on");
            passed += u32::from(line.contains(&format!("\"did\":\"{wanted}\"")));
        }
        if wanted == "forwarded" {
            sink.hears("mesg=20");
            assert_eq!(post.letters(), 20);
        } else {
            assert_eq!(post.letters(), 40, "each with the letter that tells of it");
        }
    }
}
