//! Files of data sets and reputation; a set against a plain one; databases of countries.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use mamparo::detect::reputation::Builder;
use mamparo::detect::sets::table::Table;
use mamparo::detect::sets::{Kind, text};

/// What a set of the fuzzer may hold, bytes.
const ROOM: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    for (_, kind) in Kind::NAMES {
        let mut table = Table::default();
        text::read(*kind, data, &mut table, ROOM);
        assert!(table.used() <= ROOM);
        let mut saved = Vec::new();
        text::write(*kind, &table, &mut |lines| {
            saved.extend_from_slice(lines.as_bytes());
            Ok(())
        })
        .expect("memory can be written");
        let mut again = Table::default();
        let told = text::read(*kind, &saved, &mut again, ROOM);
        assert!(told.bad == 0 && again.len() == table.len());
    }
    let (mut table, mut plain) = (Table::default(), BTreeSet::new());
    for change in data.chunks(3) {
        let (remove, value) = (change[0] & 1 == 1, &change[1..]);
        match remove {
            true => assert_eq!(table.remove(value), plain.remove(value)),
            false => assert_eq!(table.insert(value, 0, u64::MAX), Some(plain.insert(value.to_vec()))),
        }
    }
    assert_eq!(table.len(), plain.len());
    assert!(plain.iter().all(|value| table.contains(value)));
    let mut builder = Builder::default();
    builder.categories(data);
    builder.list(data);
    let built = builder.build();
    if let (Some(category), Some(four)) = (built.names().next(), data.first_chunk::<4>()) {
        let category = built.category(category).expect("it is known");
        built.score(category, (*four).into());
    }
    if let Ok(world) = mamparo::engine::tables::countries(data.to_vec()) {
        world.country([8, 8, 8, 8].into());
        world.country([0x20; 16].into());
    }
});
