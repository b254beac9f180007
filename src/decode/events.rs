//! Decoder events: the names that `decode-event` rules use, and the set of them that a packet carries.

macro_rules! decode_events {
    ($($variant:ident = $name:literal,)*) => {
        /// What can be wrong with a packet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DecodeEvent { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl DecodeEvent {
            /// Every event, in the order of their numbers.
            pub const ALL: &'static [DecodeEvent] = &[$(DecodeEvent::$variant),*];

            /// The name in rules: `ipv4.pkt_too_small`.
            pub const fn name(self) -> &'static str {
                match self { $(DecodeEvent::$variant => $name,)* }
            }
        }
    };
}

decode_events! {
    Ipv4PktTooSmall = "ipv4.pkt_too_small",
}

impl DecodeEvent {
    /// The event of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.name() == name)
    }
}

/// A set of decoder events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events([u64; 4]);

impl Events {
    /// Adds one.
    pub fn set(&mut self, event: DecodeEvent) {
        self.0[event as usize / 64] |= 1 << (event as usize % 64);
    }

    /// Whether it is there.
    pub fn has(&self, event: DecodeEvent) -> bool {
        self.0[event as usize / 64] & (1 << (event as usize % 64)) != 0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// All of them, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = DecodeEvent> {
        DecodeEvent::ALL.iter().copied().filter(move |event| self.has(*event))
    }
}
