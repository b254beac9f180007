//! The built-in signatures: the files of `signatures/`, compiled in.

/// The classes that the rules use.
pub const CLASSIFICATION: &str = include_str!("../signatures/classification.config");

/// The rule files, by theme.
pub const RULES: &[(&str, &str)] = &[
    ("cloud-metadata.rules", include_str!("../signatures/cloud-metadata.rules")),
    ("container-apis.rules", include_str!("../signatures/container-apis.rules")),
    ("data-stores.rules", include_str!("../signatures/data-stores.rules")),
    ("data-tier.rules", include_str!("../signatures/data-tier.rules")),
    ("dns-tunnel.rules", include_str!("../signatures/dns-tunnel.rules")),
    ("infrastructure.rules", include_str!("../signatures/infrastructure.rules")),
    ("kubernetes.rules", include_str!("../signatures/kubernetes.rules")),
    ("mining.rules", include_str!("../signatures/mining.rules")),
    ("rce.rules", include_str!("../signatures/rce.rules")),
    ("scans.rules", include_str!("../signatures/scans.rules")),
    ("secrets.rules", include_str!("../signatures/secrets.rules")),
    ("shells.rules", include_str!("../signatures/shells.rules")),
    ("webshells.rules", include_str!("../signatures/webshells.rules")),
    ("windows-movement.rules", include_str!("../signatures/windows-movement.rules")),
];
