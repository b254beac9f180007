//! The settings of one protocol: its part of the configuration (`app-layer.protocols.<name>`), read once.

use serde_yaml::Value;

/// A read-only view of a configuration subtree with dotted keys.
#[derive(Clone, Debug, Default)]
pub struct Settings(Option<Value>);

impl Settings {
    /// Over that subtree.
    pub fn new(value: Option<Value>) -> Self {
        Settings(value)
    }

    fn find(&self, key: &str) -> Option<&Value> {
        let mut value = self.0.as_ref()?;
        for part in key.split('.') {
            value = value.get(part)?;
        }
        Some(value)
    }

    /// A size in bytes: a number, or text with `kb`, `mb`, `gb` (binary multiples). `None` when absent or unreadable.
    pub fn size(&self, key: &str) -> Option<u64> {
        match self.find(key)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => parse_size(text),
            _ => None,
        }
    }

    /// A switch in any YAML 1.1 spelling.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.find(key)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => parse_bool(text),
            Value::Number(number) => number.as_u64().map(|n| n != 0),
            _ => None,
        }
    }

    /// A list of texts; one text alone is a list of one. `None` when absent.
    pub fn list(&self, key: &str) -> Option<Vec<&str>> {
        match self.find(key)? {
            Value::Sequence(items) => Some(items.iter().filter_map(Value::as_str).collect()),
            value => value.as_str().map(|text| vec![text]),
        }
    }

    /// Ports: one, several with commas between, or ranges (`53`, `"139, 445"`, `[5900:5909]`). Empty when absent; what cannot be
    /// read is left out.
    pub fn ports(&self, key: &str) -> Vec<(u16, u16)> {
        let mut ports = Vec::new();
        let mut add = |value: &Value| match value {
            Value::Number(number) => {
                ports.extend(number.as_u64().and_then(|n| u16::try_from(n).ok()).map(|port| (port, port)))
            }
            Value::String(text) => {
                for item in text.split([',', '[', ']', ' ']).filter(|item| !item.is_empty()) {
                    let (low, high) = item.split_once([':', '-']).unwrap_or((item, item));
                    if let (Ok(low), Ok(high)) = (low.parse(), high.parse()) {
                        ports.push((low, high));
                    }
                }
            }
            _ => {}
        };
        match self.find(key) {
            Some(Value::Sequence(items)) => items.iter().for_each(&mut add),
            Some(value) => add(value),
            None => {}
        }
        ports
    }

    /// Text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.find(key)?.as_str()
    }
}

/// `4096`, `100kb`, `32 MiB`: bytes, binary multiples; `None` for anything else or on overflow.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let shift = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// YAML 1.1 spellings of true and false.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "y" | "1" => Some(true),
        "no" | "false" | "off" | "n" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_switches_are_read_in_every_spelling() {
        for (text, size) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("100kb", Some(102_400)),
            ("32 MiB", Some(33_554_432)),
            ("1gb", Some(1 << 30)),
            ("18446744073709551615kb", None),
            ("-1", None),
            ("many", None),
            ("", None),
        ] {
            assert_eq!(parse_size(text), size, "{text}");
        }
        assert_eq!(parse_bool("Yes"), Some(true));
        assert_eq!(parse_bool("off"), Some(false));
        assert_eq!(parse_bool("auto"), None);
    }
}
