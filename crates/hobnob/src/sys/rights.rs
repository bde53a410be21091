//! Giving up rights, for good (capabilities(7), prctl(2)).

use std::io;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

use super::check;

/// `_LINUX_CAPABILITY_VERSION_3`: two sets of 32 capabilities each.
const VERSION: u32 = 0x2008_0522;
/// More capabilities than any kernel has.
const MOST: libc::c_ulong = 64;

/// The head of capget(2) and capset(2).
#[repr(C)]
struct CapabilityHead {
    version: u32,
    /// 0: the calling thread.
    pid: i32,
}

/// Half of the capabilities of a thread.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct CapabilitySet {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up every capability and the way back to one, of this thread and of those that it starts. A process of root's
/// becomes this user and group first, in all its threads; where it may not, or such a user is not known, as in a user
/// namespace, it stays root without rights.
pub(crate) fn give_up_rights(user: u32, group: u32) -> io::Result<()> {
    no_new_privileges()?;
    for capability in 0..MOST {
        // Those that the kernel does not have, and without CAP_SETPCAP all, are refused, and none of them can come back.
        let _ = prctl(libc::PR_CAPBSET_DROP, capability);
    }
    // An older kernel has no ambient capabilities.
    let _ = prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong);
    if geteuid().is_root() {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        let became = [setgroups(&[]), setresgid(group, group, group), setresuid(user, user, user)];
        // EPERM: this root may not become another user. EINVAL: its user namespace does not know that user.
        let is_tolerable = |errno: &Errno| matches!(errno, Errno::EPERM | Errno::EINVAL);
        if let Some(errno) = became.into_iter().filter_map(Result::err).find(|e| !is_tolerable(e)) {
            return Err(errno.into());
        }
    }
    let head = CapabilityHead { version: VERSION, pid: 0 };
    let sets = [CapabilitySet::default(); 2];
    // SAFETY: both structures are laid out as capset(2) has them, and outlive the call, which only reads them.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const head, sets.as_ptr()) };
    check(libc::c_int::try_from(result).unwrap_or(-1)).map(drop)
}

/// `PR_SET_NO_NEW_PRIVS`: no program that is started gets more rights, whatever its file says.
fn no_new_privileges() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}

fn prctl(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::prctl(option, value, 0, 0, 0) }).map(drop)
}
