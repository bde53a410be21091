//! What is kept stays, whole and once, under its number.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use super::*;
use crate::error::Kind;

fn open_with(path: &Path, limits: StoreLimits) -> MailStore {
    let place = StorePlace::Folder(path.to_owned());
    MailStore::open(&place, StoreLimits { free: 0, ..limits }, Clock::start()).expect("it opens")
}

fn open(path: &Path) -> MailStore {
    open_with(path, StoreLimits::default())
}

async fn put(store: &MailStore, text: &str, boxes: &[&str]) -> Result<KeptLetter, StoreFault> {
    let mut draft = store.draft();
    draft.push(text.as_bytes());
    store.keep(draft, boxes, b"{}").await
}

fn text(store: &MailStore, name: &str, uid: u32) -> Option<String> {
    let mut text = String::new();
    store.read(name, uid)?.read_to_string(&mut text).expect("text");
    Some(text)
}

fn uids(store: &MailStore, name: &str) -> Vec<u32> {
    store.view(name).letters.iter().map(|letter| letter.uid).collect()
}

/// The files below a folder, those of our own left out.
fn files(folder: &Path) -> Vec<PathBuf> {
    let parts = ["tmp", "new", "cur"].map(|part| folder.join(part));
    let all = parts.iter().flat_map(|part| fs::read_dir(part).expect("a folder"));
    all.map(|entry| entry.expect("a file").path()).collect()
}

#[tokio::test]
async fn steps_stand_behind_the_note_of_a_letter_and_are_found_beside_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("mail"));
    let kept = put(&store, "hi\r\n", &[ALL, "li@test"]).await.expect("there is room");
    store.add_note(kept.serial, "{\"did\":\"fetched\"}".to_owned());
    store.add_note(99, "nothing is known of that".to_owned());
    store.look(ALL).await.expect("all before it is done");
    for number in [1, 2] {
        let file = letter_of_number(store.folder(), number).expect("a folder");
        assert_eq!(file.is_some(), number == kept.serial, "{number}");
    }
    for own in ["mail", "mail/boxes/li@test"] {
        let file = folder.path().join(own).join(&kept.file);
        let journey = LetterJourney::beside(&file).expect("it is known");
        assert_eq!(journey.steps.len(), 1, "{own}");
        assert_eq!(journey.steps[0].text("did"), "fetched");
    }
    assert_eq!(LetterJourney::beside(Path::new("letter.eml")), None);
}

#[tokio::test]
async fn a_letter_is_kept_in_its_boxes_and_numbers_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let kept = put(&store, "one", &[ALL, "li@test", "li@test"]).await.expect("it is kept");
    assert_eq!((kept.serial, kept.size, kept.boxes.len()), (1, 3, 2));
    assert_eq!(put(&store, "two", &[ALL]).await.expect("it is kept").boxes[0].uid, 2);
    assert_eq!(text(&store, "li@test", 1).as_deref(), Some("one"));
    assert_eq!(store.note(1).as_deref(), Some(&b"{}"[..]));
    let before = (store.view(ALL).validity, store.view("li@test").validity);
    assert!(store.view(ALL).letters[0].is_new && store.view("nobody").validity == 0);
    store.expunge(ALL, &[2, 9]).await.expect("it goes");
    store.expunge(ALL, &[1]).await.expect("it goes from this box");
    assert_eq!(store.note(2), None, "a note goes with the last copy");
    assert!(store.note(1).is_some(), "and not with another one");
    drop(store);
    let store = open(folder.path());
    assert_eq!((store.view(ALL).validity, store.view("li@test").validity), before);
    assert_eq!((uids(&store, ALL), uids(&store, "li@test")), (vec![], vec![1]));
    let kept = put(&store, "three", &[ALL]).await.expect("it is kept");
    assert_eq!((kept.serial, kept.boxes[0].uid), (2, 3), "no number comes again");
    assert_eq!(store.boxes(), [ALL, "li@test"]);
}

#[tokio::test]
async fn a_long_letter_is_streamed_and_a_dropped_one_leaves_nothing() {
    let store = MailStore::open(&StorePlace::Private, StoreLimits::default(), Clock::start());
    let store = store.expect("it opens");
    let mut changes = store.changes();
    let (mut kept, mut dropped) = (store.draft(), store.draft());
    for n in 0..100 {
        kept.push(&[n; 10_000]);
        dropped.push(&[n; 10_000]);
        if kept.is_full() {
            kept.flush().await.expect("there is room");
            dropped.flush().await.expect("there is room");
        }
        assert!(kept.held() < 256 * 1_024);
    }
    assert_eq!(files(store.folder()).len(), 2);
    drop(dropped);
    assert!(!changes.has_changed().expect("it is open"), "a draft is no letter");
    let kept = store.keep(kept, &[ALL], b"").await.expect("it is kept");
    assert_eq!(kept.size, 1_000_000);
    changes.changed().await.expect("it is told");
    let path = store.folder().to_owned();
    assert_eq!(files(&path).len(), 1);
    let mut bytes = Vec::new();
    store.read(ALL, 1).expect("it is there").read_to_end(&mut bytes).expect("it can be read");
    assert!((0..100).all(|n| bytes[usize::from(n) * 10_000..].starts_with(&[n; 10_000])));
    drop(store);
    assert!(!path.exists(), "a private folder goes with the store");
}

#[tokio::test]
async fn flags_are_in_the_names_and_what_others_do_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    put(&store, "one", &[ALL]).await.expect("it is kept");
    put(&store, "two", &[ALL]).await.expect("it is kept");
    store.mark(ALL, &[1], FlagChange::Add(LetterFlags::SEEN)).await.expect("it is marked");
    let seen = store.view(ALL).letters[0].clone();
    assert!(seen.flags.has(LetterFlags::SEEN) && !seen.is_new);
    assert!(folder.path().join("cur").join(format!("{}:2,S", seen.name())).exists());
    // As mutt does it, and another program that delivers.
    let two = store.view(ALL).letters[1].name().to_owned();
    let (new, cur) = (folder.path().join("new"), folder.path().join("cur"));
    fs::rename(new.join(&two), cur.join(format!("{two}:2,FS"))).expect("it is ours");
    fs::write(new.join("1.foreign.host"), "three").expect("it is ours");
    fs::create_dir(new.join("no-letter")).expect("it is ours");
    fs::remove_file(cur.join(format!("{}:2,S", seen.name()))).expect("it is there");
    store.look(ALL).await.expect("it can be read");
    assert_eq!(uids(&store, ALL), [2, 3]);
    let view = store.view(ALL);
    assert!(view.letters[0].flags.has(LetterFlags::FLAGGED) && !view.letters[0].is_new);
    assert_eq!((view.letters[1].size, view.letters[1].serial()), (5, None));
    assert_eq!(text(&store, ALL, 2).as_deref(), Some("two"));
    drop(store);
    assert_eq!(uids(&open(folder.path()), ALL), [2, 3], "also after a start");
}

#[tokio::test]
async fn limits_say_their_names_and_the_oldest_go_where_only_the_newest_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = StoreLimits { letters: 1, boxes: 2, ..StoreLimits::default() };
    let store = open_with(folder.path(), limits);
    put(&store, "x", &[ALL]).await.expect("there is room");
    for (boxes, fault) in [
        (&[ALL][..], StoreFault::Full("letters")),
        (&["b", "c"], StoreFault::Full("boxes")),
        (&[""], StoreFault::BadName),
        (&["b", ALL], StoreFault::Full("letters")),
    ] {
        assert_eq!(put(&store, "y", boxes).await, Err(fault), "{boxes:?}");
    }
    assert_eq!(files(folder.path()).len(), 1, "nothing is half kept");
    drop(store);
    let keep = Some(KeepLimit { letters: 2, bytes: 100 });
    let store = open_with(folder.path(), StoreLimits { keep, ..StoreLimits::default() });
    put(&store, "two", &[ALL]).await.expect("there is room");
    let kept = put(&store, "three", &[ALL]).await.expect("there is room");
    assert_eq!(kept.dropped, [KeptIn { name: ALL.to_owned(), uid: 1, serial: Some(1) }]);
    let kept = put(&store, &"x".repeat(200), &[ALL]).await.expect("there is room");
    assert_eq!((kept.dropped.len(), uids(&store, ALL)), (2, vec![4]), "the newest stays");
}

#[tokio::test]
async fn letters_that_come_together_are_each_kept_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(open(folder.path()));
    let all: Vec<_> = (0..200)
        .map(|n| {
            let store = store.clone();
            let to = if n % 2 == 0 { "even" } else { "odd" };
            tokio::spawn(async move { put(&store, &n.to_string(), &[ALL, to]).await })
        })
        .collect();
    for kept in all {
        kept.await.expect("no panic").expect("it is kept");
    }
    let texts: HashSet<_> = uids(&store, ALL).iter().map(|uid| text(&store, ALL, *uid)).collect();
    assert_eq!((texts.len(), uids(&store, ALL)), (200, (1..=200).collect()));
    assert_eq!(uids(&store, "even").len(), 100);
}

thread_local! {
    /// How often the disk does what it is asked for before it fails.
    static SYNCS: Cell<u32> = const { Cell::new(u32::MAX) };
}

fn sync_for_a_while(_: &File) -> std::io::Result<()> {
    let left = SYNCS.get().checked_sub(1);
    SYNCS.set(left.unwrap_or(0));
    left.map(drop).ok_or_else(|| std::io::Error::from_raw_os_error(libc::EIO))
}

#[test]
fn a_disk_that_fails_at_any_sync_keeps_nothing_by_half() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut held = HeldFolder::open(&StorePlace::Folder(folder.path().to_owned())).expect("ours");
    held.sync = sync_for_a_while;
    let limits = StoreLimits { free: 0, ..StoreLimits::default() };
    let mut writer = StoreWriter::open(held, limits, Clock::start()).expect("it opens");
    let (jobs, queue) = mpsc::channel();
    let mut keep = |syncs| {
        SYNCS.set(syncs);
        let (done, answer) = oneshot::channel();
        let serial = writer.shared.serial.fetch_add(1, Relaxed);
        let (file, boxes) = (None, vec![ALL.to_owned()]);
        let (rest, note) = (b"x".to_vec(), b"{}".to_vec());
        let errand = Vec::new();
        let keeping = Keeping { serial, file, rest, received: None, boxes, note, errand, done };
        jobs.send(StoreJob::Keep(Box::new(keeping))).expect("it is open");
        jobs.send(StoreJob::Close).expect("it is open");
        writer.work(&queue);
        SYNCS.set(u32::MAX);
        let notes = fs::read_dir(folder.path().join("hobnob.letters")).expect("a folder").count();
        (answer.blocking_recv().expect("an answer"), files(folder.path()).len(), notes)
    };
    // The letter, its number, its folder; and before its number, where that failed before, the list and its folder.
    for syncs in [0, 1, 0, 1, 2, 3, 2] {
        let (said, files, notes) = keep(syncs);
        assert!(matches!(said, Err(StoreFault::Disk(_))), "after {syncs}: {said:?}");
        assert_eq!((files, notes), (0, 0), "after {syncs}");
    }
    let (said, files, notes) = keep(u32::MAX);
    let uid = said.expect("the disk is well again").boxes[0].uid;
    assert!(uid > 4, "numbers that may have been burnt are not given again: {uid}");
    assert_eq!((files, notes), (1, 1));
}

#[test]
fn a_folder_that_another_has_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let place = StorePlace::Folder(folder.path().to_owned());
    let refused = MailStore::open(&place, StoreLimits::default(), Clock::start());
    assert_eq!(refused.err().map(|error| error.kind()), Some(Kind::FileExists));
    drop(store);
    open(folder.path());
}

#[tokio::test]
async fn boxes_are_made_renamed_and_removed_and_a_name_that_comes_again_has_other_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.make_box("a").await.expect("it is made");
    put(&store, "one", &["a"]).await.expect("it is kept");
    let before = store.view("a");
    store.rename_box("a", "b").await.expect("it is renamed");
    assert_eq!((store.view("a").validity, store.view("b").validity), (0, before.validity));
    assert_eq!(text(&store, "b", 1).as_deref(), Some("one"));
    for (from, to) in [(ALL, "c"), ("b", ALL), ("b", "b")] {
        assert_eq!(store.rename_box(from, to).await, Err(StoreFault::BadName), "{from} {to}");
    }
    store.make_box("b").await.expect("it is there already");
    assert_eq!(uids(&store, "b"), [1]);
    store.remove_box("b").await.expect("it is removed");
    assert_eq!((store.boxes(), store.read("b", 1).is_none()), (vec![ALL.to_owned()], true));
    store.make_box("b").await.expect("it is made again");
    assert!(store.view("b").validity > before.validity);
    assert_eq!(store.remove_box(ALL).await, Err(StoreFault::BadName));
}
