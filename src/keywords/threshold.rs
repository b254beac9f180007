//! How often a rule may alert, and what is logged after it: `threshold`, `detection_filter`, `tag`.

use super::row::{Row, choice, plain, row};
use crate::detect::RuleBuilder;
use crate::detect::rule::{PortOf, Tag, TagMetric, Threshold, ThresholdKind, Track};
use crate::rules::number::{seconds, unsigned};
use crate::rules::value::{Piece, pairs, split_commas};
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

pub(super) static THRESHOLD: Row =
    row("threshold", "How often the rule alerts, by address or rule.", threshold);
pub(super) static DETECTION_FILTER: Row = row(
    "detection_filter",
    "The rule matches only beyond that many matches in some seconds.",
    detection_filter,
);
pub(super) static TAG: Row = row("tag", "Packets that follow the match are logged.", tag);

/// Tags of one rule.
const TAGS_MAX: usize = 3;

/// What `tag` logs without a count: packets.
const TAG_PACKETS: u32 = 256;

const TRACKS: &[(&str, Track)] = &[
    ("by_src", Track::Source),
    ("by_dst", Track::Destination),
    ("by_both", Track::Both),
    ("by_rule", Track::Rule),
    ("by_flow", Track::Flow),
];

fn threshold(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    read(option, rule, None)
}

fn detection_filter(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    read(option, rule, Some(ThresholdKind::DetectionFilter))
}

fn read(
    option: &OptionAst<'_>,
    rule: &mut RuleBuilder<'_>,
    fixed: Option<ThresholdKind>,
) -> Result<(), RuleError> {
    let mut value = plain(option)?;
    let filter = fixed.is_some();
    if let (Some(_), false) = (value.node.strip_suffix(','), filter) {
        ignored(rule, &value.part(value.node.len() - 1..value.node.len()));
        value = value.part(0..value.node.len() - 1).trim();
    }
    let (mut kind, mut track, mut count, mut time) = (fixed, None, None, None);
    let (mut multiplier, mut unique) = (None, None);
    let pairs = pairs(&value)?;
    for (nth, pair) in pairs.iter().enumerate() {
        let last = nth + 1 == pairs.len();
        let complete = kind.is_some() && track.is_some() && count.is_some() && time.is_some();
        let twice = match pair.key.node {
            "type" if !filter => {
                kind.replace(choice(pair.required()?, "a type of threshold", KINDS)?).is_some()
            }
            "track" => {
                let piece = first_word(pair.required()?, !filter, rule);
                track.replace(choice(&piece, "a way to count", TRACKS)?).is_some()
            }
            "count" => {
                let piece = first_word(pair.required()?, !filter && last, rule);
                count.replace(unsigned(&piece, u64::from(u32::MAX))? as u32).is_some()
            }
            "seconds" => {
                let piece = first_word(pair.required()?, !filter && last, rule);
                time.replace(seconds(&piece, u64::from(u32::MAX))? as u32).is_some()
            }
            "multiplier" if !filter => {
                multiplier.replace(unsigned(pair.required()?, u64::from(u32::MAX))? as u32).is_some()
            }
            "unique_on" if filter => {
                let ports = [("src_port", PortOf::Source), ("dst_port", PortOf::Destination)];
                unique.replace(choice(pair.required()?, "a port", &ports)?).is_some()
            }
            // the reference engine reads no further when it has all four
            _ if complete && !filter => {
                ignored(rule, &pair.key);
                break;
            }
            _ => {
                let name = option.name.node;
                let hint = if filter {
                    "one of track, count, seconds, unique_on"
                } else {
                    "one of type, track, count, seconds, multiplier"
                };
                return Err(pair.key.error(format!("not an option of {name}")).hint(hint));
            }
        };
        if twice {
            return Err(pair.key.error(format!("{} stands twice", pair.key.node)).hint("keep one of them"));
        }
    }
    let missing = |what: &str| {
        let hint = match kind {
            _ if filter => "write detection_filter:track by_src, count 5, seconds 60;",
            Some(ThresholdKind::Backoff) => {
                "write threshold:type backoff, track by_flow, count 1, multiplier 10;"
            }
            _ => "write threshold:type limit, track by_src, count 1, seconds 60;",
        };
        value.error(format!("{what} is missing")).hint(hint)
    };
    let kind = kind.ok_or_else(|| missing("type"))?;
    let backoff = kind == ThresholdKind::Backoff;
    if backoff && time.is_some() {
        return Err(value
            .error("seconds and the type backoff contradict each other")
            .hint("take seconds away"));
    }
    if !backoff && multiplier.is_some() {
        return Err(value.error("multiplier is for the type backoff").hint("write seconds instead"));
    }
    let threshold = Threshold {
        kind,
        track: track.ok_or_else(|| missing("track"))?,
        count: count.ok_or_else(|| missing("count"))?,
        seconds: if backoff { 0 } else { time.ok_or_else(|| missing("seconds"))? },
        multiplier: if backoff { multiplier.ok_or_else(|| missing("multiplier"))? } else { 0 },
        unique,
    };
    if backoff && threshold.track != Track::Flow {
        return Err(value.error("the type backoff counts by flow only").hint("write track by_flow"));
    }
    if backoff && (threshold.count == 0 || threshold.multiplier < 2) {
        return Err(value.error("count begins at 1 and multiplier at 2 with the type backoff"));
    }
    if filter && (threshold.count == 0 || threshold.seconds == 0) {
        return Err(value.error("count and seconds of detection_filter begin at 1"));
    }
    if threshold.unique.is_some() && threshold.count > u32::from(u16::MAX) {
        return Err(value.error("there are 65535 ports").hint("write a smaller count"));
    }
    if let Some(before) = rule.threshold {
        let before =
            if before.kind == ThresholdKind::DetectionFilter { "detection_filter" } else { "threshold" };
        return Err(option.name.error(format!("this rule has a {before} already")).hint("keep one of them"));
    }
    rule.threshold = Some(threshold);
    Ok(())
}

/// The first word of a value. Published rules have more behind it (a missing semicolon), which the reference engine does not
/// read: it is told, and the rule loads.
fn first_word<'t>(piece: &Piece<'t>, may_go_on: bool, rule: &mut RuleBuilder<'_>) -> Piece<'t> {
    let end = piece.node.find(|c: char| c.is_ascii_whitespace()).unwrap_or(piece.node.len());
    if !may_go_on || end == piece.node.len() {
        return piece.clone();
    }
    ignored(rule, &piece.part(end..piece.node.len()).trim());
    piece.part(0..end)
}

fn ignored(rule: &mut RuleBuilder<'_>, piece: &Piece<'_>) {
    let error = piece.error("this has no effect").hint("is a comma or a semicolon missing before it?");
    rule.warnings.push(error.code("ignored-text"));
}

const KINDS: &[(&str, ThresholdKind)] = &[
    ("limit", ThresholdKind::Limit),
    ("threshold", ThresholdKind::Threshold),
    ("both", ThresholdKind::Both),
    ("backoff", ThresholdKind::Backoff),
];

/// `tag:session|host[,count,packets|bytes|seconds[,src|dst]]`
fn tag(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let Some((kind, rest)) = parts.split_first() else { return Ok(()) };
    let host = choice(kind, "a tag", &[("session", false), ("host", true)])?;
    let mut tag = Tag { host: None, count: TAG_PACKETS, metric: TagMetric::Packets };
    let mut end = Direction::ToServer;
    match rest {
        [] => {}
        [count, metric, direction @ ..] if direction.len() <= 1 => {
            tag.count = unsigned(count, u64::from(u32::MAX))? as u32;
            let metrics = [
                ("packets", TagMetric::Packets),
                ("bytes", TagMetric::Bytes),
                ("seconds", TagMetric::Seconds),
            ];
            tag.metric = choice(metric, "a metric", &metrics)?;
            if let [direction] = direction {
                // the sender of the packet that matched, or its receiver
                end = choice(
                    direction,
                    "an end",
                    &[("src", Direction::ToServer), ("dst", Direction::ToClient)],
                )?;
            }
        }
        _ => {
            return Err(value
                .error("not a tag")
                .hint("write tag:session; tag:session,60,seconds; or tag:host,100,packets,src;"));
        }
    }
    tag.host = host.then_some(end);
    if rule.tags.len() >= TAGS_MAX {
        return Err(option
            .name
            .error("too many tags")
            .hint("a session and two hosts are all there is to follow"));
    }
    rule.tags.push(tag);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, with};
    use super::*;

    #[test]
    fn thresholds_are_read_in_any_order() {
        for (text, expected) in [
            (
                "threshold:type limit, track by_src, count 1, seconds 60;",
                (ThresholdKind::Limit, Track::Source, 1, 60),
            ),
            (
                "threshold:count 5,seconds 2m,track by_dst,type both;",
                (ThresholdKind::Both, Track::Destination, 5, 120),
            ),
            (
                "threshold:type threshold, track by_rule, count 0, seconds 0;",
                (ThresholdKind::Threshold, Track::Rule, 0, 0),
            ),
            (
                "detection_filter:track by_flow, count 9, seconds 1;",
                (ThresholdKind::DetectionFilter, Track::Flow, 9, 1),
            ),
        ] {
            let (kind, track, count, seconds) = expected;
            with(text, |rule| {
                assert_eq!(
                    rule.unwrap().threshold,
                    Some(Threshold { kind, track, count, seconds, multiplier: 0, unique: None }),
                    "{text}"
                );
            });
        }
    }

    #[test]
    fn text_without_effect_is_told_and_the_rule_loads() {
        for (text, told) in [
            ("threshold:type limit, count 1, seconds 120, track by_src reference:url,a.b/c;", 2),
            ("threshold:type limit, track by_src, count 1, seconds 60,;", 1),
            ("threshold:type limit, track by_src, count 1, seconds 60 x;", 1),
            ("threshold:type limit, track by_src, count 1, seconds 60, foo 3;", 1),
            ("threshold:type backoff, track by_flow, count 1, multiplier 10;", 0),
            ("detection_filter:track by_src, count 5, seconds 10, unique_on dst_port;", 0),
        ] {
            with(text, |rule| assert_eq!(rule.unwrap().warnings.len(), told, "{text}"));
        }
    }

    #[test]
    fn tags_have_defaults() {
        use TagMetric::*;
        for (text, host, count, metric) in [
            ("tag:session;", None, 256, Packets),
            ("tag:session, 5, packets;", None, 5, Packets),
            ("tag:host;", Some(Direction::ToServer), 256, Packets),
            ("tag:host,300,seconds,dst;", Some(Direction::ToClient), 300, Seconds),
            ("tag:session,300,bytes,src;", None, 300, Bytes),
        ] {
            with(text, |rule| assert_eq!(rule.unwrap().tags, [Tag { host, count, metric }], "{text}"));
        }
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            ("threshold:type foo, track by_src, count 5, seconds 60;", "\"foo\" is not a type of threshold"),
            ("threshold:type limit, track by_src, count 5;", "seconds is missing"),
            (
                "threshold:type backoff, track by_src, count 1, multiplier 10;",
                "the type backoff counts by flow only",
            ),
            ("threshold:type backoff, track by_flow, count 1;", "multiplier is missing"),
            (
                "threshold:type backoff, track by_flow, count 1, multiplier 1;",
                "count begins at 1 and multiplier at 2 with the type backoff",
            ),
            ("threshold:type limit, foo 3, track by_src, count 5, seconds 60;", "not an option of threshold"),
            ("detection_filter:track by_src, count 5, seconds 10, unique_on sid;", "\"sid\" is not a port"),
            ("threshold:type limit, type both, count 5;", "type stands twice"),
            ("threshold:type limit, track by_me, count 5, seconds 1;", "\"by_me\" is not a way to count"),
            (
                "threshold:type limit, track by_src, count 1, seconds 60; detection_filter: track by_src, count 1, seconds 60;",
                "this rule has a threshold already",
            ),
            (
                "detection_filter:track by_src, count 0, seconds 60;",
                "count and seconds of detection_filter begin at 1",
            ),
            ("detection_filter:type limit, count 1;", "not an option of detection_filter"),
            (
                "threshold:type limit, track by_src, count 1, multiplier 10;",
                "multiplier is for the type backoff",
            ),
            ("tag:foo;", "\"foo\" is not a tag"),
            ("tag:session,5;", "not a tag"),
            ("tag;", "tag needs a value"),
        ]);
    }
}
