//! What is kept stays, whole and once, under its number.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::error::Kind;

const PATIENCE: Duration = Duration::from_secs(30);

fn open_with(path: &Path, limits: StoreLimits) -> MailStore {
    let (place, clock) = (StorePlace::Folder(path.to_owned()), Clock::start());
    loop {
        match MailStore::open(&place, StoreLimits { free: 0, ..limits }, Clock::start()) {
            // One that was closed is locked still in a child that another test begins, until it is a program of its own.
            Err(error) if error.kind() == Kind::FileExists && clock.now() < PATIENCE => {
                std::thread::yield_now();
            }
            opened => return opened.expect("it opens"),
        }
    }
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
    store.read(name, uid).expect("it can be read")?.read_to_string(&mut text).expect("text");
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
    store
        .read(ALL, 1)
        .expect("it can be read")
        .expect("it is there")
        .read_to_end(&mut bytes)
        .expect("it can be read");
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
    let store = open_with(folder.path(), StoreLimits { keep, ..limits });
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
    let mut keep = |syncs, errand: &[u8]| {
        SYNCS.set(syncs);
        let (done, answer) = oneshot::channel();
        let serial = writer.shared.serial.fetch_add(1, Relaxed);
        let (file, boxes) = (None, vec![ALL.to_owned()]);
        let (rest, note) = (b"x".to_vec(), b"{}".to_vec());
        let errand = errand.to_vec();
        let keeping = Keeping { serial, file, rest, received: None, boxes, note, errand, done };
        jobs.send(StoreJob::Keep(Box::new(keeping))).expect("it is open");
        jobs.send(StoreJob::Close).expect("it is open");
        writer.work(&queue);
        SYNCS.set(u32::MAX);
        let notes = fs::read_dir(folder.path().join("hobnob.letters")).expect("a folder").count();
        let errands = fs::read_dir(folder.path().join("hobnob.errands")).expect("a folder").count();
        let files = files(folder.path()).len();
        (answer.blocking_recv().expect("an answer"), files, notes + errands)
    };
    // The letter, its number, its folder; and before its number, where that failed before, the list and its folder.
    for syncs in [0, 1, 0, 1, 2, 3, 2] {
        let (said, files, notes) = keep(syncs, b"");
        assert!(matches!(said, Err(StoreFault::Disk(_))), "after {syncs}: {said:?}");
        assert_eq!((files, notes), (0, 0), "after {syncs}");
    }
    // What is to be done with it, and that folder, before the one of the letters.
    for syncs in [1, 4, 3] {
        let (said, files, notes) = keep(syncs, b"to do");
        assert!(matches!(said, Err(StoreFault::Disk(_))), "after {syncs}: {said:?}");
        assert_eq!((files, notes), (0, 0), "after {syncs}");
    }
    let (said, files, notes) = keep(u32::MAX, b"");
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
    assert_eq!(
        (store.boxes(), store.read("b", 1).expect("no disk is asked").is_none()),
        (vec![ALL.to_owned()], true)
    );
    store.make_box("b").await.expect("it is made again");
    assert!(store.view("b").validity > before.validity);
    assert_eq!(store.remove_box(ALL).await, Err(StoreFault::BadName));
}

#[tokio::test]
async fn a_box_that_comes_again_has_other_numbers_also_in_another_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    for name in ["a", "b", "c"] {
        put(&store, "one", &[name]).await.expect("it is kept");
    }
    let before = store.view("c").validity;
    store.remove_box("c").await.expect("it is removed");
    drop(store);
    let store = open(folder.path());
    put(&store, "another", &["c"]).await.expect("it is kept");
    assert!(store.view("c").validity > before, "{before} was given twice");
}

#[tokio::test]
async fn what_is_to_be_done_with_a_letter_is_there_until_it_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let keep = async |store: &MailStore, errand: &[u8]| {
        let mut draft = store.draft();
        draft.push(b"x");
        draft.set_errand(errand.to_vec());
        store.keep(draft, &[ALL], b"{}").await.expect("there is room").serial
    };
    let (one, two, three) =
        (keep(&store, b"to one").await, keep(&store, b"").await, keep(&store, b"to three").await);
    assert_eq!(
        store.errands().expect("a folder"),
        [(one, b"to one".to_vec()), (three, b"to three".to_vec())]
    );
    store.set_errand(one, Some(b"less".to_vec()));
    store.set_errand(two, None);
    let uid = store.view(ALL).letters.last().expect("three").uid;
    store.expunge(ALL, &[uid]).await.expect("it goes");
    fs::write(folder.path().join("hobnob.errands/9.draft"), "half").expect("it is ours");
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.errands().expect("a folder"), [(one, b"less".to_vec())]);
    store.set_errand(one, None);
    store.look(ALL).await.expect("all before it is done");
    assert_eq!(fs::read_dir(folder.path().join("hobnob.errands")).expect("a folder").count(), 0);
}

/// What a disk has for certain: files as they were when they were last brought to it, and folders with the names that they
/// had then. Whatever else is there goes with the power.
#[derive(Default)]
struct CertainDisk {
    files: HashMap<u64, Vec<u8>>,
    folders: HashMap<u64, Vec<(OsString, u64)>>,
}

thread_local! {
    static CERTAIN: RefCell<CertainDisk> = RefCell::default();
}

fn sync_to_certain(file: &File) -> std::io::Result<()> {
    let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let found = file.metadata()?;
    CERTAIN.with_borrow_mut(|disk| {
        if !found.is_dir() {
            disk.files.insert(found.ino(), fs::read(&path)?);
            return Ok(());
        }
        let entry = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name(), entry.metadata()?.ino()))
        };
        let names: std::io::Result<Vec<_>> = fs::read_dir(&path)?.map(entry).collect();
        disk.folders.insert(found.ino(), names?);
        Ok(())
    })
}

impl CertainDisk {
    /// Makes a folder as it would be found.
    fn restore(&self, ino: u64, to: &Path) {
        fs::create_dir(to).expect("ours");
        fs::set_permissions(to, fs::Permissions::from_mode(0o700)).expect("ours");
        for (name, inside) in self.folders.get(&ino).into_iter().flatten() {
            let path = to.join(name);
            match self.files.get(inside) {
                Some(bytes) => fs::write(path, bytes).expect("ours"),
                // A folder of which nothing is certain is empty, and so is a file.
                None if self.is_folder(name, *inside) => self.restore(*inside, &path),
                None => fs::write(path, "").expect("ours"),
            }
        }
    }

    fn is_folder(&self, name: &OsStr, ino: u64) -> bool {
        let parts = ["tmp", "new", "cur", "boxes", "hobnob.letters", "hobnob.errands", "li"];
        self.folders.contains_key(&ino) || parts.iter().any(|part| *part == name)
    }
}

#[test]
fn case_32_without_power_at_any_moment_what_was_told_is_on_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mail");
    let mut held = HeldFolder::open(&StorePlace::Folder(path.clone())).expect("ours");
    held.sync = sync_to_certain;
    let root = fs::metadata(&path).expect("it is there").ino();
    let limits = StoreLimits { free: 0, ..StoreLimits::default() };
    let mut writer = StoreWriter::open(held, limits, Clock::start()).expect("it opens");
    let (jobs, queue) = mpsc::channel();
    let mut told: Vec<(String, u32, String)> = Vec::new();
    for round in 0..6 {
        let answers: Vec<_> = (0..3)
            .map(|n| {
                let (done, answer) = oneshot::channel();
                let serial = writer.shared.serial.fetch_add(1, Relaxed);
                let text = format!("letter {round} {n}");
                let boxes = if n == 1 {
                    vec![ALL.to_owned(), "li".to_owned()]
                } else {
                    vec![ALL.to_owned()]
                };
                let (rest, note) = (text.clone().into_bytes(), b"{}".to_vec());
                let errand = if n == 2 { text.clone().into_bytes() } else { Vec::new() };
                let keeping =
                    Keeping { serial, file: None, rest, received: None, boxes, note, errand, done };
                jobs.send(StoreJob::Keep(Box::new(keeping))).expect("it is open");
                (text, answer)
            })
            .collect();
        jobs.send(StoreJob::Close).expect("it is open");
        writer.work(&queue);
        for (text, answer) in answers {
            let kept = answer.blocking_recv().expect("an answer").expect("there is room");
            told.extend(kept.boxes.into_iter().map(|kept| (kept.name, kept.uid, text.clone())));
        }
        if round == 0 {
            // A number is missing from then on, so that who counts anew gives others.
            let (done, gone) = oneshot::channel();
            jobs.send(StoreJob::Expunge { name: ALL.to_owned(), uids: vec![2], done })
                .expect("it is open");
            jobs.send(StoreJob::Close).expect("it is open");
            writer.work(&queue);
            assert_eq!(gone.blocking_recv().expect("an answer").expect("it is there"), [2]);
            told.retain(|(name, uid, _)| name != ALL || *uid != 2);
        }
        let found = folder.path().join(format!("found-{round}"));
        CERTAIN.with_borrow(|disk| disk.restore(root, &found));
        let store = open(&found);
        assert_eq!(store.view(ALL).validity, writer.shared.views()[ALL].validity);
        for (name, uid, letter) in &told {
            assert_eq!(text(&store, name, *uid).as_ref(), Some(letter), "{name} {uid}");
        }
        let (least, count) = (3 * round + 2, store.view(ALL).letters.len());
        assert!(
            (least..=least + 1).contains(&count),
            "each once; what is gone may come back: {count}"
        );
        let mut errands: Vec<_> =
            store.errands().expect("a folder").into_iter().map(|(_, errand)| errand).collect();
        errands.sort();
        let wanted: Vec<_> = (0..=round).map(|n| format!("letter {n} 2").into_bytes()).collect();
        assert_eq!(errands, wanted);
    }
}
