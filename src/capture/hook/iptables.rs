//! The rules as chains of iptables, for IPv4 and IPv6.

use super::{Backend, Plan, run};
use crate::capture::live::Fail;

/// iptables over nftables (`-nft`), of old (`-legacy`), or whichever has the plain name.
pub(super) struct Iptables {
    pub(super) flavour: &'static str,
}

const CHAIN: &str = "MAMPARO";
const KEEP: &str = "MAMPARO-KEEP";
/// Where our chains are called from.
const CALLS: [(&str, &str); 2] = [("FORWARD", CHAIN), ("POSTROUTING", KEEP)];
/// Seconds to wait for others who change rules.
const WAIT: &str = "5";

impl Backend for Iptables {
    fn name(&self) -> &str {
        match self.flavour {
            "-nft" => "iptables-nft",
            "-legacy" => "iptables-legacy",
            _ => "iptables",
        }
    }

    fn put(&self, plan: &Plan) -> Result<Vec<String>, String> {
        let mut told = Vec::new();
        for program in families() {
            let calls: Vec<&str> = CALLS
                .iter()
                .filter(|(_, chain)| plan.bypass.is_some() || *chain == CHAIN)
                .filter(|(from, chain)| self.call(program, "-C", from, chain).is_err())
                .map(|(from, _)| *from)
                .collect();
            let restore = format!("{program}{}-restore", self.flavour);
            // one transaction for each family
            if let Err(why) = run(&restore, &["--noflush", "--wait", WAIT], &text(plan, &calls)) {
                let _ = self.remove();
                return Err(why);
            }
            if plan.bypass.is_none() {
                // of another run
                self.remove_chain(program, "POSTROUTING", KEEP);
            }
        }
        if families().len() == 1 {
            told.push("this kernel has no IPv6: there is nothing of it to hold".to_owned());
        }
        Ok(told)
    }

    fn remove(&self) -> Result<(), String> {
        for program in families() {
            for (from, chain) in CALLS {
                self.remove_chain(program, from, chain);
            }
        }
        match self.is_there() {
            true => Err(format!(
                "{}: chain {CHAIN} cannot be removed from table mangle; remove it by hand",
                self.name()
            )),
            false => Ok(()),
        }
    }

    fn is_there(&self) -> bool {
        families().iter().any(|program| {
            // asking the tables of old makes them where they are not
            if self.flavour == "-legacy" && !has_legacy_table(program) {
                return false;
            }
            let program = format!("{program}{}", self.flavour);
            run(&program, &["-w", WAIT, "-t", "mangle", "-S", CHAIN], "").is_ok()
        })
    }
}

/// Whether there is such a program.
pub(super) fn is_installed(flavour: &str) -> bool {
    run(&format!("iptables{flavour}"), &["--version"], "").is_ok()
}

impl Iptables {
    fn call(&self, program: &str, what: &str, from: &str, chain: &str) -> Result<String, String> {
        let program = format!("{program}{}", self.flavour);
        run(&program, &["-w", WAIT, "-t", "mangle", what, from, "-j", chain], "")
    }

    fn remove_chain(&self, program: &str, from: &str, chain: &str) {
        // each call removes one
        for _ in 0..16 {
            if self.call(program, "-D", from, chain).is_err() {
                break;
            }
        }
        let program = format!("{program}{}", self.flavour);
        for what in ["-F", "-X"] {
            // what is not there cannot be removed
            let _ = run(&program, &["-w", WAIT, "-t", "mangle", what, chain], "");
        }
    }
}

/// Whether the kernel has that table of old.
fn has_legacy_table(program: &str) -> bool {
    let names =
        if program == "iptables" { "/proc/net/ip_tables_names" } else { "/proc/net/ip6_tables_names" };
    std::fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == "mangle"))
}

/// The programs for the families that the kernel has.
fn families() -> &'static [&'static str] {
    match std::path::Path::new("/proc/net/if_inet6").exists() {
        true => &["iptables", "ip6tables"],
        false => &["iptables"],
    }
}

/// What is to be restored; `calls`: chains of the kernel that do not call ours yet.
fn text(plan: &Plan, calls: &[&str]) -> String {
    let mut text = format!("*mangle\n:{CHAIN} - [0:0]\n");
    if let Some((mark, mask)) = plan.bypass {
        text += &format!(":{KEEP} - [0:0]\n-A {CHAIN} -m connmark --mark {mark:#x}/{mask:#x} -j RETURN\n");
        text += &format!(
            "-A {KEEP} -m mark --mark {mark:#x}/{mask:#x} -j CONNMARK --save-mark --nfmask {mask:#x} --ctmask {mask:#x}\n"
        );
    }
    let queues = match plan.first == plan.last {
        true => format!("--queue-num {}", plan.first),
        // spread by addresses: what belongs together comes to one queue
        false => format!("--queue-balance {}:{}", plan.first, plan.last),
    };
    let open = if plan.fail == Fail::Open { " --queue-bypass" } else { "" };
    text += &format!("-A {CHAIN} -j NFQUEUE {queues}{open}\n");
    for (from, chain) in CALLS.iter().filter(|(from, _)| calls.contains(from)) {
        text += &format!("-I {from} 1 -j {chain}\n");
    }
    text + "COMMIT\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_and_the_queues_are_in_it() {
        let mut plan = Plan { first: 7, last: 7, fail: Fail::Open, bypass: None, set_bridge: false };
        assert_eq!(
            text(&plan, &["FORWARD"]),
            "*mangle\n:MAMPARO - [0:0]\n-A MAMPARO -j NFQUEUE --queue-num 7 --queue-bypass\n-I FORWARD 1 -j MAMPARO\nCOMMIT\n"
        );
        plan = Plan { last: 9, fail: Fail::Closed, bypass: Some((0x10, 0x30)), ..plan };
        let text = text(&plan, &[]);
        assert!(text.contains("-j NFQUEUE --queue-balance 7:9\n"));
        assert!(text.contains("-m connmark --mark 0x10/0x30 -j RETURN"));
        assert!(!text.contains("-I "));
    }
}
