//! The rules as a table of nftables.

use super::{Backend, Plan, held, run};
use crate::capture::live::Fail;

/// nftables with its own `queue`.
pub(super) struct Nft;

/// The table that holds all of ours.
const TABLE: &str = "inet mamparo";

impl Backend for Nft {
    fn name(&self) -> &str {
        "nft"
    }

    fn put(&self, plan: &Plan) -> Result<Vec<String>, String> {
        // one transaction: whole or not at all
        run("nft", &["-f", "-"], &text(plan)).map(|_| Vec::new())
    }

    fn remove(&self) -> Result<(), String> {
        run("nft", &["-f", "-"], &format!("add table {TABLE}\ndelete table {TABLE}\n")).map(|_| ())
    }

    fn is_there(&self) -> bool {
        run("nft", &["list", "table", "inet", "mamparo"], "").is_ok()
    }

    fn state(&self) -> String {
        // what stands in sets comes and goes
        run("nft", &["-t", "list", "table", "inet", "mamparo"], "").unwrap_or_default()
    }
}

fn text(plan: &Plan) -> String {
    let open = if plan.fail == Fail::Open { " bypass" } else { "" };
    let queues = |(first, last): (u16, u16)| match first == last {
        true => format!("queue num {first}{open}"),
        // spread by addresses: what belongs together comes to one queue
        false => format!("queue num {first}-{last}{open}"),
    };
    let begin = format!("add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n");
    // what goes through the hook again was looked at
    let again = plan.repeat.map_or_else(String::new, |(mark, mask)| {
        format!("    meta mark and {mask:#x} == {mark:#x} accept\n")
    });
    let incoming = queues((plan.first, plan.last));
    let (mut known, mut keep, mut kept) = (String::new(), String::new(), String::new());
    if let Some((mark, mask)) = plan.bypass {
        known = format!("    ct mark and {mask:#x} == {mark:#x} accept\n");
        kept = format!("    meta mark and {mask:#x} == {mark:#x} ct mark set ct mark or {mark:#x}\n");
        keep = format!(
            "  chain keep {{\n    type filter hook postrouting priority mangle; policy accept;\n{kept}  }}\n"
        );
    }
    if let Some(outgoing) = plan.outgoing() {
        // what stays within is nobody else's
        let outgoing = queues(outgoing);
        if !kept.is_empty() {
            keep += &format!(
                "  chain keep_input {{\n    type filter hook input priority filter; policy accept;\n{kept}  }}\n"
            );
        }
        // what goes to a container that is held is looked at there
        let (sets, held) = (held::sets(), held::to("accept"));
        return format!(
            "{begin}{sets}  chain input {{\n    type filter hook input priority mangle; policy accept;\n    iifname \"lo\" accept\n{again}{known}    {incoming}\n  }}\n  chain output {{\n    type filter hook output priority mangle; policy accept;\n    oifname \"lo\" accept\n{again}{held}{known}    {outgoing}\n  }}\n{keep}}}\n"
        );
    }
    format!(
        "{begin}  chain forward {{\n    type filter hook forward priority mangle; policy accept;\n{again}{known}    {incoming}\n  }}\n{keep}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_and_the_queues_are_in_it() {
        let mut plan = Plan {
            first: 7,
            last: 7,
            fail: Fail::Open,
            bypass: None,
            repeat: None,
            set_bridge: false,
            dry_run: false,
            ends: None,
        };
        assert!(text(&plan).contains("queue num 7 bypass\n"));
        plan = Plan { last: 9, fail: Fail::Closed, bypass: Some((0x10, 0x30)), ..plan };
        assert!(text(&plan).contains("queue num 7-9\n"));
        assert!(text(&plan).contains("ct mark and 0x30 == 0x10 accept"));
        plan = Plan { repeat: Some((0x2, 0x6)), ends: Some(12), ..plan };
        let text = text(&plan);
        assert!(text.contains("queue num 7-9\n") && text.contains("queue num 12-14\n"));
        assert_eq!(text.matches("ct mark and 0x30 == 0x10 accept").count(), 2, "{text}");
        assert_eq!(text.matches("    meta mark and 0x6 == 0x2 accept\n").count(), 2, "{text}");
        assert_eq!(text.matches("daddr @held").count(), 2, "what goes out alone: {text}");
        assert!(text.contains("chain keep_input") && text.contains("chain keep {"), "{text}");
    }
}
