//! The one test binary: one link, one process tree.

mod full_disk;
mod module_order;
mod support;
