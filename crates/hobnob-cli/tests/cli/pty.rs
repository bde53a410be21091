//! A terminal whose other side the test holds: what is written to it waits there until it is read, which may be never.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// The two sides.
pub(crate) struct Pty {
    /// The person's.
    pub(crate) master: File,
    /// The program's.
    pub(crate) slave: File,
}

impl Pty {
    /// A terminal that echoes and cuts into lines, as one is given to a shell.
    pub(crate) fn open() -> Self {
        // Close-on-exec from the start: a program that another test starts would keep the terminal open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let path = ptsname_r(&master).expect("it has a name");
        let mut options = File::options();
        options.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
        let slave = options.open(path).expect("its other side");
        Pty { master: OwnedFd::from(master).into(), slave }
    }

    /// One that passes every byte as it is.
    pub(crate) fn raw() -> Self {
        let pty = Pty::open();
        let mut mode = pty.mode();
        cfmakeraw(&mut mode);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &mode).expect("it is a terminal");
        pty
    }

    /// The program's side, for one of its streams.
    pub(crate) fn lend(&self) -> Stdio {
        self.slave.try_clone().expect("a descriptor").into()
    }

    /// How the terminal is set.
    pub(crate) fn mode(&self) -> Termios {
        tcgetattr(&self.slave).expect("it is a terminal")
    }

    /// Whether a line editor has it.
    pub(crate) fn is_edited(&self) -> bool {
        !self.mode().local_flags.contains(LocalFlags::ICANON)
    }

    /// Writes to the program's side until that takes no more.
    pub(crate) fn clog(&mut self) {
        clog(&mut self.slave);
    }

    /// All that the program writes until nobody has its side open.
    pub(crate) fn read_all(mut self) -> Vec<u8> {
        drop(self.slave);
        let (mut all, mut piece) = (Vec::new(), [0; 4_096]);
        // Linux says EIO where the last of the other side is closed.
        while let Ok(length) = self.master.read(&mut piece) {
            all.extend_from_slice(&piece[..length]);
        }
        all
    }
}

/// Fills a stream that nobody reads; how much it took. It blocks afterwards.
pub(crate) fn clog(stream: &mut File) -> usize {
    let flags = OFlag::from_bits_retain(fcntl(&*stream, FcntlArg::F_GETFL).expect("it is open"));
    fcntl(&*stream, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).expect("set");
    let mut filled = 0;
    for piece in [4_096, 1] {
        loop {
            match stream.write(&vec![b'#'; piece]) {
                Ok(length) => filled += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    fcntl(&*stream, FcntlArg::F_SETFL(flags)).expect("set");
    filled
}
