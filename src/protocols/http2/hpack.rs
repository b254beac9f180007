//! HPACK (RFC 7541): blocks of headers, with what was said before standing in a table.
//!
//! Names and values are shared, not copied: a byte that repeats an entry costs a pointer. Bounds: the table's size, given from outside;
//! the reader of a block decides how many headers it takes.

use std::collections::VecDeque;
use std::sync::Arc;

use super::huffman;

/// Text of a header.
pub(super) type Text = Arc<[u8]>;

/// What is in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Header(Text, Text),
    /// The table's size changes.
    Size(u64),
}

/// What can be wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It ends in the middle, or names an entry that is not there.
    Invalid,
    /// A number is too large.
    Overflow,
}

/// Bytes that an entry counts beyond its text, RFC 7541 section 4.1.
const OVERHEAD: usize = 32;

/// One side's table.
#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<(Text, Text)>,
    size: usize,
    size_max: usize,
    /// Above any size that the peers agree on.
    limit: usize,
}

impl Table {
    pub(super) fn new(limit: usize) -> Self {
        Table { entries: VecDeque::new(), size: 0, size_max: limit.min(4096), limit }
    }

    /// Reads a block; `take` gets each item.
    pub(super) fn read(&mut self, block: &[u8], take: &mut dyn FnMut(Item)) -> Result<(), Wrong> {
        let mut rest = block;
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                let (name, value) = self.entry(number(&mut rest, 7)?)?;
                take(Item::Header(name, value));
            } else if first & 0x40 != 0 {
                let (name, value) = self.literal(&mut rest, 6)?;
                self.insert(Arc::clone(&name), Arc::clone(&value));
                take(Item::Header(name, value));
            } else if first & 0x20 != 0 {
                let size = number(&mut rest, 5)?;
                self.size_max = usize::try_from(size).unwrap_or(usize::MAX).min(self.limit);
                self.shrink(self.size_max);
                take(Item::Size(size));
            } else {
                let (name, value) = self.literal(&mut rest, 4)?;
                take(Item::Header(name, value));
            }
        }
        Ok(())
    }

    fn literal(&self, rest: &mut &[u8], bits: u32) -> Result<(Text, Text), Wrong> {
        let name = match number(rest, bits)? {
            0 => text(rest)?,
            index => self.entry(index)?.0,
        };
        Ok((name, text(rest)?))
    }

    fn entry(&self, index: u64) -> Result<(Text, Text), Wrong> {
        let index =
            usize::try_from(index).ok().and_then(|index| index.checked_sub(1)).ok_or(Wrong::Invalid)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Ok((name.as_bytes().into(), value.as_bytes().into()));
        }
        let (name, value) = self.entries.get(index - STATIC.len()).ok_or(Wrong::Invalid)?;
        Ok((Arc::clone(name), Arc::clone(value)))
    }

    fn insert(&mut self, name: Text, value: Text) {
        let size = name.len() + value.len() + OVERHEAD;
        // one that is too large empties the table, RFC 7541 section 4.4
        self.shrink(self.size_max.saturating_sub(size));
        if size <= self.size_max {
            self.size += size;
            self.entries.push_front((name, value));
        }
    }

    fn shrink(&mut self, size_max: usize) {
        while self.size > size_max {
            let Some((name, value)) = self.entries.pop_back() else { break };
            self.size -= name.len() + value.len() + OVERHEAD;
        }
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        self.size
    }
}

/// RFC 7541 section 5.1.
fn number(rest: &mut &[u8], bits: u32) -> Result<u64, Wrong> {
    let (&first, mut more) = rest.split_first().ok_or(Wrong::Invalid)?;
    let most = (1u64 << bits) - 1;
    let mut value = u64::from(first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (&byte, behind) = more.split_first().ok_or(Wrong::Invalid)?;
            more = behind;
            if shift > 56 {
                return Err(Wrong::Overflow);
            }
            value = value.checked_add(u64::from(byte & 0x7f) << shift).ok_or(Wrong::Overflow)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = more;
    Ok(value)
}

/// RFC 7541 section 5.2.
fn text(rest: &mut &[u8]) -> Result<Text, Wrong> {
    let coded = rest.first().ok_or(Wrong::Invalid)? & 0x80 != 0;
    let len = usize::try_from(number(rest, 7)?).map_err(|_| Wrong::Overflow)?;
    let (bytes, behind) = rest.split_at_checked(len).ok_or(Wrong::Invalid)?;
    *rest = behind;
    if coded { huffman::decode(bytes).map(Arc::from).ok_or(Wrong::Invalid) } else { Ok(bytes.into()) }
}

/// RFC 7541 appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: &mut Table, block: &[u8]) -> Result<Vec<String>, Wrong> {
        let mut items = Vec::new();
        table.read(block, &mut |item| {
            items.push(match item {
                Item::Header(name, value) => {
                    format!("{}: {}", String::from_utf8_lossy(&name), String::from_utf8_lossy(&value))
                }
                Item::Size(size) => format!("size {size}"),
            });
        })?;
        Ok(items)
    }

    /// RFC 7541 appendix C.3 and C.4: three requests, without and with Huffman's code.
    #[test]
    fn requests_of_the_specification() {
        for blocks in [
            [
                &b"\x82\x86\x84\x41\x0fwww.example.com"[..],
                b"\x82\x86\x84\xbe\x58\x08no-cache",
                b"\x82\x87\x85\xbf\x40\x0acustom-key\x0ccustom-value",
            ],
            [
                b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
                b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf",
                b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
            ],
        ] {
            let mut table = Table::new(65_536);
            let last = blocks.map(|block| read(&mut table, block).unwrap());
            assert_eq!(last[0], [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"]);
            assert_eq!(last[1][3..], [":authority: www.example.com", "cache-control: no-cache"]);
            assert_eq!(last[2][2..], [":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"]);
            assert_eq!(table.memory(), 164);
        }
    }

    #[test]
    fn the_table_stays_within_its_size() {
        let mut table = Table::new(100);
        for nth in 0..50u8 {
            read(&mut table, &[0x40, 1, nth, 1, b'v']).unwrap();
            assert!(table.memory() <= 100);
        }
        assert_eq!(table.entries.len(), 2);
        assert_eq!(read(&mut table, &[0x3f, 0xff, 0x7f]).unwrap(), ["size 16414"]);
        assert_eq!(table.size_max, 100);
        assert_eq!(read(&mut table, &[0x20]).unwrap(), ["size 0"]);
        assert_eq!(table.memory(), 0);
        read(&mut table, &[0x40, 1, b'n', 1, b'v']).unwrap();
        assert_eq!(table.memory(), 0);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let mut table = Table::new(4096);
        for (block, wrong) in [
            (&[0x80][..], Wrong::Invalid),
            (&[0xbe], Wrong::Invalid),
            (&[0x40, 5, b'a'], Wrong::Invalid),
            (&[0x7f], Wrong::Invalid),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Wrong::Overflow),
            (&[0x40, 0x84, 0xff, 0xff, 0xff, 0xff], Wrong::Invalid),
        ] {
            assert_eq!(read(&mut table, block), Err(wrong), "{block:x?}");
        }
    }
}
