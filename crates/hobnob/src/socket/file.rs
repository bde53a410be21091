//! A socket as a file: a buffered reader and a buffered writer, which obey its timeout.

use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use super::{Flags, Socket};

/// Bytes that [`Socket::reader`] and [`Socket::writer`] hold: Python's `io.DEFAULT_BUFFER_SIZE`, up to 3.13.
pub const FILE_BUFFER: usize = 8_192;

impl Socket {
    /// The socket as a file to read from, with a buffer of [`FILE_BUFFER`] bytes. What is in the buffer is lost to the
    /// socket's other receivers.
    ///
    /// Python `makefile('rb')`, C `fdopen(3)`. It never waits and never fails; its reads do:
    ///
    /// - Blocking: a read waits for bytes or the end; a line for its newline or the end.
    /// - With a timeout: each wait for bytes is bounded by it. A read that runs out of it is `ErrorKind::TimedOut`, and so
    ///   is every later one, as in Python: what had come by then of a line or a block may be lost.
    /// - Non-blocking: where nothing is there, `ErrorKind::WouldBlock`, and it may be tried again. (Python answers none.)
    ///
    /// Python's `readline` is [`BufRead::read_until`], `read1` is [`Read::read`], `read` is [`Read::read_to_end`], of
    /// [`Read::take`] where it has a size, and `for line in file` is [`BufRead::lines`].
    ///
    /// # Errors
    /// Of its reads: the kernel's own, as `std::io::Error`.
    ///
    /// ```
    /// use hobnob::socket::{Socket, Type};
    /// use std::io::BufRead;
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// one.send_all(b"a line\nand no more")?;
    /// one.close()?;
    /// let lines: Vec<_> = other.reader().lines().map(Result::unwrap).collect();
    /// assert_eq!(lines, ["a line", "and no more"]);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn reader(&self) -> SocketReader<'_> {
        self.reader_with(FILE_BUFFER)
    }

    /// The same with a buffer of so many bytes. With 0 nothing is read ahead: a line is fetched byte by byte, and what
    /// comes behind it stays in the socket.
    ///
    /// Python `makefile('rb', buffering)`. Modes and errors are those of [`reader`](Self::reader).
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// use std::io::BufRead;
    /// let (one, other) = Socket::pair(Type::Stream)?;
    /// one.send_all(b"head\nbody")?;
    /// let mut head = String::new();
    /// other.reader_with(0).read_line(&mut head).unwrap();
    /// assert_eq!((head.as_str(), other.recv(&mut [0; 64], Flags::NONE)?), ("head\n", 4));
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn reader_with(&self, buffer: usize) -> SocketReader<'_> {
        let patient = SocketBytes { socket: self, has_timed_out: false };
        // A buffer of nothing would look like the end to whoever asks for what is in it.
        SocketReader(BufReader::with_capacity(buffer.max(1), patient))
    }

    /// The socket as a file to write to, with a buffer of [`FILE_BUFFER`] bytes, sent when it is full, flushed or dropped.
    /// Flush it before you wait for an answer; and to hear of an error, which dropping tells nobody.
    ///
    /// Python `makefile('wb')`, C `fdopen(3)`. It never waits and never fails; its writes do:
    ///
    /// - Blocking: a write waits for room.
    /// - With a timeout: each send is bounded by it; `ErrorKind::TimedOut` leaves what is unsent in the buffer.
    /// - Non-blocking: where there is no room, `ErrorKind::WouldBlock`, and what is unsent stays in the buffer.
    ///
    /// # Errors
    /// Of its writes: the kernel's own, as `std::io::Error`.
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// use std::io::Write;
    /// let (one, other) = Socket::pair(Type::Seqpacket)?;
    /// let mut file = one.writer();
    /// write!(file, "{} and ", 1).unwrap();
    /// write!(file, "{}", 2).unwrap();
    /// file.flush().unwrap();
    /// assert_eq!(other.recv(&mut [0; 64], Flags::NONE)?, 7, "in one record");
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn writer(&self) -> SocketWriter<'_> {
        self.writer_with(FILE_BUFFER)
    }

    /// The same with a buffer of so many bytes; with 0 each write is a send.
    ///
    /// Python `makefile('wb', buffering)`. Modes and errors are those of [`writer`](Self::writer).
    ///
    /// ```
    /// use hobnob::socket::{Flags, Socket, Type};
    /// use std::io::Write;
    /// let (one, other) = Socket::pair(Type::Seqpacket)?;
    /// one.writer_with(0).write_all(b"at once").unwrap();
    /// assert_eq!(other.recv(&mut [0; 64], Flags::NONE)?, 7);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn writer_with(&self, buffer: usize) -> SocketWriter<'_> {
        SocketWriter(BufWriter::with_capacity(buffer, self))
    }
}

/// A socket as a file to read from: [`Socket::reader`].
#[derive(Debug)]
pub struct SocketReader<'a>(BufReader<SocketBytes<'a>>);

impl SocketReader<'_> {
    /// What has been read ahead, and not out yet.
    pub fn buffer(&self) -> &[u8] {
        self.0.buffer()
    }
}

impl Read for SocketReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl BufRead for SocketReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

/// A socket as a file to write to: [`Socket::writer`].
#[derive(Debug)]
pub struct SocketWriter<'a>(BufWriter<&'a Socket>);

impl SocketWriter<'_> {
    /// What waits to be sent.
    pub fn buffer(&self) -> &[u8] {
        self.0.buffer()
    }
}

impl Write for SocketWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A socket's bytes until a read has run out of its time, as `CPython`'s `SocketIO` has it (Lib/socket.py).
struct SocketBytes<'a> {
    socket: &'a Socket,
    has_timed_out: bool,
}

impl Read for SocketBytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.has_timed_out {
            let lost = "a read before ran out of its time, and what had come by then may be lost";
            return Err(io::Error::new(io::ErrorKind::TimedOut, lost));
        }
        let read = self.socket.recv_raw(buf, Flags::NONE);
        // An errno would be the kernel's own ETIMEDOUT, after which the connection is over anyway.
        self.has_timed_out = read.as_ref().is_err_and(|error| {
            error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
        });
        read
    }
}

impl fmt::Debug for SocketBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

/// As a reader without a buffer: errors of the kernel as they are.
impl Read for &Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_raw(buf, Flags::NONE)
    }
}

/// As a writer without a buffer.
impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send_raw(bytes, Flags::NONE)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Shutdown, Type};
    use super::*;

    const SHORT: Duration = Duration::from_millis(10);

    fn pair() -> (Socket, Socket) {
        Socket::pair(Type::Stream).expect("a pair")
    }

    #[test]
    fn lines_are_the_same_through_a_buffer_of_any_size() {
        let text = b"one\n\nthree and a half\nno end";
        for size in (0..40).chain([FILE_BUFFER]) {
            let (ours, theirs) = pair();
            ours.send_all(text).expect("there is room");
            ours.shutdown(Shutdown::Write).expect("connected");
            let lines: Vec<_> =
                theirs.reader_with(size).lines().map(|line| line.expect("text")).collect();
            assert_eq!(lines, ["one", "", "three and a half", "no end"], "{size}");
        }
    }

    #[test]
    fn a_reader_that_ran_out_of_time_stays_so() {
        let (ours, theirs) = pair();
        theirs.set_timeout(Some(SHORT)).expect("set");
        ours.send_all(b"half a li").expect("there is room");
        let mut reader = theirs.reader();
        let mut line = Vec::new();
        let error = reader.read_until(b'\n', &mut line).expect_err("no newline comes");
        assert_eq!((error.kind(), line.as_slice()), (io::ErrorKind::TimedOut, &b"half a li"[..]));
        ours.send_all(b"ne\n").expect("there is room");
        let again = reader.read_until(b'\n', &mut line).expect_err("it stays so");
        assert_eq!(again.kind(), io::ErrorKind::TimedOut);
        assert_eq!(theirs.recv(&mut [0; 8], Flags::NONE).expect("the socket does not"), 3);
    }

    #[test]
    fn a_reader_that_would_wait_may_be_asked_again() {
        let (ours, theirs) = pair();
        theirs.set_blocking(false).expect("set");
        let mut reader = theirs.reader();
        let mut buf = [0; 8];
        assert_eq!(reader.read(&mut buf).expect_err("empty").kind(), io::ErrorKind::WouldBlock);
        ours.send_all(b"now").expect("there is room");
        assert_eq!(reader.read(&mut buf).expect("it came"), 3);
    }

    #[test]
    fn a_writer_that_ran_out_of_time_keeps_what_is_unsent() {
        let (ours, theirs) = pair();
        ours.set_timeout(Some(SHORT)).expect("set");
        let mut writer = ours.writer();
        let unsent = loop {
            // As much as the buffer holds, so that each write sends the one before.
            if let Err(error) = writer.write_all(&[b'x'; FILE_BUFFER - 1]) {
                break error;
            }
        };
        assert_eq!(unsent.kind(), io::ErrorKind::TimedOut);
        let kept = writer.buffer().len();
        assert!(kept > 0);
        let mut room = vec![0; 1 << 20];
        while theirs.is_readable_now().expect("open") {
            theirs.recv(&mut room, Flags::NONE).expect("something is there");
        }
        writer.flush().expect("there is room again");
        assert_eq!(theirs.recv(&mut room, Flags::NONE).expect("it came"), kept);
    }

    #[test]
    fn dropping_a_writer_sends_what_it_holds() {
        let (ours, theirs) = pair();
        ours.writer().write_all(b"kept back").expect("buffered");
        assert_eq!(theirs.recv(&mut [0; 64], Flags::NONE).expect("it came"), 9);
    }
}
