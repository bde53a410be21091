//! Binds endpoints. Endpoints that share an address become one entrance.

use std::sync::Arc;

use crate::conn::listener::Listener;
use crate::engine::bound::Bound;
use crate::engine::door::{Doorway, WayIn};
use crate::engine::house::House;
use crate::engine::plan::Ready;
use crate::engine::redial::Redial;
use crate::engine::serve::Entrance;
use crate::engine::shutter::Shutter;
use crate::engine::stack::Stack;
use crate::error::{Kind, Result};
use crate::service::Made;
use crate::spec::Shape;
use crate::transport::Terms;

/// The entrances of a server, by what becomes of the peers that come in.
#[derive(Default)]
pub(super) struct Entrances {
    /// The entrances whose peers become sessions.
    pub accepting: Vec<Entrance>,
    /// The listeners whose packets are answered in batches.
    pub answering: Vec<(Box<dyn Listener>, Arc<Doorway>)>,
}

/// An entrance that is not bound yet: its first endpoint, and those behind it.
struct Group {
    first: Ready,
    doorway: Doorway,
    /// Each endpoint with the name of its door, as people are told of it.
    told: Vec<(Ready, &'static str)>,
}

/// Binds all endpoints. Where a port is in use, all endpoints move one port further on together, up to `next_ports`
/// times, so that the doors of a service stay side by side.
pub(super) async fn bind(
    house: &House,
    endpoints: Vec<(Ready, &'static str)>,
    next_ports: u16,
    scene: &Terms,
) -> Result<(Vec<Bound>, Entrances)> {
    let mut first = None;
    for by in 0..=next_ports {
        let moved = endpoints.iter().map(|(ready, door)| (ready.further(by), *door));
        match bind_set(house, moved.collect(), scene).await {
            Err(error) if error.kind() == Kind::PortInUse && by < next_ports => {
                first.get_or_insert(error);
            }
            Err(error) => return Err(first.unwrap_or(error)),
            bound => return bound,
        }
    }
    unreachable!("the last set that was tried was returned")
}

async fn bind_set(
    house: &House,
    endpoints: Vec<(Ready, &'static str)>,
    scene: &Terms,
) -> Result<(Vec<Bound>, Entrances)> {
    let (mut bounds, mut open) = (Vec::new(), Entrances::default());
    for Group { first, doorway, told } in groups(house, endpoints) {
        let door = Arc::new(doorway);
        if first.is_turned {
            let (dialer, undialled) = (&house.powers.dialer, &house.powers.undialled);
            let redial = Redial::begin(dialer.clone(), first, undialled.clone()).await?;
            open.accepting.push(Entrance { listener: Box::new(redial), door });
            continue;
        }
        for mut listener in first.transport.bind(&first.place, scene).await? {
            for (ready, door) in &told {
                bounds.push(Bound {
                    transport: ready.name,
                    address: listener.address(),
                    endpoint: ready.endpoint.clone(),
                    dialled: ready.dialled.clone(),
                    vouched_by: ready.stack.vouched_by(),
                    door,
                });
            }
            let is_batched =
                first.shape == Shape::Packets && door.is_bare() && listener.datagrams().is_some();
            if is_batched && matches!(house.service, Made::Responder(_)) {
                open.answering.push((listener, door.clone()));
            } else {
                let place = open.accepting.len() as u64;
                let listener: Box<dyn Listener> = match house.service.panel() {
                    Some(panel) => Box::new(Shutter::new(listener, panel.clone(), place)),
                    None => listener,
                };
                open.accepting.push(Entrance { listener, door: door.clone() });
            }
        }
    }
    Ok((bounds, open))
}

/// Endpoints with one bind address become one entrance, where a way before may decline a conn and leave it to the next.
/// Where none may, the second endpoint is bound by itself, and the error of that says that the address is taken.
fn groups(house: &House, endpoints: Vec<(Ready, &'static str)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (ready, door) in endpoints {
        let is_turned = ready.is_turned;
        // A conn that is dialled has its layers on when it comes.
        let stack = if is_turned { Stack::bare(&house.bus) } else { ready.stack.clone() };
        let mut together = groups.iter_mut();
        let together = together
            .find(|group| group.first.is_bound_with(&ready) && group.doorway.can_add(&stack));
        if let Some(group) = together {
            group.doorway.add(WayIn { stack, door });
            group.told.push((ready, door));
            continue;
        }
        let gate = house.gate.with_allow(&ready.allow);
        let way = WayIn { stack, door };
        let doorway = Doorway::new(way, gate, ready.has_opening, ready.has_ports);
        let told = vec![(ready.clone(), door)];
        groups.push(Group { first: ready, doorway, told });
    }
    groups
}
