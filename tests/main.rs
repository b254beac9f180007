//! The one test binary: one link, one process tree.

mod allocations;
mod announced;
mod bad_input;
mod cases;
mod check;
mod evasion;
mod evasion_http;
mod full_disk;
mod live;
mod live_containers;
mod live_docker;
mod live_life;
mod live_pair;
mod live_tap;
mod mail;
mod module_order;
mod mutations;
mod overload;
mod prefilter;
mod properties;
mod registry;
mod sets;
mod signatures;
mod support;
mod workers;
