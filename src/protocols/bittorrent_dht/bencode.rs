//! Bencoding (BEP 3), read from the front, nothing copied.

/// Lists and dictionaries within each other.
pub(super) const DEPTH_MAX: usize = 8;

/// What is at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Number(i64),
    Text(&'a [u8]),
    /// What is in it, to be read with [`items`] or [`members`].
    List(&'a [u8]),
    Dictionary(&'a [u8]),
}

/// The first item and what is behind it.
pub(super) fn item(bytes: &[u8], depth: usize) -> Option<(Item<'_>, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        b'i' => {
            let end = memchr::memchr(b'e', rest.get(..rest.len().min(24))?)?;
            let number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
            Some((Item::Number(number), &rest[end + 1..]))
        }
        b'0'..=b'9' => {
            let colon = memchr::memchr(b':', bytes.get(..bytes.len().min(8))?)?;
            let len: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
            let (text, behind) = bytes[colon + 1..].split_at_checked(len)?;
            Some((Item::Text(text), behind))
        }
        b'l' | b'd' if depth < DEPTH_MAX => {
            let mut at = rest;
            while at.first()? != &b'e' {
                at = item(at, depth + 1)?.1;
            }
            let inner = &rest[..rest.len() - at.len()];
            let found = if *first == b'l' { Item::List(inner) } else { Item::Dictionary(inner) };
            Some((found, &at[1..]))
        }
        _ => None,
    }
}

/// What is in a list.
pub(super) fn items(mut inner: &[u8]) -> impl Iterator<Item = Item<'_>> {
    std::iter::from_fn(move || {
        let (found, behind) = item(inner, 1)?;
        inner = behind;
        Some(found)
    })
}

/// What is in a dictionary: names and what they stand for.
pub(super) fn members(mut inner: &[u8]) -> impl Iterator<Item = (&[u8], Item<'_>)> {
    std::iter::from_fn(move || {
        let (Item::Text(name), behind) = item(inner, 1)? else { return None };
        let (value, behind) = item(behind, 1)?;
        inner = behind;
        Some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_and_nesting_is_bounded() {
        let (found, behind) = item(b"d1:ai-3e1:bl2:xyi7eeerest", 0).unwrap();
        let Item::Dictionary(inner) = found else { panic!() };
        let all: Vec<_> = members(inner).collect();
        assert_eq!((behind, all[0]), (&b"rest"[..], (&b"a"[..], Item::Number(-3))));
        let (_, Item::List(list)) = all[1] else { panic!() };
        assert_eq!(items(list).collect::<Vec<_>>(), [Item::Text(b"xy"), Item::Number(7)]);
        for broken in [&b""[..], b"i12", b"ie", b"5:abc", b"99999999999:a", b"l1:a", b"d", b"x", b"-1:a"] {
            assert!(item(broken, 0).is_none(), "{}", broken.escape_ascii());
        }
        let deep = [[b'l'; DEPTH_MAX + 1], [b'e'; DEPTH_MAX + 1]].concat();
        assert!(item(&deep, 0).is_none() && item(&deep[1..deep.len() - 1], 0).is_some());
    }
}
