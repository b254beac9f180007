//! What protocols of questions and answers share: the exchanges of a flow, the parser around them, their record.
//!
//! Such a protocol is a [`Dialect`]: it takes one message after the other from the front of a side's bytes, opens exchanges and
//! answers them, in order or by a key of its own. What it found stands in [`Values`]; a [`Format`] says how a record shows it. The
//! dialect bounds what it keeps of a message.
//!
//! Bounds: [`WAITING_MAX`] exchanges wait for their answer, those beyond are done without one; [`ALIVE_MAX`] are alive in all. When
//! bytes are lost where messages begin, that side is given up, and no exchange waits any more.

use std::collections::VecDeque;
use std::sync::Arc;

use super::mime::{self, Mail};
use super::values::Values;
use crate::app::{
    Body, Change, DONE, File, Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, Settings,
    Slot, Transaction, Transactions, TxList,
};
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto};

/// Exchanges of a flow that wait for their answer.
pub(super) const WAITING_MAX: usize = 1024;

/// Exchanges of a flow that are alive: those of one big segment, before they are looked at.
pub(super) const ALIVE_MAX: usize = 1 << 16;

/// Bytes of a text that a record shows.
const SHOWN_MAX: usize = 4096;

/// Texts of a list that a record shows.
const LIST_MAX: usize = 64;

/// Events kept of one exchange.
const EVENTS_MAX: usize = 8;

/// A protocol of questions and answers, as its folder describes it: all that differs from one to the other.
pub(super) struct Conversation<D> {
    pub(super) name: &'static str,
    pub(super) transports: &'static [Proto],
    /// The first is the usual one; [`Conversation::probe`] is told of all.
    pub(super) ports: &'static [u16],
    /// See [`Protocol::either_begins`] and [`Protocol::server_speaks_first`].
    pub(super) either_begins: bool,
    pub(super) server_speaks_first: bool,
    pub(super) events: &'static [&'static str],
    /// See [`Protocol::probe`]; told is whether the port is one of its own.
    pub(super) probe: fn(Proto, Direction, bool, &[u8]) -> Probe,
    pub(super) dialect: fn() -> D,
    pub(super) format: &'static Format,
}

impl<D: Dialect + 'static> Protocol for Conversation<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn transports(&self) -> &'static [Proto] {
        self.transports
    }

    fn usual_port(&self) -> Option<u16> {
        self.ports.first().copied()
    }

    fn either_begins(&self) -> bool {
        self.either_begins
    }

    fn server_speaks_first(&self) -> bool {
        self.server_speaks_first
    }

    fn stands_alone(&self, _transport: Proto) -> bool {
        D::ALONE
    }

    fn probe(&self, transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        (self.probe)(transport, dir, self.ports.contains(&port), bytes)
    }

    fn events(&self) -> &'static [&'static str] {
        self.events
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        let mail = D::MAIL.then(|| Arc::new(mime::Config::new(settings)));
        Box::new(Factory { dialect: self.dialect, format: self.format, mail })
    }
}

struct Factory<D> {
    dialect: fn() -> D,
    format: &'static Format,
    mail: Option<Arc<mime::Config>>,
}

impl<D: Dialect + 'static> ParserFactory for Factory<D> {
    fn parser(&self, transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        let mut parser = ExchangeParser::new((self.dialect)(), self.format, transport == Proto::UDP);
        parser.out.mail = self.mail.clone();
        Box::new(parser)
    }
}

/// What every dialect must have among its events.
pub(super) const TOO_MANY: &str = "too_many_transactions";

/// A row of a table of buffers.
pub(super) const fn buffer(name: &'static str, help: &'static str, places: &'static [Place]) -> BufferSpec {
    BufferSpec { name, aliases: &[], modifier: None, help, places, check: None }
}

/// A row of a table of numbers.
pub(super) const fn number(
    name: &'static str,
    help: &'static str,
    places: &'static [Place],
    names: &'static [(&'static str, u64)],
) -> NumberSpec {
    NumberSpec { name, aliases: &[], help, places, names }
}

/// One buffer of the request.
pub(super) const fn asked(slot: Slot) -> Place {
    Place { dir: Direction::ToServer, slot, progress: DONE, kind: Kind::Bytes }
}

/// Any number of buffers of the request.
pub(super) const fn asked_each(slot: Slot) -> Place {
    Place { dir: Direction::ToServer, slot, progress: DONE, kind: Kind::Multi }
}

/// One buffer of the answer.
pub(super) const fn answered(slot: Slot) -> Place {
    Place { dir: Direction::ToClient, slot, progress: DONE, kind: Kind::Bytes }
}

/// Any number of buffers of the answer.
pub(super) const fn answered_each(slot: Slot) -> Place {
    Place { dir: Direction::ToClient, slot, progress: DONE, kind: Kind::Multi }
}

/// How a record shows a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// One text.
    Text,
    /// All texts of the slot.
    List,
    /// One number.
    Number,
    /// One number, as a word where it has one.
    Word(&'static [(&'static str, u64)]),
    /// All numbers of the slot, as words where they have one.
    Words(&'static [(&'static str, u64)]),
    /// A truth: the number is not 0.
    Flag,
    /// Members that are written already, without a key of their own.
    Members,
    /// All texts of the slot are the members of an object each.
    Objects,
    /// An object of these members, when it has one; the slot is not looked at.
    Object(&'static [Field]),
}

/// One member of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field(pub(super) &'static str, pub(super) Slot, pub(super) Shape);

impl Field {
    /// Whether there is anything to show of it.
    fn is_in(&self, values: &Values) -> bool {
        match self.2 {
            Shape::Text | Shape::List | Shape::Members | Shape::Objects => values.text(self.1, 0).is_some(),
            Shape::Number | Shape::Word(_) | Shape::Words(_) | Shape::Flag => {
                values.number(self.1, 0).is_some()
            }
            Shape::Object(fields) => fields.iter().any(|field| field.is_in(values)),
        }
    }
}

/// How exchanges of a protocol are recorded: the name of their object, the members of its two parts, and those beside them.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) name: &'static str,
    pub(super) beside: &'static [Field],
    pub(super) request: &'static [Field],
    pub(super) response: &'static [Field],
}

impl Format {
    /// The members, without an object around them.
    pub(super) fn members(fields: &[Field], values: &Values, out: &mut JsonWriter) {
        let shown = |text: &[u8]| text.len().min(SHOWN_MAX);
        for field @ Field(key, slot, shape) in fields {
            match shape {
                Shape::Members => out.raw_members(values.text(*slot, 0).unwrap_or_default()),
                Shape::Objects => {
                    if field.is_in(values) {
                        out.open_array(key);
                        for members in values.all(*slot).take(LIST_MAX) {
                            out.open();
                            out.raw_members(members);
                            out.close();
                        }
                        out.close_array();
                    }
                }
                Shape::Object(inside) => {
                    if field.is_in(values) {
                        out.open_object(key);
                        Format::members(inside, values, out);
                        out.close();
                    }
                }
                Shape::Flag => {
                    if let Some(number) = values.number(*slot, 0) {
                        out.flag(key, number != 0);
                    }
                }
                Shape::Words(names) => {
                    if field.is_in(values) {
                        out.open_array(key);
                        for number in (0..LIST_MAX).map_while(|nth| values.number(*slot, nth)) {
                            match names.iter().find(|(_, known)| *known == number) {
                                Some((name, _)) => out.element_text(name),
                                None => out.element_number(number),
                            }
                        }
                        out.close_array();
                    }
                }
                Shape::Text => {
                    if let Some(text) = values.text(*slot, 0) {
                        out.bytes(key, text.get(..shown(text)).unwrap_or_default());
                    }
                }
                Shape::List => {
                    let mut texts = values.all(*slot).take(LIST_MAX).peekable();
                    if texts.peek().is_some() {
                        out.open_array(key);
                        texts.for_each(|text| out.element(text.get(..shown(text)).unwrap_or_default()));
                        out.close_array();
                    }
                }
                Shape::Number => {
                    if let Some(number) = values.number(*slot, 0) {
                        out.number(key, number);
                    }
                }
                Shape::Word(names) => {
                    if let Some(number) = values.number(*slot, 0) {
                        match names.iter().find(|(_, known)| *known == number) {
                            Some((name, _)) => out.text(key, name),
                            None => out.number(key, number),
                        }
                    }
                }
            }
        }
    }
}

/// A request and its answer, or a message without one.
#[derive(Debug)]
pub(super) struct Exchange {
    id: u64,
    format: &'static Format,
    pub(super) values: Values,
    /// Messages that it carries.
    mail: Option<Box<Mail>>,
    /// By direction: the progress.
    progress: [u8; 2],
    /// The only direction that it concerns.
    only: Option<Direction>,
    events: Vec<(Direction, &'static str)>,
}

impl Exchange {
    /// Notes what is wrong, once.
    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if self.events.len() < EVENTS_MAX && !self.events.contains(&(dir, name)) {
            self.events.push((dir, name));
        }
    }

    /// That side is whole.
    pub(super) fn reach_end(&mut self, dir: Direction) {
        self.progress[dir.index()] = DONE;
    }

    fn finish(&mut self) {
        self.end_mail(false);
        self.progress = [DONE; 2];
    }

    fn end_mail(&mut self, whole: bool) {
        if let Some(mail) = &mut self.mail {
            mail.finish(whole);
        }
        self.note_mail();
    }

    /// What was wrong with its messages.
    fn note_mail(&mut self) {
        let Some(mail) = &mut self.mail else { return };
        let (dir, found) = (mail.dir(), mail.take_events());
        found.into_iter().for_each(|name| self.event(dir, name));
    }

    fn memory(&self) -> usize {
        size_of::<Self>()
            + self.values.memory()
            + self.mail.as_ref().map_or(0, |mail| mail.memory())
            + self.events.capacity() * size_of::<(Direction, &str)>()
    }
}

impl Transaction for Exchange {
    fn id(&self) -> u64 {
        self.id
    }

    fn progress(&self, dir: Direction) -> u8 {
        self.progress[dir.index()]
    }

    fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        if slot >= mime::mail::FIRST {
            return self.mail.as_ref()?.bytes(slot, nth);
        }
        self.values.text(slot, nth)
    }

    fn body(&self, slot: Slot, nth: usize) -> Option<Body<'_>> {
        self.mail.as_ref()?.body(slot, nth)
    }

    fn files(&self, dir: Direction) -> &[File] {
        self.mail.as_ref().map_or(&[], |mail| mail.files(dir))
    }

    fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        self.values.number(slot, nth)
    }

    fn events(&self) -> &[(Direction, &'static str)] {
        &self.events
    }

    fn concerns(&self, dir: Direction) -> bool {
        self.only.is_none_or(|only| only == dir)
    }

    /// Exchanges follow one another on one connection: the stream is inspected when there is enough of it.
    fn ends_stream_chunk(&self, _: Direction) -> bool {
        false
    }

    fn log(&self, out: &mut JsonWriter) {
        self.object(out);
        if let Some(mail) = &self.mail {
            mail.log(true, out);
        }
    }

    fn log_in_alert(&self, out: &mut JsonWriter) {
        self.object(out);
        if let Some(mail) = &self.mail {
            mail.log(false, out);
        }
    }
}

impl Exchange {
    fn object(&self, out: &mut JsonWriter) {
        out.open_object(self.format.name);
        for (name, fields) in [("request", self.format.request), ("response", self.format.response)] {
            if fields.iter().any(|field| field.is_in(&self.values)) {
                out.open_object(name);
                Format::members(fields, &self.values, out);
                out.close();
            }
        }
        Format::members(self.format.beside, &self.values, out);
        out.close();
    }
}

/// The exchanges of a flow.
#[derive(Debug)]
pub(super) struct Exchanges {
    format: &'static Format,
    list: TxList<Exchange>,
    /// Keys and ids of those that wait for an answer, oldest first.
    waiting: VecDeque<(u64, u64)>,
    /// Requests behind those that wait in order, which have no exchange that waits: there were too many.
    unowned: u64,
    /// Answers cannot be told apart any more: no exchange waits.
    unmatched: bool,
    /// How messages are taken apart, of a protocol that carries some.
    mail: Option<Arc<mime::Config>>,
}

impl Exchanges {
    fn new(format: &'static Format) -> Self {
        Exchanges {
            format,
            list: TxList::default(),
            waiting: VecDeque::new(),
            unowned: 0,
            unmatched: false,
            mail: None,
        }
    }

    fn push(&mut self, values: Values) -> Option<&mut Exchange> {
        if self.list.len() >= ALIVE_MAX {
            self.event(Direction::ToServer, TOO_MANY);
            return None;
        }
        let format = self.format;
        let events = Vec::new();
        Some(self.list.push_with(|id| Exchange {
            id,
            format,
            values,
            mail: None,
            progress: [0; 2],
            only: None,
            events,
        }))
    }

    /// A request that is answered in its turn.
    pub(super) fn open_in_turn(&mut self, values: Values) {
        if self.unowned > 0 || self.waiting.len() >= WAITING_MAX {
            self.unowned += u64::from(!self.unmatched);
            if let Some(exchange) = self.push(values) {
                exchange.finish();
                exchange.event(Direction::ToServer, TOO_MANY);
            }
        } else {
            self.open(0, values);
        }
    }

    /// A request that is answered by that key.
    pub(super) fn open(&mut self, key: u64, values: Values) {
        let (full, unmatched) = (self.waiting.len() >= WAITING_MAX, self.unmatched);
        let Some(exchange) = self.push(values) else { return };
        exchange.reach_end(Direction::ToServer);
        if full {
            exchange.event(Direction::ToServer, TOO_MANY);
        }
        if full || unmatched {
            exchange.finish();
        } else {
            let id = exchange.id;
            self.waiting.push_back((key, id));
        }
    }

    /// What the server says before it is asked, and the client's answer to it: both are still to come.
    pub(super) fn begin(&mut self, values: Values) {
        let Some(exchange) = self.push(values) else { return };
        let id = exchange.id;
        self.waiting.push_back((0, id));
    }

    /// A message that nobody answers, about that direction alone.
    pub(super) fn single(&mut self, dir: Direction, values: Values) {
        if let Some(exchange) = self.push(values) {
            exchange.finish();
            exchange.only = Some(dir);
        }
    }

    /// A request that nobody answers.
    pub(super) fn unanswered(&mut self, values: Values) {
        if let Some(exchange) = self.push(values) {
            exchange.finish();
        }
    }

    /// The oldest request without an answer.
    pub(super) fn oldest(&mut self) -> Option<&mut Exchange> {
        let (_, id) = *self.waiting.front()?;
        self.list.by_id_mut(id)
    }

    /// The request that waits under that key.
    pub(super) fn waiting(&mut self, key: u64) -> Option<&mut Exchange> {
        let (_, id) = *self.waiting.iter().find(|(known, _)| *known == key)?;
        self.list.by_id_mut(id)
    }

    /// The oldest has its answer.
    pub(super) fn finish_oldest(&mut self) {
        match self.waiting.pop_front() {
            Some((_, id)) => self.finish_id(id),
            None => self.unowned = self.unowned.saturating_sub(1),
        }
    }

    /// The one of that key has its answer.
    pub(super) fn finish(&mut self, key: u64) {
        if let Some(at) = self.waiting.iter().position(|(known, _)| *known == key)
            && let Some((_, id)) = self.waiting.remove(at)
        {
            self.finish_id(id);
        }
    }

    fn finish_id(&mut self, id: u64) {
        if let Some(exchange) = self.list.by_id_mut(id) {
            exchange.finish();
        }
    }

    fn finish_all(&mut self) {
        while let Some((_, id)) = self.waiting.pop_front() {
            self.finish_id(id);
        }
        self.unowned = 0;
    }

    /// From here on answers cannot be told apart, and no request waits for one.
    pub(super) fn unmatch(&mut self) {
        self.unmatched = true;
        self.finish_all();
    }

    /// Whether [`Exchanges::unmatch`] was called.
    pub(super) fn is_unmatched(&self) -> bool {
        self.unmatched
    }

    /// A message begins in that direction, within an exchange that is not done on that side before the message is.
    pub(super) fn begin_mail(&mut self, id: u64, dir: Direction) {
        let (Some(config), Some(exchange)) = (&self.mail, self.list.by_id_mut(id)) else { return };
        let mail = exchange.mail.get_or_insert_with(|| Box::new(Mail::new(config, dir)));
        if mail.dir() == dir {
            mail.begin();
            exchange.progress[dir.index()] = mime::mail::BEGUN;
        }
    }

    /// A line of it, or a part of one: see [`mime::Message::line`].
    pub(super) fn mail_line(&mut self, id: u64, text: &[u8], start: bool, end: Option<&'static [u8]>) {
        if let Some(exchange) = self.list.by_id_mut(id)
            && let Some(mail) = &mut exchange.mail
        {
            mail.line(text, start, end);
            exchange.note_mail();
        }
    }

    /// Bytes of it were lost.
    pub(super) fn mail_gap(&mut self, id: u64) {
        if let Some(exchange) = self.list.by_id_mut(id)
            && let Some(mail) = &mut exchange.mail
        {
            mail.gap();
        }
    }

    /// It is over; `whole` when its end was seen.
    pub(super) fn end_mail(&mut self, id: u64, whole: bool) {
        if let Some(exchange) = self.list.by_id_mut(id) {
            exchange.end_mail(whole);
            if exchange.mail.as_ref().is_some_and(|mail| mail.dir() == Direction::ToServer) {
                exchange.reach_end(Direction::ToServer);
            }
        }
    }

    /// Notes what is wrong, at the youngest exchange; one is made where there is none.
    pub(super) fn event(&mut self, dir: Direction, name: &'static str) {
        if self.list.is_empty() {
            self.single(dir, Values::default());
        }
        if let Some(last) = self.list.last_mut() {
            last.event(dir, name);
        }
    }

    fn memory(&self) -> usize {
        self.waiting.capacity() * size_of::<(u64, u64)>()
            + self.list.iter().map(Exchange::memory).sum::<usize>()
    }
}

/// What became of the bytes at the front.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many were taken, at least one.
    Took(usize),
    /// So many were taken, and as many behind them are of no interest.
    Skip(usize, u64),
    /// None was taken; so many are needed.
    Needs(usize),
    /// So many were taken; the flow is recognised anew behind them.
    Change(usize),
    /// So many were taken; what follows cannot be read.
    Opaque(usize),
}

/// How a protocol's messages are read.
pub(super) trait Dialect: Send {
    /// The message at the front of what a side says, never without a byte. An error is the name of an event.
    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str>;

    /// A datagram begins: how many of its bytes are its header. `None`: it is of no interest.
    fn datagram(&mut self, dir: Direction, bytes: &[u8]) -> Option<usize> {
        let _ = (dir, bytes);
        Some(0)
    }

    /// It never gives [`Step::Change`] or [`Step::Opaque`]: see [`Protocol::stands_alone`].
    const ALONE: bool = false;

    /// It calls [`Exchanges::begin_mail`].
    const MAIL: bool = false;

    /// Bytes of that side were lost, none of them of those that were to be skipped: how many of them the dialect can do without.
    fn gap(&mut self, dir: Direction, len: u64, out: &mut Exchanges) -> u64 {
        let _ = (dir, len, out);
        0
    }

    /// Memory held, bytes.
    fn memory(&self) -> usize {
        0
    }
}

/// The parser of one flow.
pub(super) struct ExchangeParser<D> {
    dialect: D,
    out: Exchanges,
    sides: [Side; 2],
    /// Each input is a datagram.
    datagrams: bool,
}

#[derive(Clone, Copy, Default)]
struct Side {
    /// Bytes of no interest that are still to come.
    skip: u64,
    /// Bytes were lost where messages begin: nothing can be found again.
    lost: bool,
}

impl<D: Dialect> ExchangeParser<D> {
    pub(super) fn new(dialect: D, format: &'static Format, datagrams: bool) -> Self {
        ExchangeParser { dialect, out: Exchanges::new(format), sides: [Side::default(); 2], datagrams }
    }
}

impl<D: Dialect> Parser for ExchangeParser<D> {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let mut at = 0;
        if self.datagrams {
            at = self.dialect.datagram(input.dir, input.bytes).unwrap_or(usize::MAX);
        }
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let side = &mut self.sides[input.dir.index()];
            if side.lost {
                break;
            }
            if side.skip > 0 {
                let taken = usize::try_from(side.skip).unwrap_or(usize::MAX).min(rest.len());
                side.skip -= taken as u64;
                at += taken;
                continue;
            }
            match self.dialect.step(input.dir, rest, &mut self.out) {
                Ok(Step::Took(taken)) => at += taken,
                Ok(Step::Skip(taken, skip)) => {
                    at += taken;
                    self.sides[input.dir.index()].skip = skip;
                }
                Ok(Step::Needs(_)) if self.datagrams => break,
                Ok(Step::Needs(needs)) if !input.eof => {
                    return Ok(Parsed { consumed: at, needs, ..Parsed::default() });
                }
                Ok(Step::Needs(_)) => break,
                Ok(Step::Change(taken)) => {
                    let change = Some(Change::Probe);
                    return Ok(Parsed { consumed: at + taken, change, ..Parsed::default() });
                }
                Ok(Step::Opaque(taken)) => {
                    self.out.unmatch();
                    return Ok(Parsed { consumed: at + taken, opaque: true, ..Parsed::default() });
                }
                Err(name) => {
                    self.out.event(input.dir, name);
                    if !self.datagrams {
                        self.out.unmatch();
                    }
                    return Err(ParseError(name));
                }
            }
        }
        if self.datagrams {
            self.sides = [Side::default(); 2];
        }
        if input.eof && input.dir == Direction::ToClient {
            self.out.finish_all();
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError> {
        let side = &mut self.sides[dir.index()];
        let skipped = side.skip.min(len);
        side.skip -= skipped;
        let left = len - skipped;
        if left > 0 && !side.lost && self.dialect.gap(dir, left, &mut self.out) < left {
            side.lost = true;
            self.out.unmatch();
        }
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.out.list
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.out.list
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.dialect.memory() + self.out.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    const FORMAT: Format = Format { name: "test", beside: &[], request: &[], response: &[] };

    /// A client's byte is a request, a server's an answer; `!` is wrong, `#` is followed by three of no interest.
    struct Bytes;

    impl Dialect for Bytes {
        fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
            match (bytes[0], dir) {
                (b'!', _) => return Err("wrong"),
                (b'#', _) => return Ok(Step::Skip(1, 3)),
                (_, Direction::ToServer) => out.open_in_turn(Values::default()),
                (_, Direction::ToClient) => out.finish_oldest(),
            }
            Ok(Step::Took(1))
        }
    }

    fn parser() -> ExchangeParser<Bytes> {
        ExchangeParser::new(Bytes, &FORMAT, false)
    }

    fn say(parser: &mut ExchangeParser<Bytes>, dir: Direction, bytes: &[u8]) -> Result<Parsed, ParseError> {
        parser.parse(Input { dir, bytes, eof: false, timestamp: Timestamp(0) })
    }

    fn done(parser: &ExchangeParser<Bytes>) -> usize {
        parser.out.list.iter().filter(|tx| tx.progress(Direction::ToClient) == DONE).count()
    }

    #[test]
    fn those_beyond_the_limit_are_done_and_answers_stay_in_turn() {
        let mut parser = parser();
        say(&mut parser, Direction::ToServer, &vec![b'a'; WAITING_MAX + 10]).unwrap();
        assert_eq!((parser.out.waiting.len(), done(&parser)), (WAITING_MAX, 10));
        say(&mut parser, Direction::ToClient, &vec![b'a'; WAITING_MAX]).unwrap();
        say(&mut parser, Direction::ToServer, b"a").unwrap();
        assert_eq!(done(&parser), WAITING_MAX + 11, "it stands behind those without an exchange");
        say(&mut parser, Direction::ToClient, &[b'a'; 11]).unwrap();
        say(&mut parser, Direction::ToServer, b"a").unwrap();
        assert_eq!(parser.out.waiting.len(), 1);
    }

    #[test]
    fn alive_ones_are_bounded() {
        let mut parser = parser();
        say(&mut parser, Direction::ToServer, &vec![b'a'; 2 * ALIVE_MAX]).unwrap();
        assert_eq!(parser.out.list.len(), ALIVE_MAX);
        assert!(parser.memory() < 40 << 20, "{}", parser.memory());
    }

    #[test]
    fn lost_bytes_of_no_interest_do_not_matter() {
        let mut parser = parser();
        say(&mut parser, Direction::ToServer, b"a#x").unwrap();
        parser.gap(Direction::ToServer, 2).unwrap();
        say(&mut parser, Direction::ToServer, b"a").unwrap();
        assert_eq!((parser.out.list.len(), done(&parser)), (2, 0));
        parser.gap(Direction::ToClient, 1).unwrap();
        say(&mut parser, Direction::ToServer, b"a").unwrap();
        say(&mut parser, Direction::ToClient, b"!").unwrap();
        assert_eq!((parser.out.list.len(), done(&parser)), (3, 3));
    }

    #[test]
    fn what_is_wrong_ends_the_waiting() {
        let mut parser = parser();
        say(&mut parser, Direction::ToServer, b"aa").unwrap();
        assert_eq!(say(&mut parser, Direction::ToClient, b"!"), Err(ParseError("wrong")));
        assert_eq!(done(&parser), 2);
        assert_eq!(parser.out.list.last_mut().unwrap().events(), [(Direction::ToClient, "wrong")]);
    }
}
