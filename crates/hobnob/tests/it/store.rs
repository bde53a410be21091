//! Letters on a disk, where the process or the disk ends before its time.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use hobnob::clock::Clock;
use hobnob::store::{ALL, MailStore, StoreFault, StoreLimits, StorePlace};

use crate::stage::{alone, births, skip};

/// Where the child finds the folder that it is to fill.
const FOLDER: &str = "HOBNOB_STAGE_STORE";

fn open(folder: &Path) -> MailStore {
    let limits = StoreLimits { free: 0, ..StoreLimits::default() };
    // One that was closed is locked still in a child that another test begins.
    births::settled();
    MailStore::open(&StorePlace::Folder(folder.to_owned()), limits, Clock::start()).expect("ours")
}

/// A letter that says which one it is, and whether it is whole.
fn letter(task: u32, n: u32) -> String {
    format!("{task}.{n}:{}:whole", "x".repeat((task * 40_000 + n * 7) as usize % 200_000))
}

/// In the child, and nowhere else: keeps letters until it is killed, and says which are kept.
#[test]
#[allow(clippy::disallowed_methods, reason = "the child is told by its environment")]
fn keeps_letters_as_a_child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let store = Arc::new(open(Path::new(&folder)));
    let round = std::process::id();
    let fill = |task: u32| {
        let store = store.clone();
        async move {
            for n in 0.. {
                let (text, mut draft) = (letter(task, n), store.draft());
                for piece in text.as_bytes().chunks(30_000) {
                    draft.push(piece);
                    if draft.is_full() {
                        draft.flush().await.expect("there is room");
                    }
                }
                let kept = store.keep(draft, &[ALL, "li"], b"{}").await.expect("there is room");
                for kept in kept.boxes {
                    println!("\nstage-kept {} {} {task}.{n} {round}", kept.name, kept.uid);
                }
            }
        }
    };
    runtime.block_on(async { tokio::join!(fill(0), fill(1), fill(2), fill(3)) });
}

/// One child that is killed once it has said so many lines: the letters that it said are kept, by box and number.
fn killed_after(folder: &Path, lines: usize) -> Vec<((String, u32), String)> {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command
        .args(["store::keeps_letters_as_a_child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let (mut child, mut out) = births::spawn(&mut command, |child| {
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        out.read_line(&mut String::new()).expect("text");
        out.lines()
    })
    .expect("it starts");
    let mut kept = Vec::new();
    let mut read = |line: std::io::Result<String>| {
        let line = line.expect("text");
        let words: Vec<_> = line.split(' ').collect();
        // The last line may be cut in the middle.
        if let ["stage-kept", name, uid, which, _] = words[..] {
            kept.push((((*name).to_owned(), uid.parse().expect("a number")), which.to_owned()));
        }
    };
    out.by_ref().take(lines).for_each(&mut read);
    child.kill().expect("it is ours");
    out.for_each(&mut read);
    child.wait().expect("it is ours");
    kept
}

#[test]
fn case_32_a_letter_that_was_kept_is_there_whatever_killed_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    let validity = open(folder.path()).view(ALL).validity;
    let mut all = HashMap::new();
    for lines in [9, 40, 61] {
        for (place, which) in killed_after(folder.path(), lines) {
            let before = all.insert(place.clone(), which);
            assert_eq!(before, None, "{place:?} was given twice");
        }
        let store = open(folder.path());
        assert_eq!(store.view(ALL).validity, validity);
        let mut found = 0;
        for name in [ALL, "li"] {
            let view = store.view(name);
            assert!(view.letters.is_sorted_by(|a, b| a.uid < b.uid) && view.letters.len() > 1);
            for stored in &view.letters {
                let (mut text, mut file) = (
                    String::new(),
                    store.read(name, stored.uid).expect("no trouble").expect("a file"),
                );
                file.read_to_string(&mut text).expect("text");
                assert_eq!(text.len() as u64, stored.size);
                let (which, rest) = text.split_once(':').expect("a letter of ours");
                assert!(rest.ends_with("whole"), "{name} {}: half a letter", stored.uid);
                if let Some(said) = all.get(&(name.to_owned(), stored.uid)) {
                    assert_eq!(said, which, "{name} {}", stored.uid);
                    found += 1;
                }
            }
        }
        assert_eq!(found, all.len(), "each letter that was told is there");
    }
    assert!(all.len() > 20, "only {} letters were told", all.len());
}

#[test]
fn case_33_a_full_disk_refuses_a_letter_and_goes_on_once_there_is_room() {
    let name = "a_full_disk_refuses_a_letter";
    if alone::part().is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = format!(
            "mount -t tmpfs -o size=1m,mode=700 none {} >&2 || exit 77; exec \"$0\" \"$@\"",
            folder.path().display()
        );
        let mut child = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            child.args(["--user", "--map-root-user"]);
        }
        child.args(["--mount", "--", "sh", "-ec", &inner]);
        child.arg(std::env::current_exe().expect("it runs"));
        child.args([&alone::test(), "--exact", "--nocapture"]).env(alone::PART, name);
        child.env(FOLDER, folder.path());
        let Ok(said) = births::output(child.stdin(Stdio::null())) else {
            return skip(name, "there is no unshare(1)");
        };
        let heard = String::from_utf8_lossy(&said.stderr);
        if !heard.contains("stage-part") {
            let why = heard.lines().last().unwrap_or("unshare says nothing");
            return skip(name, &format!("no disk of its own: {why}"));
        }
        assert!(said.status.success(), "{heard}");
        return;
    }
    fill_the_disk();
}

#[allow(clippy::disallowed_methods, reason = "the child is told by its environment")]
fn fill_the_disk() {
    let folder = std::env::var_os(FOLDER).expect("it is set");
    let store = open(Path::new(&folder));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let keep = async |size: usize| {
            let mut draft = store.draft();
            draft.push(&vec![b'x'; size]);
            if draft.is_full() {
                draft.flush().await?;
            }
            store.keep(draft, &[ALL], b"{}").await
        };
        let mut kept = 0;
        let fault = loop {
            match keep(50_000 + kept * 1_000).await {
                Ok(_) => kept += 1,
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault, StoreFault::Full("disk"));
        while keep(1).await.is_ok() {
            kept += 1;
        }
        let view = store.view(ALL);
        assert_eq!(view.letters.len(), kept);
        let files = |part: &str| {
            std::fs::read_dir(Path::new(&folder).join(part)).expect("a folder").count()
        };
        assert_eq!((files("tmp"), files("new"), files("hobnob.letters")), (0, kept, kept));
        store.expunge(ALL, &[1, 2]).await.expect("there is always room to remove");
        let last = view.letters.last().expect("some were kept").uid;
        let uid = keep(10_000).await.expect("there is room again").boxes[0].uid;
        assert!(uid > last);
    });
    let before = store.view(ALL).letters.len();
    drop(store);
    assert_eq!(open(Path::new(&folder)).view(ALL).letters.len(), before);
}
