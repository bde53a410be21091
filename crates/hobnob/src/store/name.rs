//! Names in a Maildir (maildir(5)): those of letters, their flags, and the folders of boxes.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The most that a name in a folder may have, in bytes (`NAME_MAX`).
const MAX_NAME: usize = 255;

/// The flags of a letter: the letters behind `:2,` in the name of its file.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LetterFlags(u64);

impl LetterFlags {
    /// `D`: not finished.
    pub const DRAFT: Self = Self::of(b'D');
    /// `F`: flagged.
    pub const FLAGGED: Self = Self::of(b'F');
    /// `R`: answered.
    pub const ANSWERED: Self = Self::of(b'R');
    /// `S`: seen.
    pub const SEEN: Self = Self::of(b'S');
    /// `T`: to be deleted.
    pub const DELETED: Self = Self::of(b'T');

    /// A keyword, by its number from 0 to 25.
    pub const fn keyword(number: u8) -> Self {
        assert!(number < 26);
        Self::of(b'a' + number)
    }

    const fn of(letter: u8) -> Self {
        LetterFlags(1 << (letter - b'A'))
    }

    /// Whether all of these are set.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// With these too.
    pub const fn with(self, flags: Self) -> Self {
        LetterFlags(self.0 | flags.0)
    }

    /// Without these.
    pub const fn without(self, flags: Self) -> Self {
        LetterFlags(self.0 & !flags.0)
    }

    /// Those of a name; what is no letter is passed over.
    fn read(text: &str) -> Self {
        let letters = text.bytes().filter(u8::is_ascii_alphabetic);
        letters.fold(LetterFlags::default(), |flags, letter| flags.with(Self::of(letter)))
    }

    /// As a name has them: in the order of ASCII.
    fn letters(self) -> String {
        (b'A'..=b'z').filter(|letter| self.0 >> (letter - b'A') & 1 == 1).map(char::from).collect()
    }
}

/// A new name. The serial number makes it one of its kind, as the folder has one writer of ours.
pub(super) fn fresh(wall: SystemTime, serial: u64, host: &str) -> String {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros) = (since.as_secs(), since.subsec_micros());
    format!("{seconds}.M{micros}P{}Q{serial}.{host}", std::process::id())
}

/// The serial number in a name of ours.
pub(super) fn serial(base: &str) -> Option<u64> {
    let (_, unique) = base.split_once(".M")?;
    let (micros, rest) = unique.split_once('P')?;
    let (pid, rest) = rest.split_once('Q')?;
    let (serial, _) = rest.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(micros) && is_number(pid)).then_some(())?;
    serial.parse().ok().filter(|serial| *serial < 1 << 53)
}

/// The name of a file without its flags, and those. None where no letter is called so.
pub(super) fn split(file: &str) -> Option<(&str, LetterFlags)> {
    let (base, info) = file.split_once(':').unwrap_or((file, ""));
    let is_one = !base.is_empty() && !file.starts_with('.') && !file.contains(char::is_control);
    is_one.then(|| (base, LetterFlags::read(info.strip_prefix("2,").unwrap_or_default())))
}

/// The name of a file in `cur`.
pub(super) fn flagged(base: &str, flags: LetterFlags) -> String {
    format!("{base}:2,{}", flags.letters())
}

/// The name of this host as the name of a letter may have it.
pub(super) fn host() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
    let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    host.chars().map(|c| if plain(c) { c } else { '_' }).take(64).collect()
}

/// The folder of a box, in which nothing stands that a path could mistake. None where it would be too long.
pub(super) fn folder_of_box(name: &str) -> Option<String> {
    let mut folder = String::new();
    for byte in name.bytes() {
        let is_plain =
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"@._+-".contains(&byte);
        if is_plain && !(byte == b'.' && folder.is_empty()) {
            folder.push(char::from(byte));
        } else {
            write!(folder, "%{byte:02X}").expect("a String takes all");
        }
    }
    (!folder.is_empty() && folder.len() <= MAX_NAME).then_some(folder)
}

/// The box that a folder is of.
pub(super) fn box_of_folder(folder: &str) -> Option<String> {
    let (mut name, mut rest) = (Vec::new(), folder.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
            name.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &rest[2..];
        } else {
            name.push(*first);
        }
    }
    let name = String::from_utf8(name).ok()?;
    (folder_of_box(&name).as_deref() == Some(folder)).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_are_split_and_put_together_with_flags_in_the_order_of_ascii() {
        let base = fresh(UNIX_EPOCH + Duration::from_micros(1_000_007), 42, "h");
        assert_eq!(base, format!("1.M7P{}Q42.h", std::process::id()));
        assert_eq!(serial(&base), Some(42));
        let flags = LetterFlags::SEEN.with(LetterFlags::DRAFT).with(LetterFlags::keyword(1));
        assert_eq!(flagged(&base, flags), format!("{base}:2,DSb"));
        assert_eq!(split(&format!("{base}:2,SbD")), Some((&*base, flags)));
        assert_eq!(split("x:1,S"), Some(("x", LetterFlags::default())));
        assert!(!flags.without(LetterFlags::SEEN).has(LetterFlags::SEEN));
        for other in [".hidden", ":2,S", "", "a\nb"] {
            assert_eq!(split(other), None, "{other:?}");
        }
        for foreign in ["1.R9.h", "1.M7P1Qx.h", "1.M7PxQ1.h", "1.M7P1Q99999999999999999.h"] {
            assert_eq!(serial(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_box_has_one_folder_and_no_name_leads_out_of_its_place() {
        for (name, folder) in [
            ("li@test", "li@test"),
            ("..", "%2E."),
            ("../x", "%2E.%2Fx"),
            (".new", "%2Enew"),
            ("Li", "%4Ci"),
            ("a%b", "a%25b"),
            ("\u{4f60}", "%E4%BD%A0"),
        ] {
            assert_eq!(folder_of_box(name).as_deref(), Some(folder));
            assert_eq!(box_of_folder(folder).as_deref(), Some(name));
        }
        assert_eq!(folder_of_box(""), None);
        assert_eq!(folder_of_box(&"x".repeat(256)), None);
        for folder in ["A", "%41x%", "%zz", "%61", "..", "%2e."] {
            assert_eq!(box_of_folder(folder), None, "{folder}");
        }
    }
}
