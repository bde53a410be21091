//! A plan for serving, validated step by step.

use std::sync::Arc;

use crate::bus::{Bus, Subscription, Wish};
use crate::clock::{self, Clock};
use crate::codec::text::Cutting;
use crate::endpoint::Endpoint;
use crate::engine::limits::Limits;
use crate::engine::plan::{self, Resolved};
use crate::engine::running::{self, Running, Stop};
use crate::engine::shards::{self, Crew};
use crate::error::Result;
use crate::service::{self, Made, Responder, Service};
use crate::socket::{Family, Observer};
use crate::spec::{Options, Shape};
use crate::{layer, transport};

/// A plan for serving, validated step by step; nothing is open until [`start`](Server::start).
pub struct Server {
    service: Source,
    endpoints: Vec<Resolved>,
    bus: Bus,
    /// The limits.
    pub limits: Limits,
    /// How text services cut bytes into messages.
    pub cutting: Cutting,
    /// When it stops by itself.
    pub stop: Stop,
    /// One address family only (`-4`, `-6`).
    pub family: Option<Family>,
    /// Who is to see each call to the kernel.
    pub observer: Option<Arc<dyn Observer>>,
    /// The seed of all chance; none: one is drawn.
    pub seed: Option<u64>,
    crew: Option<Crew>,
}

enum Source {
    Table(&'static service::Row, Options),
    Own(Made, &'static [Shape]),
}

impl Server {
    /// A server of a service of the table.
    pub fn new(service: &str) -> Result<Self> {
        let row = plan::find_service(service)?;
        Ok(Server::from(Source::Table(row, Options::of(row.spec.options))))
    }

    /// A server of a service of one's own, on bytes and on packets.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use hobnob::conn::{Boxed, Conn};
    /// use hobnob::session::Session;
    /// use hobnob::{Server, Service};
    ///
    /// struct Motto;
    ///
    /// impl Service for Motto {
    ///     fn run<'a>(&'a self, _: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
    ///         Box::pin(conn.send(b"slow is smooth\n"))
    ///     }
    /// }
    ///
    /// let running = Server::with(Motto).at("127.0.0.1:0")?.at("memory:motto")?.start()?;
    /// # drop(running);
    /// # Ok::<(), hobnob::Error>(())
    /// ```
    pub fn with(service: impl Service + 'static) -> Self {
        Server::of(Made::Service(Box::new(service)), Shape::ALL)
    }

    /// The same for one that answers messages, and needs no more: the engine does the rest.
    pub fn answering(responder: impl Responder + 'static) -> Self {
        Server::of(Made::Responder(Box::new(responder)), Shape::ALL)
    }

    /// A server of a service of one's own, for these shapes.
    pub fn of(service: Made, shapes: &'static [Shape]) -> Self {
        Server::from(Source::Own(service, shapes))
    }

    fn from(service: Source) -> Self {
        Server {
            service,
            endpoints: Vec::new(),
            bus: Bus::new(Clock::start(), shards::cores()),
            limits: Limits::default(),
            cutting: Cutting::default(),
            stop: Stop::default(),
            family: None,
            observer: None,
            seed: None,
            crew: None,
        }
    }

    /// Runs on these threads and by their clock, as other servers may. Who subscribed before hears nothing.
    pub fn on_crew(mut self, crew: &Crew) -> Self {
        self.bus = Bus::new(crew.clock(), crew.count());
        self.crew = Some(crew.clone());
        self
    }

    /// The service's row, where it is one of the table.
    pub fn row(&self) -> Option<&'static service::Row> {
        match &self.service {
            Source::Table(row, _) => Some(row),
            Source::Own(..) => None,
        }
    }

    fn name(&self) -> &'static str {
        self.row().map_or("this service", |row| row.spec.name)
    }

    /// Sets one of the service's own options.
    pub fn set(&mut self, option: &str, value: Option<&str>) -> Result<()> {
        match &mut self.service {
            Source::Table(row, options) => plan::set_option(row, options, option, value),
            Source::Own(..) => Options::default().set(&[], option, value),
        }
    }

    /// Adds an endpoint, if the service fits it.
    pub fn on(&mut self, endpoint: &Endpoint) -> Result<()> {
        self.on_resolved(plan::resolve(endpoint)?)?;
        plan::check_no_path(endpoint, self.row().map_or("a server", |row| row.spec.name))
    }

    /// The same for an endpoint as a person types it, one after another: `Server::new("echo")?.at(":9000")?.start()`.
    pub fn at(mut self, endpoint: &str) -> Result<Self> {
        self.on(&plan::parse(endpoint)?)?;
        Ok(self)
    }

    /// The same for an endpoint whose parts need not be of the tables: a transport or layer of one's own.
    pub fn on_resolved(&mut self, resolved: Resolved) -> Result<()> {
        match &self.service {
            Source::Table(row, _) => plan::check_fit(row, &resolved)?,
            Source::Own(_, shapes) => plan::check_shape(self.name(), shapes, &resolved)?,
        }
        self.endpoints.push(resolved);
        Ok(())
    }

    /// Sees everything from here on. Before [`start`](Server::start), that is everything.
    pub fn subscribe(&self, wish: Wish) -> Subscription {
        self.bus.subscribe(wish)
    }

    /// The clock that stamps the events.
    pub fn clock(&self) -> Clock {
        self.bus.clock()
    }

    /// Binds all endpoints or none, and serves.
    pub fn start(self) -> Result<Running> {
        let name = self.name();
        let (service, targets) = match self.service {
            Source::Own(made, _) => (made, Vec::new()),
            Source::Table(row, options) => {
                let targets = plan::targets(row, &options, &self.endpoints, &self.bus)?;
                (plan::make(row, &options)?, targets)
            }
        };
        plan::check_lines(name, &service, &self.endpoints)?;
        if let (Some(panel), Some(at)) = (service.panel(), self.endpoints.first()) {
            panel.fit(at.shape)?;
        }
        let scene = transport::Scene {
            family: self.family,
            timeout: self.limits.handshake,
            observer: self.observer,
            bus: self.bus.clone(),
            max_peers: self.limits.max_peers,
            peer_idle: self.limits.peer_idle,
            own: transport::Own::default(),
        };
        let ready = |endpoint: Resolved| endpoint.ready(layer::Role::Server, &self.bus);
        let endpoints = self.endpoints.into_iter().map(ready).collect::<Result<_>>()?;
        let crew = match self.crew {
            Some(crew) => crew,
            None => Crew::of(shards::cores(), self.bus.clock())?,
        };
        running::start(running::Start {
            crew,
            service,
            targets,
            endpoints,
            scene,
            bus: self.bus,
            limits: self.limits,
            cutting: self.cutting,
            stop: self.stop,
            seed: self.seed.unwrap_or_else(clock::draw_seed),
        })
    }
}
