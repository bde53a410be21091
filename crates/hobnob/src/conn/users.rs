//! Which users of this machine may use a Unix socket.

use crate::error::Result;
use crate::socket::access;

/// The users whose processes may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// None: everybody.
    only: Option<Vec<u32>>,
}

/// The rule that turns away whoever else comes.
pub const ALLOW_USER: &str = "allow-user";

impl Users {
    /// This process's own user, and the superuser, whom nothing keeps out; besides them this user, by name or number, or
    /// `any`.
    pub fn and(other: Option<&str>) -> Result<Self> {
        let mut only = vec![0, nix::unistd::geteuid().as_raw()];
        match other {
            None => {}
            Some("any") => return Ok(Users::all()),
            Some(text) => only.push(named(text)?),
        }
        Ok(Users { only: Some(only) })
    }

    /// Everybody.
    pub fn all() -> Self {
        Users { only: None }
    }

    /// Whether everybody may come.
    pub fn are_all(&self) -> bool {
        self.only.is_none()
    }

    /// Whether a process of this user may come. Where the kernel does not say whose it is, nobody vouches for it.
    pub fn hold(&self, user: Option<u32>) -> bool {
        let Some(only) = &self.only else { return true };
        user.is_some_and(|user| only.contains(&user))
    }
}

fn named(text: &str) -> Result<u32> {
    access::user(text).map_err(|error| error.why("any lets in every user"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn one_is_let_in_oneself_and_so_is_the_superuser_and_who_is_named() {
        let own = nix::unistd::geteuid().as_raw();
        let stranger = 54_321;
        for (option, may_come) in
            [(None, false), (Some("54321"), true), (Some("any"), true), (Some("root"), false)]
        {
            let users = Users::and(option).expect("users");
            assert!(users.hold(Some(0)) && users.hold(Some(own)), "{option:?}");
            assert_eq!(users.hold(Some(stranger)), may_come, "{option:?}");
            assert_eq!(users.hold(None), option == Some("any"), "nobody vouches: {option:?}");
        }
        let error = Users::and(Some("no such user")).expect_err("nobody is called that");
        assert_eq!(error.kind(), Kind::BadOption);
    }
}
