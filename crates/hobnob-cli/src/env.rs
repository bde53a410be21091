//! The environment, read here and nowhere else. A flag goes before a variable, a variable before a default.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use hobnob::error::{Error, Kind, Result};
use hobnob::spec::parse_duration;

use crate::advice::Propose as _;

/// Terminals that move no cursor.
const DUMB: [&str; 3] = ["dumb", "emacs", "cons25"];

/// What the environment says.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `HOBNOB_ASCII`: no glyph outside ASCII.
    pub(crate) ascii: Option<bool>,
    /// Whether the locale that is set has no UTF-8: then ASCII is the default.
    pub(crate) is_plain: bool,
    /// `HOBNOB_CONFIG`: the file of settings in place of the folder's own.
    pub(crate) config: Option<PathBuf>,
    /// The person's own file of settings.
    pub(crate) own_config: Option<PathBuf>,
    /// `HOBNOB_TIMEOUT`: how long a dial may take.
    pub(crate) timeout: Option<Duration>,
    /// `FORCE_COLOR` or `CLICOLOR_FORCE`, `NO_COLOR` or `TERM=dumb`; none: as the terminal.
    pub(crate) color: Option<bool>,
    /// Whether the terminal moves no cursor (`TERM=dumb`, as Emacs and build services say it): there is no line editor.
    pub(crate) is_dumb: bool,
    /// What of the environment was not heeded, for people.
    pub(crate) notes: Vec<String>,
    /// Where state such as line history belongs.
    pub(crate) state: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: where what lives as long as a login belongs.
    pub(crate) runtime: Option<PathBuf>,
    /// `TMPDIR`, or else `/tmp`.
    pub(crate) temporary: PathBuf,
    /// `SUDO_UID` and `SUDO_GID`: who has asked sudo to run this.
    pub(crate) sudo: Option<(u32, u32)>,
    /// `HOBNOB_PASSWORD_FILE`: the file of the password for mail.
    #[cfg_attr(not(feature = "mail"), allow(dead_code, reason = "mail alone logs in"))]
    pub(crate) password_file: Option<PathBuf>,
    /// `PAGER`; an empty one means that none is wanted.
    pub(crate) pager: Option<String>,
    /// Whether `LESS` says how less should be.
    pub(crate) has_less_options: bool,
}

impl Environment {
    /// Reads it once. A value that cannot be understood is said, not ignored.
    pub(crate) fn read() -> Result<Self> {
        let timeout = match variable("HOBNOB_TIMEOUT") {
            None => None,
            Some(text) => Some(parse_duration(&text).map_err(|expected| {
                bad("HOBNOB_TIMEOUT", &text, expected).try_command("unset HOBNOB_TIMEOUT", "")
            })?),
        };
        let language = variable("HOBNOB_LANG").filter(|text| text != "en");
        let note =
            |text| format!("HOBNOB_LANG={text}: en is the only language so far, so it is en");
        let notes = language.map(note).into_iter().collect();
        Ok(Environment { timeout, notes, ..Environment::looks() })
    }

    /// Only what decides how things look: it cannot fail, so an error can be told with it.
    pub(crate) fn looks() -> Self {
        let is_forced = variable("FORCE_COLOR").or_else(|| variable("CLICOLOR_FORCE"));
        let terminal = variable("TERM");
        let is_denied = variable("NO_COLOR").is_some() || terminal.as_deref() == Some("dumb");
        let color = match is_forced {
            Some(value) if value != "0" => Some(true),
            _ if is_denied => Some(false),
            _ => None,
        };
        let folder = |name: &str, below: &str| {
            let home = || path("HOME").map(|home| home.join(below));
            path(name).or_else(home)
        };
        // A path that is not whole is to be ignored, says the XDG Base Directory Specification.
        let whole = |name: &str| path(name).filter(|path| path.is_absolute());
        Environment {
            ascii: variable("HOBNOB_ASCII").map(|value| value != "0"),
            is_plain: locale().is_some_and(|(_, value)| !is_utf8(&value)),
            config: path("HOBNOB_CONFIG"),
            own_config: folder("XDG_CONFIG_HOME", ".config")
                .map(|folder| folder.join("hobnob/config.toml")),
            timeout: None,
            color,
            is_dumb: terminal.is_some_and(|terminal| DUMB.contains(&terminal.as_str())),
            notes: Vec::new(),
            state: folder("XDG_STATE_HOME", ".local/state"),
            runtime: whole("XDG_RUNTIME_DIR"),
            temporary: whole("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")),
            sudo: number("SUDO_UID").zip(number("SUDO_GID")),
            password_file: path("HOBNOB_PASSWORD_FILE"),
            pager: raw("PAGER"),
            has_less_options: raw("LESS").is_some(),
        }
    }
}

/// The variable that says which characters the terminal shows, and its value: the first that is set decides
/// (locale(7)).
pub(crate) fn locale() -> Option<(&'static str, String)> {
    ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| Some((name, variable(name)?)))
}

/// Whether a locale of this name has UTF-8.
pub(crate) fn is_utf8(locale: &str) -> bool {
    locale.to_ascii_lowercase().replace('-', "").contains("utf8")
}

/// A variable's value; an empty one counts as unset.
pub(crate) fn variable(name: &str) -> Option<String> {
    raw(name).filter(|value| !value.is_empty())
}

/// A variable's value as a number; none where it is none.
fn number(name: &str) -> Option<u32> {
    variable(name)?.parse().ok()
}

/// A variable's value as a path, whatever its bytes.
fn path(name: &str) -> Option<PathBuf> {
    bytes(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A variable's value, also an empty one.
fn raw(name: &str) -> Option<String> {
    bytes(name).map(|value| value.to_string_lossy().into_owned())
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn bytes(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn bad(name: &str, value: &str, expected: &str) -> Error {
    Error::new(Kind::BadOption, format!("{name} cannot be {value:?}: {expected}"))
}
