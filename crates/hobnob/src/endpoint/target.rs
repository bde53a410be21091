//! What a transport is to open.

use std::path::PathBuf;

use super::host::Host;

/// What a transport is to open, in the form that its row in the table asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A host, with a port where the transport has ports.
    Net {
        /// Where.
        host: Host,
        /// 0 to 65535; 0 asks the kernel. None for a transport without ports.
        port: Option<u16>,
    },
    /// A path, of a socket or of a file; never empty, without NUL; of a socket at most 107 bytes.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without its leading NUL: 1 to 107 bytes of any kind (unix(7)).
    Abstract(Vec<u8>),
    /// A program to run.
    Command(Command),
    /// A descriptor: 0 to 2147483647.
    Number(u32),
    /// A plain name.
    Name(String),
    /// The transport needs no more than its name.
    Nothing,
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A line for the shell.
    Line(String),
    /// The program and its arguments as they stand; at least one word.
    Argv(Vec<String>),
}
