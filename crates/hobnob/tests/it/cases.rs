//! The cases of the threat model that are the library's, each a test that names its number. What a resource that
//! ran out, a reset, a slow reader and the drain come to, for each service, is shown here and in `drain`:
//!
//! - **No descriptors left** (1, 2): accepting pauses without spinning, and goes on once there are some.
//! - **A reset** (6): the session is over at once, whatever its service was doing; on datagrams (17) nothing is.
//! - **A slow reader** (7, 12, 22): what it was sent waits, bounded; past `stall` it is cut; nobody else notices.
//! - **The drain** (14, 39): the doors close first; sessions come to their ends, or are cut after `grace`.
//!
//! Elsewhere: 13 and the larger parts of 14 and 26 are the program's; 19 belongs to chat.

mod accepting;
mod packets;
mod paths;
mod streams;
mod words;
