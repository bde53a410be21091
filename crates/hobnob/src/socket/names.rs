//! Names: this machine's, and those that the resolver knows.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Family;
use super::observe::{self, Carried, Observer, PythonAddress, PythonText, Watch};
use crate::address::Address;
use crate::error::{Error, Kind, MACHINE, Result};
use crate::sys::resolve::{self, LookUpError};
use crate::thread;

/// Look-ups at once, each on a thread. A name server that says nothing holds one for a long time.
static AT_ONCE: Semaphore = Semaphore::const_new(512);

/// What this machine calls itself.
///
/// Python `gethostname`, C `gethostname(2)`. It never waits, and asks no name server.
///
/// # Errors
/// `Kind::System`, if the kernel refuses.
///
/// ```
/// assert!(!hobnob::socket::host_name()?.is_empty());
/// # Ok::<(), hobnob::Error>(())
/// ```
pub fn host_name() -> Result<String> {
    let name = resolve::host_name().map_err(|error| Error::from_io("gethostname", &error))?;
    Ok(name.to_string_lossy().into_owned())
}

/// The addresses of a host, each once, in the order in which they are worth trying (RFC 6724).
///
/// Python `getaddrinfo(host, port, family, SOCK_STREAM)`, C `getaddrinfo(3)`. It blocks for as long as the resolver asks
/// (resolv.conf(5)), and cannot be given up; [`look_up_async`] does it on a thread of its own. [`address_info`] has the rest
/// of what that call can be asked.
///
/// # Errors
/// `Kind::HostNotFound`, with the resolver's `EAI_NONAME` or `EAI_AGAIN` as the outcome.
///
/// ```
/// use hobnob::socket::{Family, look_up};
/// let found = look_up("localhost", 80, Some(Family::V4))?;
/// assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
/// # Ok::<(), hobnob::Error>(())
/// ```
///
/// [`address_info`]: super::address_info
pub fn look_up(host: &str, port: u16, family: Option<Family>) -> Result<Vec<SocketAddr>> {
    look_up_observed(host, port, family, None)
}

/// The same without holding the runtime's thread up, seen by the observer. Dropping the future leaves the look-up to
/// end by itself.
pub async fn look_up_async(
    host: &str,
    port: u16,
    family: Option<Family>,
    observer: Option<Arc<dyn Observer>>,
) -> Result<Vec<SocketAddr>> {
    let host = host.to_owned();
    let closed = || Error::new(Kind::Bug, "no semaphore of ours is closed");
    let place = AT_ONCE.acquire().await.map_err(|_| closed())?;
    let work = move || {
        let found = look_up_observed(&host, port, family, observer);
        drop(place);
        found
    };
    thread::run("hobnob-look-up", work).await?
}

fn look_up_observed(
    host: &str,
    port: u16,
    family: Option<Family>,
    observer: Option<Arc<dyn Observer>>,
) -> Result<Vec<SocketAddr>> {
    let watch = observer.map(Watch::new);
    let began = observe::begin(watch.as_ref());
    let found = resolve::look_up(host, port, family.map(Family::number));
    let shown = found.as_ref().map(|list| Shown(list)).map_err(|error| error.number);
    let result = shown.as_ref().map(|list| list as &dyn fmt::Display).map_err(|number| *number);
    let arguments = format_args!("{}, {port}", PythonText(host));
    let carried = Carried::default();
    observe::end(watch.as_ref(), began, None, "getaddrinfo", arguments, result, carried);
    found.map_err(|error| not_found(host, port, family, error))
}

/// A list of addresses as Python prints one.
struct Shown<'a>(&'a [SocketAddr]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, address) in self.0.iter().enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}{}", PythonAddress(&Address::Ip(*address)))?;
        }
        f.write_str("]")
    }
}

fn not_found(host: &str, port: u16, family: Option<Family>, error: LookUpError) -> Error {
    failed(&format!("getaddrinfo({host:?}, {port})"), host, family, error)
}

/// What the resolver said of this call.
pub(super) fn failed(call: &str, host: &str, family: Option<Family>, error: LookUpError) -> Error {
    let name = resolve::eai_name(error.number);
    let of = match family {
        Some(Family::V4) => "IPv4 address",
        Some(Family::V6) => "IPv6 address",
        _ => "address",
    };
    let why = match name {
        "EAI_NONAME" => "the name server answered, so the network is up: is it spelled right?",
        "EAI_NODATA" | "EAI_ADDRFAMILY" => "the name is known, but has no address of that kind",
        "EAI_AGAIN" => "no name server answered: is this machine online?",
        "EAI_FAIL" => "the name server answered that it cannot say",
        _ => "",
    };
    let errno = error.errno.map(std::io::Error::from_raw_os_error);
    let why = match errno {
        Some(errno) => errno.to_string(),
        None if why.is_empty() => resolve::eai_text(error.number),
        None => why.to_owned(),
    };
    Error::new(Kind::HostNotFound, format!("no {of} found for {host:?}"))
        .with_outcome(call, Some(error.number), name)
        .why(why)
        .hint_topic(MACHINE, "if no name works at all")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_name_server_is_not_a_misspelt_name() {
        let error =
            |number| not_found("exmaple.com", 80, None, LookUpError { number, errno: None });
        let (unknown, silent) = (error(libc::EAI_NONAME), error(libc::EAI_AGAIN));
        assert_eq!(unknown.kind(), Kind::HostNotFound);
        assert_eq!(unknown.message(), "no address found for \"exmaple.com\"");
        let call = unknown.call().expect("a call failed");
        assert_eq!(call.text, "getaddrinfo(\"exmaple.com\", 80)");
        assert_eq!((call.outcome.as_str(), call.errno), ("EAI_NONAME", Some(-2)));
        assert_eq!(silent.call().expect("a call failed").outcome, "EAI_AGAIN");
        assert_ne!(unknown.reasons(), silent.reasons());
    }

    #[test]
    fn this_machine_has_a_name_and_localhost_an_address() {
        assert!(!host_name().expect("every machine has one").is_empty());
        let found = look_up("localhost", 9, Some(Family::V4)).expect("in /etc/hosts");
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 9));
    }

    #[tokio::test]
    async fn the_async_look_up_answers_the_same() {
        let found = look_up_async("127.0.0.1", 80, None, None).await.expect("a number");
        assert_eq!(found, look_up("127.0.0.1", 80, None).expect("a number"));
    }
}
