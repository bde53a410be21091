//! Certificates whose keys we cannot check: what is said without asking whose they are, and what helps.

use std::path::Path;
use std::process::Command;

use crate::peer::{Running, has, hobnob, succeeds};

/// A certificate with such a key, made by OpenSSL. Without a configuration it is of version 1.
fn made(folder: &Path, key: &[&str], is_old: bool) {
    let key_file = folder.join("key.pem");
    if key[0] == "DSA" {
        let parameters = folder.join("dsa.pem");
        let bits = ["-pkeyopt", "dsa_paramgen_bits:1024"];
        let mut command = Command::new("openssl");
        command.args(["genpkey", "-genparam", "-algorithm", "DSA"]).args(bits);
        succeeds(command.arg("-out").arg(&parameters));
        let mut command = Command::new("openssl");
        succeeds(
            command.args(["genpkey", "-paramfile"]).arg(&parameters).arg("-out").arg(&key_file),
        );
    } else {
        let mut command = Command::new("openssl");
        command.args(["genpkey", "-algorithm", key[0]]);
        command.args(key[1..].iter().flat_map(|option| ["-pkeyopt", option]));
        succeeds(command.arg("-out").arg(&key_file));
    }
    let request = folder.join("request.pem");
    let mut command = Command::new("openssl");
    command.args(["req", "-new", "-subj", "/CN=localhost"]).arg("-key").arg(&key_file);
    succeeds(command.arg("-out").arg(&request));
    let extensions = folder.join("extensions");
    std::fs::write(&extensions, "subjectAltName=DNS:localhost,IP:127.0.0.1").expect("a file");
    let mut command = Command::new("openssl");
    command.args(["x509", "-req", "-days", "30"]).arg("-in").arg(&request);
    if !is_old {
        command.arg("-extfile").arg(&extensions);
    }
    command.arg("-signkey").arg(&key_file).arg("-out").arg(folder.join("cert.pem"));
    succeeds(&mut command);
}

/// What a peer says with that certificate, which agrees to weak keys.
fn told(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut server = Command::new("openssl");
    server.args(["s_server", "-accept", "127.0.0.1:0", "-cipher", "ALL:@SECLEVEL=0"]);
    server.arg("-cert").arg(folder.join("cert.pem")).arg("-key").arg(folder.join("key.pem"));
    let mut server = Running::start(&mut server);
    let port = loop {
        if let Some((_, port)) = server.line().split_once("ACCEPT 127.0.0.1:") {
            break port.to_owned();
        }
    };
    let words = words.iter().map(|word| word.replace("PORT", &port));
    let output = Running::start(hobnob().args(words)).finish();
    let text = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.split_whitespace().collect::<Vec<_>>().join(" "))
}

const KNOWN: &str =
    "I check plain RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 and P-521, and Ed25519";

#[test]
fn a_key_that_we_cannot_check_is_told_as_that_and_with_what_helps() {
    let test = "tls::keys::a_key_that_we_cannot_check_is_told_as_that_and_with_what_helps";
    if !has(test, "openssl") {
        return;
    }
    let refused = "the peer refused: TLS alert HandshakeFailure";
    let weak = "I cannot check the key of the certificate of 127.0.0.1:";
    for (key, is_old, says, why) in [
        (&["RSA", "rsa_keygen_bits:1024"][..], false, weak, "the key is RSA of 1024 bits"),
        (&["RSA", "rsa_keygen_bits:1024"], true, weak, "the key is RSA of 1024 bits"),
        // These sides do not agree on anything, so that the certificate is never shown.
        (&["RSA", "rsa_keygen_bits:512"], false, refused, "of a kind that I do not check"),
        (&["EC", "ec_paramgen_curve:secp256k1"], false, refused, "of a kind that I do not check"),
        (&["ED448"], false, refused, "of a kind that I do not check"),
        (&["DSA"], false, refused, "of a kind that I do not check"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        made(folder.path(), key, is_old);
        for words in [
            &["get", "-k", "https://127.0.0.1:PORT/"][..],
            &["talk", "tls://127.0.0.1:PORT,insecure", "x"],
        ] {
            let (code, said) = told(folder.path(), words);
            let context = format!("{key:?} {is_old} {words:?}: {said}");
            assert_eq!(code, Some(7), "{context}");
            assert!(said.contains(says) && said.contains(why), "{context}");
            assert!(said.contains(KNOWN), "{context}");
            assert!(!said.contains("did not prove"), "nobody knows: {context}");
            let helps = ["try hobnob cert 127.0.0.1", "try openssl s_client -connect 127.0.0.1:"];
            assert!(helps.iter().any(|helps| said.contains(helps)), "{context}");
        }
    }
}
