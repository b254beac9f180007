//! The type of a file by its first bytes: any bytes have a text, and it is never long.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = mamparo::app::magic::describe(data);
    assert!(!text.is_empty() && text.len() < 4 * mamparo::app::magic::HEAD_MAX + 256);
});
