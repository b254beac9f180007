//! The clock that the detector is lent, and what it measured of all rules put together (`--profile`).

use std::sync::OnceLock;
use std::time::Instant;

use crate::detect::RuleSet;
use crate::detect::profile::RuleCost;
use crate::output::summary::RuleRow;

/// Nanoseconds since the first call.
#[expect(
    clippy::disallowed_methods,
    reason = "what an evaluation takes is for the person; no verdict and no record sees it"
)]
pub fn nanoseconds() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Rules that were evaluated, those that took longest in all first.
pub fn rows(rules: &RuleSet, costs: &[RuleCost]) -> Vec<RuleRow> {
    let mut rows: Vec<RuleRow> = rules
        .rules
        .iter()
        .zip(costs)
        .filter(|(_, cost)| cost.checks > 0)
        .map(|(rule, cost)| RuleRow {
            gid: rule.meta.gid,
            sid: rule.meta.sid,
            rev: rule.meta.rev,
            signature: rule.meta.msg.to_string(),
            checks: cost.checks,
            matches: cost.matches,
            nanoseconds: cost.ticks,
            nanoseconds_matched: cost.ticks_matched,
            nanoseconds_max: cost.ticks_max,
        })
        .collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.nanoseconds), row.gid, row.sid));
    rows
}
