//! Stories about the hub as its users see it.
#![allow(clippy::unwrap_used, reason = "the lint knows tests by their attribute, which helpers do not have")]

mod cluster;
mod common;
mod crowd;
mod full;
mod history;
mod memory;
mod subscribe;
mod usage;
