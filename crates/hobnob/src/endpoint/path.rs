//! Paths of sockets and files, and abstract names.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::escape;
use super::piece::Piece;
use super::target::Target;
use crate::error::{Kind, Result};

/// `sun_path` has 108 bytes; the last is a path's NUL, the first an abstract name's (unix(7)).
const SOCKET_PATH_MAX: usize = 107;

/// Reads what stands behind `unix:` or `file:`; `slashes` are the two of `://`, if they were typed.
pub(super) fn read(typed: Piece, slashes: Option<Piece>, is_socket: bool) -> Result<Target> {
    check(typed)?;
    let name = typed.str().strip_prefix('@').filter(|_| is_socket).map(|_| typed.from(1));
    if let Some(slashes) = slashes
        && !(name.is_some() || typed.str().starts_with('/'))
    {
        return Err(two_readings(typed, slashes));
    }
    match name {
        Some(name) => read_abstract(name),
        None if is_socket => read_socket(typed),
        None => Ok(Target::Path(OsString::from_vec(read_bytes(typed)?).into())),
    }
}

fn check(typed: Piece) -> Result<()> {
    if typed.is_empty() {
        let error = typed.bad("a path is missing here");
        return Err(error.hint_endpoint(typed.replaced("/tmp/x.sock"), ""));
    }
    let trimmed = typed.trim();
    if trimmed.str() != typed.str() {
        let meant = typed.replaced(trimmed.str());
        let error = typed.bad("white space around the path");
        return Err(error
            .hint_endpoint(meant, "")
            .why("white space that is meant is typed as %20"));
    }
    match typed.find(char::is_control) {
        Some(control) => {
            let mut escaped = String::new();
            escape::push_escaped(&mut escaped, control.str().as_bytes());
            let error = control.bad(format!("{:?} cannot stand here", control.str()));
            Err(error.why(format!("if it is part of the name, it is typed as {escaped}")))
        }
        None => Ok(()),
    }
}

/// `unix://tmp/x` may be meant as `/tmp/x` or as `tmp/x`; opening the wrong one leaves a socket file behind.
fn two_readings(typed: Piece, slashes: Piece) -> crate::error::Error {
    let error = slashes.through(typed).bad("two slashes, or one?");
    error
        .hint_endpoint(slashes.replaced("/"), "from the root")
        .hint_endpoint(slashes.replaced(""), "from the current folder")
}

fn read_abstract(name: Piece) -> Result<Target> {
    let bytes = escape::read_bytes(name.str());
    match bytes.len() {
        0 => Err(name.bad("a name is missing here").hint_endpoint(name.replaced("name"), "")),
        1..=SOCKET_PATH_MAX => Ok(Target::Abstract(bytes)),
        length => Err(name
            .wrong(
                Kind::PathTooLong,
                format!("an abstract name holds {SOCKET_PATH_MAX} bytes, this one has {length}"),
                format!("{length} bytes"),
            )
            .hint_endpoint("unix:@name", "or another shorter name")),
    }
}

fn read_socket(typed: Piece) -> Result<Target> {
    let bytes = read_bytes(typed)?;
    let length = bytes.len();
    if length > SOCKET_PATH_MAX {
        let error = typed.wrong(
            Kind::PathTooLong,
            format!("a unix socket path holds {SOCKET_PATH_MAX} bytes, this one has {length}"),
            format!("{length} bytes"),
        );
        return Err(error.hint_endpoint("unix:@name", "or a shorter path"));
    }
    Ok(Target::Path(OsString::from_vec(bytes).into()))
}

fn read_bytes(typed: Piece) -> Result<Vec<u8>> {
    let bytes = escape::read_bytes(typed.str());
    if bytes.contains(&0) {
        return Err(typed
            .bad("%00 cannot be in a path")
            .why("the kernel ends a path at a zero byte"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::tests::{caret, parsed, proposals, refused};
    use super::*;

    #[test]
    fn paths_with_and_without_a_scheme() {
        for (text, transport, path) in [
            ("/tmp/x.sock", "unix", "/tmp/x.sock"),
            ("./x.sock", "unix", "./x.sock"),
            ("a/b.sock,mode=600", "unix", "a/b.sock"),
            ("unix:x.sock", "unix", "x.sock"),
            ("unix:///tmp/x", "unix", "/tmp/x"),
            ("unix:////tmp/x", "unix", "//tmp/x"),
            ("unixgram:/tmp/a b%2Cc", "unixgram", "/tmp/a b,c"),
            ("file:@x", "file", "@x"),
            ("unix:%40x", "unix", "@x"),
            ("./a:b/c", "unix", "./a:b/c"),
        ] {
            let endpoint = parsed(text);
            assert_eq!(endpoint.transport().name(), transport, "{text}");
            assert_eq!(endpoint.target(), &Target::Path(PathBuf::from(path)), "{text}");
        }
    }

    #[test]
    fn abstract_names_hold_any_byte() {
        assert_eq!(parsed("unix:@a%00%ffb").target(), &Target::Abstract(b"a\0\xffb".to_vec()));
        assert_eq!(parsed("unix://@/tmp/.X11-unix/X0").to_string(), "unix:@/tmp/.X11-unix/X0");
    }

    #[test]
    fn the_longest_path_has_107_bytes() {
        let longest = format!("unix:/{}", "a".repeat(106));
        assert_eq!(parsed(&longest).to_string(), longest);
        let error = refused(&format!("{longest}{}", "b".repeat(14)));
        assert_eq!(error.kind(), Kind::PathTooLong);
        assert_eq!(error.message(), "a unix socket path holds 107 bytes, this one has 121");
        assert_eq!(proposals(&error), ["unix:@name"]);
        assert_eq!(refused(&format!("unix:@{}", "a".repeat(108))).kind(), Kind::PathTooLong);
        parsed(&format!("file:/{}", "a".repeat(1000)));
    }

    #[test]
    fn each_mistake_is_pointed_at() {
        for (text, at, label, tries) in [
            ("unix:", "", "a path is missing here", vec!["unix:/tmp/x.sock"]),
            ("unix:,mode=600", "", "a path is missing here", vec!["unix:/tmp/x.sock,mode=600"]),
            ("unix:@", "", "a name is missing here", vec!["unix:@name"]),
            ("unix://tmp/x", "//tmp/x", "two slashes, or one?", vec!["unix:/tmp/x", "unix:tmp/x"]),
            ("/tmp/x ", "/tmp/x ", "white space around the path", vec!["/tmp/x"]),
            ("/tmp/\nx", "\n", r#""\n" cannot stand here"#, vec![]),
            ("/tmp/%00", "/tmp/%00", "%00 cannot be in a path", vec![]),
        ] {
            let error = refused(text);
            assert_eq!((caret(&error), proposals(&error)), ((at, label), tries), "{text}");
        }
    }
}
