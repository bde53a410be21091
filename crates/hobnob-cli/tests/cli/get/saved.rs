//! `-o`: a file has its name when it is whole.

use super::{HELLO, Played, get};
use crate::kit::{folder, run};

#[test]
fn a_file_is_never_overwritten_unasked() {
    let folder = folder();
    let path = folder.path().join("page.html");
    let name = path.display().to_string();
    let (done, _) = get(HELLO, &["-o", &name, "-v"]);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    assert!(done.err.contains(&format!("   body 5 B saved to {name}\n")), "{}", done.err);
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "hello");

    std::fs::write(&path, "mine").expect("a disk");
    let done = run(&["get", "http://127.0.0.1:1/", "-o", &name]);
    assert_eq!(done.code, 9);
    assert!(done.err.starts_with("error[file-exists]"), "before anybody is asked: {}", done.err);
    assert!(done.err.contains("--force") && done.err.contains("page-2.html"), "{}", done.err);
    let done = run(&["get", "http://127.0.0.1:1/", "-o", &name, "--force"]);
    assert_eq!(done.code, 5);
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "mine", "nothing came");
    get(HELLO, &["-o", &name, "--force"]);
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "hello");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "no part is left");
}

#[test]
fn what_was_cut_short_is_kept_under_another_name() {
    for (answer, why) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "4 bytes are missing"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "its last chunk"),
    ] {
        let folder = folder();
        let name = folder.path().join("page.html").display().to_string();
        let (done, _) = get(answer, &["-o", &name]);
        assert_eq!((done.code, done.out.as_str()), (10, ""));
        assert!(done.err.starts_with("error[cut-short]"), "{}", done.err);
        let said = done.err.replace("\n         ", " ").replace("\n  ", " ");
        assert!(said.contains(why) && said.contains("page.html.part"), "{}", done.err);
        assert!(!std::path::Path::new(&name).exists());
        let part = std::fs::read_to_string(format!("{name}.part"));
        assert_eq!(part.expect("the part"), "hello");
        // The next one that works does not mind.
        assert_eq!(get(HELLO, &["-o", &name]).0.code, 0);
        assert_eq!(std::fs::read_to_string(&name).expect("a file"), "hello");
    }
    let (done, _) = get("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", &[]);
    assert_eq!((done.code, done.out.as_str()), (10, "hello"), "in a pipe too");
}

#[test]
fn a_full_disk_is_said() {
    for words in [&["-o", "/dev/full"][..], &["-o", "/dev/full", "--force"]] {
        let (done, _) = get(HELLO, words);
        assert_eq!(done.code, 9, "{}", done.err);
        assert!(done.err.starts_with("error[output-failed]: /dev/full"), "{}", done.err);
        assert!(done.err.contains("ENOSPC"), "{}", done.err);
    }
    let (done, _) = get(HELLO, &["-o", "/dev/null"]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "a device is no file to be overwritten");
}

#[test]
fn with_nothing_to_get_nothing_is_left() {
    let folder = folder();
    let name = folder.path().join("page.html").display().to_string();
    let played = Played::answers(&[""]);
    let done = run(&["get", &played.url("/"), "-o", &name]);
    assert_eq!(done.code, 10, "{}", done.err);
    assert!(done.err.contains("ended the connection without an answer"), "{}", done.err);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    played.asked();
}
