//! Every transport with every service that fits it, through everything that a peer may do. New rows of the tables
//! are walked by themselves.

mod bulk;
mod cell;
mod ends;
mod expected;
mod limits;
mod numbered;
