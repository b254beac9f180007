//! Both sides, line by line.

use smallvec::SmallVec;

use super::slots::*;
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::json::{self, Scalar};
use crate::protocols::lines::{self, Line};
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of a line.
pub(super) const LINE_MAX: usize = 16 << 10;

/// Methods that open a session.
const FIRST: &[&[u8]] = &[
    b"mining.subscribe",
    b"mining.configure",
    b"mining.authorize",
    b"mining.extranonce.subscribe",
    b"login",
    b"keepalived",
    b"eth_submitLogin",
    b"eth_login",
    b"eth_getWork",
];

/// What a line says.
#[derive(Default)]
struct Said {
    id: Option<u64>,
    method: Option<Vec<u8>>,
    /// The first parameter of a list.
    first: Option<Vec<u8>>,
    login: Option<Vec<u8>>,
    agent: Option<Vec<u8>>,
    error: Option<Vec<u8>>,
    /// It has a value.
    any: bool,
}

impl Said {
    fn read(line: &[u8]) -> Said {
        let mut said = Said::default();
        let mut parameters = 0;
        json::walk(line, &mut |path, value| {
            said.any = true;
            let path: SmallVec<[&[u8]; 4]> = path.iter().map(|name| &name[..]).collect();
            let is_parameter = matches!(path[..], [b"params", b""]);
            parameters += usize::from(is_parameter);
            match (&path[..], value) {
                ([b"id"], Scalar::Number(id)) => said.id = id,
                ([b"id"], Scalar::Text(text)) => {
                    said.id = std::str::from_utf8(&text).ok().and_then(|id| id.parse().ok())
                }
                ([b"method"], Scalar::Text(text)) => said.method = Some(text),
                ([b"params", b"login"], Scalar::Text(text)) => said.login = Some(text),
                ([b"params", b"agent"], Scalar::Text(text)) => said.agent = Some(text),
                (_, Scalar::Text(text)) if is_parameter && parameters == 1 => said.first = Some(text),
                ([b"error", ..], Scalar::Text(text)) => said.error = said.error.take().or(Some(text)),
                _ => {}
            }
        });
        said
    }

    fn call(self, method: &[u8]) -> Values {
        let mut values = Values::default();
        values.push(METHOD, method);
        let (user, agent) = match method {
            b"mining.subscribe" => (None, self.first),
            b"mining.authorize" | b"mining.submit" | b"eth_submitLogin" | b"eth_login" => (self.first, None),
            b"login" => (self.login, self.agent),
            _ => (None, None),
        };
        for (slot, found) in [(USER, user), (AGENT, agent)] {
            if let Some(found) = found {
                values.push(slot, &found);
            }
        }
        values
    }
}

/// How lines are read.
pub(super) struct Lines;

impl Lines {
    fn line(dir: Direction, line: &[u8], out: &mut Exchanges) -> Result<(), &'static str> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let mut said = Said::read(line);
        if !line.starts_with(b"{") || !said.any {
            return Err("malformed_line");
        }
        match (said.method.take(), said.id) {
            (Some(method), Some(id)) if dir == Direction::ToServer => out.open(id, said.call(&method)),
            (Some(method), _) => out.single(dir, said.call(&method)),
            (None, Some(id)) if dir == Direction::ToClient => {
                if let (Some(exchange), Some(error)) = (out.waiting(id), said.error) {
                    exchange.values.push(ERROR, &error);
                }
                out.finish(id);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Dialect for Lines {
    const ALONE: bool = true;

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        match lines::front(bytes, LINE_MAX) {
            Line::Open => Ok(Step::Needs(bytes.len() + 1)),
            Line::Long => Err("line_too_long"),
            Line::Whole(line, taken) => Lines::line(dir, line, out).map(|()| Step::Took(taken)),
        }
    }
}

/// See [`crate::app::Protocol::probe`]: a line that calls a method that opens a session.
pub(super) fn probe(dir: Direction, bytes: &[u8]) -> Probe {
    let begins = bytes.first().is_none_or(|first| *first == b'{');
    if dir == Direction::ToClient || !begins {
        return Probe::No;
    }
    match lines::front(bytes, 4096) {
        Line::Open => Probe::More,
        Line::Long => Probe::No,
        Line::Whole(line, _) => {
            let method = Said::read(line).method;
            if method.is_some_and(|method| FIRST.contains(&&method[..])) { Probe::Yes } else { Probe::No }
        }
    }
}
