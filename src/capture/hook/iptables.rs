//! The rules as chains of iptables, for IPv4 and IPv6.

use super::{Backend, Plan, held, run};
use crate::capture::live::Fail;

/// iptables over nftables (`-nft`), of old (`-legacy`), or whichever has the plain name.
pub(super) struct Iptables {
    pub(super) flavour: &'static str,
}

const CHAIN: &str = "MAMPARO";
const KEEP: &str = "MAMPARO-KEEP";
/// What goes out, where that is held.
const OUT: &str = "MAMPARO-OUT";
/// A table, a chain of the kernel in it, and the chain of ours that is called from there.
type Call = (&'static str, &'static str, &'static str);
/// Where our chains are called from. (What was accepted behind its queue goes on with the next table: there marks are kept.)
const CALLS: [Call; 5] = [
    ("mangle", "FORWARD", CHAIN),
    ("mangle", "INPUT", CHAIN),
    ("mangle", "OUTPUT", OUT),
    ("mangle", "POSTROUTING", KEEP),
    ("filter", "INPUT", KEEP),
];
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
        let marked = plan.ends.is_some() && held::put_marks().is_ok();
        for program in families() {
            let calls: Vec<(Call, bool)> = CALLS
                .into_iter()
                .filter(|call| wanted(plan, *call))
                .filter_map(|call| match self.called(program, call) {
                    Called::First => None,
                    there => Some((call, there == Called::Later)),
                })
                .collect();
            let restore = format!("{program}{}-restore", self.flavour);
            // one transaction for each family
            if let Err(why) = run(&restore, &["--noflush", "--wait", WAIT], &text(plan, &calls, marked)) {
                let _ = self.remove();
                return Err(why);
            }
            if plan.bypass.is_none() {
                // of another run
                CALLS
                    .into_iter()
                    .filter(|(.., chain)| *chain == KEEP)
                    .for_each(|call| self.remove_chain(program, call));
            }
        }
        if families().len() == 1 {
            told.push("this kernel has no IPv6: there is nothing of it to hold".to_owned());
        }
        Ok(told)
    }

    fn remove(&self) -> Result<(), String> {
        held::remove_marks();
        for program in families() {
            CALLS.into_iter().for_each(|call| self.remove_chain(program, call));
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
            if self.flavour == "-legacy" && !has_legacy_table(program, "mangle") {
                return false;
            }
            let program = format!("{program}{}", self.flavour);
            run(&program, &["-w", WAIT, "-t", "mangle", "-S", CHAIN], "").is_ok()
        })
    }

    fn state(&self) -> String {
        let mut state = held::marks();
        for program in families() {
            for table in ["mangle", "filter"] {
                if self.flavour == "-legacy" && !has_legacy_table(program, table) {
                    continue;
                }
                let rules = run(&format!("{program}{}", self.flavour), &["-w", WAIT, "-t", table, "-S"], "");
                let rules = rules.unwrap_or_default();
                let ours = rules.lines().filter(|line| line.contains(CHAIN));
                ours.for_each(|line| state += &format!("{program} {table} {line}\n"));
                for (_, from, _) in CALLS.iter().filter(|(of, ..)| *of == table) {
                    let first = rules.lines().find(|line| line.starts_with(&format!("-A {from} ")));
                    // what stands before ours may pass it by
                    state += &format!("{}\n", first.is_some_and(|line| line.contains(CHAIN)));
                }
            }
        }
        state
    }
}

/// Whether a chain of ours is called, and before everything else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    Not,
    First,
    Later,
}

/// Whether there is such a program.
pub(super) fn is_installed(flavour: &str) -> bool {
    run(&format!("iptables{flavour}"), &["--version"], "").is_ok()
}

impl Iptables {
    fn called(&self, program: &str, (table, from, chain): Call) -> Called {
        let program = format!("{program}{}", self.flavour);
        let rules = run(&program, &["-w", WAIT, "-t", table, "-S", from], "").unwrap_or_default();
        let call = format!("-A {from} -j {chain}");
        match rules.lines().filter(|line| line.starts_with("-A ")).position(|line| line.trim() == call) {
            None => Called::Not,
            Some(0) => Called::First,
            Some(_) => Called::Later,
        }
    }

    fn remove_chain(&self, program: &str, (table, from, chain): Call) {
        if self.flavour == "-legacy" && !has_legacy_table(program, table) {
            return;
        }
        let program = format!("{program}{}", self.flavour);
        let call = |what: &[&str]| run(&program, &[&["-w", WAIT, "-t", table][..], what].concat(), "");
        // each call removes one
        for _ in 0..16 {
            if call(&["-D", from, "-j", chain]).is_err() {
                break;
            }
        }
        for what in ["-F", "-X"] {
            // what is not there cannot be removed
            let _ = call(&[what, chain]);
        }
    }
}

/// Whether the kernel has that table of old.
fn has_legacy_table(program: &str, table: &str) -> bool {
    let names =
        if program == "iptables" { "/proc/net/ip_tables_names" } else { "/proc/net/ip6_tables_names" };
    std::fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == table))
}

/// Whether our chain is called from that one.
fn wanted(plan: &Plan, call: Call) -> bool {
    match call {
        (_, "FORWARD", _) => plan.ends.is_none(),
        (_, "POSTROUTING", _) => plan.bypass.is_some(),
        ("filter", ..) => plan.ends.is_some() && plan.bypass.is_some(),
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

/// What is to be restored; `calls`: chains of the kernel that are to call ours, and whether they do, in another place; `marked`: what
/// goes to a container that is held has its mark.
fn text(plan: &Plan, calls: &[(Call, bool)], marked: bool) -> String {
    let mut text = format!("*mangle\n:{CHAIN} - [0:0]\n");
    let (mut known, mut keep) = (String::new(), String::new());
    let mut again = String::new();
    if let Some((mark, mask)) = plan.repeat {
        // what goes through the hook again was looked at
        again = format!("-m mark --mark {mark:#x}/{mask:#x} -j RETURN\n");
        text += &format!("-A {CHAIN} {again}");
    }
    if let Some((mark, mask)) = plan.bypass {
        known = format!("-m connmark --mark {mark:#x}/{mask:#x} -j RETURN\n");
        keep = format!(
            ":{KEEP} - [0:0]\n-A {KEEP} -m mark --mark {mark:#x}/{mask:#x} -j CONNMARK --save-mark --nfmask {mask:#x} --ctmask {mask:#x}\n"
        );
        text += &format!("{keep}-A {CHAIN} {known}");
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
        if marked {
            let mark = held::MARK;
            text += &format!("-A {OUT} -m mark --mark {mark:#x}/{mark:#x} -j RETURN\n");
        }
        if !known.is_empty() {
            text += &format!("-A {OUT} {known}");
        }
        if !again.is_empty() {
            text += &format!("-A {OUT} {again}");
        }
        text += &format!("-A {OUT} -j {}\n", queues(outgoing));
    }
    text += &format!("-A {CHAIN} -j {}\n", queues((plan.first, plan.last)));
    let called = |table: &str| -> String {
        let calls = calls.iter().filter(|((of, ..), _)| *of == table);
        calls
            .map(|((_, from, chain), there)| {
                let away = if *there { format!("-D {from} -j {chain}\n") } else { String::new() };
                format!("{away}-I {from} 1 -j {chain}\n")
            })
            .collect()
    };
    text += &called("mangle");
    text += "COMMIT\n";
    if plan.ends.is_some() && !keep.is_empty() {
        text += &format!("*filter\n{keep}{}COMMIT\n", called("filter"));
    }
    text
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
        assert_eq!(
            text(&plan, &[(CALLS[0], false)], false),
            "*mangle\n:MAMPARO - [0:0]\n-A MAMPARO -j NFQUEUE --queue-num 7 --queue-bypass\n-I FORWARD 1 -j MAMPARO\nCOMMIT\n"
        );
        plan = Plan { last: 9, fail: Fail::Closed, bypass: Some((0x10, 0x30)), ..plan };
        let text = text(&plan, &[], false);
        assert!(text.contains("-j NFQUEUE --queue-balance 7:9\n"));
        assert!(text.contains("-m connmark --mark 0x10/0x30 -j RETURN"));
        assert!(!text.contains("-I "));
        plan = Plan { ends: Some(12), bypass: None, repeat: Some((2, 6)), ..plan };
        let text = super::text(&plan, &[(CALLS[1], true), (CALLS[2], false)], true);
        assert!(text.contains("-A MAMPARO-OUT -j NFQUEUE --queue-balance 12:14\n"), "{text}");
        assert!(text.contains("-I OUTPUT 1 -j MAMPARO-OUT\n") && text.contains("-I INPUT 1 -j MAMPARO\n"));
        assert!(text.contains("-D INPUT -j MAMPARO\n-I INPUT 1 ") && !text.contains("*filter"), "{text}");
        assert_eq!(text.matches(" -m mark --mark 0x2/0x6 -j RETURN\n").count(), 2);
        assert!(text.contains("-A MAMPARO-OUT -m mark --mark 0x10000000/0x10000000 -j RETURN\n"), "{text}");
        assert_eq!(CALLS.map(|call| wanted(&plan, call)), [false, true, true, false, false]);
        plan.bypass = Some((1, 1));
        assert_eq!(CALLS.map(|call| wanted(&plan, call)), [false, true, true, true, true]);
        let text = super::text(&plan, &[(CALLS[4], false)], false);
        assert!(text.contains("-A MAMPARO-OUT -m connmark --mark 0x1/0x1 -j RETURN\n"), "{text}");
        let (_, filter) = text.split_once("*filter\n").expect("marks are kept behind the queue");
        assert!(filter.contains("-I INPUT 1 -j MAMPARO-KEEP\n") && filter.contains("--save-mark"), "{text}");
    }
}
