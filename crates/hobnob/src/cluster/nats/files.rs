//! What files say of the servers: a password, and who vouches for them.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::super::name::{ClusterRoom, NodeId};
use super::terms::{NatsSecret, NatsTerms};
use crate::error::{Error, Kind, Result};
use crate::files;

/// Bytes of a file with a password.
const LARGEST_SECRET: u64 = 4_096;

/// Bytes of a file of certificates: a machine's whole list has some 200 KiB.
const LARGEST_LIST: u64 = 16 << 20;

/// Others than the owner of a file.
const OTHERS: u32 = 0o077;

/// Files that say more of the servers than their URLs do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatsFiles {
    /// `USER:PASSWORD` or a token on its only line; nobody else may read it.
    pub auth: Option<PathBuf>,
    /// Who alone vouches for the servers: certificates in PEM.
    pub ca: Option<PathBuf>,
}

impl NatsFiles {
    /// The terms of the servers at these URLs, before the files are [read](NatsFiles::read): the same as
    /// [`NatsTerms::new`], which knows no files.
    ///
    /// # Errors
    ///
    /// A URL that is none, two secrets, or one that would leave this machine in clear text.
    pub fn terms(&self, servers: &str, room: ClusterRoom, me: NodeId) -> Result<NatsTerms> {
        NatsTerms::guarded(servers, room, me, [self.auth.is_some(), self.ca.is_some()])
    }

    /// The terms with what the files say. It reads, and may wait for a disk.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, that others may read, or that says something else.
    pub fn read(&self, terms: NatsTerms) -> Result<NatsTerms> {
        let secret = self.auth.as_deref().map(secret).transpose()?;
        let list = |path| files::read(path, LARGEST_LIST);
        let authorities = self.ca.as_deref().map(list).transpose()?;
        Ok(NatsTerms { secret: secret.or(terms.secret), authorities, ..terms })
    }
}

/// The secret in a file that nobody else may read.
fn secret(path: &Path) -> Result<NatsSecret> {
    let shown = path.display().to_string();
    let unread = |error: &std::io::Error| {
        let error = Error::from_io(&format!("open({shown})"), error);
        let text = format!("{shown} cannot be read: {}", error.message());
        error.with_message(text)
    };
    let file = File::open(path).map_err(|error| unread(&error))?;
    let mode = file.metadata().map_err(|error| unread(&error))?.mode();
    if mode & OTHERS != 0 {
        let text =
            format!("{shown} holds a password, and others may read it (mode {:o})", mode & 0o777);
        let error = Error::new(Kind::BadOption, text);
        return Err(error.hint_shell(format!("chmod 600 {shown}"), "so that it is yours alone"));
    }
    let bytes = files::read_from(file, &shown, LARGEST_SECRET)?;
    let found = std::str::from_utf8(&bytes).ok().and_then(NatsSecret::read);
    found.ok_or_else(|| {
        let text = format!("{shown} holds neither USER:PASSWORD nor a token on its only line");
        Error::new(Kind::BadOption, text).hint_topic("chat", "for what such a file says")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_of_a_file_is_guarded_as_one_of_the_url() {
        let guarded = |servers, secret: bool, ca: bool| {
            let room = ClusterRoom::named("lobby").expect("a room");
            let file = |is_named: bool| is_named.then(|| "file".into());
            let files = NatsFiles { auth: file(secret), ca: file(ca) };
            files.terms(servers, room, NodeId::NOBODY)
        };
        assert!(guarded("nats://far.test", false, false).is_ok(), "nothing is said");
        assert!(guarded("nats://far.test", true, false).is_err());
        assert!(guarded("nats://far.test", true, true).is_ok(), "TLS is asked for");
        assert!(guarded("tls://far.test", true, false).is_ok());
        assert!(guarded("tls://u:p@far.test", true, false).is_err(), "two secrets");
    }

    #[test]
    fn a_file_that_others_may_read_or_that_says_nothing_is_refused_without_a_word_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("auth");
        for (text, mode, is_taken) in [
            ("me:s3cr3t\n", 0o600, true),
            ("s3cr3t", 0o400, true),
            ("me:s3cr3t", 0o640, false),
            ("me:s3cr3t", 0o604, false),
            ("me:s3cr3t\nand more\n", 0o600, false),
            ("", 0o600, false),
        ] {
            drop(fs::remove_file(&path));
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
            let found = secret(&path);
            assert_eq!(found.is_ok(), is_taken, "{text:?} {mode:o}");
            if let Err(error) = found {
                assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
                assert_eq!(error.kind(), Kind::BadOption);
            }
        }
        assert_eq!(
            secret(&folder.path().join("none")).err().map(|e| e.kind()),
            Some(Kind::NotFound)
        );
    }
}
