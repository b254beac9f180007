//! A run for those who ask: it knows two data sets, two bits of hosts, limits and a setting.

use std::sync::{Arc, Mutex};

use mamparo::capture::Interfaces;
use mamparo::detect::host::Hosts;
use mamparo::detect::sets::{By, Kind, Sets, Settings, Wanted};
use mamparo::detect::tables::NoFiles;
use mamparo::engine::live::status::Status;
use mamparo::engine::settings::EngineConfig;

/// How it is doing.
pub fn status() -> Status {
    let interfaces = Arc::new(Interfaces::default());
    let status = Status::new("host", true, vec![("a.b".to_owned(), "c".to_owned())], interfaces);
    status.set_limits(EngineConfig::default().limits());
    let mut hosts = Hosts::new(Vec::new());
    hosts.set_names(&["hostbits:a", "xbits:b"].map(str::to_owned));
    status.set_hosts(Arc::new(Mutex::new(hosts)));
    let mut sets = Sets::default();
    for (name, kind) in [("s", Kind::String), ("m", Kind::Md5), ("i", Kind::Ip)] {
        let wanted = Wanted { name: name.to_owned(), kind: Some(kind), memcap: Some(4096), ..Wanted::default() };
        let (set, _) = sets.open(&wanted, By::Config, &Settings::default(), &NoFiles).expect("a set");
        set.used(name == "s");
    }
    sets.freeze();
    status.set_sets(&sets);
    status
}
