//! nginx and curl: a file of some mebibytes, several requests on one connection, and https that passes untouched.

use std::process::Command;

use tempfile::TempDir;

use super::{Server, bent, concluded, file, program, relay, succeeds_with, text};
use crate::peer::{Running, has, succeeds};
use crate::ports::Port;

/// Bytes of the file.
const MUCH: usize = 8 << 20;

struct Nginx {
    folder: TempDir,
    _server: Server,
    plain: Port,
    tls: Port,
}

impl Nginx {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (plain, tls) = (Port::draw(), Port::draw());
        let at = folder.path().display();
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        command.args(["-nodes", "-days", "30", "-subj", "/CN=localhost"]);
        command.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        command.arg("-out").arg(folder.path().join("cert.pem"));
        succeeds(command.arg("-keyout").arg(folder.path().join("key.pem")));
        let configuration = format!(
            "daemon off; master_process off; pid {at}/nginx.pid; error_log {at}/error.log;
             events {{}}
             http {{
               access_log off;
               client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;
               fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi;
               scgi_temp_path {at}/scgi;
               server {{ listen 127.0.0.1:{}; root {at}/site; }}
               server {{
                 listen 127.0.0.1:{} ssl; root {at}/site;
                 ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;
               }}
             }}",
            plain.number, tls.number
        );
        let path = file(&folder, "nginx.conf", configuration.as_bytes());
        std::fs::create_dir(folder.path().join("site")).expect("there is room");
        file(&folder, "site/much", &text(MUCH));
        file(&folder, "site/little", b"a little\n");
        let mut command = Command::new(program("nginx").expect("it is there"));
        command.arg("-c").arg(path).arg("-p").arg(folder.path());
        let server = Server::start(command.arg("-e").arg(folder.path().join("error.log")), &folder);
        Nginx { folder, _server: server, plain, tls }
    }

    /// What several requests on one connection bring, and how often curl connected for each.
    fn fetched(&self, base: &str, names: &[&str]) -> String {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail", "-w", "%{num_connects} %{http_code} %{size_download}\n"]);
        command.arg("--cacert").arg(self.folder.path().join("cert.pem"));
        for (at, name) in names.iter().enumerate() {
            command.arg("-o").arg(self.folder.path().join(format!("got-{at}")));
            command.arg(format!("{base}/{name}"));
        }
        String::from_utf8(succeeds_with(&mut command, None).stdout).expect("text")
    }

    fn got(&self, at: usize) -> Vec<u8> {
        std::fs::read(self.folder.path().join(format!("got-{at}"))).expect("it was fetched")
    }
}

/// Whether its programs are: a test without them is left out, and says so.
fn are_there(test: &str) -> bool {
    (program("nginx").is_some() || has(test, "nginx")) && has(test, "curl") && has(test, "openssl")
}

/// The same on both of its ports: the second is TLS from end to end, which the relay does not look into.
#[test]
fn curl_fetches_from_nginx_on_one_connection() {
    if !are_there("relay::nginx::curl_fetches_from_nginx_on_one_connection") {
        return;
    }
    let nginx = Nginx::start();
    for (scheme, port) in [("http", &nginx.plain), ("https", &nginx.tls)] {
        let (relay, port): (Running, _) = relay(&format!("127.0.0.1:{}", port.number));
        let base = format!("{scheme}://localhost:{port}");
        let said = nginx.fetched(&base, &["much", "little", "much"]);
        assert_eq!(said, format!("1 200 {MUCH}\n0 200 9\n0 200 {MUCH}\n"), "{scheme}");
        for (at, due) in [(0, text(MUCH)), (1, b"a little\n".to_vec()), (2, text(MUCH))] {
            assert!(nginx.got(at) == due, "{scheme}: file {at}");
        }
        let closed = concluded(relay);
        assert_eq!(closed.len(), 1, "{scheme}: {closed:?}");
        assert!(closed[0]["out"].as_u64() > Some(2 * MUCH as u64), "{scheme}: {closed:?}");
    }
}

/// By its own meter it is never faster than the wire; how near it comes to it is measured by bench/latency.py.
#[test]
fn curl_under_a_rate_is_as_slow_as_the_wire() {
    if !are_there("relay::nginx::curl_under_a_rate_is_as_slow_as_the_wire") {
        return;
    }
    let nginx = Nginx::start();
    let (relay, port) = bent(&format!("127.0.0.1:{}", nginx.plain.number), "down:rate=8m");
    let path = nginx.folder.path().join("got-0");
    let mut command = Command::new("curl");
    command.args(["-sS", "--fail", "-w", "%{http_code} %{size_download} %{speed_download}"]);
    command.arg("-o").arg(path);
    command.arg(format!("http://127.0.0.1:{port}/much"));
    let said = String::from_utf8(succeeds_with(&mut command, None).stdout).expect("text");
    let speed = said.strip_prefix(&format!("200 {MUCH} ")).and_then(|speed| speed.parse().ok());
    let speed: f64 = speed.unwrap_or_else(|| panic!("curl said {said:?}"));
    let rate = f64::from(8 << 20);
    assert!(speed <= rate * 1.03, "{speed} bytes a second");
    assert!(nginx.got(0) == text(MUCH));
    concluded(relay);
}
