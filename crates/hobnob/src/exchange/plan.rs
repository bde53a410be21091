//! A request before it is asked: whom, for what, and what is sent for that.

use crate::codec::http::{Request, is_name, is_value};
use crate::endpoint::{Endpoint, Host};
use crate::engine;
use crate::error::{Error, Kind, Result};
use crate::spec::Shape;

/// The protocol that an endpoint may name.
pub(super) const PROTOCOL: &str = "http";

/// A request that is planned, and nothing is open yet.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub(super) endpoint: Endpoint,
    pub(super) host: String,
    pub(super) request: Request,
    /// Redirects that led here.
    pub(super) hops: usize,
    pub(super) is_lenient: bool,
    pub(super) is_carrying: bool,
}

impl Exchange {
    /// Plans a request to an endpoint, whose path is what is asked for.
    pub fn new(endpoint: &Endpoint, mut request: Request) -> Result<Self> {
        let resolved = engine::resolve(endpoint)?;
        if resolved.shape != Shape::Bytes {
            let text = format!("{PROTOCOL} needs bytes, and {} gives packets", resolved.endpoint);
            let error = Error::new(Kind::DoesNotFit, text);
            return Err(error.hint_endpoint("http://127.0.0.1:8000/", "over tcp, for one"));
        }
        let path = resolved.protocol.as_ref().and_then(|(_, options)| options.text("path"));
        path.unwrap_or("/").clone_into(&mut request.target);
        if let Some((name, _)) = request.fields.iter().find(|(n, v)| !is_name(n) || !is_value(v)) {
            return Err(Error::new(Kind::BadOption, format!("{name:?} cannot be sent as a field"))
                .why("a name is one word, and nothing in a value ends the line")
                .hint_option("header", "Accept: text/html", "for one"));
        }
        if !is_name(&request.method) {
            let text = format!("{:?} cannot be a method", request.method);
            let error = Error::new(Kind::BadOption, text);
            return Err(error.hint_option("method", "PUT", "for one"));
        }
        Ok(Exchange {
            host: host_field(endpoint),
            endpoint: endpoint.clone(),
            request,
            hops: 0,
            is_lenient: false,
            is_carrying: false,
        })
    }

    /// Whether an answer that can be read in two ways is read in the likelier one; otherwise it is refused.
    pub fn lenient(self, is_lenient: bool) -> Self {
        Exchange { is_lenient, ..self }
    }

    /// Whether a redirect may take the body of the request to somebody else; otherwise such a redirect is an error.
    pub fn carrying(self, is_carrying: bool) -> Self {
        Exchange { is_carrying, ..self }
    }

    /// Where it goes.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What the field Host says, where it is not given: who is asked, as a person would say it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The lines that go out, with the empty one.
    pub fn head(&self) -> Vec<u8> {
        self.request.head(&self.host)
    }
}

/// Host and port, without the port that the scheme means anyway; what has no host is this machine.
pub(super) fn host_field(endpoint: &Endpoint) -> String {
    let host = match endpoint.host() {
        None | Some(Host::Loopback) => "localhost".to_owned(),
        Some(Host::V6 { address, .. }) => format!("[{address}]"),
        Some(host) => host.to_string(),
    };
    let usual = if endpoint.has_layer("tls") { 443 } else { 80 };
    match endpoint.port().filter(|port| *port != usual) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(endpoint: &str) -> Result<Exchange, Error> {
        Exchange::new(&engine::parse(endpoint)?, Request::to("/"))
    }

    #[test]
    fn an_endpoint_says_what_is_asked_for_and_of_whom() {
        for (endpoint, host, target) in [
            ("http://example.com", "example.com", "/"),
            ("http://example.com:80/a,b?c=d%2Ce#f", "example.com", "/a,b?c=d%2Ce"),
            ("http://example.com:8000?q", "example.com:8000", "/?q"),
            ("https://h:80/", "h:80", "/"),
            ("https://h:443/x", "h", "/x"),
            ("http://[fe80::1%25lo]:81/", "[fe80::1]:81", "/"),
            ("http://:8000/x", "localhost:8000", "/x"),
            (":8000", "localhost:8000", "/"),
            ("http+unix:/run/x.sock,path=/info", "localhost", "/info"),
        ] {
            let exchange =
                planned(endpoint).unwrap_or_else(|error| panic!("{endpoint}: {error:?}"));
            let asked = (exchange.host(), exchange.request().target.as_str());
            assert_eq!(asked, (host, target), "{endpoint}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_an_error_before_anything_is_open() {
        assert_eq!(planned("udp://:9").expect_err("packets").kind(), Kind::DoesNotFit);
        let endpoint = engine::parse(":9").expect("an endpoint");
        for (name, value) in [("a b", "c"), ("", "c"), ("a", "b\r\nc: d"), ("a\n", "b")] {
            let mut request = Request::to("/");
            request.fields.push((name.to_owned(), value.to_owned()));
            let error = Exchange::new(&endpoint, request).expect_err("it would make a second line");
            assert_eq!(error.kind(), Kind::BadOption, "{name:?}");
        }
        let request = Request { method: "GET /x".to_owned(), ..Request::to("/") };
        assert_eq!(Exchange::new(&endpoint, request).expect_err("two").kind(), Kind::BadOption);
    }
}
