//! The folder of `--dir`, as a program reads it that knows nothing of the server: mutt.

use std::fs;

use super::post::{Post, files, have};
use crate::peer::succeeds;

/// What mutt does with the mailbox that it opened: copies all letters to a file, flags one, deletes another, and ends.
const KEYS: &str = "<tag-pattern>~A<enter><tag-prefix><copy-message>taken<enter><untag-pattern>~A<enter>\
    <limit>~s one<enter><flag-message><limit>~s two<enter><delete-message><limit>~A<enter><sync-mailbox><quit>";

#[test]
fn mutt_reads_the_folder_and_what_it_changes_is_seen_by_imap() {
    let test = "mail::maildir::mutt_reads_the_folder_and_what_it_changes_is_seen_by_imap";
    if !have(test, &["mutt", "script"]) {
        return;
    }
    let post = Post::open(&["--dir", "letters"]);
    post.fill(&["one", "two", "three"]);
    let letters = post.home.path().join("letters");
    let settings = post.write(
        "muttrc",
        &format!(
            "set mbox_type=mbox confirmcreate=no confirmappend=no quit=yes delete=yes move=no\n\
             set folder=. header_cache= resolve=no\nunset wait_key maildir_trash\npush \"{KEYS}\"\n"
        ),
    );
    let line = format!("mutt -n -F {} -f letters", settings.display());
    let mut script = post.run("script");
    succeeds(script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm"));
    let taken = fs::read_to_string(post.home.path().join("taken")).expect("a mailbox");
    let subjects = taken.lines().filter_map(|line| line.strip_prefix("Subject: "));
    let mut subjects: Vec<_> = subjects.collect();
    subjects.sort_unstable(); // all are of one second, and so in no order
    assert_eq!(subjects, ["one", "three", "two"]);
    assert_eq!(files(&letters).len(), 2);
    let said = post.ask(&["SELECT INBOX", "NOOP", "UID FETCH 1:* FLAGS"]);
    let lines: Vec<_> = said.lines().filter(|line| line.contains(" FETCH (")).collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].contains("UID 1 FLAGS (") && lines[0].contains("\\Flagged"), "{said}");
    assert!(lines[1].contains("UID 3 FLAGS ("), "{said}");
}
