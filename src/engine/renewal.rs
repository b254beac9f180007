//! Rules that follow others: what was numbered by the old set is found in the new one by its name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::detect::RuleSet;
use crate::flow::Protocols;
use crate::rules::threshold::ThresholdEntry;

/// A set of rules, ready to take the place of another.
pub struct Renewal {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// The protocols, as these rules want them.
    pub protocols: Arc<Protocols>,
    /// Lines of the threshold file.
    pub thresholds: Vec<ThresholdEntry>,
    by_sid: HashMap<(u32, u32), u32, ahash::RandomState>,
    flowbits: HashMap<String, u32, ahash::RandomState>,
    flowints: HashMap<String, u32, ahash::RandomState>,
    hostbits: HashMap<String, u32, ahash::RandomState>,
}

impl Renewal {
    /// Of these.
    pub fn new(rules: Arc<RuleSet>, protocols: Arc<Protocols>, thresholds: Vec<ThresholdEntry>) -> Self {
        let numbered = |names: &[String]| {
            names.iter().enumerate().map(|(nth, name)| (name.clone(), nth as u32)).collect()
        };
        let by_sid = rules.rules.iter().enumerate();
        Renewal {
            by_sid: by_sid.map(|(nth, rule)| ((rule.meta.gid, rule.meta.sid), nth as u32)).collect(),
            flowbits: numbered(&rules.flowbit_names),
            flowints: numbered(&rules.flowint_names),
            hostbits: numbered(&rules.hostbit_names),
            rules,
            protocols,
            thresholds,
        }
    }

    /// The number of an old rule, when it is there again.
    pub fn rule(&self, old: &RuleSet, id: u32) -> Option<u32> {
        let meta = &old.rules.get(id as usize)?.meta;
        self.by_sid.get(&(meta.gid, meta.sid)).copied()
    }

    /// The number of an old flowbit.
    pub fn flowbit(&self, old: &RuleSet, id: u32) -> Option<u32> {
        self.flowbits.get(old.flowbit_names.get(id as usize)?).copied()
    }

    /// The number of an old flow integer.
    pub fn flowint(&self, old: &RuleSet, id: u32) -> Option<u32> {
        self.flowints.get(old.flowint_names.get(id as usize)?).copied()
    }

    /// The number of an old host bit.
    pub fn hostbit(&self, old: &RuleSet, id: u32) -> Option<u32> {
        self.hostbits.get(old.hostbit_names.get(id as usize)?).copied()
    }
}
