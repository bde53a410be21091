//! Addresses as commands have them: `<app@test>`, `<"a b"@test>`, `<app@[127.0.0.1]>`, `<>`, `<postmaster>`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::fault::{SmtpFault, bad};

/// Bytes of a path with its brackets, of the part before the `@`, and of a domain (RFC 5321 section 4.5.3.1).
const MAX_PATH: usize = 256;
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;

/// The address of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// The part before the `@` as it was written, quotes and all.
    pub local: String,
    /// The domain, or an address in brackets; empty for `<postmaster>` alone.
    pub domain: String,
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.local)?;
        if self.domain.is_empty() { Ok(()) } else { write!(f, "@{}", self.domain) }
    }
}

impl Mailbox {
    /// Reads an address without brackets around it, as a person types it: `app@test`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SmtpFault> {
        let mut scan = Scan { text, at: 0 };
        let mailbox = mailbox(&mut scan)?;
        if scan.at < text.len() {
            return Err(bad("an address ends before that").at(scan.at));
        }
        Ok(mailbox)
    }

    /// Whether each character is ASCII; others need SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.is_ascii()
    }
}

/// A place in a command.
pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Passes over this text, in any case, where it stands next.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let is_there = self
            .rest()
            .as_bytes()
            .get(..word.len())
            .is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()));
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    /// Passes over the characters that are of a kind.
    pub(super) fn take(&mut self, is_of_kind: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !is_of_kind(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }
}

/// `<>` or a path, the one that a letter comes from.
pub(super) fn reverse_path(scan: &mut Scan<'_>) -> Result<Option<Mailbox>, SmtpFault> {
    if scan.eat("<>") { Ok(None) } else { path(scan).map(Some) }
}

/// The path to somebody. `<postmaster>` needs no domain (RFC 5321 section 4.5.1).
pub(super) fn forward_path(scan: &mut Scan<'_>) -> Result<Mailbox, SmtpFault> {
    if scan.rest().starts_with("<>") {
        return Err(SmtpFault::new(501, "5.1.3", "nobody is called <>").at(scan.at));
    }
    let from = scan.at;
    if scan.eat("<postmaster>") {
        let local = scan.text[from + 1..scan.at - 1].to_owned();
        return Ok(Mailbox { local, domain: String::new() });
    }
    path(scan)
}

fn path(scan: &mut Scan<'_>) -> Result<Mailbox, SmtpFault> {
    let from = scan.at;
    if !scan.eat("<") {
        return Err(bad("an address stands in < and >").at(scan.at));
    }
    source_route(scan)?;
    let mailbox = mailbox(scan)?;
    if !scan.eat(">") {
        return Err(bad("an address ends with >").at(scan.at));
    }
    if scan.at - from > MAX_PATH {
        return Err(bad("an address has at most 254 bytes").at(from));
    }
    Ok(mailbox)
}

/// `@a,@b:`, which is read and forgotten (RFC 5321 appendix C).
fn source_route(scan: &mut Scan<'_>) -> Result<(), SmtpFault> {
    if scan.peek() != Some('@') {
        return Ok(());
    }
    while scan.eat("@") {
        domain(scan)?;
        if !scan.eat(",") {
            break;
        }
    }
    if scan.eat(":") { Ok(()) } else { Err(bad("a source route ends with :").at(scan.at)) }
}

fn mailbox(scan: &mut Scan<'_>) -> Result<Mailbox, SmtpFault> {
    let from = scan.at;
    if scan.peek() == Some('"') {
        quoted(scan)?;
    } else {
        dotted(scan)?;
    }
    let local = &scan.text[from..scan.at];
    if local.len() > MAX_LOCAL {
        return Err(SmtpFault::new(501, "5.1.3", "before the @ stand at most 64 bytes").at(from));
    }
    if !scan.eat("@") {
        return Err(SmtpFault::new(501, "5.1.3", "an @ and a domain belong here").at(scan.at));
    }
    let domain = domain(scan)?.to_owned();
    Ok(Mailbox { local: local.to_owned(), domain })
}

/// Whether a character is one of those that SMTPUTF8 adds (RFC 6531 section 3.3). One that controls is none.
fn is_of_utf8(c: char) -> bool {
    !c.is_ascii() && !c.is_control()
}

/// Words with dots between them.
fn dotted(scan: &mut Scan<'_>) -> Result<(), SmtpFault> {
    loop {
        let is_atom = |c: char| {
            c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_of_utf8(c)
        };
        if scan.take(is_atom).is_empty() {
            let what = "a name, or a part of one between dots, belongs here";
            return Err(SmtpFault::new(501, "5.1.3", what).at(scan.at));
        }
        if !scan.eat(".") {
            return Ok(());
        }
    }
}

/// `"a b"`, in which a backslash stands before any character.
fn quoted(scan: &mut Scan<'_>) -> Result<(), SmtpFault> {
    let from = scan.at;
    scan.at += 1;
    loop {
        scan.take(|c| c != '"' && c != '\\' && !c.is_control());
        if scan.eat("\"") {
            return Ok(());
        }
        let is_pair = scan.eat("\\") && scan.peek().is_some_and(|c| matches!(c, ' '..='~'));
        if !is_pair {
            return Err(SmtpFault::new(501, "5.1.3", "a quoted name does not end").at(from));
        }
        scan.at += 1;
    }
}

fn domain<'a>(scan: &mut Scan<'a>) -> Result<&'a str, SmtpFault> {
    let from = scan.at;
    let bad = |what| SmtpFault::new(501, "5.1.2", what);
    if scan.eat("[") {
        let inner = scan.take(|c| c.is_ascii_graphic() && !"[]\\".contains(c));
        if !scan.eat("]") || !is_literal(inner) {
            return Err(bad("what stands in [ and ] is no address").at(from));
        }
    } else {
        loop {
            let label_at = scan.at;
            let is_of_one =
                |c: char| c.is_ascii_alphanumeric() || "-_".contains(c) || is_of_utf8(c);
            let label = scan.take(is_of_one);
            if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
                return Err(
                    bad("a domain, or a part of one between dots, belongs here").at(label_at)
                );
            }
            if !scan.eat(".") {
                break;
            }
        }
    }
    if scan.at - from > MAX_DOMAIN {
        return Err(bad("a domain has at most 255 bytes").at(from));
    }
    Ok(&scan.text[from..scan.at])
}

/// `127.0.0.1`, `IPv6:::1`, or another tag with its address (RFC 5321 section 4.1.3).
fn is_literal(text: &str) -> bool {
    match text.split_once(':') {
        None => text.parse::<Ipv4Addr>().is_ok(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("ipv6") => {
            address.parse::<Ipv6Addr>().is_ok()
        }
        Some((tag, address)) => {
            let is_of_one = |c: char| c.is_ascii_alphanumeric() || c == '-';
            !tag.is_empty()
                && tag.chars().all(is_of_one)
                && !tag.ends_with('-')
                && !address.is_empty()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Mailbox>, SmtpFault> {
        let mut scan = Scan { text, at: 0 };
        let path = reverse_path(&mut scan)?;
        assert!(scan.at == text.len(), "{text}: all of it is the path");
        Ok(path)
    }

    #[test]
    fn the_paths_of_the_rfc_are_read_and_kept_as_they_were_written() {
        for (text, shown) in [
            ("<app@test>", "app@test"),
            ("<a.b+c@x-y.test>", "a.b+c@x-y.test"),
            ("<\"a b\"@test>", "\"a b\"@test"),
            ("<\"a\\\"@b\"@test>", "\"a\\\"@b\"@test"),
            ("<\"\"@test>", "\"\"@test"),
            ("<app@[127.0.0.1]>", "app@[127.0.0.1]"),
            ("<app@[IPv6:::1]>", "app@[IPv6:::1]"),
            ("<app@[x-tag:what]>", "app@[x-tag:what]"),
            ("<@a,@b.c:app@test>", "app@test"),
            ("<\u{4f60}@\u{4f8b}.test>", "\u{4f60}@\u{4f8b}.test"),
            ("<a@my_host>", "a@my_host"),
        ] {
            let mailbox = read(text).expect(text).expect("somebody");
            assert_eq!(mailbox.to_string(), shown, "{text}");
        }
        assert_eq!(read("<>"), Ok(None));
        let mut scan = Scan { text: "<PostMaster>", at: 0 };
        assert_eq!(forward_path(&mut scan).expect("it needs no domain").to_string(), "PostMaster");
        let mut scan = Scan { text: "<>", at: 0 };
        assert_eq!(forward_path(&mut scan).map_err(|fault| fault.code), Err(501));
    }

    #[test]
    fn what_is_no_path_says_where_it_is_wrong() {
        let long = format!("<{}@test>", "x".repeat(65));
        let longer = format!("<a@{}test>", "x.".repeat(125));
        for (text, at) in [
            ("app@test", 1),
            ("<app@test", 10),
            ("<app>", 5),
            ("<@test>", 7),
            ("<@test:>", 8),
            ("<a..b@test>", 4),
            ("<.a@test>", 2),
            ("<a.@test>", 4),
            ("<a b@test>", 3),
            ("<a@te st>", 6),
            ("<a@-x>", 4),
            ("<a@x->", 4),
            ("<a@x.>", 6),
            ("<\"a@test>", 2),
            ("<\"a\r\nDATA\"@test>", 2),
            ("<\"a\\\n\"@test>", 2),
            ("<\"a\\\u{e9}\"@test>", 2),
            ("<a@[127.0.0.256]>", 4),
            ("<a@[127.0.0.1>", 4),
            ("<a@[IPv6:1]>", 4),
            ("<a@[]>", 4),
            ("<@a,b:c@d>", 5),
            ("<a@b@c>", 5),
            ("<a\u{85}@b>", 3),
            ("<a@b\u{9b}>", 5),
            (&long, 2),
            (&longer, 1),
        ] {
            assert_eq!(read(text).expect_err(text).at, at, "{text}");
        }
    }
}
