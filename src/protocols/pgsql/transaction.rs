//! A PostgreSQL transaction: a request and what the server answered.

use super::message::text_of;
use super::{log, slots};
use crate::app::{DONE, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::Direction;

/// Fields of an answer that are kept, and as many parameters.
pub(super) const ITEMS_MAX: usize = 64;

/// What the client asked for.
#[derive(Debug)]
pub(super) enum Request {
    Ssl,
    Gss,
    Cancel {
        process: u32,
        secret: u32,
    },
    /// Version, and pairs of name and value; `user` first.
    Startup {
        major: u16,
        minor: u16,
        parameters: Vec<(Vec<u8>, Vec<u8>)>,
    },
    Password(Vec<u8>),
    Sasl {
        mechanism: Vec<u8>,
        parameter: Vec<u8>,
    },
    SaslResponse(Vec<u8>),
    /// Of another way to authenticate.
    Token,
    Query(Vec<u8>),
    /// Statements of an extended query: those that are parsed, or bound by their name.
    Extended {
        queries: Vec<Vec<u8>>,
    },
    Terminate,
}

/// One field of an answer.
#[derive(Debug)]
pub(super) enum Item {
    Text(&'static str, Vec<u8>),
    Flag(&'static str, bool),
}

/// What the server answered.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) items: Vec<Item>,
    pub(super) parameters: Vec<(Vec<u8>, Vec<u8>)>,
    /// Process and secret, to cancel with.
    pub(super) key: Option<(u32, u32)>,
    pub(super) fields: Option<u16>,
    pub(super) rows: u64,
    /// Bytes of the values in the rows.
    pub(super) size: u64,
    pub(super) command: Option<Vec<u8>>,
    failed: bool,
}

impl Response {
    /// Nothing has come.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
            && self.parameters.is_empty()
            && self.key.is_none()
            && self.fields.is_none()
            && self.rows == 0
            && self.command.is_none()
    }
}

/// A request and its answer.
#[derive(Debug)]
pub(super) struct PgsqlTx {
    pub(super) id: u64,
    pub(super) request: Request,
    pub(super) response: Response,
    pub(super) passwords: bool,
    /// Nothing more comes of the request.
    asked: bool,
    done: bool,
    events: Vec<(Direction, &'static str)>,
}

impl PgsqlTx {
    pub(super) fn new(id: u64, request: Request, passwords: bool) -> Self {
        let asked = !matches!(request, Request::Extended { .. });
        let response = Response::default();
        PgsqlTx { id, request, response, passwords, asked, done: false, events: Vec::new() }
    }

    /// The answer is whole, or none comes.
    pub(super) fn finish(&mut self) {
        self.asked = true;
        self.done = true;
    }

    pub(super) fn is_query(&self) -> bool {
        matches!(self.request, Request::Query(_) | Request::Extended { .. })
    }

    /// The request is whole.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// One more statement of an extended query; false when it was asked already.
    pub(super) fn add_query(&mut self, query: &[u8]) -> bool {
        let Request::Extended { queries } = &mut self.request else { return true };
        if queries.iter().any(|known| known == query) {
            return true;
        }
        if !self.asked && queries.len() < ITEMS_MAX {
            queries.push(query.to_vec());
        }
        !self.asked
    }

    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if !self.events.contains(&(dir, name)) {
            self.events.push((dir, name));
        }
    }

    /// One more field, if it has none of that name.
    pub(super) fn text(&mut self, key: &'static str, value: &[u8]) {
        let known = |item: &Item| matches!(item, Item::Text(name, _) if *name == key);
        if self.response.items.len() < ITEMS_MAX && !self.response.items.iter().any(known) {
            self.response.items.push(Item::Text(key, value.to_vec()));
        }
    }

    pub(super) fn flag(&mut self, key: &'static str, value: bool) {
        if self.response.items.len() < ITEMS_MAX {
            self.response.items.push(Item::Flag(key, value));
        }
    }

    /// A parameter of the session.
    pub(super) fn parameter(&mut self, name: &[u8], value: &[u8]) {
        let parameters = &mut self.response.parameters;
        if parameters.len() < ITEMS_MAX {
            parameters.push((name.to_vec(), value.to_vec()));
        }
    }

    /// The fields of an error; of several errors the first is shown. False for one that cannot be read.
    pub(super) fn error(&mut self, body: &[u8]) -> bool {
        if std::mem::replace(&mut self.response.failed, true) {
            return true;
        }
        let mut rest = body;
        while let Some((kind, behind)) = rest.split_first()
            && *kind != 0
        {
            let Some((text, behind)) = text_of(behind) else { return false };
            if let Some((_, key)) = ERROR_FIELDS.iter().find(|(known, _)| known == kind) {
                self.text(key, text);
            }
            rest = behind;
        }
        true
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        let pairs = |pairs: &[(Vec<u8>, Vec<u8>)]| -> usize {
            pairs.iter().map(|(name, value)| 48 + name.len() + value.len()).sum()
        };
        let request = match &self.request {
            Request::Startup { parameters, .. } => pairs(parameters),
            Request::Password(text) | Request::SaslResponse(text) | Request::Query(text) => text.len(),
            Request::Sasl { mechanism, parameter } => mechanism.len() + parameter.len(),
            Request::Extended { queries } => queries.iter().map(|query| 24 + query.len()).sum(),
            _ => 0,
        };
        let items = self.response.items.iter().map(|item| match item {
            Item::Text(_, text) => size_of::<Item>() + text.len(),
            Item::Flag(..) => size_of::<Item>(),
        });
        size_of::<Self>()
            + request
            + items.sum::<usize>()
            + pairs(&self.response.parameters)
            + self.response.command.as_ref().map_or(0, Vec::len)
    }
}

/// PostgreSQL documentation, "Error and Notice Message Fields", by EVE's names.
const ERROR_FIELDS: &[(u8, &str)] = &[
    (b'S', "severity_localizable"),
    (b'V', "severity_non_localizable"),
    (b'C', "code"),
    (b'M', "message"),
    (b'D', "detail"),
    (b'H', "hint"),
    (b'P', "position"),
    (b'p', "internal_position"),
    (b'q', "internal_query"),
    (b'W', "where"),
    (b's', "schema_name"),
    (b't', "table"),
    (b'c', "column"),
    (b'd', "data_type"),
    (b'n', "constraint"),
    (b'F', "file"),
    (b'L', "line"),
    (b'R', "routine"),
];

impl Transaction for PgsqlTx {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        match dir {
            Direction::ToServer if self.asked => DONE,
            Direction::ToServer => 0,
            Direction::ToClient if self.done => DONE,
            Direction::ToClient => 0,
        }
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        match &self.request {
            Request::Extended { queries } if slot == slots::QUERY => queries.get(nth).map(|query| &query[..]),
            _ if nth > 0 => None,
            Request::Query(query) if slot == slots::QUERY => Some(query),
            Request::Startup { parameters, .. } => {
                let name: &[u8] = match slot {
                    slots::USER => b"user",
                    slots::DATABASE => b"database",
                    _ => return None,
                };
                parameters.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..])
            }
            _ => None,
        }
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn log(&self, out: &mut JsonWriter) {
        log::transaction(self, out);
    }

    fn record_has_id(&self) -> bool {
        false
    }
}
