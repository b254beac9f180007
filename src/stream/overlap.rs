//! Who wins when two segments bring different bytes for the same place: it depends on the system that receives them
//! (J. Novak, S. Sturges, "Target-Based TCP Stream Reassembly", 2007).

/// How a system resolves overlaps, by the names of `host-os-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OsPolicy {
    /// The segment that begins first; of two that begin together, the older.
    #[default]
    Bsd,
    /// As BSD.
    BsdRight,
    /// Linux before 2.4.
    OldLinux,
    /// Linux.
    Linux,
    /// Solaris before 9.
    OldSolaris,
    /// Solaris.
    Solaris,
    /// HP-UX 10.
    Hpux10,
    /// HP-UX 11.
    Hpux11,
    /// IRIX.
    Irix,
    /// macOS.
    MacOs,
    /// Windows up to XP.
    Windows,
    /// Windows Vista and later.
    Vista,
    /// Windows Server 2003.
    Windows2k3,
    /// The older segment always.
    First,
    /// The newer segment always.
    Last,
}

impl OsPolicy {
    /// Every policy with its name in a configuration.
    pub const NAMES: &'static [(&'static str, OsPolicy)] = &[
        ("bsd", OsPolicy::Bsd),
        ("bsd-right", OsPolicy::BsdRight),
        ("old-linux", OsPolicy::OldLinux),
        ("linux", OsPolicy::Linux),
        ("old-solaris", OsPolicy::OldSolaris),
        ("solaris", OsPolicy::Solaris),
        ("hpux10", OsPolicy::Hpux10),
        ("hpux11", OsPolicy::Hpux11),
        ("irix", OsPolicy::Irix),
        ("macos", OsPolicy::MacOs),
        ("windows", OsPolicy::Windows),
        ("vista", OsPolicy::Vista),
        ("windows2k3", OsPolicy::Windows2k3),
        ("first", OsPolicy::First),
        ("last", OsPolicy::Last),
    ];

    /// The policy of that name; case and the choice of `-` or `_` do not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('_', "-");
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, policy)| *policy)
    }

    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, policy)| *policy == self).map_or("bsd", |(name, _)| name)
    }

    /// Whether the bytes of `new` replace those of `old` where both are. The two overlap.
    pub(super) fn new_wins(self, old: &Span, new: &Span) -> bool {
        let (old_end, new_end) = (old.end(), new.end());
        let earlier = new.start < old.start;
        let together = new.start == old.start;
        match self {
            OsPolicy::First | OsPolicy::Vista => false,
            OsPolicy::Last => true,
            // BSD-right differs from BSD in the literature, but not in the engine whose rules we read.
            OsPolicy::Bsd
            | OsPolicy::BsdRight
            | OsPolicy::Windows
            | OsPolicy::Windows2k3
            | OsPolicy::MacOs
            | OsPolicy::Irix
            | OsPolicy::Hpux10 => earlier,
            OsPolicy::Linux => earlier || together && new_end > old_end,
            OsPolicy::OldLinux => earlier || together && new_end >= old_end,
            OsPolicy::Solaris | OsPolicy::OldSolaris | OsPolicy::Hpux11 => {
                new_end > old_end || new_end == old_end && (earlier || together)
            }
        }
    }
}

/// Where a segment lies in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Stream offset of its first byte; negative for what lies before the first data byte.
    pub(super) start: i64,
    /// Bytes.
    pub(super) len: u32,
}

impl Span {
    /// Stream offset after its last byte.
    pub(super) fn end(&self) -> i64 {
        self.start + i64::from(self.len)
    }
}
