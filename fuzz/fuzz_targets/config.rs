//! YAML of any kind: read or refused with a message, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mamparo::config::Config;
use mamparo::engine::configure;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data).into_owned();
    match Config::from_text(None, &text, &[], &mut |_| Err("no files here".to_owned())) {
        Ok((config, _)) => {
            configure::engine_config(&config, true, true, false);
            config.dump();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
