//! Reputation of addresses: scores by category, from lists of addresses and networks.
//!
//! Of several networks that hold an address the narrowest counts, in each category on its own. Networks are laid out as
//! ranges that do not overlap, so that a lookup is one binary search; where there are many, among those that begin with the
//! address's first 16 bits.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// Categories have numbers from 1 to this.
pub const CATEGORY_MAX: u8 = 60;

/// The highest score.
pub const SCORE_MAX: u8 = 127;

/// Characters of a line that messages show.
const SHOWN_MAX: usize = 60;

/// A category's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Category(pub u8);

/// A line that is left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// Scores of addresses.
#[derive(Debug, Default)]
pub struct Reputation {
    names: HashMap<String, Category>,
    /// By number of the category.
    scores: Vec<Scores>,
}

#[derive(Debug, Default)]
struct Scores {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Reputation {
    /// The category of that short name.
    pub fn category(&self, name: &str) -> Option<Category> {
        self.names.get(name).copied()
    }

    /// Short names of all categories, for "did you mean".
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// The score of an address in a category, 0 to 127, if it has one.
    pub fn score(&self, category: Category, address: IpAddr) -> Option<u8> {
        let scores = self.scores.get(usize::from(category.0))?;
        match address {
            IpAddr::V4(v4) => scores.v4.find(u32::from(v4)),
            IpAddr::V6(v6) => scores.v6.find(u128::from(v6)),
        }
    }
}

/// Reads categories and lists into a [`Reputation`].
#[derive(Debug, Default)]
pub struct Builder {
    names: HashMap<String, Category>,
    entries: Vec<(Category, IpNet, u8)>,
}

impl Builder {
    /// Reads a file of categories: `number,name,description`.
    pub fn categories(&mut self, text: &[u8]) -> Vec<BadLine> {
        self.lines(text, |this, line| {
            let (number, rest) = line.split_once(',').ok_or("a line is NUMBER,NAME,DESCRIPTION")?;
            let name = rest.split(',').next().unwrap_or_default().trim();
            let number = category(number.trim()).ok_or("a category has a number from 1 to 60")?;
            if name.is_empty() {
                return Err("the category has no name");
            }
            this.names.insert(name.to_owned(), number);
            Ok(())
        })
    }

    /// Reads a list: `address or network,category,score`. Of a network that stands in it twice the last score counts.
    pub fn list(&mut self, text: &[u8]) -> Vec<BadLine> {
        self.lines(text, |this, line| {
            let mut parts = line.split(',').map(str::trim);
            let (Some(address), Some(number), Some(score)) = (parts.next(), parts.next(), parts.next())
            else {
                return Err("a line is ADDRESS,CATEGORY,SCORE");
            };
            let net = address
                .parse::<IpNet>()
                .or_else(|_| address.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| "it begins with no address or network")?;
            let category = category(number).ok_or("a category has a number from 1 to 60")?;
            let score = number_up_to(score, SCORE_MAX).ok_or("a score is a number from 0 to 127")?;
            this.entries.push((category, net.trunc(), score));
            Ok(())
        })
    }

    fn lines(
        &mut self,
        text: &[u8],
        mut each: impl FnMut(&mut Self, &str) -> Result<(), &'static str>,
    ) -> Vec<BadLine> {
        let mut bad = Vec::new();
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let text = String::from_utf8_lossy(line.trim_ascii());
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Err(why) = each(self, &text) {
                let shown: String = text.chars().take(SHOWN_MAX).collect();
                bad.push(BadLine { line: at + 1, message: format!("{shown:?}: {why}") });
            }
        }
        bad
    }

    /// Lays everything out for lookups.
    pub fn build(self) -> Reputation {
        let mut by_category: Vec<Nets> = Vec::new();
        for (category, net, score) in self.entries {
            let at = usize::from(category.0);
            if by_category.len() <= at {
                by_category.resize_with(at + 1, Default::default);
            }
            match net {
                IpNet::V4(net) => {
                    by_category[at].0.push((net.network().into(), net.broadcast().into(), score))
                }
                IpNet::V6(net) => {
                    by_category[at].1.push((net.network().into(), net.broadcast().into(), score))
                }
            }
        }
        let scores = by_category
            .into_iter()
            .map(|(v4, v6)| Scores { v4: Ranges::new(v4), v6: Ranges::new(v6) })
            .collect();
        Reputation { names: self.names, scores }
    }
}

fn category(text: &str) -> Option<Category> {
    number_up_to(text, CATEGORY_MAX).filter(|number| *number > 0).map(Category)
}

fn number_up_to(text: &str, max: u8) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= max)
}

/// First and last address of a network, and its score.
type Net<A> = (A, A, u8);

/// The networks of a category, IPv4 and IPv6.
type Nets = (Vec<Net<u32>>, Vec<Net<u128>>);

/// No score.
const NONE: u8 = u8::MAX;

/// Ranges that do not overlap: each begins at an address and ends where the next begins.
#[derive(Debug, Default)]
struct Ranges<A> {
    starts: Box<[A]>,
    scores: Box<[u8]>,
    /// For each value of the first 16 bits, how many ranges begin before it; empty where there are few ranges.
    index: Box<[u32]>,
}

/// Ranges from which on an index is worth its quarter of a megabyte.
const INDEXED_MIN: usize = 4096;

/// Addresses as numbers.
trait Address: Copy + Ord {
    /// Its first 16 bits.
    fn high(self) -> u16;

    /// The one behind it.
    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    fn high(self) -> u16 {
        (self >> 16) as u16
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    fn high(self) -> u16 {
        (self >> 112) as u16
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl<A: Address> Ranges<A> {
    /// Cuts networks, which hold each other or lie apart, into ranges. The narrowest counts, of the same the last.
    fn new(mut nets: Vec<Net<A>>) -> Self {
        // the wider first; what stood first stays first
        nets.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        let mut ranges: Vec<(A, u8)> = Vec::new();
        let mut begin = |at: A, score: u8| match ranges.last_mut() {
            Some(last) if last.0 == at => last.1 = score,
            Some(last) if last.1 == score => {}
            _ => ranges.push((at, score)),
        };
        // networks that hold the current place, the widest first
        let mut open: Vec<(A, u8)> = Vec::new();
        let close = |open: &mut Vec<(A, u8)>, upto: Option<A>, begin: &mut dyn FnMut(A, u8)| {
            while let Some((last, _)) =
                open.last().copied().filter(|(last, _)| upto.is_none_or(|at| *last < at))
            {
                open.pop();
                if let Some(next) = last.next() {
                    begin(next, open.last().map_or(NONE, |(_, score)| *score));
                }
            }
        };
        for (first, last, score) in nets {
            close(&mut open, Some(first), &mut begin);
            begin(first, score);
            open.push((last, score));
        }
        close(&mut open, None, &mut begin);
        let (starts, scores): (Vec<A>, Vec<u8>) = ranges.into_iter().unzip();
        let index = match starts.len() {
            0..INDEXED_MIN => Box::default(),
            _ => index(&starts),
        };
        Ranges { starts: starts.into(), scores: scores.into(), index }
    }

    fn find(&self, address: A) -> Option<u8> {
        let high = usize::from(address.high());
        let (from, upto) = match (self.index.get(high), self.index.get(high + 1)) {
            (Some(from), Some(upto)) => (*from as usize, *upto as usize),
            _ => (0, self.starts.len()),
        };
        let among = self.starts.get(from..upto)?;
        let at = (from + among.partition_point(|start| *start <= address)).checked_sub(1)?;
        self.scores.get(at).copied().filter(|score| *score != NONE)
    }
}

/// How many begin before each value of the first 16 bits, and how many in all.
fn index<A: Address>(starts: &[A]) -> Box<[u32]> {
    let before = |high: u32| starts.partition_point(|start| u32::from(start.high()) < high) as u32;
    (0..=1 << 16).map(before).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(categories: &str, list: &str) -> Reputation {
        let mut builder = Builder::default();
        assert_eq!(builder.categories(categories.as_bytes()), []);
        assert_eq!(builder.list(list.as_bytes()), []);
        builder.build()
    }

    #[test]
    fn the_narrowest_network_counts_in_each_category() {
        let reputation = built(
            "1,Bad,Bad hosts\r\n# comment\n2,Good\n",
            "10.0.0.0/8,1,10\n10.1.0.0/16,1,20\n10.1.2.3,1,30\n10.1.2.3/32, 2, 0\n0.0.0.0/0,2,1\n\
             255.255.255.255,1,5\n2001:db8::/32,1,40\n2001:db8::1,1,50\n10.1.2.4,1,1\n10.1.2.4,1,2\n",
        );
        for (name, address, expected) in [
            ("Bad", "9.255.255.255", None),
            ("Bad", "10.0.0.0", Some(10)),
            ("Bad", "10.0.255.255", Some(10)),
            ("Bad", "10.1.0.0", Some(20)),
            ("Bad", "10.1.2.2", Some(20)),
            ("Bad", "10.1.2.3", Some(30)),
            ("Bad", "10.1.2.4", Some(2)),
            ("Bad", "10.1.2.5", Some(20)),
            ("Bad", "10.2.0.0", Some(10)),
            ("Bad", "11.0.0.0", None),
            ("Bad", "255.255.255.255", Some(5)),
            ("Good", "10.1.2.3", Some(0)),
            ("Good", "255.255.255.255", Some(1)),
            ("Good", "::", None),
            ("Bad", "2001:db8::1", Some(50)),
            ("Bad", "2001:db8::2", Some(40)),
            ("Bad", "2001:db9::", None),
        ] {
            let category = reputation.category(name).unwrap();
            assert_eq!(reputation.score(category, address.parse().unwrap()), expected, "{name} {address}");
        }
        assert_eq!(reputation.category("bad"), None);
        assert_eq!(reputation.score(Category(60), "10.0.0.1".parse().unwrap()), None);
    }

    #[test]
    fn an_index_answers_as_none_does() {
        let mut builder = Builder::default();
        let list: String = (0..20_000u32)
            .map(|n| format!("{},1,{}\n", std::net::Ipv4Addr::from(n.wrapping_mul(214_013) & !1), n % 128))
            .collect();
        assert_eq!(builder.list(list.as_bytes()), []);
        assert_eq!(builder.list(b"0.0.0.0/1,1,3"), []);
        let indexed = builder.build().scores.remove(1).v4;
        assert!(!indexed.index.is_empty());
        let plain =
            Ranges { starts: indexed.starts.clone(), scores: indexed.scores.clone(), index: Box::default() };
        for n in 0..200_000u32 {
            let address = n.wrapping_mul(2_654_435_761);
            assert_eq!(indexed.find(address), plain.find(address), "{address:x}");
        }
        for address in [0, 1, u32::MAX, 0x7fff_ffff, 0x8000_0000] {
            assert_eq!(indexed.find(address), plain.find(address), "{address:x}");
        }
    }

    #[test]
    fn bad_lines_are_told() {
        let mut builder = Builder::default();
        let lines = |bad: Vec<BadLine>| bad.iter().map(|bad| bad.line).collect::<Vec<_>>();
        assert_eq!(lines(builder.categories(b"1,a\n0,b\n61,c\nx,d\n5\n6,\n\xff\xfe")), [2, 3, 4, 5, 6, 7]);
        let list =
            b"1.2.3.4,1,127\n1.2.3.4,1,128\n1.2.3.4,61,1\n1.2.3.4,1\nhost,1,1\n1.2.3.4/33,1,1\n1.2.3.4,1,-1";
        assert_eq!(lines(builder.list(list)), [2, 3, 4, 5, 6, 7]);
        assert_eq!(builder.build().score(Category(1), "1.2.3.4".parse().unwrap()), Some(127));
    }

    /// Ranges against the list itself, over random networks in a small space.
    #[test]
    fn ranges_answer_as_the_list_does() {
        let mut seed = 5u32;
        let mut next = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        for _ in 0..200 {
            let nets: Vec<Net<u32>> = (0..next() % 20)
                .map(|_| {
                    let len = next() % 9;
                    let first = 0xffff_ff00 | (next() & 0xff & !((1u32 << len) - 1));
                    (first, first | ((1u32 << len) - 1), (next() % 100) as u8)
                })
                .collect();
            let ranges = Ranges::new(nets.clone());
            for address in 0xffff_fef0..=u32::MAX {
                // of equally wide ones the last
                let slow = nets
                    .iter()
                    .enumerate()
                    .filter(|(_, net)| (net.0..=net.1).contains(&address))
                    .min_by_key(|(nth, net)| (net.1 - net.0, std::cmp::Reverse(*nth)))
                    .map(|(_, net)| net.2);
                assert_eq!(ranges.find(address), slow, "{address:x} {nets:x?}");
            }
        }
    }
}
