//! Calls to the kernel as events.

use std::sync::Arc;

use crate::bus::Bus;
use crate::event::{Called, Fact};
use crate::socket::{KernelCall, Observer};

/// An observer that tells each call over the bus; none where no subscriber wants calls.
pub(super) fn teller(bus: &Bus) -> Option<Arc<dyn Observer>> {
    bus.wants_calls().then(|| Arc::new(CallTeller(bus.clone())) as _)
}

struct CallTeller(Bus);

impl Observer for CallTeller {
    fn saw(&self, call: &KernelCall<'_>) {
        let carried = &call.carried;
        self.0.emit(
            0,
            0,
            Fact::Called(Box::new(Called {
                descriptor: call.descriptor,
                made: carried.made,
                name: call.name,
                arguments: call.arguments.to_string(),
                result: call.result.map(ToString::to_string),
                in_c: call.in_c().to_string(),
                took: call.took,
                bytes: carried.bytes.unwrap_or_default().into(),
                count: carried.count,
                address: carried.address.cloned(),
            })),
        );
    }
}
