//! Bytes from the network in every place of a JSON line: it stays one line of valid JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mamparo::json::JsonWriter;

fuzz_target!(|data: &[u8]| {
    let mut out = JsonWriter::new();
    out.open();
    out.bytes("bytes", data);
    out.text("text", &String::from_utf8_lossy(data));
    out.open_array("array");
    for piece in data.chunks(7) {
        out.element(piece);
    }
    out.close_array();
    out.close();
    assert!(!out.as_bytes().contains(&b'\n'));
    serde_json::from_slice::<serde_json::Value>(out.as_bytes()).expect("valid JSON");
});
