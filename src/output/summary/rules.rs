//! What rules cost (`replay --profile`): a table for people, `rule_perf.log`, and a part of the summary's JSON.

use std::fmt::Write as _;

use super::text::{fit, grouped, harmless};
use crate::json::JsonWriter;

/// Rules shown to a person and in JSON; all are in `rule_perf.log`.
pub(super) const SHOWN_MAX: usize = 10;

/// What was measured of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleRow {
    /// Generator.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// The rule's `msg`.
    pub signature: String,
    /// Evaluations.
    pub checks: u64,
    /// Evaluations that ended in a match.
    pub matches: u64,
    /// Time of all evaluations.
    pub nanoseconds: u64,
    /// Time of those that ended in a match.
    pub nanoseconds_matched: u64,
    /// Time of the longest.
    pub nanoseconds_max: u64,
}

impl RuleRow {
    fn average(&self) -> f64 {
        share(self.nanoseconds, self.checks)
    }

    fn average_match(&self) -> f64 {
        share(self.nanoseconds_matched, self.matches)
    }

    fn average_miss(&self) -> f64 {
        share(
            self.nanoseconds.saturating_sub(self.nanoseconds_matched),
            self.checks.saturating_sub(self.matches),
        )
    }
}

fn share(of: u64, by: u64) -> f64 {
    if by == 0 { 0.0 } else { of as f64 / by as f64 }
}

/// All rules, as Suricata's `rule_perf.log` has them; ticks are nanoseconds.
pub fn rule_perf_log(rows: &[RuleRow]) -> String {
    let total: u64 = rows.iter().map(|row| row.nanoseconds).sum();
    let rule = "  -------- ------------ -------- -------- ------------ ------ -------- -------- ----------- ----------- ----------- --------------\n";
    let mut out = String::from("  Sorted by: ticks (nanoseconds).\n");
    out.push_str(rule);
    out.push_str(
        "   Num      Rule         Gid      Rev      Ticks        %      Checks   Matches  Max Ticks   Avg Ticks   Avg Match   Avg No Match\n",
    );
    out.push_str(rule);
    for (nth, row) in rows.iter().enumerate() {
        let _ = writeln!(
            out,
            "  {:<8} {:<12} {:<8} {:<8} {:<12} {:<6.2} {:<8} {:<8} {:<11} {:<11.2} {:<11.2} {:<14.2}",
            nth + 1,
            row.sid,
            row.gid,
            row.rev,
            row.nanoseconds,
            100.0 * share(row.nanoseconds, total),
            row.checks,
            row.matches,
            row.nanoseconds_max,
            row.average(),
            row.average_match(),
            row.average_miss(),
        );
    }
    out
}

/// The slowest, for people.
pub(super) fn table(rows: &[RuleRow], columns: usize) -> String {
    let total: u64 = rows.iter().map(|row| row.nanoseconds).sum();
    let checks: u64 = rows.iter().map(|row| row.checks).sum();
    let mut out = format!(
        "\nSlowest rules, of {} that were evaluated {} times\n",
        grouped(rows.len() as u64),
        grouped(checks)
    );
    let head = format!("{:>11} {:>10} {:>9} {:>6} {:>9}  ", "sid", "checks", "matches", "time", "average");
    let left = columns.saturating_sub(head.len()).max(8);
    let _ = writeln!(out, "{head}signature");
    for row in rows.iter().take(SHOWN_MAX) {
        let id = if row.gid == 1 { row.sid.to_string() } else { format!("{}:{}", row.gid, row.sid) };
        let _ = writeln!(
            out,
            "{id:>11} {:>10} {:>9} {:>5.1}% {:>6.1} µs  {}",
            grouped(row.checks),
            grouped(row.matches),
            100.0 * share(row.nanoseconds, total),
            row.average() / 1000.0,
            fit(&harmless(&row.signature), left).trim_end(),
        );
    }
    out
}

/// The slowest, for scripts.
pub(super) fn json(rows: &[RuleRow], out: &mut JsonWriter) {
    out.open_array("slowest_rules");
    for row in rows.iter().take(SHOWN_MAX) {
        out.open();
        out.number("gid", row.gid);
        out.number("signature_id", row.sid);
        out.number("rev", row.rev);
        out.text("signature", &row.signature);
        out.number("checks", row.checks);
        out.number("matches", row.matches);
        out.number("nanoseconds", row.nanoseconds);
        out.number("nanoseconds_max", row.nanoseconds_max);
        out.raw("nanoseconds_average", format!("{:.1}", row.average()).as_bytes());
        out.close();
    }
    out.close_array();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rules_cost_is_told_in_three_forms() {
        let row = RuleRow {
            gid: 1,
            sid: 7,
            rev: 2,
            signature: "ñ\u{1b} long ".repeat(20),
            checks: 2000,
            matches: 500,
            nanoseconds: 4_000_000,
            nanoseconds_matched: 1_000_000,
            nanoseconds_max: 9000,
        };
        let rows = vec![row, RuleRow { sid: 8, ..RuleRow::default() }];
        let shown = table(&rows, 90);
        assert!(shown.contains("2,000") && shown.contains("100.0%") && shown.contains("2.0 µs"), "{shown}");
        assert!(!shown.contains('\u{1b}'));
        let log = rule_perf_log(&rows);
        let words: Vec<&str> = log.lines().nth(4).unwrap().split_whitespace().collect();
        assert_eq!(
            words,
            ["1", "7", "1", "2", "4000000", "100.00", "2000", "500", "9000", "2000.00", "2000.00", "2000.00"]
        );
        let mut out = JsonWriter::new();
        out.open();
        json(&rows, &mut out);
        out.close();
        let value: serde_json::Value = serde_json::from_slice(out.as_bytes()).unwrap();
        assert_eq!(value["slowest_rules"][0]["nanoseconds_average"], 2000.0);
        assert!(table(&[], 80).contains("0 that were"));
    }
}
