//! What a transport is, and its row of the table.

use crate::conn::listener::Listener;
use crate::conn::{Boxed, Conn, Facts};
use crate::endpoint::Form;
use crate::socket::Type;
use crate::spec::{Shape, Spec};
use crate::transport::{Place, Terms, Twin};

/// One transport of the table.
#[derive(Debug)]
pub struct TransportRow {
    /// How the transport describes itself.
    pub spec: &'static Spec,
    /// The form of its targets.
    pub form: Form,
    /// The shape of its conns: packets where the medium keeps borders.
    pub shape: Shape,
    /// The type of its sockets; none where the transport has no socket of its own.
    pub socket: Option<Type>,
    /// Whether a peer arrives and leaves, and may be greeted; on plain datagrams it is no more than an address.
    pub has_opening: bool,
    /// The transport; none where it is not built in.
    pub transport: Option<&'static dyn Transport>,
    /// How nc, socat and Python would say the same.
    pub twins: fn(&Place) -> Vec<Twin>,
}

/// Knows how to bind and connect one kind of medium.
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Binds. One listener per bound address (both loopbacks are two); if one of them cannot be had, none stays open.
    /// Called, and polled, inside the runtime that the listeners will live on.
    fn bind<'a>(&'a self, at: &'a Place, terms: &'a Terms) -> Boxed<'a, Vec<Box<dyn Listener>>>;

    /// The settings of an endpoint that who dials what listens here has to give, too, each as it is typed: what both sides
    /// must agree on.
    fn dialled(&self, at: &Place) -> Vec<String> {
        let _ = at;
        Vec::new()
    }

    /// Connects. `asker` is the session on whose behalf, if there is one.
    fn connect<'a>(
        &'a self,
        to: &'a Place,
        terms: &'a Terms,
        asker: Option<&'a Facts>,
    ) -> Boxed<'a, Conn>;
}
