//! Sets of ports.

use super::ranges::Ranges;

/// A set of ports. Two sets of the same ports are equal, however they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortSet(Ranges<u16>);

impl PortSet {
    /// Every port.
    pub fn any() -> Self {
        PortSet(Ranges::full())
    }

    /// No port.
    pub fn none() -> Self {
        PortSet(Ranges::empty())
    }

    /// From inclusive ranges in any order.
    pub fn from_ranges(ranges: Vec<(u16, u16)>) -> Self {
        PortSet(Ranges::new(ranges))
    }

    /// Is the port in it?
    #[inline]
    pub fn contains(&self, port: u16) -> bool {
        self.0.contains(port)
    }

    /// Does it hold every port?
    pub fn is_any(&self) -> bool {
        self.0.is_full()
    }

    /// Does it hold none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its ranges: inclusive, sorted, disjoint.
    pub fn ranges(&self) -> &[(u16, u16)] {
        self.0.as_slice()
    }

    /// What is in this one and not in the other.
    #[must_use]
    pub fn without(&self, other: &PortSet) -> Self {
        PortSet(self.0.without(&other.0))
    }
}

/// Reads `80`, `80:90`, `80:`, `:90` and `:`. Says what is wrong otherwise: the message and a hint.
pub fn parse_port(text: &str) -> Result<(u16, u16), (String, Option<&'static str>)> {
    let shown = super::report::excerpt(text, 48);
    let bad = || {
        (format!("{shown} is not a port"), Some("write 80, 80:90, 1024: or :1023 with ports from 0 to 65535"))
    };
    let one = |text: &str, open: u16| match text.trim() {
        "" => Ok(open),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| bad()),
        _ => Err(bad()),
    };
    match text.split_once(':') {
        Some((low, high)) => match (one(low, 0)?, one(high, u16::MAX)?) {
            (low, high) if low <= high => Ok((low, high)),
            _ => Err((format!("the range {shown} ends before it begins"), Some("swap its ends"))),
        },
        None if text.trim().is_empty() => Err(bad()),
        None if text.contains('-') => {
            Err((format!("{shown} is not a port"), Some("a range of ports is written 80:90")))
        }
        None => one(text, 0).map(|port| (port, port)),
    }
}

/// As `80,443,8000:8099`.
impl std::fmt::Display for PortSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_any() {
            return f.write_str("any");
        }
        let mut comma = "";
        for &(low, high) in self.ranges() {
            if low == high {
                write!(f, "{comma}{low}")?
            } else {
                write!(f, "{comma}{low}:{high}")?
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_every_spelling() {
        for (text, range) in [
            ("80", Some((80, 80))),
            ("80:90", Some((80, 90))),
            ("1024:", Some((1024, 65_535))),
            (":1023", Some((0, 1023))),
            (":", Some((0, 65_535))),
            ("0", Some((0, 0))),
            ("", None),
            ("90:80", None),
            ("65536", None),
            ("80-90", None),
            ("+80", None),
            ("http", None),
            ("1:2:3", None),
        ] {
            assert_eq!(parse_port(text).ok(), range, "{text}");
        }
        assert_eq!(PortSet::from_ranges(vec![(443, 443), (80, 81)]).to_string(), "80:81,443");
    }
}
