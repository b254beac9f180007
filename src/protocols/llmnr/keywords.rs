//! The rule keywords of Link-local multicast name resolution (LLMNR, RFC 4795).

use crate::detect::BufferSpec;
use crate::protocols::dns::relative::places;
use crate::protocols::dns::slots::*;
use crate::protocols::exchange::buffer;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("llmnr.queries.rrname", "each name that is asked for", &places(QUERIES_RRNAME)),
    buffer("llmnr.answers.rrname", "each owner name in the answer section", &places(ANSWERS_RRNAME)),
    buffer(
        "llmnr.authorities.rrname",
        "each owner name in the authority section",
        &places(AUTHORITIES_RRNAME),
    ),
    buffer(
        "llmnr.additionals.rrname",
        "each owner name in the additional section",
        &places(ADDITIONALS_RRNAME),
    ),
    buffer("llmnr.response.rrname", "every name of a response", &places(RESPONSE_RRNAME)),
];
