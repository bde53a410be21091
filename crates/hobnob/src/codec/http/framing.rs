//! Where the requests of a conn begin and end.

use super::chunked::{MAX_SIZE_LINE, chunk_size};
use super::fault::{RequestFault, TOO_LARGE, bad};
use super::field::{self, FieldReader};
use super::{MAX_HEAD, Version};

/// Follows one direction of a conn from request to request. It keeps no bytes; who feeds it does.
#[derive(Debug, Default)]
pub struct RequestFraming {
    phase: RequestPhase,
    /// Of the line that is not whole yet: bytes that were looked at.
    scanned: usize,
    /// Bytes of this head or these trailers so far, without the line that is not whole yet.
    size: usize,
    version: Version,
    fields: FieldReader,
    /// Whether the peer wants the conn to end after this request.
    is_last: bool,
    /// Whether it wanted that after the one before.
    is_over: bool,
}

/// Bytes of empty lines before a request: RFC 9112 section 2.2 asks for one to be skipped, which old clients send behind
/// a body.
const MAX_EMPTY: usize = 16;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum RequestPhase {
    #[default]
    RequestLine,
    Fields,
    /// A body of so many more bytes.
    Body(u64),
    ChunkSize,
    /// So many more bytes of a chunk.
    Chunk(u64),
    ChunkEnd,
    Trailers,
}

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPlace {
    /// Nothing of the next request has come.
    Between,
    /// In a head.
    Head,
    /// In a body: its bytes, its chunks, its trailers.
    Body,
}

impl RequestFraming {
    /// Reads the next piece, a whole line or a part of a body, and says how many of `bytes` it took. None: more must
    /// come, and the same bytes stand first at the next call.
    ///
    /// # Errors
    ///
    /// What is wrong with the request. Nothing behind it can be read any more.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, RequestFault> {
        if let RequestPhase::Body(left) | RequestPhase::Chunk(left) = self.phase {
            return Ok(self.pass(left, bytes.len()));
        }
        let Some(length) = self.scan(bytes)? else { return Ok(None) };
        self.scanned = 0;
        self.size += length;
        self.read_line(&bytes[..length - 2])?;
        Ok(Some(length))
    }

    /// Where the next byte stands.
    pub fn place(&self) -> RequestPlace {
        match self.phase {
            RequestPhase::RequestLine if self.scanned == 0 => RequestPlace::Between,
            RequestPhase::RequestLine | RequestPhase::Fields => RequestPlace::Head,
            _ => RequestPlace::Body,
        }
    }

    /// Whether the next line is the first of a request, or an empty one before it.
    pub fn is_at_a_request(&self) -> bool {
        self.phase == RequestPhase::RequestLine
    }

    /// Whether the last request asked for the end of the conn, so that nothing behind it is a request (RFC 9112 section
    /// 9.6).
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    fn pass(&mut self, left: u64, there: usize) -> Option<usize> {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(there);
        let left = left - taken as u64;
        match self.phase {
            _ if taken == 0 => return None,
            RequestPhase::Body(_) if left == 0 => self.begin(),
            RequestPhase::Body(_) => self.phase = RequestPhase::Body(left),
            _ if left == 0 => self.phase = RequestPhase::ChunkEnd,
            _ => self.phase = RequestPhase::Chunk(left),
        }
        Some(taken)
    }

    /// The length of the line that stands first, once it is whole; what no line may hold is refused as it comes.
    fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, RequestFault> {
        let (room, full) = self.room();
        for (at, byte) in bytes.iter().enumerate().skip(self.scanned) {
            let follows_cr = at > 0 && bytes[at - 1] == b'\r';
            match byte {
                b'\n' if follows_cr => return Ok(Some(at + 1)),
                b'\n' => return Err(bad("a line ends in LF without CR")),
                _ if follows_cr => return Err(bad("a CR stands without its LF")),
                0..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f => {
                    return Err(bad("a control character stands in a line"));
                }
                _ if at + 2 > room => return Err(full),
                _ => {}
            }
        }
        self.scanned = bytes.len();
        Ok(None)
    }

    /// Bytes that a line may have here, and what is wrong with more.
    fn room(&self) -> (usize, RequestFault) {
        let left = MAX_HEAD.saturating_sub(self.size);
        match self.phase {
            RequestPhase::RequestLine => {
                (left, RequestFault { status: 414, what: "the request line is too long" })
            }
            RequestPhase::ChunkSize => {
                (MAX_SIZE_LINE, bad("a chunk's size takes a line that is too long"))
            }
            RequestPhase::ChunkEnd => (2, bad("a chunk is longer than it says")),
            _ => (left, TOO_LARGE),
        }
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), RequestFault> {
        match self.phase {
            RequestPhase::RequestLine if line.is_empty() && self.size <= MAX_EMPTY => {}
            RequestPhase::RequestLine => {
                self.version = request_line(line)?;
                self.phase = RequestPhase::Fields;
            }
            RequestPhase::Fields if line.is_empty() => self.end_head()?,
            RequestPhase::Fields => self.fields.read(line)?,
            RequestPhase::ChunkSize => {
                let size = chunk_size(line)?;
                (self.size, self.fields) = (0, FieldReader::default());
                self.phase =
                    if size == 0 { RequestPhase::Trailers } else { RequestPhase::Chunk(size) };
            }
            RequestPhase::ChunkEnd if line.is_empty() => self.phase = RequestPhase::ChunkSize,
            RequestPhase::ChunkEnd => return Err(bad("a chunk is longer than it says")),
            RequestPhase::Trailers if line.is_empty() => self.begin(),
            RequestPhase::Trailers => self.fields.read_trailer(line)?,
            RequestPhase::Body(_) | RequestPhase::Chunk(_) => {}
        }
        Ok(())
    }

    /// What the head says of the body, once it is whole.
    fn end_head(&mut self) -> Result<(), RequestFault> {
        let FieldReader { length, is_chunked, has_host, .. } = self.fields;
        if self.version == Version::Http11 && !has_host {
            return Err(bad("HTTP/1.1 without a Host"));
        }
        let is_kept = self.version == Version::Http11 || self.fields.keeps;
        self.is_last = self.fields.closes || !is_kept;
        match (is_chunked, length) {
            (true, Some(_)) => return Err(bad("both a Content-Length and a Transfer-Encoding")),
            (true, None) if self.version == Version::Http10 => {
                return Err(bad("HTTP/1.0 has no Transfer-Encoding"));
            }
            (true, None) => self.phase = RequestPhase::ChunkSize,
            (false, Some(length)) if length > 0 => self.phase = RequestPhase::Body(length),
            (false, _) => self.begin(),
        }
        Ok(())
    }

    fn begin(&mut self) {
        *self = RequestFraming { is_over: self.is_last, ..RequestFraming::default() };
    }
}

/// The methods of RFC 9110, PATCH and QUERY, and those of RFC 4918 that clients send unasked.
const METHODS: &[&[u8]] = &[
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"QUERY",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
];

/// RFC 9112 section 3, with the single spaces that it asks of senders.
fn request_line(line: &[u8]) -> Result<Version, RequestFault> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("the first line is not METHOD TARGET HTTP/1.1 with single spaces"));
    };
    if method.is_empty() || method.len() > 32 || !method.iter().copied().all(field::is_token) {
        return Err(bad("the method is no method"));
    }
    if !is_target(method, target) {
        return Err(bad("the target is no path and no URL"));
    }
    if !METHODS.contains(&method) {
        // Most likely the rest of a body that was longer than it said, and the next method behind it.
        return Err(RequestFault { status: 501, what: "nobody knows this method" });
    }
    match version {
        b"HTTP/1.0" => Ok(Version::Http10),
        // A minor version that we do not know means the highest that we do (RFC 9110 section 2.5).
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(RequestFault { status: 505, what: "neither HTTP/1.1 nor HTTP/1.0" })
        }
        _ => Err(bad("the version is no version")),
    }
}

/// A path, a URL, or `*` with OPTIONS. CONNECT's `host:port` is for proxies.
fn is_target(method: &[u8], target: &[u8]) -> bool {
    let begins =
        |with: &[u8]| target.len() > with.len() && target[..with.len()].eq_ignore_ascii_case(with);
    let is_of_a_form = target.starts_with(b"/")
        || begins(b"http://")
        || begins(b"https://")
        || (target == b"*" && method == b"OPTIONS");
    let is_plain = |byte: &u8| matches!(byte, 0x21..=0x7e) && !b"#<>\\^`".contains(byte);
    is_of_a_form && method != b"CONNECT" && target.iter().all(is_plain)
}

#[cfg(test)]
mod tests;
