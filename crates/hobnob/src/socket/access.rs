//! Who may reach the file of a Unix socket: its mode, owner and group.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::Path;

use nix::unistd::{Group, User};

use super::explain;
use crate::address::Address;
use crate::error::{Error, Kind, Result};
use crate::spec::{OptionSpec, ValueKind};

/// The mode of a socket's file, unless somebody asks for another: the owner's alone.
pub const PRIVATE: u32 = 0o600;

/// The permission bits of a socket's file, as chmod(1) spells them. To connect takes the right to write.
pub const MODE: OptionSpec = OptionSpec {
    name: "mode",
    kind: ValueKind::Mode,
    default: "",
    help: "where one listens: who may reach the path, in octal as for chmod; 600 where nothing is said",
};

/// The owner of a socket's file.
pub const USER: OptionSpec = OptionSpec {
    name: "user",
    kind: ValueKind::Named("USER"),
    default: "",
    help: "where one listens: the owner that the path is given, by name or number; only root can",
};

/// The group of a socket's file.
pub const GROUP: OptionSpec = OptionSpec {
    name: "group",
    kind: ValueKind::Named("GROUP"),
    default: "",
    help: "where one listens: the group that the path is given, by name or number; mode=660 lets it in",
};

/// What a socket's file is to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The permission bits (chmod(2)). To connect takes the right to write.
    pub mode: u32,
    /// The owner in place of this process's user. Only root can give a file away (chown(2)).
    pub user: Option<u32>,
    /// The group in place of this process's group.
    pub group: Option<u32>,
}

impl Default for Access {
    /// The owner's alone, and the owner is this process's user.
    fn default() -> Self {
        Access { mode: PRIVATE, user: None, group: None }
    }
}

impl Access {
    /// Whether a file that was left there by this user can be one that we gave this access.
    pub(super) fn is_owner(&self, user: u32) -> bool {
        user == nix::unistd::geteuid().as_raw() || Some(user) == self.user
    }

    /// Gives it to the file that has this device and inode. Owner and group come first, so that at no moment anybody else
    /// has what the mode lets them do.
    pub(super) fn give(&self, path: &Path, identity: Option<(u64, u64)>) -> Result<()> {
        let shown = Address::path(path);
        let failed = |call: String, error: &io::Error| {
            let text = format!("you may not give {shown} what was asked for");
            Err(Error::from_io(&call, error).with_message(text))
        };
        // The path may lead elsewhere a moment later, if others may write to its folder. An O_PATH descriptor does not,
        // and its name in /proc is changed in its stead (open(2), "O_PATH").
        let options = libc::O_PATH | libc::O_NOFOLLOW;
        let file = match File::options().read(true).custom_flags(options).open(path) {
            Ok(file) => file,
            Err(error) => return failed(format!("open({shown})"), &error),
        };
        let found = file.metadata().map(|found| (found.dev(), found.ino())).ok();
        if found.is_none() || found != identity {
            return Err(explain::kept_path(path, "what somebody has put there meanwhile"));
        }
        let held = format!("/proc/self/fd/{}", file.as_raw_fd());
        if (self.user.is_some() || self.group.is_some())
            && let Err(error) = chown(&held, self.user, self.group)
        {
            let number = |id: Option<u32>| id.map_or_else(|| "-1".to_owned(), |id| id.to_string());
            let (user, group) = (number(self.user), number(self.group));
            return failed(format!("chown({shown}, {user}, {group})"), &error);
        }
        match fs::set_permissions(&held, Permissions::from_mode(self.mode)) {
            Err(error) => failed(format!("chmod({shown}, 0o{:o})", self.mode), &error),
            Ok(()) => Ok(()),
        }
    }
}

/// The number of a user of this machine, who is given by name or by number.
pub fn user(text: &str) -> Result<u32> {
    number(text, "user", "passwd", |name| {
        User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
    })
}

/// The number of a group of this machine, which is given by name or by number.
pub fn group(text: &str) -> Result<u32> {
    number(text, "group", "group", |name| {
        Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
    })
}

fn number(text: &str, what: &str, list: &str, find: fn(&str) -> Option<u32>) -> Result<u32> {
    // The largest number means "leave it" to chown(2), and is nobody's.
    match text.parse() {
        Ok(number) if number != u32::MAX => return Ok(number),
        _ => {}
    }
    find(text).ok_or_else(|| {
        let wrong = format!("there is no {what} {text:?} on this machine");
        Error::new(Kind::BadOption, wrong)
            .why("a name of this machine, or a number")
            .hint_shell(format!("getent {list}"), format!("the {what}s of this machine"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_have_names_and_numbers() {
        assert_eq!((user("root"), group("root")), (Ok(0), Ok(0)));
        assert_eq!((user("54321"), group("54321")), (Ok(54_321), Ok(54_321)));
        for wrong in ["no such user", "", "-1", "4294967295", "4294967296"] {
            for error in [user(wrong), group(wrong)] {
                let error = error.expect_err("nobody is called that");
                assert_eq!(error.kind(), Kind::BadOption, "{wrong:?}");
                assert!(!error.hints().is_empty());
            }
        }
    }
}
