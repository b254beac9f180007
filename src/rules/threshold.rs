//! `threshold.config`: limits and suppressions put on rules from outside (user guide, "Global-Thresholds").

use super::address::AddressSet;
use super::file::{FileError, RuleFile};
use super::number::{seconds, unsigned};
use super::report::{RuleError, did_you_mean};
use super::value::{Pair, Piece, pair, split};
use super::vars::Vars;
use super::{Action, RejectKind, Spanned};

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThresholdEntry {
    /// The line it begins on, from 1.
    pub line: u32,
    /// The rules' generator, 0 for all.
    pub gid: u32,
    /// The rule, 0 for all of the generator.
    pub sid: u32,
    /// What is done with its alerts.
    pub kind: ThresholdKind,
}

/// What a line does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThresholdKind {
    /// `suppress`: no alerts at all, or none from, to, or from or to these addresses.
    Suppress(Option<(SuppressTrack, AddressSet)>),
    /// `event_filter`, `threshold`
    EventFilter {
        /// `type`
        kind: FilterType,
        /// `track`
        track: Track,
        /// `count`, from 1
        count: u32,
        /// `seconds`
        seconds: u32,
    },
    /// `rate_filter`
    RateFilter {
        /// `track`
        track: Track,
        /// `count`, from 1
        count: u32,
        /// `seconds`, from 1
        seconds: u32,
        /// `new_action`: what the rule does while over its rate.
        new_action: Action,
        /// `timeout`, in seconds: for how long.
        timeout: u32,
    },
}

/// How an event filter limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilterType {
    /// At most `count` alerts within `seconds`.
    Limit,
    /// Every `count`th match within `seconds`.
    Threshold,
    /// One alert after `count` matches within `seconds`.
    Both,
}

impl FilterType {
    /// Of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "limit" => FilterType::Limit,
            "threshold" => FilterType::Threshold,
            "both" => FilterType::Both,
            _ => return None,
        })
    }
}

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// Each source address.
    BySrc,
    /// Each destination address.
    ByDst,
    /// Each pair of addresses, whichever way.
    ByBoth,
    /// The rule as a whole.
    ByRule,
    /// Each flow.
    ByFlow,
}

impl Track {
    /// Of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "by_src" => Track::BySrc,
            "by_dst" => Track::ByDst,
            "by_both" => Track::ByBoth,
            "by_rule" => Track::ByRule,
            "by_flow" => Track::ByFlow,
            _ => return None,
        })
    }
}

/// Whose address a suppression is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuppressTrack {
    /// The source's.
    BySrc,
    /// The destination's.
    ByDst,
    /// Either's.
    ByEither,
}

/// Most entries of one file.
pub const ENTRIES_MAX: usize = 1_000_000;

/// Reads a file. Lines with mistakes are left out and told.
pub fn parse(bytes: &[u8], vars: &Vars) -> (Vec<ThresholdEntry>, Vec<FileError>) {
    let file = RuleFile::new(bytes);
    let mut entries = Vec::new();
    let mut errors = file.faults;
    for line in &file.rules {
        let text: &str = &line.text;
        match entry(&Spanned { node: text, span: 0..text.len() }, line.line, vars) {
            Ok(entry) if entries.len() < ENTRIES_MAX => entries.push(entry),
            Ok(_) => break,
            Err(error) if errors.len() < 1000 => errors.push(FileError::new(line.line, text, error)),
            Err(_) => {}
        }
    }
    (entries, errors)
}

const DIRECTIVES: [&str; 4] = ["event_filter", "threshold", "rate_filter", "suppress"];

fn entry(text: &Piece<'_>, line: u32, vars: &Vars) -> Result<ThresholdEntry, RuleError> {
    let directive = pair(text);
    let mut args = Args::read(
        &directive.value.clone().unwrap_or_else(|| text.part(text.node.len()..text.node.len())),
        text,
    )?;
    if !DIRECTIVES.contains(&directive.key.node) {
        let hint = match did_you_mean(directive.key.node, DIRECTIVES) {
            Some(name) => format!("did you mean {name}?"),
            None => format!("one of {}", DIRECTIVES.join(", ")),
        };
        return Err(directive.key.error("this is no directive").hint(hint));
    }
    let gid = args.number("gen_id", 0)?;
    let sid = args.number("sig_id", 0)?;
    let kind = match directive.key.node {
        "suppress" => ThresholdKind::Suppress(suppress(&mut args, vars)?),
        "rate_filter" => ThresholdKind::RateFilter {
            track: args.word("track", Track::from_name, TRACKS)?,
            count: args.number("count", 1)?,
            seconds: args.seconds("seconds", 1)?,
            new_action: args.word("new_action", new_action, "one of alert, drop, pass, reject")?,
            timeout: args.seconds("timeout", 0)?,
        },
        _ => ThresholdKind::EventFilter {
            kind: args.word("type", FilterType::from_name, "one of limit, threshold, both")?,
            track: args.word("track", Track::from_name, TRACKS)?,
            count: args.number("count", 1)?,
            seconds: args.seconds("seconds", 0)?,
        },
    };
    args.finish()?;
    if gid == 0 && sid != 0 {
        return Err(text
            .error("a rule is named, but no generator")
            .hint("write gen_id 1; gen_id 0 is for all rules"));
    }
    Ok(ThresholdEntry { line, gid, sid, kind })
}

const TRACKS: &str = "one of by_src, by_dst, by_both, by_rule, by_flow";

fn new_action(name: &str) -> Option<Action> {
    Some(match name {
        // `log` and `sdrop` are of old, and do what is left of them
        "alert" | "log" => Action::Alert,
        "drop" | "sdrop" => Action::Drop,
        "pass" => Action::Pass,
        "reject" => Action::Reject(RejectKind::Source),
        _ => return None,
    })
}

fn suppress(args: &mut Args<'_>, vars: &Vars) -> Result<Option<(SuppressTrack, AddressSet)>, RuleError> {
    if !args.has("track") && !args.has("ip") {
        return Ok(None);
    }
    let track = |name: &str| {
        Some(match name {
            "by_src" => SuppressTrack::BySrc,
            "by_dst" => SuppressTrack::ByDst,
            "by_either" => SuppressTrack::ByEither,
            _ => return None,
        })
    };
    let track = args.word("track", track, "one of by_src, by_dst, by_either")?;
    let ip = args.take("ip")?;
    let set = vars.parse_addresses(ip.node).map_err(|error| error.moved(ip.span.start))?;
    Ok(Some((track, set)))
}

/// The `key value` parts of a line.
struct Args<'t> {
    whole: Piece<'t>,
    pairs: Vec<Pair<'t>>,
}

impl<'t> Args<'t> {
    fn read(value: &Piece<'t>, whole: &Piece<'t>) -> Result<Self, RuleError> {
        // the commas of an address list do not part arguments
        let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0usize);
        for (at, byte) in value.node.bytes().enumerate() {
            match byte {
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => {
                    parts.push(value.part(start..at).trim());
                    start = at + 1;
                }
                _ => {}
            }
        }
        parts.push(value.part(start..value.node.len()).trim());
        // `ip 1.1.1.1,2.2.2.2`: a list without brackets ends the line
        let mut pairs: Vec<Pair<'t>> = Vec::new();
        for part in &parts {
            if part.node.is_empty() {
                return Err(part
                    .error("an argument is missing here")
                    .hint("take the superfluous comma away"));
            }
            if let Some(Pair { key, value: Some(list) }) = pairs.last_mut()
                && key.node == "ip"
                && split(part, b' ').len() == 1
            {
                let start = list.span.start - value.span.start;
                *list = value.part(start..part.span.end - value.span.start);
                continue;
            }
            pairs.push(pair(part));
        }
        Ok(Args { whole: whole.clone(), pairs })
    }

    fn has(&self, key: &str) -> bool {
        self.pairs.iter().any(|pair| pair.key.node == key)
    }

    fn take(&mut self, key: &str) -> Result<Piece<'t>, RuleError> {
        let Some(at) = self.pairs.iter().position(|pair| pair.key.node == key) else {
            let end = self.whole.span.end;
            return Err(RuleError::new(end..end, format!("{key} is missing")).hint(format!("add: , {key} …")));
        };
        self.pairs.remove(at).required().cloned()
    }

    fn number(&mut self, key: &str, min: u64) -> Result<u32, RuleError> {
        let piece = self.take(key)?;
        at_least(&piece, unsigned(&piece, u64::from(u32::MAX))?, min)
    }

    fn seconds(&mut self, key: &str, min: u64) -> Result<u32, RuleError> {
        let piece = self.take(key)?;
        at_least(&piece, seconds(&piece, u64::from(u32::MAX))?, min)
    }

    fn word<T>(&mut self, key: &str, read: impl Fn(&str) -> Option<T>, hint: &str) -> Result<T, RuleError> {
        let piece = self.take(key)?;
        read(piece.node).ok_or_else(|| piece.error(format!("{} is unknown here", piece.node)).hint(hint))
    }

    fn finish(self) -> Result<(), RuleError> {
        match self.pairs.first() {
            None => Ok(()),
            Some(pair) => Err(pair
                .key
                .error(format!("{} does not belong here", pair.key.node))
                .hint("or it stands here twice")),
        }
    }
}

fn at_least(piece: &Piece<'_>, number: u64, min: u64) -> Result<u32, RuleError> {
    match u32::try_from(number) {
        Ok(number) if u64::from(number) >= min => Ok(number),
        _ => Err(piece.error(format!("{} is out of range", piece.node)).hint(format!("{min} or more"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directive_is_read() {
        let mut vars = Vars::default();
        vars.addresses.insert("NET".into(), "[10.0.0.0/8,20.0.0.0/16]".into());
        let read = |text: &str| {
            let (entries, errors) = parse(text.as_bytes(), &vars);
            assert_eq!(errors, [], "{text}");
            assert_eq!(entries.len(), 1, "{text}");
            let entry = entries.into_iter().next().unwrap();
            (entry.gid, entry.sid, entry.kind)
        };
        let ips = |text: &str| vars.parse_addresses(text).unwrap();
        assert_eq!(read("suppress gen_id 1, sig_id 2002087"), (1, 2_002_087, ThresholdKind::Suppress(None)));
        let suppressed = |track, text| ThresholdKind::Suppress(Some((track, ips(text))));
        assert_eq!(
            read("suppress gen_id 1, sig_id 2, track by_src, ip 217.110.97.128/25"),
            (1, 2, suppressed(SuppressTrack::BySrc, "217.110.97.128/25"))
        );
        assert_eq!(
            read("suppress gen_id 0, sig_id 0, track by_either, ip [10.0.0.0/8, !10.1.1.1]"),
            (0, 0, suppressed(SuppressTrack::ByEither, "[10.0.0.0/8,!10.1.1.1]"))
        );
        assert_eq!(
            read("suppress gen_id 1, sig_id 2, track by_dst, ip 1.1.1.1, 2.2.2.2"),
            (1, 2, suppressed(SuppressTrack::ByDst, "1.1.1.1,2.2.2.2"))
        );
        assert_eq!(
            read("suppress gen_id 1, sig_id 2, track by_dst, ip $NET").2,
            suppressed(SuppressTrack::ByDst, "$NET")
        );
        let filter =
            ThresholdKind::EventFilter { kind: FilterType::Both, track: Track::BySrc, count: 3, seconds: 5 };
        assert_eq!(
            read("threshold gen_id 1, sig_id 9, type both, track by_src, count 3, seconds 5"),
            (1, 9, filter.clone())
        );
        assert_eq!(
            read("event_filter gen_id 1,sig_id 9,type both, \\\r\n track by_src, count 3, seconds 5"),
            (1, 9, filter)
        );
        assert_eq!(
            read("rate_filter gen_id 1, sig_id 10, track by_rule, count 100, seconds 60, new_action drop, timeout 30").2,
            ThresholdKind::RateFilter { track: Track::ByRule, count: 100, seconds: 60, new_action: Action::Drop, timeout: 30 }
        );
    }

    #[test]
    fn mistakes_are_told_where_they_stand() {
        let check = |text: &str, at: usize, message: &str| {
            let (entries, errors) = parse(text.as_bytes(), &Vars::default());
            assert_eq!((entries.len(), errors.len()), (0, 1), "{text}");
            assert_eq!(
                (errors[0].error.span.start, errors[0].error.message.as_str()),
                (at, message),
                "{text}"
            );
        };
        check("supress gen_id 1, sig_id 2", 0, "this is no directive");
        check("suppress", 8, "an argument is missing here");
        check("suppress gen_id 1", 17, "sig_id is missing");
        check("suppress gen_id 1, sig_id x", 26, "\"x\" is not a number");
        check("suppress gen_id 1, sig_id 2, track by_rule, ip 1.1.1.1", 35, "by_rule is unknown here");
        check("suppress gen_id 1, sig_id 2, track by_src", 41, "ip is missing");
        check("suppress gen_id 1, sig_id 2, track by_src, ip 1.1.1", 46, "\"1.1.1\" is not an address");
        check("suppress gen_id 1, sig_id 2, track by_src, ip $X", 46, "unknown variable $X");
        check(
            "threshold gen_id 1, sig_id 9, type both, track by_src, count 0, seconds 5",
            61,
            "0 is out of range",
        );
        check(
            "threshold gen_id 1, sig_id 9, type both, track by_src, count 1, seconds 5, x 1",
            75,
            "x does not belong here",
        );
        check("suppress gen_id 1,, sig_id 2", 18, "an argument is missing here");
        check(
            "rate_filter gen_id 1, sig_id 1, track by_src, count 1, seconds 1, new_action lose, timeout 1",
            77,
            "lose is unknown here",
        );
    }

    #[test]
    fn mutated_files_never_panic() {
        let text = "\u{feff}config classification: a-b,Some text,3\r\nconfig reference: cve http://x\n# alert tcp any any -> any any (sid:1;)\nsuppress gen_id 1, sig_id 2, track by_either, ip [10.0.0.0/8,!$X]\nrate_filter gen_id 1, \\\n sig_id 1, track by_src, count 1, seconds 1m, new_action drop, timeout 30\n".as_bytes();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let run = |bytes: &[u8]| {
            let (_, mut errors) = parse(bytes, &Vars::default());
            errors.extend(super::super::classification::Classifications::parse(bytes).1);
            errors.extend(super::super::reference::References::parse(bytes).1);
            for error in &errors {
                assert!(error.line >= 1 && error.text.get(error.error.span.clone()).is_some(), "{error:?}");
                assert!(error.report("f").render().starts_with("f:"));
            }
            for rule in &RuleFile::new(bytes).rules {
                for at in 0..=rule.text.len() {
                    assert!(rule.position(at).0 >= rule.line);
                }
            }
        };
        for cut in 0..text.len() {
            run(&text[..cut]);
            run(&text[cut..]);
        }
        for _ in 0..3000 {
            let mut mutant = text.to_vec();
            for _ in 0..=random(4) {
                let at = random(mutant.len());
                mutant[at] = b"\\\n\r#,:[]! \xff0x\""[random(14)];
            }
            run(&mutant);
        }
    }
}
