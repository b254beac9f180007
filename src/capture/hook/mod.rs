//! What is put into the kernel so that forwarded packets are queued for us, and taken out again.
//!
//! Everything has a table or chains of its own, called `mamparo`, in front of the host's own filters (at netfilter's "mangle"
//! place): what we accept still meets the rules of Docker, kube-proxy and others. Putting it in again replaces what is there, so
//! what a crash has left behind is adopted. Back ends are tried in turn, and the choice is told.
//!
//! May not know: packets.

mod bridge;
pub(super) mod held;
pub mod helper;
mod iptables;
mod nft;

use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::live::{Fail, Hook, Onward};
use super::namespaces::within;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The first queue.
    pub(super) first: u16,
    /// The last queue: flows are spread over them by their addresses.
    pub(super) last: u16,
    /// What happens to packets while nobody reads the queues.
    pub(super) fail: Fail,
    /// Mark and mask of flows that are not queued any more.
    pub(super) bypass: Option<(u32, u32)>,
    /// Mark and mask of packets that were looked at and go through the hook again.
    pub(super) repeat: Option<(u32, u32)>,
    /// Bridged packets may be sent through netfilter where they are not.
    pub(super) set_bridge: bool,
    /// Nothing may be dropped.
    pub(super) dry_run: bool,
    /// Not what is forwarded, but what comes in; and what goes out, into as many queues from this one on.
    pub(super) ends: Option<u16>,
}

impl Plan {
    /// The queues for what goes out.
    fn outgoing(&self) -> Option<(u16, u16)> {
        self.ends.map(|first| (first, first.saturating_add(self.last - self.first.min(self.last))))
    }
}

/// A way to put rules into the kernel.
trait Backend: Send {
    /// Its name, for the log.
    fn name(&self) -> &str;
    /// Puts them in, in place of those that are there. An error leaves none. The lines are for the log.
    fn put(&self, plan: &Plan) -> Result<Vec<String>, String>;
    /// Takes them out; none is no error.
    fn remove(&self) -> Result<(), String>;
    /// Whether some are there.
    fn is_there(&self) -> bool;
    /// What is there, in words that stay the same while nobody changes it.
    fn state(&self) -> String;
}

/// What was put in, and lines for the log; or why nothing was.
type PutIn = Result<(Box<dyn Hook>, Vec<String>), String>;

/// The mark of packets that go through the hook again.
pub(super) fn repeated(onward: Onward) -> Option<(u32, u32)> {
    match onward {
        Onward::Repeat { mark, mask } => Some((mark, mask)),
        Onward::Accept | Onward::Route(_) => None,
    }
}

/// Puts the rules in by the first back end that can, here or in that network namespace. The lines say by which, and what is worth
/// knowing. Where there is a [`helper`] it is that which does so.
pub(super) fn attach(plan: Plan, namespace: Option<&File>) -> PutIn {
    if let Some(done) = helper::attach(&plan, namespace) {
        return done;
    }
    let put = move || {
        let (backend, told) = put(plan)?;
        let state = backend.state();
        Ok::<_, String>((backend, state, told))
    };
    let (backend, state, told) = match namespace {
        None => put()?,
        Some(file) => within(file, put).map_err(|error| error.to_string())??,
    };
    let namespace = namespace.map(File::try_clone).transpose().map_err(|error| error.to_string())?;
    Ok((Box::new(Attached { backend: Some(backend), state, host: plan.ends.is_none(), namespace }), told))
}

fn put(plan: Plan) -> Result<(Box<dyn Backend>, Vec<String>), String> {
    let mut told =
        if plan.ends.is_none() { bridge::check(plan.set_bridge, plan.dry_run) } else { Vec::new() };
    let all = backends();
    let left: Vec<&str> =
        all.iter().filter(|backend| backend.is_there()).map(|backend| backend.name()).collect();
    let mut refused = Vec::new();
    for (nth, backend) in all.iter().enumerate() {
        match backend.put(&plan) {
            Ok(more) => {
                let queues = match plan.first == plan.last {
                    true => format!("queue {}", plan.first),
                    false => format!("queues {} to {}", plan.first, plan.last),
                };
                told.push(format!(
                    "forwarded packets go to {queues} by {}; fail {}{}",
                    backend.name(),
                    plan.fail.name(),
                    if left.is_empty() { "" } else { "; rules left from another run were replaced" },
                ));
                told.extend(more);
                told.extend(
                    refused
                        .into_iter()
                        .map(|why: String| format!("not used, as it cannot queue here: {why}")),
                );
                // what another back end has left would queue everything twice
                for other in
                    all.iter().enumerate().filter(|(at, other)| *at != nth && left.contains(&other.name()))
                {
                    other.1.remove()?;
                }
                let backend = all.into_iter().nth(nth).ok_or("no back end")?;
                return Ok((backend, told));
            }
            Err(why) => refused.push(why),
        }
    }
    if plan.ends.is_none() {
        bridge::remove();
    }
    Err(format!(
        "no way to queue forwarded packets: {}; install nftables or iptables, and see that the kernel has nft_queue or xt_NFQUEUE",
        refused.join("; ")
    ))
}

fn backends() -> Vec<Box<dyn Backend>> {
    let mut all: Vec<Box<dyn Backend>> = vec![Box::new(nft::Nft)];
    let flavours = ["-nft", "-legacy"].into_iter().filter(|flavour| iptables::is_installed(flavour));
    all.extend(flavours.map(|flavour| Box::new(iptables::Iptables { flavour }) as Box<dyn Backend>));
    if all.len() == 1 {
        // whichever it is
        all.push(Box::new(iptables::Iptables { flavour: "" }));
    }
    all
}

struct Attached {
    backend: Option<Box<dyn Backend>>,
    /// What was there once they were in.
    state: String,
    /// Rules hold what the host forwards.
    host: bool,
    namespace: Option<File>,
}

impl Hook for Attached {
    fn remove(&mut self) -> io::Result<()> {
        let Some(backend) = self.backend.take() else { return Ok(()) };
        let (backend, removed) = match &self.namespace {
            None => {
                let removed = backend.remove();
                (backend, removed)
            }
            Some(file) => within(file, move || {
                let removed = backend.remove();
                (backend, removed)
            })?,
        };
        if let Err(why) = removed {
            self.backend = Some(backend);
            return Err(io::Error::other(why));
        }
        if self.host {
            bridge::remove();
        }
        Ok(())
    }

    fn stands(&mut self) -> io::Result<bool> {
        let Some(backend) = self.backend.take() else { return Ok(false) };
        let (backend, state) = match &self.namespace {
            None => {
                let state = backend.state();
                (backend, state)
            }
            Some(file) => within(file, move || {
                let state = backend.state();
                (backend, state)
            })?,
        };
        self.backend = Some(backend);
        Ok(state == self.state)
    }
}

/// Runs a program with that on its standard input. The error is what it said.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // one that does not read says why by itself
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line =
        said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it failed without a word");
    Err(format!("{program}: {line}"))
}
