//! Endpoints that are free, for every transport of the table.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hobnob::endpoint::Form;
use hobnob::transport::{self, TransportRow};

use crate::ports::Port;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Who makes endpoints: each is free, and nobody else's.
pub(crate) type Fresh = fn(&str) -> String;

/// Transports that this process can serve and dial by itself, with every kind of place they have. Standard input and
/// output need a process of their own: `stage::alone` is one.
pub(crate) fn all() -> Vec<(&'static TransportRow, Fresh)> {
    let built_in = transport::TABLE.iter().filter(|row| row.transport.is_some());
    let mut all = Vec::new();
    for row in built_in {
        let kinds: &[Fresh] = match row.form {
            Form::HostPort => &[v4, v6],
            Form::SocketPath => &[path, abstract_name],
            Form::Name => &[plain],
            // Echo requests are answered by the kernel, and raw packets have no port that nobody else has.
            Form::Host | Form::Nothing => &[],
            form => panic!("{}: no test knows how to make a {form:?}", row.spec.name),
        };
        all.extend(kinds.iter().map(|fresh| (*row, *fresh)));
    }
    all
}

/// The same place, but nobody else's even while nobody stands there: in place of any port that is free it has one of its
/// own.
pub(crate) fn kept(place: &str) -> (String, Option<Port>) {
    match place.split_once(":0") {
        Some((host, options)) if options.is_empty() || options.starts_with(',') => {
            let port = Port::draw();
            (format!("{host}:{}{options}", port.number), Some(port))
        }
        _ => (place.to_owned(), None),
    }
}

fn v4(name: &str) -> String {
    format!("{name}://127.0.0.1:0")
}

fn v6(name: &str) -> String {
    format!("{name}://[::1]:0")
}

/// A file of its own in the system's folder: whoever binds it removes it.
fn path(name: &str) -> String {
    let (folder, process) = (std::env::temp_dir(), std::process::id());
    format!("{name}:{}/hobnob-it-{process}-{}.sock", folder.display(), next())
}

fn abstract_name(name: &str) -> String {
    format!("{name}:@hobnob-it-{}-{}", std::process::id(), next())
}

/// The same place for another server. An abstract name (unix(7)) is taken for as long as anybody has a copy of its socket,
/// and a child that another test is starting has copies of all open files until it runs its program.
pub(crate) fn anew(place: &str) -> String {
    if place.contains(":@") { format!("{place}-{}", next()) } else { place.to_owned() }
}

fn plain(name: &str) -> String {
    format!("{name}:it-{}", next())
}

fn next() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}
