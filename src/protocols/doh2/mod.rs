//! DNS over HTTP/2 (RFC 8484), as Suricata 8 names it: what rules and records call a flow of HTTP/2 that asks for names.
//!
//! It has no parser of its own: HTTP/2 reads the streams, and the messages that they carry with `dns` (`super::dns::inside`), from the
//! parameter `dns` of a GET, from the body of a POST and of an answer of the kind `application/dns-message`. From the first
//! such request on the flow's `app_proto` is this one; rules of `http`, `http2`, `dns` and `doh2` look at its streams; records are those of
//! HTTP and of DNS. Switched off (`enabled: no`), such flows stay those of HTTP/2. What is asked over HTTP/1 is shown by the view
//! `doh`; most of either is inside of TLS. Bounds are those of HTTP/2 and of DNS messages.

#[cfg(test)]
mod tests;

use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::protocols::http2::Http2;
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &Doh2, buffers: &[], numbers: &[], keywords: &[] };

/// The protocol as the registry lists it.
#[derive(Clone, Copy, Debug)]
pub struct Doh2;

impl Protocol for Doh2 {
    fn name(&self) -> &'static str {
        "doh2"
    }

    fn event_type(&self) -> &'static str {
        "http"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn probe(&self, _transport: Proto, _dir: Direction, _port: u16, _bytes: &[u8]) -> Probe {
        Probe::No
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory(Http2.factory(settings)))
    }
}

struct Factory(Box<dyn ParserFactory>);

impl ParserFactory for Factory {
    fn parser(&self, transport: Proto, client_port: u16, server_port: u16) -> Box<dyn Parser> {
        self.0.parser(transport, client_port, server_port)
    }
}
