//! `hobnob cert`: certificates of the development CA, for servers and for clients.

use hobnob::error::Result;

use crate::args::{COMMON, Flag, FlagGroup, Usage, switch, value};
use crate::job::{Job, Verb};

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "cert",
        words: "[HOST...]",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(MAKING), FlagGroup::Own(COMMON)],
        heeds_settings: false,
        page: include_str!("../help/cert.md"),
    },
    run,
};

/// The flags that are the verb's own.
const MAKING: &[Flag] = &[
    value("dir", "DIR", "where the files go; without it, here"),
    switch("force", None, "overwrite files that are there"),
];

#[cfg(not(feature = "tls"))]
fn run(_: &Job) -> Result<u8> {
    use hobnob::error::{Error, Kind};
    Err(Error::new(Kind::NotBuiltIn, "this build of hobnob has no encryption, so no certificates")
        .hint_topic("addresses", "what is built in"))
}

#[cfg(feature = "tls")]
fn run(job: &Job) -> Result<u8> {
    made::run(job)
}

#[cfg(feature = "tls")]
mod made {
    use std::fmt::Write as _;
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::{Path, PathBuf};

    use hobnob::error::{Error, Kind, Result, quoted};
    use hobnob::layer::tls::{Authority, CertificateFor, Issued};
    use serde_json::json;

    use crate::advice::Propose as _;
    use crate::job::Job;
    use crate::process::say;
    use crate::report::show::safe;

    /// The word before the name of a client, and the name of one without a name.
    const CLIENT: &str = "client";

    pub(super) fn run(job: &Job) -> Result<u8> {
        let words = job.words();
        let now = job.clock.wall();
        let authority = Authority::open(None, now)?;
        match words.split_first() {
            None => say(&ours(job, &authority)),
            Some((first, [])) if first == CLIENT => client(job, &authority, CLIENT),
            Some((first, [name])) if first == CLIENT => client(job, &authority, name),
            Some((first, [_, more, ..])) if first == CLIENT => {
                Err(Error::new(Kind::Usage, format!("{more:?} is one word too many"))
                    .try_command("hobnob cert -h", ""))
            }
            Some((first, _)) => {
                let issued = authority.issue(CertificateFor::Server(&words), now)?;
                let pair = PemFiles::write(job, first, &issued)?;
                let listen = format!("hobnob serve echo tls://:8443,{}", pair.settings());
                let host = if first.contains(':') { format!("[{first}]") } else { first.clone() };
                let lines = [
                    ("listen", listen),
                    ("dial", format!("hobnob talk tls://{host}:8443,ca=dev")),
                    ("", format!("curl --cacert {} https://{host}:8443/", path(&authority))),
                ];
                say(&pair.told(job, &authority, &words, &issued, &lines))
            }
        }
    }

    fn client(job: &Job, authority: &Authority, name: &str) -> Result<u8> {
        let issued = authority.issue(CertificateFor::Client(name), job.clock.wall())?;
        let pair = PemFiles::write(job, name, &issued)?;
        let (cert, key) = (shell(&pair.certificate), shell(&pair.key));
        let trusted = path(authority);
        let lines = [
            ("listen", "hobnob serve echo tls://:8443,client-ca=dev".to_owned()),
            ("dial", format!("hobnob talk tls://:8443,ca=dev,{}", pair.settings())),
            (
                "",
                format!(
                    "curl --cacert {trusted} --cert {cert} --key {key} https://localhost:8443/"
                ),
            ),
        ];
        say(&pair.told(job, authority, &[name.to_owned()], &issued, &lines))
    }

    /// What there is to say of the CA itself.
    fn ours(job: &Job, authority: &Authority) -> String {
        let (path, print) = (path(authority), authority.fingerprint());
        if job.is_on("json") {
            let plain = authority.path().display().to_string();
            return format!("{}\n", json!({ "ca": plain, "fingerprint": print }));
        }
        format!(
            "the development CA, which vouches for what listens without cert=\n\
             \x20 file      {path}\n\
             \x20 SHA-256   {print}\n\
             \x20 trust it  hobnob talk tls://:8443,ca=dev\n\
             \x20           curl --cacert {path} https://localhost:8443/\n"
        )
    }

    /// The two files of a certificate.
    struct PemFiles {
        certificate: PathBuf,
        key: PathBuf,
    }

    impl PemFiles {
        /// Writes both, or says which of them is there already.
        fn write(job: &Job, name: &str, issued: &Issued) -> Result<Self> {
            let stem: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
            let folder = Path::new(job.text("dir").unwrap_or_default());
            let certificate = folder.join(format!("{stem}.pem"));
            let key = folder.join(format!("{stem}-key.pem"));
            let both = [(&certificate, &issued.certificate, 0o644), (&key, &issued.key, 0o600)];
            if !job.is_on("force")
                && let Some((there, ..)) =
                    both.iter().find(|(path, ..)| path.symlink_metadata().is_ok())
            {
                return Err(is_there(there));
            }
            for (path, text, mode) in both {
                // A key that is written over keeps neither mode nor owner of what was there.
                match fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(failed("unlink", path, &error));
                    }
                    _ => {}
                }
                let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
                let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
                written.map_err(|error| failed("open", path, &error))?;
            }
            Ok(PemFiles { certificate, key })
        }

        /// As an endpoint takes them.
        fn settings(&self) -> String {
            let settings =
                format!("cert={},key={}", self.certificate.display(), self.key.display());
            safe(&quoted(&settings))
        }

        fn told(
            &self,
            job: &Job,
            authority: &Authority,
            names: &[String],
            issued: &Issued,
            lines: &[(&str, String)],
        ) -> String {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            let print = &issued.fingerprint;
            if job.is_on("json") {
                let (ca, certificate, key) = (authority.path().display(), certificate, key);
                let [ca, certificate, key] = [ca, certificate, key].map(|path| path.to_string());
                let told = json!({
                    "ca": ca, "certificate": certificate, "key": key, "names": names,
                    "fingerprint": print,
                });
                return format!("{told}\n");
            }
            let names = safe(&names.join(", "));
            let mut text = format!(
                "{}   for {names}, good for a year\n{}   its key, for you alone\n\
                 \x20 SHA-256   {print}\n",
                safe(&certificate.to_string()),
                safe(&key.to_string()),
            );
            for (label, line) in lines {
                let _ = writeln!(text, "  {label:<10}{line}");
            }
            text
        }
    }

    /// Whether a character is one that a name of a file holds without trouble.
    fn is_plain(c: char) -> bool {
        c.is_ascii_alphanumeric() || "-._".contains(c)
    }

    fn path(authority: &Authority) -> String {
        shell(authority.path())
    }

    fn shell(path: &Path) -> String {
        safe(&quoted(&path.display().to_string()))
    }

    fn is_there(path: &Path) -> Error {
        let text = format!("{} is already there, and I will not overwrite it", path.display());
        Error::new(Kind::FileExists, text)
            .try_flag("--force", "")
            .try_flag("--dir DIR", "elsewhere")
    }

    fn failed(call: &str, path: &Path, error: &std::io::Error) -> Error {
        let shown = path.display();
        let failure = Error::from_io(&format!("{call}({shown})"), error);
        let words = format!("{shown}: {}", failure.message());
        failure.with_message(words)
    }
}
