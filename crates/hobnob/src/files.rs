//! Files that somebody names, read whole up to a bound. A file may be anything: a device without an end, a FIFO whose
//! writer comes late. So reading blocks, and belongs on a thread that may wait.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Kind, Result};

/// Reads a file to its end. The errors: it cannot be opened or read, or it holds more than `most` bytes, which the error
/// names.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let shown = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable("open", &shown, &error))?;
    let found = file.metadata().map_err(|error| unreadable("fstat", &shown, &error))?;
    if found.is_file() && found.len() > most {
        return Err(too_large(&shown, most));
    }
    read_from(file, &shown, most)
}

/// The same of what is open already, and is called so in errors.
pub fn read_from(from: impl Read, name: &str, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| unreadable("read", name, &error))?;
    if bytes.len() as u64 > most {
        return Err(too_large(name, most));
    }
    Ok(bytes)
}

fn too_large(name: &str, most: u64) -> Error {
    let text = format!("{name} is larger than {}, and no more is read", shown(most));
    Error::new(Kind::MessageTooLong, text)
}

fn unreadable(call: &str, name: &str, error: &std::io::Error) -> Error {
    let error = Error::from_io(&format!("{call}({name})"), error);
    let text = format!("{name} cannot be read: {}", error.message());
    error.with_message(text)
}

/// A bound as a person says it.
fn shown(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_which_the_error_names() {
        assert_eq!(read_from(&b"four"[..], "it", 4).expect("it fits"), b"four");
        let error = read_from(&b"fives"[..], "it", 4).expect_err("one too many");
        assert_eq!(error.kind(), Kind::MessageTooLong);
        assert_eq!(error.message(), "it is larger than 4 B, and no more is read");
        let error = read(Path::new("/dev/zero"), 64 << 10).expect_err("it has no end");
        assert!(error.message().contains("/dev/zero is larger than 64 KiB"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        let error = read(Path::new("/nothing/of/the/kind"), 9).expect_err("it is not there");
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(read(Path::new("/"), 9).is_err(), "a folder");
    }
}
