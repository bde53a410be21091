//! HTTP/1.1 on a conn, as a server speaks it: hyper does the talking, a guard in front of it lets no doubtful request
//! through. Services answer.

mod guard;
mod page;
mod queue;
mod talk;

pub use self::guard::Patience;
pub(crate) use self::talk::{HttpAnswerer, HttpAsked, PLAIN, talk};
