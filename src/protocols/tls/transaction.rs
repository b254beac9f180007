//! The one transaction of a TLS flow: its handshake.

use super::certificate::{Chain, Leaf};
use super::log::{self, Wanted};
use super::slots;
use crate::app::{DONE, Slot, Transaction};
use crate::json::JsonWriter;
use crate::protocols::hello::fingerprint::{self, Carrier, Fingerprint};
use crate::protocols::hello::messages::{ClientHello, ServerHello};
use crate::protocols::hello::version::Version;
use crate::types::Direction;

/// Events kept of one transaction.
const EVENTS_MAX: usize = 32;

/// A handshake.
#[derive(Debug)]
pub(super) struct TlsTx {
    id: u64,
    wanted: Wanted,
    progress: [u8; 2],
    pub(super) client: Option<ClientHello>,
    pub(super) server: Option<ServerHello>,
    /// By records, until the hellos tell.
    pub(super) versions: [Version; 2],
    pub(super) state: u64,
    /// Of the client and of the server.
    pub(super) chains: [Option<Chain>; 2],
    pub(super) ja3: Option<Fingerprint>,
    pub(super) ja3s: Option<Fingerprint>,
    pub(super) ja4: Option<String>,
    /// What was spoken before it was agreed on.
    pub(super) from_protocol: Option<&'static str>,
    /// The server asked for a certificate.
    pub(super) client_asked: bool,
    events: Vec<(Direction, &'static str)>,
}

impl TlsTx {
    pub(super) fn new(id: u64, wanted: Wanted) -> Self {
        TlsTx {
            id,
            wanted,
            progress: [0; 2],
            client: None,
            server: None,
            versions: [Version::default(); 2],
            state: 0,
            chains: [None, None],
            ja3: None,
            ja3s: None,
            ja4: None,
            from_protocol: None,
            client_asked: false,
            events: Vec::new(),
        }
    }

    /// Steps forward; progress never falls.
    pub(super) fn reach(&mut self, dir: Direction, progress: u8) {
        let now = &mut self.progress[dir.index()];
        *now = progress.max(*now);
    }

    /// The handshake is over.
    pub(super) fn finish(&mut self) {
        self.progress = [DONE; 2];
    }

    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if self.events.len() < EVENTS_MAX && !self.events.contains(&(dir, name)) {
            self.events.push((dir, name));
        }
    }

    /// Of several client hellos the first is the client's own; those after a retry request repeat it.
    pub(super) fn client_hello(&mut self, hello: ClientHello) {
        for &event in &hello.events {
            self.event(Direction::ToServer, event);
        }
        self.state = slots::STATE_CLIENT_HELLO;
        self.reach(Direction::ToServer, slots::HELLO);
        if self.client.is_some() {
            return;
        }
        self.versions[0] = hello.version();
        if self.wanted.ja3_computed {
            self.ja3 = Some(fingerprint::ja3(&hello));
        }
        if self.wanted.ja4_computed {
            self.ja4 = Some(fingerprint::ja4(&hello, Carrier::Tcp));
        }
        self.client = Some(hello);
    }

    /// The last server hello counts, but its fingerprint is that of the first.
    pub(super) fn server_hello(&mut self, hello: ServerHello) {
        self.state = slots::STATE_SERVER_HELLO;
        self.reach(Direction::ToClient, slots::HELLO);
        self.versions[1] = match hello.legacy {
            // only drafts before the 16th said so here
            Version::TLS13 => Version::EARLY_DRAFT,
            _ => hello.version,
        };
        if !hello.version.is_known() {
            self.event(Direction::ToClient, "invalid_record_version");
        }
        if self.wanted.ja3_computed && self.ja3s.is_none() {
            self.ja3s = Some(fingerprint::ja3s(&hello));
        }
        self.server = Some(hello);
    }

    /// The first certificates of a side count.
    pub(super) fn certificates(&mut self, dir: Direction, body: &[u8]) {
        let mut events = Vec::new();
        if let Some(chain) = Chain::read(body, &mut events) {
            self.chains[dir.index()].get_or_insert(chain);
        }
        for event in events {
            self.event(dir, event);
        }
        self.reach(dir, slots::CERTIFICATE);
    }

    /// The server's certificate.
    pub(super) fn leaf(&self, dir: Direction) -> Option<&Leaf> {
        self.chains[dir.index()].as_ref()?.leaf.as_ref()
    }

    /// The server agreed to TLS 1.3, whose certificates are encrypted.
    fn is_tls13(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.version.is_tls13())
    }

    /// The client brought a ticket, or the server took up the client's session.
    fn may_resume(&self) -> bool {
        self.client.as_ref().is_some_and(|client| {
            client.ticket
                || self
                    .server
                    .as_ref()
                    .is_some_and(|server| !client.session.is_empty() && server.session == client.session)
        })
    }

    /// The session was resumed: no certificate was needed.
    pub(super) fn is_resumed(&self) -> bool {
        self.may_resume()
            && self.server.is_some()
            && !self.is_tls13()
            && self.leaf(Direction::ToClient).is_none()
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        let chains: usize = self.chains.iter().flatten().map(Chain::memory).sum();
        let client = self.client.as_ref().map_or(0, |client| {
            client.session.len()
                + 2 * (client.ciphers.len()
                    + client.extensions.len()
                    + client.groups.len()
                    + client.signatures.len())
                + client.alpn.iter().map(|name| name.len() + size_of::<Vec<u8>>()).sum::<usize>()
        });
        size_of::<Self>() + chains + client
    }
}

impl Transaction for TlsTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        self.progress[dir.index()]
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        let client = self.client.as_ref();
        let server = self.server.as_ref();
        let chain = |dir: Direction| self.chains[dir.index()].as_ref();
        let (to_server, to_client) = (Direction::ToServer, Direction::ToClient);
        match slot {
            slots::CLIENT_ALPN => return Some(client?.alpn.get(nth)?),
            slots::CERTS => return chain(to_client)?.at(nth),
            slots::CLIENT_CERTS => return chain(to_server)?.at(nth),
            slots::SUBJECTALTNAME => return Some(self.leaf(to_client)?.names.get(nth)?),
            slots::CLIENT_SUBJECTALTNAME => return Some(self.leaf(to_server)?.names.get(nth)?),
            _ if nth > 0 => return None,
            _ => {}
        }
        Some(match slot {
            slots::SNI => client?.sni.as_deref()?,
            slots::SERVER_ALPN => server?.alpn.as_deref()?,
            slots::CLIENT_RANDOM => &client?.random,
            slots::CLIENT_RANDOM_TIME => &client?.random[..4],
            slots::CLIENT_RANDOM_BYTES => &client?.random[4..],
            slots::SERVER_RANDOM => &server?.random,
            slots::SERVER_RANDOM_TIME => &server?.random[..4],
            slots::SERVER_RANDOM_BYTES => &server?.random[4..],
            slots::SUBJECT => self.leaf(to_client)?.subject.as_bytes(),
            slots::CLIENT_SUBJECT => self.leaf(to_server)?.subject.as_bytes(),
            slots::ISSUER => self.leaf(to_client)?.issuer.as_bytes(),
            slots::CLIENT_ISSUER => self.leaf(to_server)?.issuer.as_bytes(),
            slots::SERIAL => self.leaf(to_client)?.serial.as_bytes(),
            slots::CLIENT_SERIAL => self.leaf(to_server)?.serial.as_bytes(),
            slots::FINGERPRINT => self.leaf(to_client)?.fingerprint.as_bytes(),
            slots::CLIENT_FINGERPRINT => self.leaf(to_server)?.fingerprint.as_bytes(),
            slots::JA3_HASH => self.ja3.as_ref()?.hash.as_bytes(),
            slots::JA3_STRING => self.ja3.as_ref()?.string.as_bytes(),
            slots::JA3S_HASH => self.ja3s.as_ref()?.hash.as_bytes(),
            slots::JA3S_STRING => self.ja3s.as_ref()?.string.as_bytes(),
            slots::JA4 => self.ja4.as_ref()?.as_bytes(),
            _ => return None,
        })
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        if nth > 0 {
            return None;
        }
        let known = |version: Version| (version != Version::default()).then_some(u64::from(version.0));
        match slot {
            slots::CLIENT_VERSION => known(self.versions[0]),
            slots::SERVER_VERSION => known(self.versions[1]),
            slots::STATE => Some(self.state),
            slots::CHAIN_LEN if self.progress[1] >= slots::CERTIFICATE => {
                Some(self.chains[1].as_ref().map_or(0, Chain::len) as u64)
            }
            slots::NOT_BEFORE => u64::try_from(self.leaf(Direction::ToClient)?.not_before.seconds).ok(),
            slots::NOT_AFTER => u64::try_from(self.leaf(Direction::ToClient)?.not_after.seconds).ok(),
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn logs(&self) -> bool {
        self.leaf(Direction::ToClient).is_some()
            || self.is_tls13()
            || (self.wanted.session_resumption && self.may_resume())
    }

    fn is_told_early(&self) -> bool {
        // behind the server's certificate there is that of the client, if it was asked for
        self.client.is_some()
            && self.progress[1] >= slots::CERTIFICATE
            && (self.is_tls13() || self.leaf(Direction::ToClient).is_some() && !self.client_asked)
    }

    fn record_has_id(&self) -> bool {
        false
    }

    fn log(&self, out: &mut JsonWriter) {
        log::object(self, &self.wanted, self.wanted.ja4_logged, out);
    }

    fn log_in_alert(&self, out: &mut JsonWriter) {
        log::object(self, &Wanted { extended: true, ..self.wanted }, self.wanted.ja4_used, out);
    }
}
