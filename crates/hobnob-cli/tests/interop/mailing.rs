//! `hobnob mail` and the servers of others: letters to aiosmtpd, from Dovecot by POP3 and by IMAP, in the clear and
//! behind TLS.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::papers::Papers;
use crate::peer::{Running, has, hobnob, python, skip, succeeds};
use crate::ports::Port;

const LETTER: &str = "From: app@test\r\nTo: li@test\r\nSubject: =?utf-8?B?5L2g5aW9?=\r\n\r\n.\r\n..a\r\nsee https://a.test/x\r\n";

/// A certificate for this machine and its key, and what who dials says of it.
struct Paper {
    papers: Papers,
    cert: String,
    key: String,
}

impl Paper {
    fn new() -> Self {
        let papers = Papers::new();
        let authority = papers.authority("ca");
        let names = &["localhost", "127.0.0.1"];
        let paper = papers.certificate("server", names, 2099, Some(&authority));
        let (cert, key) = paper.split_once(",key=").expect("both");
        let cert = cert.strip_prefix("cert=").expect("both").to_owned();
        Paper { cert, key: key.to_owned(), papers }
    }

    fn trusted(&self) -> String {
        self.papers.ca("ca")
    }
}

/// The Python that has a module: Debian's own has Debian's modules, also where another one stands before it.
fn python_with(test: &str, module: &str) -> Option<&'static str> {
    let has_it = |python: &&str| {
        let tried = Command::new(python).args(["-c", &format!("import {module}")]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_it);
    if found.is_none() {
        skip(test, &format!("missing {module}"));
    }
    found
}

/// A server of SMTP that keeps its letters in a folder, and its port.
fn aiosmtpd(python_of: &str, folder: &Path, flags: &[&str]) -> (Running, String) {
    let script = python("smtp_server.py");
    let script = script.get_args().next().expect("the script").to_owned();
    let mut command = Command::new(python_of);
    command.arg(script).args(["127.0.0.1", "0"]).arg(folder).args(flags);
    let mut running = Running::start(&mut command);
    let line = running.line();
    let port = line.rsplit(' ').next().expect("a port").to_owned();
    (running, port)
}

fn fails(command: &mut Command, exit: i32) -> String {
    let output = Running::start(command).finish();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit), "{command:?}: {said}");
    said
}

#[test]
fn letters_reach_aiosmtpd_byte_for_byte_in_the_clear_and_behind_starttls() {
    let test = "mailing::letters_reach_aiosmtpd_byte_for_byte_in_the_clear_and_behind_starttls";
    let Some(python) = python_with(test, "aiosmtpd") else { return };
    let (paper, folder) = (Paper::new(), tempfile::tempdir().expect("a folder"));
    let (eml, secret) = (folder.path().join("letter"), folder.path().join("secret"));
    fs::write(&eml, LETTER).expect("a file");
    fs::write(&secret, "s3cret\n").expect("a file");
    for is_secure in [false, true] {
        let kept = tempfile::tempdir().expect("a folder");
        let secure = ["--cert", &paper.cert, "--key", &paper.key, "--auth", "li:s3cret"];
        let flags = if is_secure { &secure[..] } else { &[] };
        let (_server, port) = aiosmtpd(python, kept.path(), flags);
        let at = format!("smtp://127.0.0.1:{port}");
        let user = format!("li:@{}", secret.display());
        let send = |flags: &[&str]| {
            let mut command = hobnob();
            command.args(["mail", "send", &at]).args(flags);
            if is_secure {
                command.args(["--starttls", "need", "-O", &paper.trusted(), "--user", &user]);
            }
            command
        };
        let eml = eml.to_str().expect("UTF-8");
        let said = succeeds(&mut send(&["--eml", eml]));
        assert!(said.contains("250 2.0.0 kept as 1"), "{said}");
        assert_eq!(fs::read_to_string(kept.path().join("1.eml")).expect("it is kept"), LETTER);
        let flags = [
            "--from",
            "app@test",
            "--to",
            "li@test",
            "--subject",
            "你好",
            "--text",
            "李雷",
            "--attach",
            eml,
        ];
        let said = succeeds(&mut send(&flags));
        assert!(said.contains("kept as 2"), "{said}");
        let read = "import email, email.policy, sys; m = email.message_from_file(open(sys.argv[1]), policy=email.policy.default); \
            print(m['subject'], m.get_body().get_content().strip(), [(a.get_filename(), a.get_content()) for a in m.iter_attachments()])";
        let said = succeeds(Command::new(python).args(["-c", read]).arg(kept.path().join("2.eml")));
        assert!(said.starts_with("你好 李雷 [('letter', b'From: app@test"), "{said}");
        let utf8 = ["--from", "app@test", "--to", "李雷@test", "--subject", "x"];
        assert!(succeeds(&mut send(&utf8)).contains("kept as 3"));
        let said = fails(&mut send(&["--from", "app@test", "--to", "nobody@test"]), 1);
        assert!(said.contains("550 5.1.1 no such user"), "{said}");
        assert!(
            succeeds(&mut send(&["--eml", eml, "--count", "20", "--conns", "4"]))
                .starts_with("20 letters sent")
        );
    }
}

#[test]
fn aiosmtpd_without_the_ca_is_not_trusted_and_a_wrong_password_is_refused() {
    let test = "mailing::aiosmtpd_without_the_ca_is_not_trusted_and_a_wrong_password_is_refused";
    let Some(python) = python_with(test, "aiosmtpd") else { return };
    let (paper, folder) = (Paper::new(), tempfile::tempdir().expect("a folder"));
    let flags = ["--cert", &paper.cert, "--key", &paper.key, "--auth", "li:s3cret"];
    let (_server, port) = aiosmtpd(python, folder.path(), &flags);
    let secret = folder.path().join("secret");
    fs::write(&secret, "wrong\n").expect("a file");
    let (at, user) = (format!("smtp://127.0.0.1:{port}"), format!("li:@{}", secret.display()));
    let words =
        ["mail", "send", &at, "--from", "a@b", "--to", "c@d", "--user", &user, "--starttls", "try"];
    let said = fails(hobnob().args(words), 7);
    assert!(said.starts_with("error[tls-untrusted]"), "{said}");
    let said = fails(hobnob().args(words).args(["-O", &paper.trusted()]), 1);
    assert!(said.contains("535"), "{said}");
}

/// Dovecot with one mailbox, and the ports of its doors.
struct Dovecot {
    _server: Running,
    folder: TempDir,
    pop3: Port,
    imap: Port,
}

impl Dovecot {
    fn start(paper: &Paper) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (pop3, imap) = (Port::draw(), Port::draw());
        let at = folder.path().display();
        let configuration = format!(
            "protocols = imap pop3\nbase_dir = {at}/run\nlog_path = /dev/stderr\nssl = yes\nssl_cert = <{}\nssl_key = <{}\n\
             disable_plaintext_auth = yes\nmail_location = maildir:{at}/mail\nfirst_valid_uid = 1\nlisten = 127.0.0.1\n\
             passdb {{\n driver = static\n args = password=s3cret\n}}\n\
             userdb {{\n driver = static\n args = uid=65534 gid=65534 home={at}/mail\n}}\n\
             service imap-login {{\n inet_listener imap {{\n port = {}\n }}\n inet_listener imaps {{\n port = 0\n }}\n}}\n\
             service pop3-login {{\n inet_listener pop3 {{\n port = {}\n }}\n inet_listener pop3s {{\n port = 0\n }}\n}}\n",
            paper.cert, paper.key, imap.number, pop3.number,
        );
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("it is ours");
        let mail = folder.path().join("mail");
        for part in ["new", "cur", "tmp"] {
            fs::create_dir_all(mail.join(part)).expect("a folder");
            std::os::unix::fs::chown(mail.join(part), Some(65_534), Some(65_534)).expect("root");
        }
        std::os::unix::fs::chown(&mail, Some(65_534), Some(65_534)).expect("root");
        fs::write(folder.path().join("conf"), configuration).expect("a file");
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(folder.path().join("conf"));
        let server = Running::start(&mut command);
        Dovecot { _server: server, folder, pop3, imap }
    }

    /// Puts letters there, as a server that delivers does.
    fn deliver(&self, letters: &[&str]) {
        let mail = self.folder.path().join("mail");
        for (at, letter) in letters.iter().enumerate() {
            let (made, name) = (
                mail.join(format!("tmp/{at}")),
                mail.join(format!("new/179571570{at}.M{at}.test")),
            );
            fs::write(&made, letter).expect("a file");
            std::os::unix::fs::chown(&made, Some(65_534), Some(65_534)).expect("root");
            fs::rename(made, name).expect("one file system");
        }
    }
}

#[test]
fn letters_come_from_dovecot_by_both_protocols_behind_tls() {
    let test = "mailing::letters_come_from_dovecot_by_both_protocols_behind_tls";
    if !Path::new("/usr/sbin/dovecot").exists() {
        return skip(test, "missing dovecot");
    }
    if !has(test, "python3") {
        return;
    }
    let id = Command::new("id").arg("-u").output().expect("id is there");
    if id.stdout != b"0\n" {
        return skip(test, "needs root: dovecot runs as users of its own");
    }
    let paper = Paper::new();
    let dovecot = Dovecot::start(&paper);
    dovecot.deliver(&[LETTER, "Subject: second\r\nFrom: Han <han@test>\r\n\r\n\r\n"]);
    let secret = dovecot.folder.path().join("secret");
    fs::write(&secret, "s3cret\n").expect("a file");
    let user = format!("li:@{}", secret.display());
    let doors = [
        format!("pop3://127.0.0.1:{}", dovecot.pop3.number),
        format!("imap://127.0.0.1:{}", dovecot.imap.number),
    ];
    let fetch = |at: &str, flags: &[&str]| {
        let mut command = hobnob();
        command.args(["mail", "fetch", at, "--user", &user, "-O", "retry"]);
        command.args(["--starttls", "need", "-O", &paper.trusted()]).args(flags);
        command
    };
    for at in &doors {
        let list = succeeds(&mut fetch(at, &[]));
        let lines: Vec<_> = list.lines().collect();
        assert_eq!(lines.len(), 2, "{at}: {list}");
        let first = lines.iter().find(|line| line.contains("你好")).expect("the first letter");
        assert!(list.contains("second") && list.contains("han@test"), "{at}: {list}");
        let number = first.split_whitespace().next().expect("its number");
        assert_eq!(succeeds(&mut fetch(at, &[number, "--source"])), LETTER, "{at}");
        assert_eq!(
            succeeds(&mut fetch(at, &["--wait", "subject:你好", "--links", "--within", "20s"])),
            "https://a.test/x\n"
        );
        let said = fails(&mut fetch(at, &["9"]), 1);
        assert!(said.starts_with("error[rejected]"), "{at}: {said}");
    }
    for (at, left) in [(&doors[0], 1), (&doors[1], 0)] {
        succeeds(&mut fetch(at, &["1", "--delete", "--quiet"]));
        let list = succeeds(&mut fetch(at, &["--json"]));
        assert_eq!(list.lines().count(), left, "{at}: {list}");
    }
}
