//! The rules as chains of iptables, for IPv4 and IPv6.

use super::{Backend, Plan, run};
use crate::capture::live::Fail;

/// iptables over nftables (`-nft`), of old (`-legacy`), or whichever has the plain name.
pub(super) struct Iptables {
    pub(super) flavour: &'static str,
}

const CHAIN: &str = "MAMPARO";
const KEEP: &str = "MAMPARO-KEEP";
/// What goes out, where that is held.
const OUT: &str = "MAMPARO-OUT";
/// Where our chains are called from.
const CALLS: [(&str, &str); 4] =
    [("FORWARD", CHAIN), ("INPUT", CHAIN), ("OUTPUT", OUT), ("POSTROUTING", KEEP)];
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
                .filter(|(from, _)| wanted(plan, from))
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

/// Whether our chain is called from that one.
fn wanted(plan: &Plan, from: &str) -> bool {
    match from {
        "FORWARD" => plan.ends.is_none(),
        "POSTROUTING" => plan.ends.is_none() && plan.bypass.is_some(),
        _ => plan.ends.is_some(),
    }
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
    let again = plan.repeat.map(|(mark, mask)| format!("-m mark --mark {mark:#x}/{mask:#x} -j RETURN"));
    if let Some(again) = &again {
        // what goes through the hook again was looked at
        text += &format!("-A {CHAIN} {again}\n");
    }
    if let Some((mark, mask)) = plan.bypass {
        text += &format!(":{KEEP} - [0:0]\n-A {CHAIN} -m connmark --mark {mark:#x}/{mask:#x} -j RETURN\n");
        text += &format!(
            "-A {KEEP} -m mark --mark {mark:#x}/{mask:#x} -j CONNMARK --save-mark --nfmask {mask:#x} --ctmask {mask:#x}\n"
        );
    }
    let open = if plan.fail == Fail::Open { " --queue-bypass" } else { "" };
    let queues = |(first, last): (u16, u16)| match first == last {
        true => format!("NFQUEUE --queue-num {first}{open}"),
        // spread by addresses: what belongs together comes to one queue
        false => format!("NFQUEUE --queue-balance {first}:{last}{open}"),
    };
    if let Some(outgoing) = plan.outgoing() {
        // what stays within is nobody else's
        text += &format!(":{OUT} - [0:0]\n-A {CHAIN} -i lo -j RETURN\n-A {OUT} -o lo -j RETURN\n");
        if let Some(again) = &again {
            text += &format!("-A {OUT} {again}\n");
        }
        text += &format!("-A {OUT} -j {}\n", queues(outgoing));
    }
    text += &format!("-A {CHAIN} -j {}\n", queues((plan.first, plan.last)));
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
        let mut plan = Plan {
            first: 7,
            last: 7,
            fail: Fail::Open,
            bypass: None,
            repeat: None,
            set_bridge: false,
            ends: None,
        };
        assert_eq!(
            text(&plan, &["FORWARD"]),
            "*mangle\n:MAMPARO - [0:0]\n-A MAMPARO -j NFQUEUE --queue-num 7 --queue-bypass\n-I FORWARD 1 -j MAMPARO\nCOMMIT\n"
        );
        plan = Plan { last: 9, fail: Fail::Closed, bypass: Some((0x10, 0x30)), ..plan };
        let text = text(&plan, &[]);
        assert!(text.contains("-j NFQUEUE --queue-balance 7:9\n"));
        assert!(text.contains("-m connmark --mark 0x10/0x30 -j RETURN"));
        assert!(!text.contains("-I "));
        plan = Plan { ends: Some(12), bypass: None, repeat: Some((2, 6)), ..plan };
        let text = super::text(&plan, &["INPUT", "OUTPUT"]);
        assert!(text.contains("-A MAMPARO-OUT -j NFQUEUE --queue-balance 12:14\n"), "{text}");
        assert!(text.contains("-I OUTPUT 1 -j MAMPARO-OUT\n") && text.contains("-I INPUT 1 -j MAMPARO\n"));
        assert_eq!(text.matches(" -m mark --mark 0x2/0x6 -j RETURN\n").count(), 2);
        assert!(wanted(&plan, "INPUT") && !wanted(&plan, "FORWARD") && !wanted(&plan, "POSTROUTING"));
    }
}
