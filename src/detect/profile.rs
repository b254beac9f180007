//! How often each rule is evaluated, and how long that takes. Off, it costs one predictable branch for each evaluation.

/// Tells the time in ticks of its own (the engine's: nanoseconds). No stage has a clock: it is lent to the detector, and
/// nothing of what it says reaches a verdict or a record.
pub type Clock = fn() -> u64;

/// What was measured of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCost {
    /// Evaluations.
    pub checks: u64,
    /// Evaluations that ended in a match.
    pub matches: u64,
    /// Ticks of all evaluations.
    pub ticks: u64,
    /// Ticks of those that ended in a match.
    pub ticks_matched: u64,
    /// Ticks of the longest.
    pub ticks_max: u64,
}

impl RuleCost {
    /// Adds what another worker measured.
    pub fn add(&mut self, other: &RuleCost) {
        self.checks += other.checks;
        self.matches += other.matches;
        self.ticks = self.ticks.saturating_add(other.ticks);
        self.ticks_matched = self.ticks_matched.saturating_add(other.ticks_matched);
        self.ticks_max = self.ticks_max.max(other.ticks_max);
    }
}

/// What was measured of all rules, by their number in the set.
#[derive(Clone, Debug)]
pub struct Profile {
    clock: Clock,
    rules: Vec<RuleCost>,
}

impl Profile {
    /// Nothing yet.
    pub fn new(clock: Clock, rules: usize) -> Self {
        Profile { clock, rules: vec![RuleCost::default(); rules] }
    }

    /// When an evaluation begins.
    pub fn begin(&self) -> u64 {
        (self.clock)()
    }

    /// An evaluation that began then is over.
    pub fn end(&mut self, rule: u32, begun: u64, matched: bool) {
        let ticks = (self.clock)().saturating_sub(begun);
        let Some(cost) = self.rules.get_mut(rule as usize) else { return };
        cost.add(&RuleCost {
            checks: 1,
            matches: u64::from(matched),
            ticks,
            ticks_matched: if matched { ticks } else { 0 },
            ticks_max: ticks,
        });
    }

    /// By rule number.
    pub fn rules(&self) -> &[RuleCost] {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    fn ticking() -> u64 {
        NOW.with(|now| {
            now.set(now.get() + 5);
            now.get()
        })
    }

    #[test]
    fn costs_add_up() {
        let mut profile = Profile::new(ticking, 2);
        for matched in [false, true] {
            let begun = profile.begin();
            profile.end(1, begun, matched);
        }
        profile.end(7, 0, true);
        let expected = RuleCost { checks: 2, matches: 1, ticks: 10, ticks_matched: 5, ticks_max: 5 };
        assert_eq!(profile.rules(), [RuleCost::default(), expected]);
    }
}
