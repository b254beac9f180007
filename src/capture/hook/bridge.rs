//! Bridged packets come through netfilter only where `br_netfilter` is loaded and says so.

use std::fs;
use std::path::Path;

const SETTINGS: [&str; 2] = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"];
/// Frames with a VLAN tag come by only where this says so too. (Those with the tag of VLAN 0 are taken by every receiver as if they
/// had none.)
const TAGGED: &str = "bridge-nf-filter-vlan-tagged";
/// What drops frames with two.
const TABLE: &str = "bridge mamparo";
const FOLDER: &str = "/proc/sys/net/bridge";

/// Looks whether bridged packets come by where there are bridges, and makes it so when that is allowed. The lines are for the log.
pub(super) fn check(allowed: bool, dry_run: bool) -> Vec<String> {
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
    // no hook is shown a frame with two tags, and a receiver takes two of VLAN 0 for none
    match (allowed && !dry_run).then(guard) {
        Some(Ok(())) => told.push("bridged frames with two VLAN tags, which no hook is shown, are dropped".to_owned()),
        Some(Err(why)) => told.push(format!("warning: bridged frames with two VLAN tags go on unseen: {why}")),
        None if allowed => {}
        None => told.push(
            "warning: bridged frames with two VLAN tags go on unseen; allow to drop them with --set inline.br-netfilter=set".to_owned(),
        ),
    }
    // what is missing was told
    let path = Path::new(FOLDER).join(TAGGED);
    if fs::read_to_string(&path).is_ok_and(|value| value.trim() == "0") {
        told.push(match allowed.then(|| fs::write(&path, "1")) {
            Some(Ok(())) => format!("{TAGGED} was set to 1, so that bridged frames with a VLAN tag come by"),
            Some(Err(error)) => format!("warning: {}: {error}", path.display()),
            None => format!(
                "warning: frames with a VLAN tag between the ports of a bridge ({first}) do not come by: {TAGGED} is 0; set net.bridge.{TAGGED}=1, or allow it with --set inline.br-netfilter=set"
            ),
        });
    }
    told
}

/// Drops bridged frames with two VLAN tags: the outer one stands beside the frame by then, the inner one is what it begins with.
fn guard() -> Result<(), String> {
    let chain = "chain forward {\n    type filter hook forward priority filter; policy accept;\n    meta protocol { 8021q, 8021ad } drop\n  }";
    let text = format!("add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n  {chain}\n}}\n");
    super::run("nft", &["-f", "-"], &text).map(|_| ())
}

/// Undoes what [`check`] has put into the kernel. (Settings stay: others may rely on them by now.)
pub(super) fn remove() {
    // where it cannot be it is not
    let _ = super::run("nft", &["-f", "-"], &format!("add table {TABLE}\ndelete table {TABLE}\n"));
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
