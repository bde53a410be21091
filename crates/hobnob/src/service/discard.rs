//! Swallows what it gets and says nothing.

use super::{Ask, Door, Framing, Made, Reply, Responder, ServiceRow};
use crate::spec::{Shape, Spec};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "discard",
        summary: "swallows",
        options: &[],
        examples: &["hobnob serve discard"],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(|_| Ok(Made::Responder(Box::new(Discard)))),
};

struct Discard;

impl Responder for Discard {
    fn framing(&self) -> Framing {
        Framing::Raw
    }

    fn answer(&self, _ask: &Ask<'_>, _out: &mut Reply) {}
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, greeting, make};
    use super::*;

    #[test]
    fn nothing_is_said_at_all() {
        let discard = make(&ROW, &[]);
        assert!(!greeting(&*discard).is_said());
        for shape in [Shape::Bytes, Shape::Packets] {
            assert!(!answer(&*discard, shape, b"x").is_said());
        }
    }
}
