//! The rule keywords of RDP.

use super::slots::*;
use crate::detect::BufferSpec;
use crate::protocols::exchange::{asked, asked_each, buffer};

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("rdp.cookie", "the user that the first request names (mstshash)", &[asked(COOKIE)]),
    buffer("rdp.client_name", "the name that the client gives itself", &[asked(CLIENT_NAME)]),
    buffer("rdp.channel", "each channel that the client asks for", &[asked_each(CHANNEL)]),
];
