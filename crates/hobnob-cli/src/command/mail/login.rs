//! Who logs in. A password is in a file, never in a flag: other users of the machine can read a command line.

use std::path::Path;

use hobnob::error::{Error, Kind, Result};
use hobnob::files;
use hobnob::post::Login;
use hobnob::streams;

use crate::advice::Propose as _;
use crate::job::Job;

/// Bytes that a file with a password may have.
const LARGEST: u64 = 1_024;

/// Who `--user` says, with the password.
pub(super) fn read(job: &Job) -> Result<Option<Login>> {
    let Some(user) = job.text("user") else { return Ok(None) };
    let (name, password) = match user.split_once(":@") {
        Some((name, "-")) => {
            let read = files::read_from(streams::stdin(), "standard input", LARGEST);
            (name, read?)
        }
        Some((name, file)) if !file.is_empty() => (name, files::read(Path::new(file), LARGEST)?),
        None if !user.contains(':') => {
            let Some(file) = &job.environment.password_file else {
                let error = Error::new(Kind::Usage, "--user names nobody's password");
                return Err(shown_how(error.why("HOBNOB_PASSWORD_FILE names no file, either")));
            };
            (user, files::read(file, LARGEST)?)
        }
        // What stands there may be the password itself, and is not said again.
        _ => {
            let text = "--user takes a name, :@ and the file of the password";
            let why = "a password in a flag could be read by other users of this machine";
            return Err(shown_how(Error::new(Kind::BadOption, text).why(why)));
        }
    };
    let text = String::from_utf8(password).map_err(|_| {
        Error::new(Kind::InvalidUtf8, format!("the password of {name} is not UTF-8"))
    })?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    Ok(Some(Login { name: name.to_owned(), password }))
}

fn shown_how(error: Error) -> Error {
    error
        .try_command("hobnob mail send smtp://mail.test --user li:@password.txt", "")
        .try_command("hobnob help mail", "")
}
