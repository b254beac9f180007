//! The files that may be touched (Landlock).

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, path_beneath_rules,
};

use super::Wanted;

/// What is known to be right; a kernel that has less enforces less.
const KNOWN: ABI = ABI::V5;

/// What the system has for everybody: interfaces and processes; the time zone; the number of processors.
const SYSTEM: [&str; 4] = ["/proc", "/sys", "/etc/localtime", "/usr/share/zoneinfo"];

pub(super) fn restrict(wanted: &Wanted) -> Result<String, String> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    // nothing is executed, and no device or link is made
    let write = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))
        // connections are neither taken nor made from here on
        .and_then(|ruleset| ruleset.handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(SYSTEM, read)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(&wanted.read, read)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(&wanted.write, write)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(&wanted.remove, AccessFs::RemoveFile)))
        .and_then(|ruleset| ruleset.restrict_self())
        .map_err(|error| format!("landlock: {error} (do without it with --set security.landlock=no)"))?;
    let folders = || -> String {
        let names: Vec<String> = wanted.write.iter().map(|path| path.display().to_string()).collect();
        names.join(", ")
    };
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => {
            format!("landlock: files are written below {} only, and read where the configuration says", folders())
        }
        RulesetStatus::PartiallyEnforced => format!(
            "landlock: files are written below {} only, and read where the configuration says, as far as this kernel goes",
            folders()
        ),
        RulesetStatus::NotEnforced => {
            "warning: landlock: this kernel does not have it (CONFIG_SECURITY_LANDLOCK, lsm=landlock); files are not protected"
                .to_owned()
        }
    })
}

/// Whether these may be used without the right to overlook whose they are.
pub(super) fn are_own(paths: &[PathBuf], write: bool) -> bool {
    let user = rustix::process::geteuid().as_raw();
    paths.iter().filter_map(|path| std::fs::metadata(path).ok()).all(|about| {
        let others = if write { 0o003 } else { 0o004 };
        about.uid() == user || about.mode() & others == others
    })
}
