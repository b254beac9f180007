//! Commands about what a run remembers: limits of memory, bits of hosts, data sets. Messages are those of the reference engine.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::super::status::Status;
use crate::app::settings::parse_size;
use crate::capture::live::now;
use crate::detect::sets::{DataSet, Kind};
use crate::engine::settings::Limits;
use crate::engine::tables;

/// The message of an answer, or why there is none.
type Answer = Result<Value, String>;

/// A limit by its name.
type Cap = (&'static str, fn(&mut Limits) -> &mut u64);

/// The limits, in the order in which they are listed.
const CAPS: [Cap; 4] = [
    ("stream", |limits| &mut limits.stream),
    ("stream-reassembly", |limits| &mut limits.reassembly),
    ("flow", |limits| &mut limits.flow),
    ("defrag", |limits| &mut limits.defrag),
];
/// Less than this is no limit that anything could work with, bytes.
const CAP_MIN: u64 = 64 << 10;

/// Answers a command; `None` when it is none of these.
pub(super) fn run(command: &str, arguments: &Map<String, Value>, status: &Status) -> Option<Answer> {
    Some(match command {
        "memcap-list" => limits(status).map(|mut limits| {
            let all: Vec<Value> = CAPS
                .iter()
                .map(|(name, of)| json!({"name": name, "value": size(*of(&mut limits))}))
                .collect();
            json!(all)
        }),
        "memcap-show" => {
            cap(arguments).and_then(|(_, of)| Ok(json!({"value": size(*of(&mut limits(status)?))})))
        }
        "memcap-set" => memcap_set(arguments, status),
        "add-hostbit" => add_hostbit(arguments, status),
        "remove-hostbit" => remove_hostbit(arguments, status),
        "list-hostbit" => list_hostbit(arguments, status),
        "dataset-add" => with_value(arguments, status, |set, value| match set.add_by_hand(value) {
            Some(true) => Ok("data added"),
            Some(false) => Ok("data already in set"),
            None => Err("failed to add data"),
        }),
        "dataset-remove" => with_value(arguments, status, |set, value| match set.remove_by_hand(value) {
            Some(true) => Ok("data removed"),
            _ => Err("failed to remove data"),
        }),
        "dataset-lookup" => with_value(arguments, status, |set, value| match set.has_by_hand(value) {
            Some(true) => Ok("item found in set"),
            _ => Err("item not found in set"),
        }),
        "dataset-clear" => with_set(arguments, status, |set| {
            set.clear_by_hand();
            Ok("dataset cleared")
        }),
        "dataset-dump" => {
            let faults = status.with_sets(tables::save);
            match faults.is_empty() {
                true => Ok(json!("datasets dump done")),
                false => Err(faults.join("; ")),
            }
        }
        _ => return None,
    })
}

fn text<'a>(arguments: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    arguments.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name} is not a string"))
}

fn limits(status: &Status) -> Result<Limits, String> {
    status.limits().ok_or_else(|| "it does not run yet".to_owned())
}

fn cap(arguments: &Map<String, Value>) -> Result<Cap, String> {
    let wanted = text(arguments, "config")?;
    let found = CAPS.iter().find(|(name, _)| *name == wanted);
    found.copied().ok_or_else(|| "Memcap value not found. Use 'memcap-list' to show all".to_owned())
}

fn memcap_set(arguments: &Map<String, Value>, status: &Status) -> Answer {
    let (name, of) = cap(arguments)?;
    let value = text(arguments, "memcap").map_err(|_| "memcap value is not a string".to_owned())?;
    let bytes =
        parse_size(value).ok_or_else(|| "error parsing memcap specified, value not changed".to_owned())?;
    if bytes < CAP_MIN {
        return Err(format!(
            "memcap value specified for '{name}' is less than {}, without which nothing works; none is without a limit",
            size(CAP_MIN)
        ));
    }
    let mut limits = limits(status)?;
    *of(&mut limits) = bytes;
    status.set_limits(limits);
    Ok(json!(format!("memcap value for '{name}' updated: {bytes}")))
}

/// In the largest unit that leaves no rest.
fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 30) => format!("{}gb", bytes >> 30),
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 20) => format!("{}mb", bytes >> 20),
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 10) => format!("{}kb", bytes >> 10),
        bytes => bytes.to_string(),
    }
}

fn host(arguments: &Map<String, Value>) -> Result<IpAddr, String> {
    text(arguments, "ipaddress")?.parse().map_err(|_| "invalid address string".to_owned())
}

const NO_HOST: &str = "host not found";
const NO_BIT: &str = "hostbit not found";

fn add_hostbit(arguments: &Map<String, Value>, status: &Status) -> Answer {
    let (address, name) = (host(arguments)?, text(arguments, "hostbit")?);
    let seconds = arguments.get("expire").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let seconds = seconds.ok_or_else(|| "expire is not an integer".to_owned())?;
    match status.with_hosts(|hosts| hosts.add_bit(address, name, seconds, now())) {
        Some(true) => Ok(json!("hostbit added")),
        _ => Err(NO_BIT.to_owned()),
    }
}

fn remove_hostbit(arguments: &Map<String, Value>, status: &Status) -> Answer {
    let (address, name) = (host(arguments)?, text(arguments, "hostbit")?);
    let removed = status.with_hosts(|hosts| {
        let known = !hosts.bits_of(address, now()).is_empty();
        (hosts.remove_bit(address, name), known)
    });
    match removed {
        Some((true, true)) => Ok(json!("hostbit removed")),
        Some((true, false)) => Err(NO_HOST.to_owned()),
        _ => Err(NO_BIT.to_owned()),
    }
}

fn list_hostbit(arguments: &Map<String, Value>, status: &Status) -> Answer {
    let address = host(arguments)?;
    let bits = status.with_hosts(|hosts| hosts.bits_of(address, now())).unwrap_or_default();
    if bits.is_empty() {
        return Err(NO_HOST.to_owned());
    }
    let all: Vec<Value> = bits
        .iter()
        .map(|(name, seconds)| match seconds {
            Some(seconds) => json!({"name": name, "expire": seconds}),
            // it stays
            None => json!({"name": name}),
        })
        .collect();
    Ok(json!({"count": all.len(), "hostbits": all}))
}

fn with_set(
    arguments: &Map<String, Value>,
    status: &Status,
    work: impl FnOnce(&DataSet) -> Result<&'static str, &'static str>,
) -> Answer {
    let not_text = |name: &str| format!("{name} is not string");
    let name = text(arguments, "setname").map_err(|_| not_text("setname"))?;
    let kind = text(arguments, "settype").map_err(|_| not_text("settype"))?;
    let kind = Kind::NAMES.iter().find(|(known, _)| *known == kind).ok_or("unknown settype")?.1;
    status.with_sets(|sets| match sets.named(name).filter(|set| set.kind() == kind) {
        Some(set) => work(set).map(|said| json!(said)).map_err(str::to_owned),
        None => Err("set not found or wrong type".to_owned()),
    })
}

fn with_value(
    arguments: &Map<String, Value>,
    status: &Status,
    work: impl FnOnce(&DataSet, &[u8]) -> Result<&'static str, &'static str>,
) -> Answer {
    let value = text(arguments, "datavalue").map_err(|_| "datavalue is not string".to_owned());
    with_set(arguments, status, |set| match &value {
        Ok(value) => work(set, value.as_bytes()),
        Err(_) => Err("datavalue is not string"),
    })
}
