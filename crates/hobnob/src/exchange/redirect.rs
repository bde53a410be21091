//! Where an answer sends us, and whether we go (RFC 9110 section 15.4): to `http` and `https` alone, never from `https`
//! to `http`, with nothing secret to somebody else, and with a body only where that was asked for.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::codec::http::{Head, Request};
use crate::endpoint::{Endpoint, Host};
use crate::engine;
use crate::error::{Error, Kind, Result};
use crate::exchange::plan::{Exchange, host_field};

/// How many in a row are followed.
const MAX_HOPS: usize = 10;
/// A field whose name has one of these in it is a secret between us and the one who was asked first.
const SECRET: &[&str] = &["auth", "cookie", "token", "secret", "key"];

/// The exchange that an answer asks for in place of itself.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// What is asked next.
    pub exchange: Exchange,
    /// Names of fields that are left out, because somebody else is asked.
    pub dropped: Vec<String>,
}

impl Exchange {
    /// Where the answer sends us, if it does: 301, 302, 303, 307 and 308 with a Location.
    pub fn redirected(&self, head: &Head) -> Option<Result<Redirect>> {
        if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let location = head.field("location").filter(|location| !location.is_empty())?;
        Some(lead(self, head.status, &legible(location)))
    }
}

/// A Location as text. Bytes that are not UTF-8 are escaped as they are: the server knows what it meant.
fn legible(location: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(location) {
        return Cow::Borrowed(text);
    }
    let escaped = location.iter().fold(String::new(), |mut text, byte| {
        if byte.is_ascii() {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    });
    Cow::Owned(escaped)
}

fn lead(from: &Exchange, status: u16, location: &str) -> Result<Redirect> {
    if from.hops == MAX_HOPS {
        return Err(Error::new(Kind::BadRedirect, format!("over {MAX_HOPS} redirects in a row"))
            .why(format!("the last one leads to {location}")));
    }
    let location = location.split('#').next().unwrap_or_default();
    let (endpoint, target) = resolve(from, location)?;
    let is_elsewhere = endpoint.is_some();
    let endpoint = endpoint.unwrap_or_else(|| from.endpoint.clone());
    if from.endpoint.has_layer("tls") && !endpoint.has_layer("tls") {
        let plain = format!("http://{}{target}", host_field(&endpoint));
        return Err(refused("from https to http, where everybody can listen")
            .hint_dial(plain, "if you want that"));
    }
    let mut request = Request { target, ..from.request.clone() };
    become_get(&mut request, status);
    let host = host_field(&endpoint);
    if is_elsewhere && request.body.is_some() && !from.is_carrying {
        return Err(refused(&format!("to {host}, and the body of the request with it"))
            .why(format!("{} means the same request, and it was meant for {}", status, from.host))
            .hint_option("follow", "all", "if they may have it"));
    }
    let mut dropped = Vec::new();
    if is_elsewhere {
        request.fields.retain(|(name, _)| {
            let lower = name.to_ascii_lowercase();
            let is_secret = SECRET.iter().any(|word| lower.contains(word));
            if is_secret {
                dropped.push(name.clone());
            }
            !is_secret && lower != "host"
        });
    }
    let exchange = Exchange { endpoint, host, request, hops: from.hops + 1, ..*from };
    Ok(Redirect { exchange, dropped })
}

/// After 303, and after 301 and 302 to a POST as every browser has it, the next request is a GET.
fn become_get(request: &mut Request, status: u16) {
    let is_post = request.method == "POST";
    let is_get = matches!(request.method.as_str(), "GET" | "HEAD");
    if !is_get && (status == 303 || (is_post && matches!(status, 301 | 302))) {
        "GET".clone_into(&mut request.method);
        request.body = None;
        let is_of_the_body = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.starts_with("content-") || matches!(name.as_str(), "transfer-encoding" | "expect")
        };
        request.fields.retain(|(name, _)| !is_of_the_body(name));
    }
}

/// Whom to ask, where that is somebody else, and for what.
fn resolve(from: &Exchange, location: &str) -> Result<(Option<Endpoint>, String)> {
    let scheme = location.split_once(':').map(|(scheme, _)| scheme);
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    if let Some(scheme) = scheme.filter(|scheme| is_word(scheme)) {
        let rest = &location[scheme.len() + 1..];
        return absolute(from, &scheme.to_ascii_lowercase(), rest, location);
    }
    if location.starts_with("//") {
        let scheme = if from.endpoint.has_layer("tls") { "https" } else { "http" };
        return absolute(from, scheme, location, location);
    }
    let path = from.request.target.split('?').next().unwrap_or_default();
    let target = match location.as_bytes().first() {
        None => from.request.target.clone(),
        Some(b'/') => without_dots(location),
        Some(b'?') => format!("{path}{location}"),
        Some(_) => {
            let folder = path.rfind('/').map_or("", |at| &path[..at]);
            without_dots(&format!("{folder}/{location}"))
        }
    };
    Ok((None, target))
}

fn absolute(
    from: &Exchange,
    scheme: &str,
    rest: &str,
    location: &str,
) -> Result<(Option<Endpoint>, String)> {
    let Some(rest) = rest.strip_prefix("//").filter(|_| ["http", "https"].contains(&scheme)) else {
        return Err(refused(&format!("to {location}, which is no http or https URL")));
    };
    let host = rest.split(['/', '?', ':']).next().unwrap_or_default();
    // These would be stacks on this machine, which no URL can mean.
    if host.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused(&format!("to {location}, which has no host")));
    }
    let url = format!("{scheme}://{rest}");
    let planned = engine::parse(&url).and_then(|endpoint| {
        let resolved = Exchange::new(&endpoint, Request::to("/"))?;
        Ok((endpoint, without_dots(&resolved.request.target)))
    });
    let (endpoint, target) = planned.map_err(|error| {
        let label = error.span().map_or_else(String::new, |span| format!(": {}", span.label));
        refused(&format!("to {location}, which I do not understand{label}"))
    })?;
    if matches!(endpoint.host(), None | Some(Host::Loopback)) {
        return Err(refused(&format!("to {location}, which has no host")));
    }
    Ok(if is_same(from, &endpoint) { (None, target) } else { (Some(endpoint), target) })
}

/// Whether that is whom we have asked: then our options hold there too.
fn is_same(from: &Exchange, to: &Endpoint) -> bool {
    let is_same_host = from.host.eq_ignore_ascii_case(&host_field(to));
    is_same_host && from.endpoint.has_layer("tls") == to.has_layer("tls")
}

/// RFC 3986 section 5.2.4, for what is behind a path's last `/` and any dots in it.
fn without_dots(path: &str) -> String {
    let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    let mut parts: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for part in path.split('/').skip(1) {
        ends_open = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let slash = if ends_open && !parts.is_empty() { "/" } else { "" };
    format!("/{}{slash}{query}", parts.join("/"))
}

fn refused(whither: &str) -> Error {
    Error::new(Kind::BadRedirect, format!("the answer leads {whither}"))
}

#[cfg(test)]
mod tests;
