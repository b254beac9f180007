//! How often a rule may alert, and what is logged after it: `threshold`, `detection_filter`, `tag`.

use super::row::{Row, choice, plain, row};
use crate::detect::RuleBuilder;
use crate::detect::rule::{Tag, TagMetric, Threshold, ThresholdKind, Track};
use crate::rules::number::{seconds, unsigned};
use crate::rules::value::{pairs, split_commas};
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
    let value = plain(option)?;
    let (mut kind, mut track, mut count, mut time) = (fixed, None, None, None);
    let filter = fixed.is_some();
    for pair in pairs(&value)? {
        let twice = match pair.key.node {
            "type" if !filter => {
                kind.replace(choice(pair.required()?, "a type of threshold", KINDS)?).is_some()
            }
            "track" => track.replace(choice(pair.required()?, "a way to count", TRACKS)?).is_some(),
            "count" => count.replace(unsigned(pair.required()?, u64::from(u32::MAX))? as u32).is_some(),
            "seconds" => time.replace(seconds(pair.required()?, u64::from(u32::MAX))? as u32).is_some(),
            "multiplier" if !filter => {
                return Err(pair
                    .key
                    .error("the type backoff is not supported yet")
                    .hint("use limit, threshold or both"));
            }
            _ => {
                let name = option.name.node;
                let hint = if filter {
                    "one of track, count, seconds"
                } else {
                    "one of type, track, count, seconds"
                };
                return Err(pair.key.error(format!("not an option of {name}")).hint(hint));
            }
        };
        if twice {
            return Err(pair.key.error(format!("{} stands twice", pair.key.node)).hint("keep one of them"));
        }
    }
    let missing = |what: &str| {
        let hint = if filter {
            "write detection_filter:track by_src, count 5, seconds 60;"
        } else {
            "write threshold:type limit, track by_src, count 1, seconds 60;"
        };
        value.error(format!("{what} is missing")).hint(hint)
    };
    let threshold = Threshold {
        kind: kind.ok_or_else(|| missing("type"))?,
        track: track.ok_or_else(|| missing("track"))?,
        count: count.ok_or_else(|| missing("count"))?,
        seconds: time.ok_or_else(|| missing("seconds"))?,
    };
    if filter && (threshold.count == 0 || threshold.seconds == 0) {
        return Err(value.error("count and seconds of detection_filter begin at 1"));
    }
    if let Some(before) = rule.threshold {
        let before =
            if before.kind == ThresholdKind::DetectionFilter { "detection_filter" } else { "threshold" };
        return Err(option.name.error(format!("this rule has a {before} already")).hint("keep one of them"));
    }
    rule.threshold = Some(threshold);
    Ok(())
}

const KINDS: &[(&str, ThresholdKind)] = &[
    ("limit", ThresholdKind::Limit),
    ("threshold", ThresholdKind::Threshold),
    ("both", ThresholdKind::Both),
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
    rule.tag = Some(tag);
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
                    Some(Threshold { kind, track, count, seconds }),
                    "{text}"
                );
            });
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
            with(text, |rule| assert_eq!(rule.unwrap().tag, Some(Tag { host, count, metric }), "{text}"));
        }
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            ("threshold:type foo, track by_src, count 5, seconds 60;", "\"foo\" is not a type of threshold"),
            ("threshold:type limit, track by_src, count 5;", "seconds is missing"),
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
                "the type backoff is not supported yet",
            ),
            ("tag:foo;", "\"foo\" is not a tag"),
            ("tag:session,5;", "not a tag"),
            ("tag;", "tag needs a value"),
        ]);
    }
}
