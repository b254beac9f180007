//! On which line of a YAML text a key stands: by indentation alone, for messages only.

/// Texts above this are not searched.
const TEXT_MAX: usize = 1024 * 1024;

/// An open map key or list item: its indentation and its name or place.
enum Open<'t> {
    Key(usize, &'t str),
    Item(usize, usize),
}

impl Open<'_> {
    fn indent(&self) -> usize {
        match self {
            Open::Key(indent, _) | Open::Item(indent, _) => *indent,
        }
    }

    fn is(&self, part: &str) -> bool {
        match self {
            Open::Key(_, name) => *name == part || name.replace('_', "-") == part,
            Open::Item(_, place) => part.parse() == Ok(*place),
        }
    }
}

/// The line, from 1, of a dotted key in block style; or that of the nearest part of its path that is found.
pub(super) fn line_of(text: &str, key: &str) -> Option<u32> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let path: Vec<&str> = key.split('.').collect();
    let mut open: Vec<Open<'_>> = Vec::new();
    let (mut best, mut best_depth) = (None, 0);
    for (number, line) in text.lines().enumerate() {
        let mut rest = line.trim_end();
        let mut indent = rest.len() - rest.trim_start_matches(' ').len();
        rest = rest.trim_start_matches(' ');
        if rest.is_empty() || rest.starts_with('#') || rest.starts_with('%') || rest == "---" {
            continue;
        }
        let mut opened = false;
        while rest == "-" || rest.starts_with("- ") {
            let next = close_for_item(&mut open, indent);
            open.push(Open::Item(indent, next));
            opened = true;
            let after = rest.get(1..).unwrap_or("").trim_start_matches(' ');
            indent += rest.len() - after.len();
            rest = after;
        }
        if let Some(name) = key_of(rest) {
            while open.last().is_some_and(|last| last.indent() >= indent) {
                open.pop();
            }
            open.push(Open::Key(indent, name));
            opened = true;
        }
        if opened
            && open.len() <= path.len()
            && open.len() > best_depth
            && open.iter().zip(&path).all(|(o, part)| o.is(part))
        {
            best = u32::try_from(number + 1).ok();
            best_depth = open.len();
            if best_depth == path.len() {
                return best;
            }
        }
    }
    best
}

/// Closes what an item at that indentation ends, and says which place it has.
fn close_for_item(open: &mut Vec<Open<'_>>, indent: usize) -> usize {
    while let Some(last) = open.last() {
        match last {
            Open::Item(at, place) if *at == indent => {
                let next = place + 1;
                open.pop();
                return next;
            }
            // `key:` and below it, not indented, `- item`
            Open::Key(at, _) if *at <= indent => return 0,
            Open::Item(at, _) if *at < indent => return 0,
            _ => {
                open.pop();
            }
        }
    }
    0
}

/// The key a line begins with.
fn key_of(rest: &str) -> Option<&str> {
    let (name, after) = match rest.strip_prefix('"') {
        Some(quoted) => quoted
            .split_once('"')
            .and_then(|(name, after)| Some((name, after.trim_start().strip_prefix(':')?)))?,
        None => rest.split_once(':')?,
    };
    (after.is_empty() || after.starts_with([' ', '\t'])).then_some(name.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_on_their_lines() {
        let text = "%YAML 1.1\n---\n# a: 1\nvars:\n  a: \"x: y\"\noutputs:\n- fast:\n    enabled: no\n- eve-log:\n    types:\n      - alert\n      - anomaly:\n          enabled: yes\n        other: 1\nlast_key: 1\n\"quoted\": 2\n";
        for (key, line) in [
            ("vars", 4),
            ("vars.a", 5),
            ("outputs.0.fast", 7),
            ("outputs.0.fast.enabled", 8),
            ("outputs.1.eve-log.types.1.anomaly.enabled", 13),
            ("outputs.1.eve-log.types.1.other", 14),
            ("outputs.1.eve-log.types.0.nothing", 11),
            ("last-key", 15),
            ("quoted", 16),
            ("vars.missing", 4),
        ] {
            assert_eq!(line_of(text, key), Some(line), "{key}");
        }
        assert_eq!(line_of(text, "nothing"), None);
    }
}
