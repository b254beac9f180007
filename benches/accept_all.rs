//! The ceiling of the host hook: everything that is forwarded is queued, received with GSO, and accepted unseen. No bench by itself:
//!
//! ```sh
//! cargo build --release --bench accept_all        # prints where it is with --message-format=json
//! ../shared/bench/inline --sides none,mamparo --start-s 3 --mamparo "target/release/deps/accept_all-… --serve"
//! ```
//!
//! It does not drop the attack that `bench/inline` waits for, so that one waits `--start-s` and says "not ready".

use std::sync::Arc;
use std::time::Duration;

use mamparo::capture::live::{Fail, LiveOptions};
use mamparo::capture::{BACKENDS, Interfaces};
use mamparo::engine::live::signals::{Signal, Signals};
use mamparo::verdict::Verdict;

fn main() {
    if !std::env::args().any(|argument| argument == "--serve") {
        return;
    }
    let signals = Signals::block().expect("signals");
    let options = LiveOptions {
        workers: std::thread::available_parallelism().map_or(1, usize::from),
        names: Vec::new(),
        fail: Fail::Open,
        dry_run: false,
        queue: 4200,
        queue_max: 4096,
        buffer: 32 << 20,
        batch: 32,
        bypass: None,
        set_bridge: false,
        interfaces: Arc::new(Interfaces::default()),
        ..LiveOptions::default()
    };
    let host = BACKENDS.iter().find(|backend| backend.name == "host").expect("the host hook");
    let opened = (host.open)(&options).expect("queues");
    for mut capture in opened.captures {
        std::thread::spawn(move || {
            loop {
                capture.wait(Duration::from_millis(100)).expect("frames");
                capture.poll(256, &mut |_| Verdict::Forward).expect("verdicts");
            }
        });
    }
    let (hook, _) = (opened.attach)().expect("rules in the kernel");
    while signals.next(Duration::from_secs(1)) != Some(Signal::Stop) {}
    hook.into_iter().for_each(|mut hook| hook.remove().expect("rules removed"));
}
