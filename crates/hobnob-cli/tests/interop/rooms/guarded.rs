//! What servers ask of who comes, and what they take: passwords, tokens, TLS, and the size of a message.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Nats, refused, two};

/// A file with a secret that these may read.
fn secret(folder: &Path, text: &str, mode: u32) -> String {
    let path = folder.join(format!("{text}-{mode:o}").replace(':', "-"));
    fs::write(&path, format!("{text}\n")).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
    path.display().to_string()
}

#[test]
fn a_password_or_a_token_stands_in_a_file_that_nobody_else_may_read() {
    let test = "rooms::guarded::a_password_or_a_token_stands_in_a_file_that_nobody_else_may_read";
    let secrets = tempfile::tempdir().expect("a folder");
    let folder = secrets.path();
    for (locks, good, wrong) in [
        (&["--user", "me", "--pass", "secret"][..], "me:secret", "me:other"),
        (&["--auth", "s3cr3t"][..], "s3cr3t", "other"),
    ] {
        let Some(nats) = Nats::keeping(test, locks) else { return };
        assert_eq!(refused(&nats.url(), &[]).1, "cluster-refused");
        let wrong = secret(folder, wrong, 0o600);
        assert_eq!(refused(&nats.url(), &["--cluster-auth", &wrong]).1, "cluster-refused");
        let open = secret(folder, good, 0o644);
        assert_eq!(
            refused(&nats.url(), &["--cluster-auth", &open]),
            (Some(2), "bad-option".to_owned())
        );
        let good = secret(folder, good, 0o600);
        let (_nodes, [mut ada, mut bob]) = two(&nats, &["--cluster-auth", &good]);
        ada.say("hello");
        assert_eq!(bob.until("hello"), "Ada: hello");
        // To another machine it goes with TLS alone.
        let far = refused("nats://192.0.2.1:4222", &["--cluster-auth", &good]);
        assert_eq!(far, (Some(2), "cluster-url".to_owned()));
    }
}

/// A CA and a certificate of 127.0.0.1 by it, as files: the CA's, the certificate, and its key.
fn vouched(folder: &Path) -> [PathBuf; 3] {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("a CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).expect("a CA");
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&own, &issuer).expect("a certificate");
    let files = [("ca", ca.pem()), ("cert", leaf.pem()), ("key", own.serialize_pem())];
    files.map(|(name, pem)| {
        let path = folder.join(format!("{name}.pem"));
        fs::write(&path, pem).expect("a file");
        path
    })
}

#[test]
fn servers_with_tls_are_trusted_where_somebody_that_we_trust_vouches_for_them() {
    let test = "rooms::guarded::servers_with_tls_are_trusted_where_somebody_that_we_trust_vouches_for_them";
    let (own, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (own, other) = (own.expect("a folder"), other.expect("a folder"));
    let [ca, cert, key] = vouched(own.path()).map(|path| path.display().to_string());
    let stranger = vouched(other.path())[0].display().to_string();
    let tls = ["--tls", "--tlscert", &cert, "--tlskey", &key];
    let Some(nats) = Nats::keeping(test, &tls) else { return };
    let url = nats.url().replace("nats://", "tls://");
    assert_eq!(refused(&url, &[]), (Some(7), "cluster-tls".to_owned()));
    assert_eq!(refused(&url, &["--cluster-ca", &stranger]), (Some(7), "cluster-tls".to_owned()));
    assert_eq!(refused(&url, &["--cluster-ca", &key]), (Some(2), "bad-option".to_owned()));
    let (_nodes, [mut ada, mut bob]) = two(&nats, &["--cluster-ca", &ca]);
    ada.say("hello");
    assert_eq!(bob.until("hello"), "Ada: hello");
    // Who names a CA says nothing without TLS.
    let Some(plain) = Nats::keeping(test, &[]) else { return };
    assert_eq!(refused(&plain.url(), &["--cluster-ca", &ca]).1, "cluster-tls");
}

#[test]
fn a_message_that_the_servers_do_not_take_is_refused_to_who_says_it_and_the_next_one_goes() {
    let test = "rooms::guarded::a_message_that_the_servers_do_not_take_is_refused_to_who_says_it_and_the_next_one_goes";
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("small.conf");
    fs::write(&config, "max_payload: 4096\n").expect("a file");
    let flags = ["-c", config.to_str().expect("UTF-8")];
    let Some(nats) = Nats::keeping(test, &flags) else { return };
    let ([(mut kite, _), _lark], [mut ada, mut bob]) = two(&nats, &[]);
    let most = |line: &str| {
        let bytes =
            line.strip_prefix("* too long: at most ").and_then(|rest| rest.strip_suffix(" bytes"));
        bytes.and_then(|bytes| bytes.parse::<usize>().ok()).expect("a number of bytes")
    };
    ada.say(&"x".repeat(3_500));
    let most = most(&ada.until("* too long"));
    assert!((2_900..3_072).contains(&most), "{most}");
    ada.say(&"y".repeat(most));
    assert_eq!(bob.until("yyy").len(), "Ada: ".len() + most);
    for number in 0..20 {
        ada.say(&format!("{number}{}", "z".repeat(2_000)));
    }
    for number in 0..20 {
        assert!(bob.until("zzz").starts_with(&format!("Ada: {number}z")));
    }
    assert!(kite.hears("cluster-payload").contains("\"what\":\"dropped\""));
}
