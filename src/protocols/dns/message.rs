//! One DNS message (RFC 1035 section 4): header, questions, records. Owns what it keeps.

use smallvec::SmallVec;

use super::codes::RrType;
use super::name::{Broken, Name, Names};

/// Bytes of the fixed header.
pub(super) const HEADER_LEN: usize = 12;

/// The fixed header, RFC 1035 section 4.1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// Questions, answers, authorities, additionals.
    pub(super) counts: [u16; 4],
}

impl Header {
    /// Out of the first [`HEADER_LEN`] bytes.
    pub(super) fn read(message: &[u8]) -> Option<Header> {
        let word = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        Some(Header { id: word(0)?, flags: word(2)?, counts: [word(4)?, word(6)?, word(8)?, word(10)?] })
    }

    /// It says that it answers.
    pub(super) fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub(super) fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }

    pub(super) fn rcode(&self) -> u8 {
        (self.flags & 0xf) as u8
    }

    /// The bit that must be zero is set.
    pub(super) fn z(&self) -> bool {
        self.flags & 0x40 != 0
    }
}

/// An entry of the question section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) rrtype: RrType,
    pub(super) class: u16,
}

/// A resource record. A TXT record of several strings makes several of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) name: Name,
    pub(super) rrtype: RrType,
    /// Seconds.
    pub(super) ttl: u32,
    pub(super) data: Data,
}

/// What is kept of a record's data.
#[derive(Clone, Copy, Debug)]
pub(super) enum Data {
    V4([u8; 4]),
    V6([u8; 16]),
    /// An address of the wrong length.
    NoAddress,
    /// The one name in it (CNAME, NS, PTR, MX).
    Name(Name),
    /// One string of a TXT, or a whole NULL.
    Text(Name),
    Soa {
        mname: Name,
        rname: Name,
        serial: u32,
        refresh: u32,
        retry: u32,
        expire: u32,
        minimum: u32,
    },
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        target: Name,
    },
    Sshfp {
        algorithm: u8,
        kind: u8,
        fingerprint: Name,
    },
    /// Not taken apart.
    Other,
}

/// One message.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) header: Header,
    pub(super) questions: SmallVec<[Question; 1]>,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) additionals: Vec<Record>,
    pub(super) names: Names,
}

impl Message {
    /// The questions alone: all that is looked at in a request.
    pub(super) fn read_request(bytes: &[u8]) -> Result<Message, Broken> {
        Ok(Message::read_questions(bytes)?.0)
    }

    /// A whole response. Answers and authorities must be sound; additionals are taken as far as they can be read.
    pub(super) fn read_response(bytes: &[u8]) -> Result<Message, Broken> {
        let (mut message, at) = Message::read_questions(bytes)?;
        let [_, answers, authorities, additionals] = message.header.counts;
        let mut reader = Reader { bytes, at, names: std::mem::take(&mut message.names) };
        reader.records(answers, &mut message.answers)?;
        reader.records(authorities, &mut message.authorities)?;
        // Nobody relies on these: what is wrong with them must not hide the answers.
        let odd = reader.names.odd;
        let _ = reader.records(additionals, &mut message.additionals);
        reader.names.odd = odd;
        message.names = reader.names;
        Ok(message)
    }

    /// Every section, all sound, whatever the direction; and the position behind them.
    pub(super) fn read_whole(bytes: &[u8]) -> Result<(Message, usize), Broken> {
        let (mut message, at) = Message::read_questions(bytes)?;
        let mut reader = Reader { bytes, at, names: std::mem::take(&mut message.names) };
        let [_, answers, authorities, additionals] = message.header.counts;
        reader.records(answers, &mut message.answers)?;
        reader.records(authorities, &mut message.authorities)?;
        reader.records(additionals, &mut message.additionals)?;
        message.names = reader.names;
        Ok((message, reader.at))
    }

    fn read_questions(bytes: &[u8]) -> Result<(Message, usize), Broken> {
        let header = Header::read(bytes).ok_or(Broken::Incomplete)?;
        let mut message = Message { header, ..Message::default() };
        let mut reader = Reader { bytes, at: HEADER_LEN, names: Names::default() };
        for _ in 0..header.counts[0] {
            let name = reader.name(bytes.len())?;
            let rrtype = RrType(reader.u16()?);
            let class = reader.u16()?;
            message.questions.push(Question { name, rrtype, class });
        }
        message.names = reader.names;
        Ok((message, reader.at))
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        let records = self.answers.capacity() + self.authorities.capacity() + self.additionals.capacity();
        self.names.memory()
            + records * size_of::<Record>()
            + self.questions.capacity() * size_of::<Question>()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    names: Names,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Broken> {
        let end = self.at.checked_add(len).ok_or(Broken::Incomplete)?;
        let taken = self.bytes.get(self.at..end).ok_or(Broken::Incomplete)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N)?.try_into().map_err(|_| Broken::Incomplete)
    }

    fn u16(&mut self) -> Result<u16, Broken> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Broken> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn name(&mut self, end: usize) -> Result<Name, Broken> {
        let (name, at) = self.names.read(self.bytes, self.at..end)?;
        self.at = at;
        Ok(name)
    }

    fn records(&mut self, count: u16, into: &mut Vec<Record>) -> Result<(), Broken> {
        for _ in 0..count {
            self.record(into)?;
        }
        Ok(())
    }

    fn record(&mut self, into: &mut Vec<Record>) -> Result<(), Broken> {
        let name = self.name(self.bytes.len())?;
        let rrtype = RrType(self.u16()?);
        let _class = self.u16()?;
        let ttl = self.u32()?;
        let len = usize::from(self.u16()?);
        let start = self.at;
        let raw = self.take(len)?;
        let end = self.at;
        self.at = start;
        let mut push = |data| into.push(Record { name, rrtype, ttl, data });
        match rrtype {
            RrType::TXT => {
                if raw.is_empty() {
                    return Err(Broken::Incomplete);
                }
                let mut rest = raw;
                while let Some((&len, tail)) = rest.split_first() {
                    let text = tail.get(..usize::from(len)).ok_or(Broken::Incomplete)?;
                    rest = &tail[text.len()..];
                    push(Data::Text(self.names.keep(text)));
                }
            }
            _ => push(self.data(rrtype, raw, end)?),
        }
        self.at = end;
        Ok(())
    }

    /// The data of a record that stands at `self.at` and ends at `end`.
    fn data(&mut self, rrtype: RrType, raw: &[u8], end: usize) -> Result<Data, Broken> {
        let data = match rrtype {
            RrType::A | RrType::AAAA => match (<[u8; 4]>::try_from(raw), <[u8; 16]>::try_from(raw)) {
                (Ok(v4), _) => Data::V4(v4),
                (_, Ok(v6)) => Data::V6(v6),
                _ => Data::NoAddress,
            },
            RrType::CNAME | RrType::NS | RrType::PTR => Data::Name(self.name(end)?),
            RrType::MX => {
                self.u16()?;
                Data::Name(self.name(end)?)
            }
            RrType::NULL => Data::Text(self.names.keep(raw)),
            RrType::SOA => Data::Soa {
                mname: self.name(end)?,
                rname: self.name(end)?,
                serial: self.u32()?,
                refresh: self.u32()?,
                retry: self.u32()?,
                expire: self.u32()?,
                minimum: self.u32()?,
            },
            RrType::SRV => Data::Srv {
                priority: self.u16()?,
                weight: self.u16()?,
                port: self.u16()?,
                target: self.name(end)?,
            },
            RrType::SSHFP => match raw {
                [algorithm, kind, fingerprint @ ..] => {
                    self.at = end;
                    Data::Sshfp {
                        algorithm: *algorithm,
                        kind: *kind,
                        fingerprint: self.names.keep(fingerprint),
                    }
                }
                _ => return Err(Broken::Incomplete),
            },
            _ => Data::Other,
        };
        if self.at > end { Err(Broken::Incomplete) } else { Ok(data) }
    }
}
