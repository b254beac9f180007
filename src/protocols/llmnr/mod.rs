//! Link-local multicast name resolution (LLMNR, RFC 4795) over UDP, read as DNS is (see [`super::dns`]).
//!
//! A message to the group, question or answer, is a transaction of its own that goes to the server. Known by its port: answers from it
//! to another port are not seen for what they are.
//!
//! Settings: `detection-ports.dp` (5355).

pub mod keywords;
#[cfg(test)]
mod tests;

use super::dns::relative::Relative;

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &LLMNR,
    buffers: keywords::BUFFERS,
    numbers: &[],
    keywords: &[],
};

static LLMNR: Relative = Relative { name: "llmnr", port: 5355 };
