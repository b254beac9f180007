//! One message: the fixed part of BOOTP and the options that records and rules look at.

/// Bytes in front of the options: the fixed part and its cookie.
const FIXED: usize = 240;

/// Option codes, RFC 2132.
pub(super) mod code {
    pub(in super::super) const PAD: u8 = 0;
    pub(in super::super) const SUBNET_MASK: u8 = 1;
    pub(in super::super) const ROUTERS: u8 = 3;
    pub(in super::super) const DNS_SERVERS: u8 = 6;
    pub(in super::super) const HOSTNAME: u8 = 12;
    pub(in super::super) const REQUESTED_IP: u8 = 50;
    pub(in super::super) const LEASE_TIME: u8 = 51;
    pub(in super::super) const TYPE: u8 = 53;
    pub(in super::super) const PARAMETERS: u8 = 55;
    pub(in super::super) const RENEWAL_TIME: u8 = 58;
    pub(in super::super) const REBINDING_TIME: u8 = 59;
    pub(in super::super) const VENDOR: u8 = 60;
    pub(in super::super) const CLIENT_ID: u8 = 61;
    pub(in super::super) const END: u8 = 255;
}

/// What is kept of one message.
#[derive(Debug)]
pub(super) struct Message {
    /// 1 for a request, 2 for a reply.
    pub(super) op: u8,
    pub(super) id: u32,
    /// Hardware address of the client, of the length it claims.
    pub(super) client: Vec<u8>,
    /// Of the client, yours, next server, relay.
    pub(super) addresses: [[u8; 4]; 4],
    /// Known options in their order; of one that stands twice the last counts, in the place of the first.
    pub(super) options: Vec<(u8, Vec<u8>)>,
    /// An option was cut off, or nothing ended them.
    pub(super) truncated: bool,
    /// An option is of the wrong length.
    pub(super) malformed: bool,
}

impl Message {
    /// `None` for what has no fixed part.
    pub(super) fn read(bytes: &[u8]) -> Option<Message> {
        let (fixed, mut rest) = bytes.split_first_chunk::<FIXED>()?;
        let [op, _, len, _, i3, i2, i1, i0, ..] = *fixed;
        let address = |at: usize| fixed.get(at..at + 4).and_then(|part| part.try_into().ok());
        let mut message = Message {
            op,
            id: u32::from_be_bytes([i3, i2, i1, i0]),
            client: fixed.get(28..28 + usize::from(len).min(16))?.to_vec(),
            addresses: [address(12)?, address(16)?, address(20)?, address(24)?],
            options: Vec::new(),
            truncated: false,
            malformed: false,
        };
        loop {
            let Some((code, behind)) = rest.split_first() else {
                message.truncated = true;
                return Some(message);
            };
            rest = behind;
            match *code {
                code::PAD => continue,
                code::END => return Some(message),
                _ => {}
            }
            let taken =
                rest.split_first().and_then(|(len, behind)| behind.split_at_checked(usize::from(*len)));
            let Some((value, behind)) = taken else {
                message.truncated = true;
                return Some(message);
            };
            rest = behind;
            message.option(*code, value);
        }
    }

    fn option(&mut self, code: u8, value: &[u8]) {
        let sound = match code {
            code::SUBNET_MASK
            | code::REQUESTED_IP
            | code::LEASE_TIME
            | code::RENEWAL_TIME
            | code::REBINDING_TIME => value.len() == 4,
            code::ROUTERS | code::DNS_SERVERS => !value.is_empty() && value.as_chunks::<4>().1.is_empty(),
            code::TYPE => value.len() == 1,
            code::CLIENT_ID => !value.is_empty(),
            code::HOSTNAME | code::PARAMETERS | code::VENDOR => true,
            _ => return,
        };
        if !sound {
            self.malformed = true;
            return;
        }
        match self.options.iter_mut().find(|(known, _)| *known == code) {
            Some((_, known)) => *known = value.to_vec(),
            None => self.options.push((code, value.to_vec())),
        }
    }

    /// The value of an option.
    pub(super) fn value(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(known, _)| *known == code).map(|(_, value)| &value[..])
    }

    /// The value of an option that is a number of four bytes.
    pub(super) fn number(&self, code: u8) -> Option<u32> {
        self.value(code)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Memory held beside itself, bytes.
    pub(super) fn memory(&self) -> usize {
        self.client.len() + self.options.iter().map(|(_, value)| 32 + value.len()).sum::<usize>()
    }
}
