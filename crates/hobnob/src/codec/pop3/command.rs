//! What a client asks for.

/// One command. Numbers of letters are as the client counts them, from 1.
#[derive(Clone, PartialEq, Eq)]
pub enum Pop3Command {
    /// `USER` with a name.
    User(String),
    /// `PASS` with a password, in which spaces count.
    Pass(String),
    /// `AUTH` with a mechanism, and the initial response where there is one (RFC 5034); without either it asks which there
    /// are.
    Auth(Option<(String, Option<String>)>),
    /// `STAT`.
    Stat,
    /// `LIST`, of all or of one.
    List(Option<usize>),
    /// `UIDL`, of all or of one.
    Uidl(Option<usize>),
    /// `RETR`.
    Retr(usize),
    /// `TOP` with a number of lines of the body.
    Top(usize, u64),
    /// `DELE`.
    Dele(usize),
    /// `RSET`.
    Rset,
    /// `NOOP`.
    Noop,
    /// `CAPA` (RFC 2449).
    Capa,
    /// `STLS` (RFC 2595).
    Stls,
    /// `QUIT`.
    Quit,
    /// The first line of an HTTP request.
    Http,
}

impl std::fmt::Debug for Pop3Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.verb()) // an argument may be a password
    }
}

impl Pop3Command {
    /// Reads a line, without its end.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in plain words.
    pub fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let line = std::str::from_utf8(line).map_err(|_| "a command is UTF-8")?;
        if line.contains(char::is_control) {
            return Err("a control character stands in the command");
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verb = verb.to_ascii_uppercase();
        if verb == "PASS" {
            return Ok(Pop3Command::Pass(rest.to_owned()));
        }
        let mut words = rest.split(' ').filter(|word| !word.is_empty());
        let (first, second) = (words.next(), words.next());
        if words.next().is_some() {
            return Err(if is_http(&verb, second) {
                "this is no web server"
            } else {
                "that is too much"
            });
        }
        match (verb.as_str(), first, second) {
            ("USER", Some(name), None) => Ok(Pop3Command::User(name.to_owned())),
            ("USER", ..) => Err("a name belongs behind USER"),
            ("AUTH", None, _) => Ok(Pop3Command::Auth(None)),
            ("AUTH", Some(mechanism), initial) => {
                Ok(Pop3Command::Auth(Some((mechanism.to_owned(), initial.map(str::to_owned)))))
            }
            ("LIST", number, None) => number.map(number_of).transpose().map(Pop3Command::List),
            ("UIDL", number, None) => number.map(number_of).transpose().map(Pop3Command::Uidl),
            ("RETR", Some(number), None) => number_of(number).map(Pop3Command::Retr),
            ("DELE", Some(number), None) => number_of(number).map(Pop3Command::Dele),
            ("TOP", Some(number), Some(lines)) => {
                let is_number = lines.bytes().all(|byte| byte.is_ascii_digit());
                let lines = lines.parse().ok().filter(|_| is_number);
                Ok(Pop3Command::Top(number_of(number)?, lines.ok_or("how many lines?")?))
            }
            ("RETR" | "DELE" | "TOP", ..) => Err("the number of a letter belongs behind it"),
            ("STAT", None, _) => Ok(Pop3Command::Stat),
            ("RSET", None, _) => Ok(Pop3Command::Rset),
            ("NOOP", None, _) => Ok(Pop3Command::Noop),
            ("CAPA", None, _) => Ok(Pop3Command::Capa),
            ("STLS", None, _) => Ok(Pop3Command::Stls),
            ("QUIT", None, _) => Ok(Pop3Command::Quit),
            ("STAT" | "RSET" | "NOOP" | "CAPA" | "STLS" | "QUIT" | "LIST" | "UIDL", ..) => {
                Err("that is too much")
            }
            (verb, _, version) if is_http(verb, version) => Ok(Pop3Command::Http),
            _ => Err("there is no such command"),
        }
    }

    /// Its name.
    pub fn verb(&self) -> &'static str {
        match self {
            Pop3Command::User(_) => "USER",
            Pop3Command::Pass(_) => "PASS",
            Pop3Command::Auth(_) => "AUTH",
            Pop3Command::Stat => "STAT",
            Pop3Command::List(_) => "LIST",
            Pop3Command::Uidl(_) => "UIDL",
            Pop3Command::Retr(_) => "RETR",
            Pop3Command::Top(..) => "TOP",
            Pop3Command::Dele(_) => "DELE",
            Pop3Command::Rset => "RSET",
            Pop3Command::Noop => "NOOP",
            Pop3Command::Capa => "CAPA",
            Pop3Command::Stls => "STLS",
            Pop3Command::Quit => "QUIT",
            Pop3Command::Http => "HTTP",
        }
    }
}

/// The number of a letter, from 1.
fn number_of(text: &str) -> Result<usize, &'static str> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_number && *number > 0);
    number.ok_or("a letter has a number from 1")
}

/// `GET / HTTP/1.1`.
fn is_http(verb: &str, version: Option<&str>) -> bool {
    let is_method = !verb.is_empty() && verb.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_method && version.is_some_and(|version| version.starts_with("HTTP/"))
}
