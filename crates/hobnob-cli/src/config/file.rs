//! Reading a file of settings, which may be anybody's: bounded, and only if it is a plain file.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;
use crate::config::source::ConfigText;

/// The most that such a file holds, in bytes.
const LARGEST: u64 = 1_024 * 1_024;
/// The most that a secret holds, in bytes.
const LARGEST_SECRET: u64 = 64 * 1_024;

/// Reads it whole.
pub(super) fn read(path: &Path) -> Result<ConfigText> {
    let name = path.display().to_string();
    let bytes = read_plain(path, LARGEST)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
        Error::new(Kind::InvalidUtf8, format!("{name}:{line}: byte {at} of the file is not UTF-8"))
            .why("TOML is UTF-8")
            .try_command(format!("file {name}"), "what is it?")
    })?;
    Ok(ConfigText { name, text })
}

/// A secret in a file of its own, without the newline at its end.
pub(super) fn read_secret(path: &Path) -> Result<String> {
    let bytes = read_plain(path, LARGEST_SECRET)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::new(Kind::InvalidUtf8, format!("{} is not UTF-8", path.display())))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn read_plain(path: &Path, largest: u64) -> Result<Vec<u8>> {
    // A FIFO must not hold us up.
    let mut options = OpenOptions::new();
    let opened = options.read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path);
    let file = opened.map_err(|error| failed("open", path, &error))?;
    let found = file.metadata().map_err(|error| failed("fstat", path, &error))?;
    let shown = path.display();
    if !found.is_file() {
        return Err(Error::new(Kind::BadConfig, format!("{shown} is not a plain file"))
            .try_command(format!("ls -ld {shown}"), "what is it?"));
    }
    let mut bytes = Vec::new();
    let read = file.take(largest + 1).read_to_end(&mut bytes);
    read.map_err(|error| failed("read", path, &error))?;
    if bytes.len() as u64 > largest {
        let text = format!("{shown} is larger than {} KiB, and I will not read it", largest >> 10);
        return Err(Error::new(Kind::BadConfig, text)
            .try_command(format!("ls -l {shown}"), "is it the right file?"));
    }
    Ok(bytes)
}

fn failed(call: &str, path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    let failure = Error::from_io(&format!("{call}({shown})"), error);
    let words = match failure.kind() {
        Kind::NotFound => format!("there is no file {shown}"),
        _ => format!("{shown} cannot be read: {}", failure.message()),
    };
    let failure = failure.with_message(words);
    if failure.kind() == Kind::NotFound {
        return failure.try_command("hobnob help up", "has one to copy");
    }
    failure.try_command(format!("ls -l {shown}"), "")
}
