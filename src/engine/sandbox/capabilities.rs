//! The capabilities that stay.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Gives up all but these, for good: also for what would be executed.
pub(super) fn keep(needed: CapabilitySet) -> Result<String, String> {
    let failed = |error| {
        format!("capabilities cannot be given up: {error} (keep them with --set security.capabilities=keep)")
    };
    let now = capabilities(None).map_err(failed)?;
    let kept = now.permitted & needed;
    // who may not change the bounding set could not raise anything either: no_new_privs is set
    if now.effective.contains(CapabilitySet::SETPCAP) {
        for one in CapabilitySet::all().iter().filter(|one| !kept.contains(*one)) {
            // those that the kernel does not know are not there
            let _ = remove_capability_from_bounding_set(one);
        }
    }
    // an old kernel has no ambient set
    let _ = clear_ambient_capability_set();
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(failed)?;
    let names: Vec<&str> = kept.iter_names().map(|(name, _)| name).collect();
    Ok(match names.is_empty() {
        true => "capabilities: none is kept".to_owned(),
        false => format!("capabilities: only {} are kept", names.join(", ")),
    })
}
