//! Captures of every format: frames or an error that says where, never a panic.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use mamparo::capture::{Capture as _, PcapFile};
use mamparo::verdict::Verdict;

fuzz_target!(|data: &[u8]| {
    let reader = Box::new(Cursor::new(data.to_vec()));
    let Ok(mut file) = PcapFile::from_reader(Path::new("fuzz.pcap"), reader) else { return };
    let mut number = 0;
    for _ in 0..1000 {
        let polled = file.poll(64, &mut |frame| {
            number += 1;
            assert_eq!(frame.number, number);
            Verdict::Forward
        });
        match polled {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
    }
});
