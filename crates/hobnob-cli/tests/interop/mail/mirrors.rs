//! Programs that keep a Maildir and a mailbox alike: mbsync, offlineimap.

use std::fs;
use std::path::Path;

use super::post::{Post, files, has_letter, have, letter};
use crate::peer::succeeds;

/// The name under which a file of a Maildir has these flags.
fn with_flags(name: &str, flags: &str) -> String {
    let base = name.split_once(':').map_or(name, |(base, _)| base);
    format!("cur/{}:2,{flags}", base.split_once('/').map_or(base, |(_, base)| base))
}

fn holding<'f>(all: &'f [(String, Vec<u8>)], subject: &str) -> &'f str {
    let is_it = |text: &[u8]| {
        String::from_utf8_lossy(text).contains(&format!("Subject: {subject}\n"))
            || String::from_utf8_lossy(text).contains(&format!("Subject: {subject}\r\n"))
    };
    let found = all.iter().find(|(_, text)| is_it(text));
    found.map_or_else(|| panic!("{subject} is not there"), |(name, _)| &**name)
}

/// Changes both sides, and expects of the program that both are alike then, and that it finds nothing to do when it is
/// asked again.
fn mirrors(post: &Post, inbox: &Path, mirror: &dyn Fn()) {
    let names = || files(inbox).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let flags = || {
        let said = post.ask(&["SELECT INBOX", "UID FETCH 1:* (FLAGS RFC822.SIZE)"]);
        let lines = said.lines().filter(|line| line.contains(" FETCH (UID"));
        lines.map(|line| line.replace(" \\Recent", "").replace("\\Recent", "")).collect::<Vec<_>>()
    };
    post.fill(&["one", "two", "three"]);
    mirror();
    let taken = files(inbox);
    assert_eq!(taken.len(), 3);
    for subject in ["one", "two", "three"] {
        let name = holding(&taken, subject);
        let (_, text) = taken.iter().find(|(found, _)| found == name).expect("it is there");
        assert!(has_letter(text, subject), "{}", String::from_utf8_lossy(text));
    }
    // Here one is flagged, one deleted, and one is new; there another is flagged, and one is new.
    let one = holding(&taken, "one");
    fs::rename(inbox.join(one), inbox.join(with_flags(one, "FS"))).expect("one folder");
    fs::remove_file(inbox.join(holding(&taken, "two"))).expect("it is there");
    let here = letter("here").replace("\r\n", "\n");
    fs::write(inbox.join("cur/1795715700.M1P1.here:2,S"), here).expect("a file");
    post.ask(&["SELECT INBOX", "UID STORE 3 +FLAGS (\\Answered)"]);
    post.fill(&["there"]);
    mirror();
    let said =
        post.ask(&["SELECT INBOX", "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"]);
    let subjects: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("Subject: ")).collect();
    let mut sorted = subjects.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["here", "one", "there", "three"], "{said}");
    assert!(
        said.contains("UID 1 FLAGS (\\Flagged \\Seen")
            || said.contains("UID 1 FLAGS (\\Seen \\Flagged"),
        "{said}"
    );
    let taken = files(inbox);
    assert_eq!(taken.len(), 4, "{taken:?}");
    let three = holding(&taken, "three");
    assert!(three.split_once(":2,").is_some_and(|(_, flags)| flags.contains('R')), "{three}");
    let before = (names(), flags());
    mirror();
    assert_eq!((names(), flags()), before, "there was nothing to do");
}

#[test]
fn mbsync_keeps_both_sides_alike_and_then_finds_nothing_to_do() {
    let test = "mail::mirrors::mbsync_keeps_both_sides_alike_and_then_finds_nothing_to_do";
    if !have(test, &["mbsync"]) {
        return;
    }
    let post = Post::open(&[]);
    fs::create_dir(post.home.path().join("near")).expect("a folder");
    let settings = post.write(
        "mbsyncrc",
        &format!(
            "IMAPStore far\nHost 127.0.0.1\nPort {1}\nUser li\nPass secret\nSSLType None\n\n\
             MaildirStore near\nPath {0}/near/\nInbox {0}/near/INBOX\nSubFolders Verbatim\n\n\
             Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n",
            post.home.path().display(),
            post.imap
        ),
    );
    mirrors(&post, &post.home.path().join("near/INBOX"), &|| {
        succeeds(post.run("mbsync").arg("-c").arg(&settings).arg("all"));
    });
}

#[test]
fn offlineimap_keeps_both_sides_alike_and_then_finds_nothing_to_do() {
    let test = "mail::mirrors::offlineimap_keeps_both_sides_alike_and_then_finds_nothing_to_do";
    if !have(test, &["offlineimap"]) {
        return;
    }
    let post = Post::open(&[]);
    let settings = post.write(
        "offlineimaprc",
        &format!(
            "[general]\naccounts = a\nui = quiet\nmetadata = {0}/meta\nsocktimeout = 20\n[Account a]\n\
             localrepository = near\nremoterepository = far\n[Repository near]\ntype = Maildir\nlocalfolders = {0}/near\n\
             [Repository far]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = {1}\nremoteuser = li\nremotepass = secret\n\
             ssl = no\nstarttls = no\nauth_mechanisms = PLAIN\n",
            post.home.path().display(),
            post.imap
        ),
    );
    mirrors(&post, &post.home.path().join("near/INBOX"), &|| {
        succeeds(post.run("offlineimap").arg("-o").arg("-c").arg(&settings));
    });
}
