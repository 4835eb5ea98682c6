//! Stories about the hub as its users see it.

mod cluster;
mod common;
mod crowd;
mod memory;
mod subscribe;
