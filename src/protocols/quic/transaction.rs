//! A QUIC transaction: one packet with a long header, or one of Google's that names its version.

use super::google::Chlo;
use super::log::{self, Wanted};
use super::slots;
use super::version::Version;
use crate::app::{DONE, RecordEnds, Slot, Transaction};
use crate::json::JsonWriter;
use crate::protocols::hello::fingerprint::{self, Carrier, Fingerprint};
use crate::protocols::hello::messages::{ClientHello, ServerHello};
use crate::types::Direction;

/// The hello that this packet made whole.
#[derive(Debug)]
pub(super) enum Hello {
    Client(Box<ClientHello>),
    Server(Box<ServerHello>),
}

/// One packet.
#[derive(Debug)]
pub(super) struct QuicTx {
    id: u64,
    wanted: Wanted,
    pub(super) dir: Direction,
    pub(super) version: String,
    /// It had a long header.
    long: bool,
    pub(super) hello: Option<Hello>,
    pub(super) google: Option<Chlo>,
    pub(super) ja3: Option<Fingerprint>,
    pub(super) ja4: Option<String>,
    event: Option<(Direction, &'static str)>,
}

impl QuicTx {
    pub(super) fn new(id: u64, wanted: Wanted, dir: Direction, version: Version, long: bool) -> Self {
        QuicTx {
            id,
            wanted,
            dir,
            version: version.to_string(),
            long,
            hello: None,
            google: None,
            ja3: None,
            ja4: None,
            event: None,
        }
    }

    /// Notes what is wrong; of several things the first.
    pub(super) fn event(&mut self, name: &'static str) {
        self.event.get_or_insert((self.dir, name));
    }

    pub(super) fn client_hello(&mut self, hello: ClientHello) {
        self.ja3 = Some(fingerprint::ja3_with_grease(&hello));
        self.ja4 = Some(fingerprint::ja4(&hello, Carrier::Quic));
        self.hello = Some(Hello::Client(Box::new(hello)));
    }

    pub(super) fn server_hello(&mut self, hello: ServerHello) {
        self.ja3 = Some(fingerprint::ja3s_with_grease(&hello));
        self.hello = Some(Hello::Server(Box::new(hello)));
    }

    /// The name the client asks for.
    pub(super) fn sni(&self) -> Option<&[u8]> {
        match (&self.hello, &self.google) {
            (Some(Hello::Client(hello)), _) => hello.sni.as_deref(),
            (_, Some(google)) => google.sni.as_deref(),
            _ => None,
        }
    }

    /// Memory held, bytes, roughly.
    pub(super) fn memory(&self) -> usize {
        let hello = match &self.hello {
            Some(Hello::Client(hello)) => {
                size_of::<ClientHello>()
                    + 2 * (hello.ciphers.len() + hello.extensions.len() + hello.groups.len())
                    + hello.sni.as_ref().map_or(0, Vec::len)
            }
            Some(Hello::Server(hello)) => size_of::<ServerHello>() + 2 * hello.extensions.len(),
            None => 0,
        };
        size_of::<Self>() + hello + self.ja3.as_ref().map_or(0, |ja3| ja3.string.len())
    }
}

impl Transaction for QuicTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        if nth > 0 {
            return None;
        }
        let cyu = || self.google.as_ref()?.cyu.as_ref();
        Some(match slot {
            slots::VERSION if self.long => self.version.as_bytes(),
            slots::SNI => self.sni()?,
            slots::USER_AGENT => self.google.as_ref()?.user_agent.as_deref()?,
            slots::CYU_HASH => cyu()?.1.as_bytes(),
            slots::CYU_STRING => cyu()?.0.as_bytes(),
            slots::JA3_HASH => self.ja3.as_ref()?.hash.as_bytes(),
            slots::JA3_STRING => self.ja3.as_ref()?.string.as_bytes(),
            slots::JA4 => self.ja4.as_ref()?.as_bytes(),
            _ => return None,
        })
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        self.event.as_slice()
    }

    fn concerns(&self, dir: Direction) -> bool {
        dir == self.dir
    }

    fn record_ends(&self) -> RecordEnds {
        RecordEnds::Side(self.dir)
    }

    fn record_has_id(&self) -> bool {
        false
    }

    fn log(&self, out: &mut JsonWriter) {
        log::object(self, self.wanted.ja4_logged, out);
    }

    fn log_in_alert(&self, out: &mut JsonWriter) {
        log::object(self, self.wanted.ja4_used, out);
    }
}
