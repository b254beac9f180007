//! What a rule says of itself: `msg`, `sid`, `classtype`, …

use super::row::{Row, bare, choice, once, plain, row, value};
use crate::detect::RuleBuilder;
use crate::detect::rule::Target;
use crate::rules::number::unsigned;
use crate::rules::value::{Piece, quoted, split, split_commas, unescape, words};
use crate::rules::{OptionAst, RuleError};

pub(super) static MSG: Row = row("msg", "What the alert is called.", msg);
pub(super) static SID: Row = row("sid", "The signature's number.", sid);
pub(super) static GID: Row = row("gid", "The generator's number, 1 unless said.", gid);
pub(super) static REV: Row = row("rev", "The revision of the signature.", rev);
pub(super) static CLASSTYPE: Row =
    row("classtype", "The class of the rule, which gives it its priority.", classtype);
pub(super) static PRIORITY: Row = row("priority", "1 (worst) to 255, in place of the class's.", priority);
pub(super) static REFERENCE: Row = row("reference", "Where to read more: a system and an id.", reference);
pub(super) static METADATA: Row = row("metadata", "Keys and values that the alert carries.", metadata);
pub(super) static TARGET: Row = row("target", "Which end of the traffic is the victim.", target);
pub(super) static REQUIRES: Row =
    row("requires", "What the engine must have; else the rule is left out silently.", requires);
pub(super) static ALERT: Row =
    row("alert", "The rule alerts although its action is pass, or a noalert stands before.", alert);
pub(super) static NOALERT: Row = row("noalert", "The rule works without an alert.", noalert);

/// The priority of a rule whose class nobody knows.
const PRIORITY_OF_UNKNOWN: u8 = 3;

fn msg(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let text = quoted(&value(option)?)?;
    if text.negated {
        return Err(text.text.error("msg cannot be negated"));
    }
    once(option, rule, "msg")?;
    rule.meta.msg = unescape(text.text.node).into();
    Ok(())
}

fn sid(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let sid = id(option, u32::MAX - 1)?;
    once(option, rule, "sid")?;
    rule.meta.sid = sid;
    if sid == 0 {
        return Err(plain(option)?.error("sid begins at 1"));
    }
    Ok(())
}

fn gid(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    rule.meta.gid = id(option, u32::MAX - 1)?;
    Ok(())
}

fn rev(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let rev = id(option, u32::MAX)?;
    if rev == 0 {
        return Err(plain(option)?.error("rev begins at 1"));
    }
    once(option, rule, "rev")?;
    rule.meta.rev = rev;
    Ok(())
}

/// Old rules write numbers of this kind in quotes.
fn id(option: &OptionAst<'_>, max: u32) -> Result<u32, RuleError> {
    let value = plain(option)?;
    Ok(unsigned(&value, u64::from(max))? as u32)
}

fn classtype(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let name = plain(option)?.node;
    let known = rule
        .environment
        .classes
        .get(name)
        .or_else(|| rule.environment.classes.get(&name.to_ascii_lowercase()));
    let (category, priority) = match known {
        Some((category, priority)) => (category.as_str(), *priority),
        None => ("", PRIORITY_OF_UNKNOWN),
    };
    rule.meta.class = rule.names.text(name);
    rule.meta.category = rule.names.text(category);
    if !rule.has("priority") {
        rule.meta.priority = priority;
    }
    Ok(())
}

fn priority(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    rule.meta.priority = unsigned(&plain(option)?, 255)? as u8;
    rule.once("priority");
    Ok(())
}

fn reference(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let Some((system, id)) = value.split_at_first(",") else {
        return Err(value
            .error("a reference has a system and an id")
            .hint("write reference:url,example.com/page;"));
    };
    if system.node.is_empty() || id.node.is_empty() {
        return Err(value
            .error("a reference has a system and an id")
            .hint("write reference:cve,2021-44228;"));
    }
    rule.meta.references.extend([(system.node, &*unescape(id.node))]);
    Ok(())
}

fn metadata(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let pairs = split(&plain(option)?, b',');
    let pairs = pairs.into_iter().map(|pair| match pair.node.split_once(|c: char| c.is_ascii_whitespace()) {
        Some((key, value)) => (key, value.trim_ascii()),
        None => (pair.node, ""),
    });
    rule.meta.metadata.extend(pairs.filter(|(key, _)| !key.is_empty()));
    Ok(())
}

fn target(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let target = choice(&value, "an end", &[("src_ip", Target::Source), ("dest_ip", Target::Destination)])?;
    if rule.meta.target.is_some_and(|before| before != target) {
        return Err(value.error("this rule has another target already").hint("keep one of them"));
    }
    rule.meta.target = Some(target);
    Ok(())
}

fn noalert(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    rule.noalert = true;
    Ok(())
}

fn alert(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    rule.noalert = false;
    rule.alert = true;
    Ok(())
}

/// `requires: feature geoip, keyword foo, version >= 7.0.3 < 8 | >= 8.0.1`
fn requires(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    for part in split_commas(&value(option)?)? {
        let words = words(&part);
        let (Some(kind), rest) = (words.first(), words.get(1..).unwrap_or(&[])) else { continue };
        let missing = match (kind.node, rest) {
            ("feature", [name]) => {
                !FEATURES.contains(&name.node) && !rule.environment.features.contains(&name.node)
            }
            ("keyword", [name]) => rule.registry.find(name.node).is_none(),
            ("feature" | "keyword", _) => {
                let hint = format!("write {} NAME", kind.node);
                return Err(part.error(format!("{} needs one name", kind.node)).hint(hint));
            }
            ("version", rest) => !version_fits(&part, rest, rule.environment.version)?,
            // a demand from the future is one that is not met
            _ => true,
        };
        if missing && rule.skip.is_none() {
            rule.skip = Some(format!("it requires {}", part.node));
        }
    }
    Ok(())
}

/// What `requires: feature` may ask for and is here.
const FEATURES: &[&str] = &["output::eve"];

/// `>= 7.0.3 < 8 | >= 8.0.1`: alternatives between bars, each of conditions that all hold.
fn version_fits(part: &Piece<'_>, words: &[Piece<'_>], version: (u16, u16, u16)) -> Result<bool, RuleError> {
    let bad = || part.error("not a version test").hint("write version >= 7.0.3 < 8 | >= 8.0.1");
    if words.is_empty() {
        return Err(bad());
    }
    let mut fits = false;
    for alternative in words.split(|word| word.node == "|") {
        if alternative.is_empty() {
            return Err(bad());
        }
        let (mut all, mut rest) = (true, alternative);
        while let Some((first, tail)) = rest.split_first() {
            let at = first.node.find(|c: char| c.is_ascii_digit()).unwrap_or(first.node.len());
            let (operator, glued) = first.node.split_at(at);
            let (text, tail) = match (glued, tail.split_first()) {
                ("", Some((next, tail))) => (next.node, tail),
                ("", None) => return Err(bad()),
                (glued, _) => (glued, tail),
            };
            let wanted = parse_version(text).ok_or_else(bad)?;
            all &= match operator {
                ">=" => version >= wanted,
                ">" => version > wanted,
                "<=" => version <= wanted,
                "<" => version < wanted,
                _ => return Err(bad()),
            };
            rest = tail;
        }
        fits |= all;
    }
    Ok(fits)
}

fn parse_version(text: &str) -> Option<(u16, u16, u16)> {
    let text = text.split_once('-').map_or(text, |(release, _)| release);
    let mut numbers = text.split('.').map(|n| n.parse::<u16>().ok());
    let version = (numbers.next()??, numbers.next().unwrap_or(Some(0))?, numbers.next().unwrap_or(Some(0))?);
    numbers.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, with};

    #[test]
    fn what_a_rule_says_of_itself_is_kept() {
        let text = "msg:\"a\\\"b\\;c\\\\d\"; sid:7; gid:3; rev:4; classtype:trojan-activity; reference:url,a.b/c; \
                    metadata:x y z, k v; metadata:alone; target:dest_ip;";
        with(text, |rule| {
            let meta = &rule.unwrap().meta;
            assert_eq!(&*meta.msg, "a\"b;c\\d");
            assert_eq!((meta.sid, meta.gid, meta.rev, meta.priority), (7, 3, 4, 1));
            assert_eq!(&*meta.category, "A Network Trojan was detected");
            let pairs: Vec<_> = meta.metadata.iter().collect();
            assert_eq!(pairs, [("x", "y z"), ("k", "v"), ("alone", "")]);
            assert_eq!(meta.references.iter().collect::<Vec<_>>(), [("url", "a.b/c")]);
        });
        for (text, priority) in [
            ("classtype:nobody-knows;", 3),
            ("priority:5; classtype:trojan-activity;", 5),
            ("classtype:trojan-activity; priority:0;", 0),
        ] {
            with(text, |rule| assert_eq!(rule.unwrap().meta.priority, priority, "{text}"));
        }
    }

    #[test]
    fn mistakes_in_them_are_told() {
        check_errors(&[
            ("msg:unquoted;", "this value must stand in double quotes"),
            ("msg:\"a\"; msg:\"b\";", "msg stands twice in this rule"),
            ("sid:0;", "sid begins at 1"),
            ("sid:x;", "\"x\" is not a number"),
            ("rev:0;", "rev begins at 1"),
            ("rev:1; rev:2;", "rev stands twice in this rule"),
            ("gid:4294967295;", "\"4294967295\" is out of range"),
            ("priority:256;", "\"256\" is out of range"),
            ("priority:\"2\";", "this keyword takes no quotes"),
            ("reference:url;", "a reference has a system and an id"),
            ("target:foo;", "\"foo\" is not an end"),
            ("target:src_ip; target:dest_ip;", "this rule has another target already"),
            ("noalert:yes;", "noalert takes no value"),
            ("requires:version 7;", "not a version test"),
            ("requires:version >= 7 |;", "not a version test"),
            ("requires:feature;", "feature needs one name"),
        ]);
    }

    #[test]
    fn rules_for_other_engines_are_skipped() {
        // the test environment says 8.0.1
        for (text, skipped) in [
            ("requires:version >= 7;", false),
            ("requires:version >= 8.0.1;", false),
            ("requires:version > 8.0.1;", true),
            ("requires:version >= 7.0.3 < 8 | >= 8.0.1;", false),
            ("requires:version >= 7.0.3 < 8 | >= 8.0.2;", true),
            ("requires:version>=7;", true),
            ("requires:feature nope;", true),
            ("requires:keyword content;", false),
            ("requires:keyword nope, version >= 7;", true),
            ("requires:something else;", true),
        ] {
            with(text, |rule| assert_eq!(rule.unwrap().skip.is_some(), skipped, "{text}"));
        }
    }
}
