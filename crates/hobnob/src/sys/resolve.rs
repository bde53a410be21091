//! `getaddrinfo(3)`, with the resolver's own error numbers, which std does not tell.

use std::ffi::{CStr, CString};
use std::net::SocketAddr;
use std::ptr;

use super::name::Name;

/// Why a name was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LookUpError {
    /// `EAI_*`, negative.
    pub(crate) number: i32,
    /// The errno, where the number is `EAI_SYSTEM`.
    pub(crate) errno: Option<i32>,
}

/// What is asked of getaddrinfo(3).
#[derive(Default)]
pub(crate) struct Question<'a> {
    pub(crate) host: Option<&'a str>,
    pub(crate) service: Option<&'a str>,
    /// `AF_*`, `SOCK_*`, `IPPROTO_*`: 0 is any.
    pub(crate) family: i32,
    pub(crate) kind: i32,
    pub(crate) protocol: i32,
    /// `AI_*`.
    pub(crate) flags: i32,
}

/// One answer of getaddrinfo(3).
pub(crate) struct ResolverAnswer {
    pub(crate) kind: i32,
    pub(crate) protocol: i32,
    /// Of the first answer alone, and where it was asked for.
    pub(crate) canonical: Option<String>,
    pub(crate) address: SocketAddr,
}

/// Looks a name up: every address once, in the resolver's order (RFC 6724). Blocks.
pub(crate) fn look_up(
    host: &str,
    port: u16,
    family: Option<i32>,
) -> Result<Vec<SocketAddr>, LookUpError> {
    let question = Question {
        host: Some(host),
        family: family.unwrap_or(libc::AF_UNSPEC),
        kind: libc::SOCK_STREAM, // one entry per address, instead of one per address and type
        ..Question::default()
    };
    let answers = ask(&question)?;
    Ok(answers.into_iter().map(|answer| with_port(answer.address, port)).collect())
}

/// getaddrinfo(3): the IP addresses among its answers. Blocks.
pub(crate) fn ask(question: &Question<'_>) -> Result<Vec<ResolverAnswer>, LookUpError> {
    // A NUL in a name is a name that does not exist.
    let none = LookUpError { number: libc::EAI_NONAME, errno: None };
    let text = |text: Option<&str>| text.map(CString::new).transpose().map_err(|_| none);
    let (host, service) = (text(question.host)?, text(question.service)?);
    let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: an addrinfo is integers and pointers, for which all-zero is a value.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_family = question.family;
    hints.ai_socktype = question.kind;
    hints.ai_protocol = question.protocol;
    hints.ai_flags = question.flags;
    let mut first = ptr::null_mut();
    let (host, service) = (pointer(&host), pointer(&service));
    // SAFETY: host and service are null or end with NUL, the hints are whole, and `first` takes the list.
    let number = unsafe { libc::getaddrinfo(host, service, &raw const hints, &raw mut first) };
    check(number)?;
    Ok(List(first).answers().collect())
}

/// `NI_MAXHOST` and `NI_MAXSERV` of netdb.h.
const HOST_LENGTH: libc::socklen_t = 1_025;
const SERVICE_LENGTH: libc::socklen_t = 32;

/// getnameinfo(3): the names of an address and of its port. Blocks.
pub(crate) fn name_info(of: &SocketAddr, flags: i32) -> Result<(String, String), LookUpError> {
    let (mut host, mut service) = ([0_u8; HOST_LENGTH as usize], [0_u8; SERVICE_LENGTH as usize]);
    let name = Name::of(&(*of).into());
    let name = name.map_err(|_| LookUpError { number: libc::EAI_FAMILY, errno: None })?;
    // SAFETY: the name is as long as it says, and so is the room for both answers.
    let number = unsafe {
        libc::getnameinfo(
            name.as_ptr(),
            name.length(),
            host.as_mut_ptr().cast(),
            HOST_LENGTH,
            service.as_mut_ptr().cast(),
            SERVICE_LENGTH,
            flags,
        )
    };
    check(number)?;
    let text = |room: &[u8]| {
        let until = room.iter().position(|byte| *byte == 0).unwrap_or(room.len());
        String::from_utf8_lossy(&room[..until]).into_owned()
    };
    Ok((text(&host), text(&service)))
}

fn check(number: i32) -> Result<(), LookUpError> {
    if number == 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error().raw_os_error();
    Err(LookUpError { number, errno: errno.filter(|_| number == libc::EAI_SYSTEM) })
}

/// What a name of this machine is called (gethostname(2)).
pub(crate) fn host_name() -> std::io::Result<std::ffi::OsString> {
    Ok(nix::unistd::gethostname()?)
}

/// `EAI_NONAME` for -2.
pub(crate) fn eai_name(number: i32) -> &'static str {
    match number {
        libc::EAI_BADFLAGS => "EAI_BADFLAGS",
        libc::EAI_NONAME => "EAI_NONAME",
        libc::EAI_AGAIN => "EAI_AGAIN",
        libc::EAI_FAIL => "EAI_FAIL",
        libc::EAI_NODATA => "EAI_NODATA",
        libc::EAI_FAMILY => "EAI_FAMILY",
        libc::EAI_SOCKTYPE => "EAI_SOCKTYPE",
        libc::EAI_SERVICE => "EAI_SERVICE",
        libc::EAI_MEMORY => "EAI_MEMORY",
        libc::EAI_SYSTEM => "EAI_SYSTEM",
        libc::EAI_OVERFLOW => "EAI_OVERFLOW",
        ADDRESS_FAMILY => "EAI_ADDRFAMILY",
        _ => "EAI",
    }
}

/// `EAI_ADDRFAMILY`, which libc does not name: the host has addresses, but none of the family asked for.
const ADDRESS_FAMILY: i32 = -9;

/// The resolver's own words.
pub(crate) fn eai_text(number: i32) -> String {
    // SAFETY: gai_strerror answers a string that lives as long as the program, for every number.
    let text = unsafe { CStr::from_ptr(libc::gai_strerror(number)) };
    text.to_string_lossy().into_owned()
}

/// The resolver's list, given back when dropped.
struct List(*mut libc::addrinfo);

impl List {
    fn answers(&self) -> impl Iterator<Item = ResolverAnswer> {
        let mut at = self.0;
        std::iter::from_fn(move || {
            // SAFETY: null or an entry of the list, which outlives the iterator.
            let entry = unsafe { at.as_ref() }?;
            at = entry.ai_next;
            Some(entry)
        })
        .filter_map(|entry| {
            let mut name = Name::empty();
            let length = (entry.ai_addrlen as usize).min(name.length() as usize);
            // SAFETY: the entry's address has ai_addrlen bytes, and the name has room for `length`.
            unsafe {
                let to = name.as_mut_ptr().cast::<u8>();
                ptr::copy_nonoverlapping(entry.ai_addr.cast::<u8>(), to, length);
            }
            name.set_length(entry.ai_addrlen);
            // SAFETY: null or a string of the list, which outlives the iterator.
            let canonical = unsafe { entry.ai_canonname.as_ref().map(|name| CStr::from_ptr(name)) };
            Some(ResolverAnswer {
                kind: entry.ai_socktype,
                protocol: entry.ai_protocol,
                canonical: canonical.map(|name| name.to_string_lossy().into_owned()),
                address: name.address().ip()?,
            })
        })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: getaddrinfo made it, and it is given back once.
        unsafe { libc::freeaddrinfo(self.0) };
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_local_names_need_no_name_server() {
        let v4 = look_up("127.0.0.1", 9_000, None).expect("a number");
        assert_eq!(v4, ["127.0.0.1:9000".parse().expect("an address")]);
        let v6 = look_up("::1", 1, Some(libc::AF_INET6)).expect("a number");
        assert_eq!(v6, ["[::1]:1".parse().expect("an address")]);
        let local = look_up("localhost", 80, Some(libc::AF_INET)).expect("in /etc/hosts");
        assert!(local.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
    }

    #[test]
    fn a_name_that_cannot_be_is_no_name() {
        let error = look_up("a\0b", 80, None).expect_err("no such name");
        assert_eq!(eai_name(error.number), "EAI_NONAME");
        let error = look_up("::1", 80, Some(libc::AF_INET)).expect_err("of the other family");
        assert!(["EAI_ADDRFAMILY", "EAI_NONAME"].contains(&eai_name(error.number)));
    }

    #[test]
    fn every_number_has_a_name_and_words() {
        assert_eq!((eai_name(-2), eai_name(-3)), ("EAI_NONAME", "EAI_AGAIN"));
        assert!(!eai_text(libc::EAI_AGAIN).is_empty());
    }
}
