//! All keywords, buffers and protocols by name: what `keywords/` and `protocols/` list, put together once at start.

use std::collections::HashMap;

use super::buffer::{Buffer, BufferId, BufferSpec, LiteralCheck, NumberSpec, Origin, PacketBytes, Source};
use super::keyword::Keyword;
use crate::app::{FrameKind, Protocol, ProtocolId};

/// A protocol with all that rules can ask of it: one line in the list of protocols.
#[derive(Clone, Copy)]
pub struct ProtocolEntry {
    /// Recognition and parsing.
    pub protocol: &'static dyn Protocol,
    /// Its buffers.
    pub buffers: &'static [BufferSpec],
    /// Its numbers.
    pub numbers: &'static [NumberSpec],
    /// Its further keywords.
    pub keywords: &'static [&'static dyn Keyword],
}

/// A buffer that is part of a packet.
#[derive(Clone, Copy, Debug)]
pub struct PacketBufferSpec {
    /// The sticky keyword.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Takes it out of the packet.
    pub bytes: PacketBytes,
}

/// What a name in a rule stands for.
#[derive(Clone, Copy)]
pub enum Word {
    /// A keyword with code of its own.
    Keyword(&'static dyn Keyword),
    /// A sticky buffer.
    Sticky(BufferId),
    /// A content modifier of old.
    Modifier(BufferId),
    /// A number of a transaction.
    Number(u16),
}

/// A number keyword with its places in all protocols.
#[derive(Clone, Debug)]
pub struct Number {
    /// The keyword.
    pub name: &'static str,
    /// Names that stand for numbers.
    pub names: &'static [(&'static str, u64)],
    /// Where.
    pub sources: Vec<Source>,
}

/// A line of `--list-keywords`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The name.
    pub name: &'static str,
    /// Keyword, sticky buffer, content modifier or number.
    pub kind: &'static str,
    /// The protocol it belongs to, or empty.
    pub protocol: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// All names.
pub struct Registry {
    words: HashMap<&'static str, Word>,
    buffers: Vec<Buffer>,
    numbers: Vec<Number>,
    protocols: Vec<&'static dyn Protocol>,
    frames: Vec<(ProtocolId, &'static str, BufferId)>,
    listed: Vec<Listed>,
    duplicates: Vec<&'static str>,
}

impl Registry {
    /// Puts the lists together. The same name twice (other than a buffer shared by protocols) is found in
    /// [`Registry::duplicates`].
    pub fn new(
        keywords: &[&'static dyn Keyword],
        packet_buffers: &[PacketBufferSpec],
        protocols: &[ProtocolEntry],
    ) -> Self {
        let mut this = Registry {
            words: HashMap::new(),
            buffers: vec![
                Buffer { name: "payload", origin: Origin::Payload, check: None },
                Buffer { name: "base64_data", origin: Origin::Derived, check: None },
            ],
            numbers: Vec::new(),
            protocols: protocols.iter().map(|e| e.protocol).collect(),
            frames: Vec::new(),
            listed: Vec::new(),
            duplicates: Vec::new(),
        };
        for keyword in keywords {
            this.add_keyword(*keyword, "");
        }
        for spec in packet_buffers {
            let id = this.add_buffer(spec.name, Origin::Packet(spec.bytes), None);
            this.word(spec.name, Word::Sticky(id), "sticky buffer", "", spec.help);
        }
        for (at, entry) in protocols.iter().enumerate() {
            let protocol = ProtocolId(at as u8);
            let of = entry.protocol.name();
            for spec in entry.buffers {
                this.add_app_buffer(spec, protocol, of);
            }
            for spec in entry.numbers {
                this.add_number(spec, protocol, of);
            }
            for keyword in entry.keywords {
                this.add_keyword(*keyword, of);
            }
            let frames = entry.protocol.frames();
            let stream = frames.iter().take(1).map(|_| ("stream", FrameKind::STREAM));
            let named = frames.iter().enumerate().map(|(at, name)| (*name, FrameKind(at as u8)));
            for (name, kind) in named.chain(stream) {
                let id = this.add_buffer(name, Origin::Frame(protocol, kind), None);
                this.frames.push((protocol, name, id));
            }
        }
        this.listed.sort();
        this
    }

    fn add_keyword(&mut self, keyword: &'static dyn Keyword, of: &'static str) {
        self.word(keyword.name(), Word::Keyword(keyword), "keyword", of, keyword.help());
        for alias in keyword.aliases() {
            self.word(alias, Word::Keyword(keyword), "keyword", of, keyword.help());
        }
    }

    fn add_buffer(&mut self, name: &'static str, origin: Origin, check: Option<LiteralCheck>) -> BufferId {
        self.buffers.push(Buffer { name, origin, check });
        BufferId((self.buffers.len() - 1) as u16)
    }

    fn add_app_buffer(&mut self, spec: &BufferSpec, protocol: ProtocolId, of: &'static str) {
        let sources = spec.places.iter().map(|place| Source { protocol, place: *place });
        if let Some(Word::Sticky(id)) = self.words.get(spec.name)
            && let Origin::App(all) = &mut self.buffers[usize::from(id.0)].origin
        {
            all.extend(sources);
            return;
        }
        let id = self.add_buffer(spec.name, Origin::App(sources.collect()), spec.check);
        self.word(spec.name, Word::Sticky(id), "sticky buffer", of, spec.help);
        for alias in spec.aliases {
            self.word(alias, Word::Sticky(id), "sticky buffer", of, spec.help);
        }
        if let Some(modifier) = spec.modifier {
            self.word(modifier, Word::Modifier(id), "content modifier", of, spec.help);
        }
    }

    fn add_number(&mut self, spec: &NumberSpec, protocol: ProtocolId, of: &'static str) {
        let sources = spec.places.iter().map(|place| Source { protocol, place: *place });
        if let Some(Word::Number(id)) = self.words.get(spec.name) {
            self.numbers[usize::from(*id)].sources.extend(sources);
            return;
        }
        self.numbers.push(Number { name: spec.name, names: spec.names, sources: sources.collect() });
        let id = (self.numbers.len() - 1) as u16;
        self.word(spec.name, Word::Number(id), "number", of, spec.help);
        for alias in spec.aliases {
            self.word(alias, Word::Number(id), "number", of, spec.help);
        }
    }

    fn word(
        &mut self,
        name: &'static str,
        word: Word,
        kind: &'static str,
        of: &'static str,
        help: &'static str,
    ) {
        if self.words.insert(name, word).is_some() {
            self.duplicates.push(name);
        }
        self.listed.push(Listed { name, kind, protocol: of, help });
    }

    /// What that name stands for.
    pub fn find(&self, name: &str) -> Option<Word> {
        self.words.get(name).copied()
    }

    /// All names, for "did you mean".
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.words.keys().copied()
    }

    /// The sticky buffer of that name.
    pub fn buffer_named(&self, name: &str) -> Option<BufferId> {
        match self.find(name)? {
            Word::Sticky(id) | Word::Modifier(id) => Some(id),
            _ => None,
        }
    }

    /// A buffer by number.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[usize::from(id.0)]
    }

    /// All buffers, in the order of their numbers.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// A number keyword.
    pub fn number(&self, id: u16) -> &Number {
        &self.numbers[usize::from(id)]
    }

    /// All protocols, in the order of their numbers.
    pub fn protocols(&self) -> &[&'static dyn Protocol] {
        &self.protocols
    }

    /// The protocol of that name or alias.
    pub fn protocol_named(&self, name: &str) -> Option<ProtocolId> {
        self.protocols
            .iter()
            .position(|p| p.name() == name || p.aliases().contains(&name))
            .map(|at| ProtocolId(at as u8))
    }

    /// Whether rules of `protocol` are about flows of `spoken`: it is theirs, or may carry it.
    pub fn is_about(&self, protocol: super::rule::RuleProtocol, spoken: ProtocolId) -> bool {
        use super::rule::RuleProtocol;
        let about = |spoken| {
            protocol.is_app(spoken)
                || matches!(protocol, RuleProtocol::App(id) if self.carrier(id) == Some(spoken))
        };
        about(spoken) || self.called(spoken).is_some_and(about)
    }

    /// What flows of that protocol may come to be called.
    pub fn called(&self, id: ProtocolId) -> Option<ProtocolId> {
        self.protocol_named(self.protocols.get(usize::from(id.0))?.may_be_called()?)
    }

    /// The protocol that may carry that one.
    pub fn carrier(&self, id: ProtocolId) -> Option<ProtocolId> {
        let carried = self.protocols.get(usize::from(id.0))?;
        self.protocol_named(carried.carried_in()?)
    }

    /// The buffer of that type of frame.
    pub fn frame(&self, protocol: ProtocolId, name: &str) -> Option<BufferId> {
        self.frames.iter().find(|(of, known, _)| *of == protocol && *known == name).map(|(.., id)| *id)
    }

    /// All types of frames: `tls.pdu`.
    pub fn frame_names(&self) -> impl Iterator<Item = String> {
        self.frames.iter().map(|(of, name, _)| match self.protocols.get(usize::from(of.0)) {
            Some(protocol) => format!("{}.{name}", protocol.name()),
            None => (*name).to_owned(),
        })
    }

    /// Everything for `--list-keywords`, by name.
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// Names given twice: a mistake in the lists.
    pub fn duplicates(&self) -> &[&'static str] {
        &self.duplicates
    }
}
