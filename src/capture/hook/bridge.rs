//! Bridged packets come through netfilter only where `br_netfilter` is loaded and says so.

use std::fs;
use std::path::Path;

const SETTINGS: [&str; 2] = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"];
const FOLDER: &str = "/proc/sys/net/bridge";

/// Looks whether bridged packets come by where there are bridges, and makes it so when that is allowed. The lines are for the log.
pub(super) fn check(allowed: bool) -> Vec<String> {
    let bridges = bridges();
    let Some(first) = bridges.first() else { return Vec::new() };
    let mut told = Vec::new();
    if !Path::new(FOLDER).exists() && allowed {
        match super::run("modprobe", &["br_netfilter"], "") {
            Ok(_) => told.push("br_netfilter was loaded, so that bridged packets come by".to_owned()),
            Err(why) => told.push(format!("warning: br_netfilter cannot be loaded: {why}")),
        }
    }
    for setting in SETTINGS {
        let path = Path::new(FOLDER).join(setting);
        match fs::read_to_string(&path) {
            Ok(value) if value.trim() != "0" => {}
            Ok(_) if allowed => match fs::write(&path, "1") {
                Ok(()) => told.push(format!("{setting} was set to 1, so that bridged packets come by")),
                Err(error) => told.push(format!("warning: {}: {error}", path.display())),
            },
            found => told.push(format!(
                "warning: packets between the ports of a bridge ({first}) do not come by: {setting} is {}; load br_netfilter and set net.bridge.{setting}=1, or allow it with --set inline.br-netfilter=set",
                if found.is_ok() { "0" } else { "missing" },
            )),
        }
    }
    told
}

fn bridges() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .filter(|entry| entry.path().join("bridge").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    found
}
