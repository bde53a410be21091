//! What `get` makes of a word that is no endpoint, or another one than a person means who asks for a page.

use std::fs;

use hobnob::engine;
use hobnob::error::Kind;

/// The URL that this word stands for, as curl and browsers read it: `HOST`, `HOST/path`, `HOST:PORT/path`, `:PORT/path`. None:
/// the word is an endpoint as it is.
pub(super) fn of(word: &str) -> Option<String> {
    let url = || Some(format!("http://{word}"));
    let Some(at) = word.find(['/', '?', '#']) else {
        // A host alone means the port of http.
        let is_portless = engine::parse(word).is_err_and(|error| error.kind() == Kind::MissingPort);
        return if is_portless && !word.contains(',') { url() } else { None };
    };
    let host = &word[..at];
    let is_word = |word| engine::grammar().words().any(|known| known == word);
    // A path, an alias, a scheme or a stack; a Unix socket that is there is meant as it is.
    let is_other = host.is_empty()
        || host.starts_with(['.', '~', '@', '-'])
        || host.ends_with(':')
        || host.contains(['+', ','])
        || host.split_once(':').is_some_and(|(word, _)| is_word(word));
    if is_other || fs::symlink_metadata(word).is_ok() {
        return None;
    }
    // A comma begins an option where a URL names no host.
    match host.trim_start_matches(':') {
        port if word.contains(',') && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(format!("http://localhost:{port}{}", &word[at..]))
        }
        _ => url(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_path_are_a_url_and_an_endpoint_is_left() {
        for word in [
            "example.com",
            "localhost",
            "example.com/a/b,c?d",
            "localhost/x",
            "127.0.0.1/x",
            "[::1]/x",
            ":8001/path",
            ":8001?q",
            "8001/x",
            "h:81/x",
            "h?q",
        ] {
            assert_eq!(of(word), Some(format!("http://{word}")), "{word}");
        }
        for word in [":8001/a,b", "8001/a,b"] {
            assert_eq!(of(word).as_deref(), Some("http://localhost:8001/a,b"), "{word}");
        }
        for word in [
            ":8001",
            "8001",
            "h:81",
            "http://h/x",
            "htp://h/x",
            "tls://h:1",
            "http+unix:/run/x.sock,path=/info",
            "unix:/run/x",
            "unix:a/b",
            "/run/x.sock",
            "./x",
            "~/x",
            "@alias",
            "@alias/x",
            "-",
            "",
            "a b",
            "src/main.rs",
        ] {
            assert_eq!(of(word), None, "{word}");
        }
    }
}
