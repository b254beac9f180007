//! `geoip`: the countries of the packet's ends.

use std::net::IpAddr;
use std::sync::Arc;

use super::iprep::Side;
use super::row::{Row, plain, row};
use crate::detect::RuleBuilder;
use crate::detect::rule::{PacketTest, PacketView};
use crate::detect::tables::Countries;
use crate::rules::value::{Piece, split_commas};
use crate::rules::{OptionAst, RuleError};

pub(super) static GEOIP: Row = row("geoip", "The country of an address, IPv4 or IPv6.", geoip);

#[derive(Debug)]
struct GeoIp {
    countries: Arc<dyn Countries>,
    side: Side,
    /// In order.
    wanted: Box<[[u8; 2]]>,
    negated: bool,
}

impl GeoIp {
    /// An address without a country holds for nothing, negated or not.
    fn holds(&self, address: IpAddr) -> bool {
        let country = self.countries.country(address);
        country.is_some_and(|country| self.wanted.binary_search(&country).is_ok() != self.negated)
    }
}

impl PacketTest for GeoIp {
    fn test(&self, view: &PacketView<'_>) -> bool {
        self.side.holds(view, |address| self.holds(address))
    }

    fn needs_packet(&self) -> bool {
        false
    }
}

/// `geoip:[SIDE,][!]CC[,CC…]`
fn geoip(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let mut parts = split_commas(&value)?;
    let side = match parts.first().and_then(|first| Side::NAMES.iter().find(|(name, _)| *name == first.node))
    {
        Some((_, side)) => {
            parts.remove(0);
            *side
        }
        None => Side::Any,
    };
    let Some(first) = parts.first_mut() else {
        return Err(value.error("a country is missing").hint("write geoip:src,US,CA;"));
    };
    let negated = match first.strip("!") {
        Some(rest) => {
            *first = rest;
            true
        }
        None => false,
    };
    let mut wanted = parts.iter().map(|part| country(part, negated)).collect::<Result<Vec<_>, _>>()?;
    wanted.sort_unstable();
    wanted.dedup();
    match &rule.tables().countries {
        Ok(countries) => {
            let test = GeoIp { countries: countries.clone(), side, wanted: wanted.into(), negated };
            rule.packet_tests.push(Box::new(test));
            Ok(())
        }
        Err(why) => Err(option
            .name
            .error(format!("countries are not known: {why}"))
            .hint("name a database in MaxMind's format in the configuration: geoip-database: /path/GeoLite2-Country.mmdb")),
    }
}

fn country(piece: &Piece<'_>, negated: bool) -> Result<[u8; 2], RuleError> {
    // all are negated with the first
    let code = piece.strip("!").filter(|_| negated).unwrap_or_else(|| piece.clone());
    match *code.node.as_bytes() {
        [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            Ok([a.to_ascii_uppercase(), b.to_ascii_uppercase()])
        }
        _ => Err(piece
            .error("a country has two letters (ISO 3166)")
            .hint("write geoip:src,US,CA; or geoip:any,!US; where the ! is about all countries")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, ipv4_test_with};
    use super::*;
    use crate::detect::Tables;

    /// 10.0.0.1 is in Germany, 10.0.0.2 nowhere; everything else is in the United States.
    #[derive(Debug)]
    struct World;

    impl Countries for World {
        fn country(&self, address: IpAddr) -> Option<[u8; 2]> {
            match address.to_string().as_str() {
                "10.0.0.1" => Some(*b"DE"),
                "10.0.0.2" => None,
                _ => Some(*b"US"),
            }
        }
    }

    #[test]
    fn countries_of_both_ends_are_compared() {
        let tables: &'static Tables =
            Box::leak(Box::new(Tables { countries: Ok(Arc::new(World)), ..Tables::default() }));
        for (text, expected) in [
            ("DE", true),
            ("src,DE", true),
            ("src,US,de", true),
            ("src, US", false),
            ("dst,DE", false),
            ("any,DE", true),
            ("both,DE", false),
            ("!US", true),
            ("!DE", false),
            ("src,!US", true),
            ("src,!US,DE", false),
            ("src,!US,!FR", true),
            ("dst,!US", false),
            ("both,!US", false),
        ] {
            assert_eq!(ipv4_test_with(&format!("geoip:{text};"), tables), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            ("geoip:src,US;", "countries are not known: no database is configured"),
            ("geoip:src;", "a country is missing"),
            ("geoip:src,USA;", "a country has two letters (ISO 3166)"),
            ("geoip:foo,US;", "a country has two letters (ISO 3166)"),
            ("geoip:US,!DE;", "a country has two letters (ISO 3166)"),
        ]);
    }
}
