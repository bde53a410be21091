//! A file that somebody names is read up to a bound, which the error names.

use std::fs::File;

use crate::kit::{finish, folder, hobnob};

/// A run, a variable with a file for it, and the bound as it is told. A file is larger than any of them, and on no disk.
const RUNS: &[(&[&str], Option<&str>, &str)] = &[
    #[cfg(feature = "http")]
    (&["serve", "http", "127.0.0.1:0", "--body", "@HUGE"], None, "larger than 256 MiB"),
    (&["get", "http://127.0.0.1:1/", "-d", "@HUGE"], None, "larger than 256 MiB"),
    (&["up", "HUGE"], None, "larger than 1024 KiB"),
    (&["talk", "127.0.0.1:1", "x"], Some("HOBNOB_CONFIG"), "larger than 1024 KiB"),
    #[cfg(feature = "tls")]
    (&["serve", "echo", "tls://127.0.0.1:0,cert=HUGE"], None, "larger than 16 MiB"),
    #[cfg(feature = "tls")]
    (&["talk", "tls://127.0.0.1:1,ca=HUGE", "x"], None, "larger than 16 MiB"),
    #[cfg(feature = "tls")]
    (&["talk", "tls://127.0.0.1:1,ca=/dev/zero", "x"], None, "larger than 16 MiB"),
    #[cfg(feature = "tls")]
    (&["talk", "tls://127.0.0.1:1", "x"], Some("SSL_CERT_FILE"), "larger than 16 MiB"),
];

#[test]
fn a_file_is_read_up_to_a_bound_that_the_error_names() {
    let folder = folder();
    let path = folder.path().join("huge.toml");
    File::create(&path).and_then(|file| file.set_len(1 << 30)).expect("it takes no room");
    let huge = path.to_str().expect("UTF-8");
    for (words, variable, bound) in RUNS {
        let words: Vec<_> = words.iter().map(|word| word.replace("HUGE", huge)).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let mut command = hobnob(&words);
        command.envs(variable.map(|name| (name, huge)));
        let done = finish(command, b"");
        // Lines are folded anywhere.
        let said = done.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.starts_with("error[") && said.contains(bound), "{words:?}: {said}");
        assert_ne!(done.code, 0, "{words:?}");
    }
}
