//! Programs that fetch letters and remember which they have: fetchmail, mpop.

use std::fs;

use super::post::{Post, files, has_letter, have};
use crate::peer::{Running, succeeds};

#[test]
fn fetchmail_takes_each_letter_once_by_both_protocols_in_the_clear_and_behind_tls() {
    let test = "mail::fetchers::fetchmail_takes_each_letter_once_by_both_protocols_in_the_clear_and_behind_tls";
    if !have(test, &["fetchmail"]) {
        return;
    }
    let post = Post::open(&[]);
    post.fill(&["one", "two"]);
    for (at, (protocol, port, tls)) in [
        ("POP3 uidl", &post.pop3, "sslproto ''"),
        ("POP3 uidl", &post.pop3s, "ssl"),
        ("POP3 uidl", &post.pop3, "sslproto 'TLS1.2+'"),
        ("IMAP", &post.imap, "sslproto ''"),
    ]
    .into_iter()
    .enumerate()
    {
        let taken = post.home.path().join(format!("taken{at}"));
        let (options, word) = match protocol.split_once(' ') {
            Some((word, options)) => (options, word),
            None => ("", protocol),
        };
        let settings = post.write(
            &format!("fetchmailrc{at}"),
            &format!(
                "set no bouncemail\npoll 127.0.0.1 service {port} protocol {word} {options} auth password user \"li\" \
                 password \"secret\" keep no sslcertck {tls} mda \"cat >> {}\"\n",
                taken.display()
            ),
        );
        let fetch = || {
            let mut fetchmail = post.run("fetchmail");
            fetchmail.env("FETCHMAILHOME", post.home.path()).arg("--fetchmailrc").arg(&settings);
            fetchmail.arg("--idfile").arg(post.home.path().join(format!("ids{at}")));
            fetchmail.arg("--pidfile").arg(post.home.path().join("fetchmail.pid"));
            let done = Running::start(&mut fetchmail).finish();
            (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
        };
        let (code, said) = fetch();
        assert_eq!(code, Some(0), "{protocol} {tls}: {said}");
        let text = fs::read(&taken).expect("letters");
        assert!(has_letter(&text, "one") && has_letter(&text, "two"), "{protocol} {tls}");
        // 1: there was nothing new.
        let (code, said) = fetch();
        assert_eq!(code, Some(1), "{protocol} {tls}: {said}");
        assert_eq!(fs::read(&taken).expect("letters"), text, "{protocol} {tls}");
    }
    assert_eq!(post.letters(), 2);
}

#[test]
fn mpop_takes_each_letter_once_and_deletes_them_when_told() {
    let test = "mail::fetchers::mpop_takes_each_letter_once_and_deletes_them_when_told";
    if !have(test, &["mpop"]) {
        return;
    }
    let post = Post::open(&[]);
    post.fill(&["one", "two"]);
    let kept = post.home.path().join("kept");
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(kept.join(part)).expect("a folder");
    }
    let settings = post.write(
        "mpoprc",
        &format!(
            "defaults\nuser li\npasswordeval \"echo secret\"\nhost 127.0.0.1\ntls_certcheck off\ntls_trust_file\n\
             uidls_file {0}/uidls\ndelivery maildir {0}/kept\n\
             account clear\nport {1}\nauth user\ntls off\nkeep on\n\
             account begun\nport {1}\nauth plain\ntls on\ntls_starttls on\nkeep on\npipelining on\n\
             account tls\nport {2}\nauth plain\ntls on\ntls_starttls off\nkeep off\nonly_new off\n",
            post.home.path().display(),
            post.pop3,
            post.pop3s
        ),
    );
    let mpop = |account: &str| {
        let mut mpop = post.run("mpop");
        succeeds(mpop.arg("--file").arg(&settings).arg("--half-quiet").arg(account))
    };
    mpop("clear");
    let taken = files(&kept);
    assert_eq!(taken.len(), 2);
    for subject in ["one", "two"] {
        assert!(taken.iter().any(|(_, text)| has_letter(text, subject)), "{subject}: {taken:?}");
    }
    mpop("clear");
    mpop("begun");
    assert_eq!(files(&kept).len(), 2, "what was taken is not taken again");
    post.fill(&["three"]);
    mpop("begun");
    assert_eq!(files(&kept).len(), 3, "and what is new is");
    mpop("tls");
    assert_eq!((files(&kept).len(), post.letters()), (6, 0));
}
