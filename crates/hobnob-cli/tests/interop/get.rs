//! The field's HTTP servers, asked by `hobnob get`.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::peer::{Running, has, hobnob, python_server};
use crate::tls::by_hand;

fn get(words: &[&str]) -> Output {
    Running::start(hobnob().arg("get").args(words)).finish()
}

/// The body, where nothing went wrong.
fn body(words: &[&str]) -> String {
    let output = get(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// A folder with something to be served.
fn site() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("sub")).expect("a disk");
    std::fs::write(folder.path().join("page.txt"), "你好, from a file\n").expect("a disk");
    std::fs::write(folder.path().join("sub/index.html"), "<p>sub").expect("a disk");
    std::fs::write(folder.path().join("large"), vec![b'x'; 3_000_000]).expect("a disk");
    folder
}

#[test]
fn the_tutorials_server_is_heard_to_its_end() {
    if !has("get::the_tutorials_server_is_heard_to_its_end", "python3") {
        return;
    }
    let (server, host, port) = python_server("http_server.py", &["--once", "2"]);
    let url = format!("http://{host}:{port}/");
    assert_eq!(body(&[&url]), "<h1>Hello, 世界!</h1>\n");
    let said = get(&[&url, "-v", "--http", "1.0"]).stderr;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("   body 24 B to the end of the connection\n"), "{said}");
    assert!(server.finish().status.success());
}

/// What every server of files does.
fn serves_files(base: &str, options: &[&str], folder: &Path) {
    let with = |path: &str, flags: &[&str]| {
        let url = if base.starts_with("http+unix") {
            format!("{base},path={path}")
        } else {
            format!("{base}{path}")
        };
        let mut words = vec![url.as_str()];
        words.extend(options);
        words.extend(flags);
        get(&words)
    };
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text(&with("/page.txt", &[])), "你好, from a file\n");
    let head = text(&with("/page.txt", &["--head"])).to_ascii_lowercase();
    assert!(head.contains("content-length: 20\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let saved = folder.join("saved").display().to_string();
    assert!(with("/large", &["-o", &saved]).status.success());
    assert!(std::fs::read(&saved).expect("a file") == vec![b'x'; 3_000_000]);
    std::fs::remove_file(saved).expect("it is there");
    assert_eq!(with("/nowhere", &["--check"]).status.code(), Some(1));
    assert!(text(&with("/nowhere", &[])).contains("404"));
    assert_eq!(text(&with("/sub", &["--follow"])), "<p>sub");
}

#[test]
fn pythons_own_server() {
    if !has("get::pythons_own_server", "python3") {
        return;
    }
    let folder = site();
    let mut server = Command::new("python3");
    server.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]).current_dir(&folder);
    let mut server = Running::start(&mut server);
    let line = server.line();
    let port =
        line.split_once(" port ").and_then(|(_, rest)| rest.split_once(' ')).expect("a port");
    serves_files(&format!("http://127.0.0.1:{}", port.0), &[], folder.path());
}

#[test]
fn openssl_serves_a_file() {
    if !has("get::openssl_serves_a_file", "openssl") {
        return;
    }
    let folder = site();
    let (cert, key) = by_hand(&folder);
    let mut server = Command::new("openssl");
    server.args(["s_server", "-WWW", "-accept", "127.0.0.1:0"]).current_dir(&folder);
    let mut server = Running::start(server.arg("-cert").arg(&cert).arg("-key").arg(key));
    let port = loop {
        if let Some((_, port)) = server.line().split_once("ACCEPT 127.0.0.1:") {
            break port.to_owned();
        }
    };
    let (url, trust) = (format!("https://127.0.0.1:{port}"), format!("ca={}", cert.display()));
    assert_eq!(body(&[&format!("{url}/page.txt"), "-O", &trust]), "你好, from a file\n");
    assert_eq!(body(&[&format!("{url}/large"), "-O", &trust]).len(), 3_000_000);
    let untrusted = get(&[&url]);
    assert_eq!(untrusted.status.code(), Some(7));
}

/// One process in the foreground, with all that it writes inside the folder; on a path, which nobody else can take.
fn nginx(folder: &Path) -> Running {
    let at = folder.display();
    let config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/errors;
         events {{ worker_connections 64; }}
         http {{
           access_log off; client_body_temp_path {at}/t1; proxy_temp_path {at}/t2;
           fastcgi_temp_path {at}/t3; uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5;
           absolute_redirect off;
           server {{
             listen unix:{at}/nginx.sock; root {at}; client_max_body_size 1k;
             location = /chunks {{ gzip on; gzip_min_length 1; gzip_proxied any; gzip_types *;
               default_type text/html; return 200 'many words many words many words'; }}
             location = /empty {{ return 204; }}
           }}
         }}"
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, config).expect("a disk");
    let mut command = Command::new("nginx");
    Running::start(
        command.arg("-p").arg(folder).arg("-e").arg(folder.join("errors")).arg("-c").arg(path),
    )
}

#[test]
fn nginx_is_understood() {
    if !has("get::nginx_is_understood", "nginx") {
        return;
    }
    let folder = site();
    let _server = nginx(folder.path());
    let base = format!("http+unix:{}/nginx.sock", folder.path().display());
    // The first one waits until it listens.
    assert_eq!(body(&[&format!("{base},path=/page.txt"), "--retry"]), "你好, from a file\n");
    serves_files(&base, &[], folder.path());
    let range = body(&[&format!("{base},path=/large"), "-H", "Range: bytes=5-9"]);
    assert_eq!(range, "xxxxx");
    let output = get(&[&format!("{base},path=/chunks"), "-v", "-H", "Accept-Encoding: gzip"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("«  Transfer-Encoding: chunked\n") && said.contains(" in chunks\n"),
        "{said}"
    );
    assert_eq!(output.stdout[..2], [0x1f, 0x8b], "as it came, and out of its chunks");
    assert_eq!(body(&[&format!("{base},path=/empty")]), "");
    // Refused before it is sent whole.
    let large = format!("@{}", folder.path().join("large").display());
    let output = get(&[&format!("{base},path=/page.txt"), "-d", &large, "--check"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("413"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}
