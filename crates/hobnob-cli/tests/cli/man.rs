//! `hobnob man`: the pages that are checked in are those of this build, and man takes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::kit::{finish, folder, run, skip};

fn pages(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read_to_string(entry.path()).expect("text"))
        })
        .collect()
}

fn written() -> (tempfile::TempDir, BTreeMap<String, String>) {
    let folder = folder();
    let path = folder.path().join("man1");
    let done = run(&["man", &path.to_string_lossy()]);
    let pages = pages(&path);
    let told = format!("{} pages in {}\n", pages.len(), path.display());
    assert_eq!((done.code, done.out, done.err), (0, told, String::new()));
    (folder, pages)
}

#[test]
fn the_pages_that_are_checked_in_are_these() {
    let (_folder, now) = written();
    let kept = pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man"));
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    let command = "cargo run -- man docs/man";
    assert_eq!(names(&now), names(&kept), "{command}");
    for (name, page) in &now {
        assert!(kept[name] == *page, "{name} is another by now: {command}");
    }
}

#[test]
fn there_is_one_for_each_verb() {
    let (_folder, pages) = written();
    let first = run(&["man"]).out;
    assert_eq!(pages["hobnob.1"], first);
    for (name, page) in &pages {
        let title = name.trim_end_matches(".1");
        assert!(page.contains(&format!(".TH {title} 1")), "{name}");
        assert!(name == "hobnob.1" || first.contains(&title.replace('-', "\\-")), "{name}");
    }
    assert!(pages.len() > 5, "{:?}", pages.keys());
}

#[test]
fn what_each_service_means_by_a_flag_is_on_the_page_of_serve() {
    let (_folder, pages) = written();
    let plain = |text: &str| text.replace('\\', "");
    let page = plain(&pages["hobnob-serve.1"]);
    let mut twice = 0;
    for row in hobnob::engine::services().iter().filter(|row| row.make.is_some()) {
        for option in row.spec.options {
            let help = plain(option.help);
            assert!(page.contains(&help), "{} --{}", row.spec.name, option.name);
            twice += usize::from(page.contains(&format!("{}: {help}", row.spec.name)));
        }
    }
    assert!(twice > 1, "--reply is of several services, and means something else in each");
}

#[test]
fn groff_has_nothing_to_say_about_them() {
    if !Path::new("/usr/bin/groff").exists() {
        return skip("man::groff_has_nothing_to_say_about_them", "groff is not installed");
    }
    let (folder, pages) = written();
    for name in pages.keys() {
        let mut command = Command::new("groff");
        command.args(["-man", "-ww", "-z", "-Tutf8", "-K", "utf8"]);
        command.arg(folder.path().join("man1").join(name));
        let done = finish(command, b"");
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{name}");
    }
}

#[test]
fn a_file_that_is_no_page_of_ours_stays() {
    let folder = folder();
    let own = folder.path().join("hobnob-talk.1");
    fs::write(&own, "mine").expect("a file");
    let words = ["man", &folder.path().to_string_lossy()];
    let done = run(&words);
    assert_eq!(done.code, 9);
    assert!(done.err.starts_with("error[file-exists]"), "{}", done.err);
    assert_eq!(fs::read_to_string(&own).expect("it is there"), "mine");
    fs::remove_file(&own).expect("it is ours");
    assert_eq!(run(&words).code, 0, "pages of ours are replaced");
}
