//! YAML text → a bounded tree: sizes, nesting and the expansion of aliases are limited; a key that stands twice is told.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_yaml::{Mapping, Value};

/// Longest configuration, all included files together, in bytes.
pub(super) const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most nodes of a tree, aliases expanded.
const NODES_MAX: usize = 1_000_000;
/// Deepest nesting; well above any configuration, well below the stack.
const DEPTH_MAX: usize = 64;

/// What is wrong with a text.
#[derive(Debug)]
pub(super) struct YamlError {
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The tree of a text, and the keys that stand twice in one map: the later one counts.
pub(super) fn parse(text: &str) -> Result<(Value, Vec<String>), YamlError> {
    if text.len() > BYTES_MAX {
        let message = format!("the configuration is larger than {} MiB", BYTES_MAX >> 20);
        return Err(YamlError { line: None, column: None, message, hint: None });
    }
    if open_brackets(text) > DEPTH_MAX * 2 {
        let message = format!("nested deeper than {DEPTH_MAX}");
        return Err(YamlError { line: None, column: None, message, hint: None });
    }
    let budget = Budget {
        nodes: Cell::new(NODES_MAX),
        twice: RefCell::new(Vec::new()),
        path: RefCell::new(Vec::new()),
    };
    let tree = Node(&budget)
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| explain(&error, text))?;
    Ok((tree, budget.twice.into_inner()))
}

/// The most brackets and braces that stand open at once, quotes and comments not told apart: the YAML scanner takes time
/// for each open one at every token, before anyone can count how deep the values nest.
fn open_brackets(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => {
                open += 1;
                most = most.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Adds a remedy to what the YAML parser says.
fn explain(error: &serde_yaml::Error, text: &str) -> YamlError {
    let place = error.location();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let line = place.as_ref().map(|place| number(place.line()));
    let column = place.as_ref().map(|place| number(place.column()));
    let full = error.to_string();
    // the place is told apart
    let message = match full.rfind(" at line ") {
        Some(at) if place.is_some() => full[..at].to_owned(),
        _ => full,
    };
    let at_line = line.and_then(|line| text.lines().nth(line.saturating_sub(1) as usize)).unwrap_or("");
    let hint =
        if at_line.trim_start_matches(' ').starts_with('\t') || message.contains("cannot start any token") {
            Some("indent with blanks, not with tabs; quote values that begin with % @ ` or a tab")
        } else if message.contains("mapping values are not allowed") || message.contains("block mapping") {
            Some("look at the indentation of this line and the one before; quote values that hold \": \"")
        } else if message.contains("found unknown escape") {
            Some("in double quotes a backslash must be doubled; or use single quotes")
        } else if message.contains("scanning") || message.contains("while parsing") {
            Some("is a quote or bracket left open?")
        } else {
            None
        };
    YamlError { line, column, message, hint: hint.map(str::to_owned) }
}

struct Budget {
    nodes: Cell<usize>,
    twice: RefCell<Vec<String>>,
    path: RefCell<Vec<String>>,
}

#[derive(Clone, Copy)]
struct Node<'b>(&'b Budget);

impl Node<'_> {
    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        match self.0.nodes.get().checked_sub(1) {
            Some(left) => self.0.nodes.set(left),
            None => return Err(E::custom(format!("more than {NODES_MAX} values (aliases expanded)"))),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        self.enter(String::new())?;
        while let Some(value) = seq.next_element_seed(self)? {
            out.push(value);
        }
        self.leave();
        Ok(Value::Sequence(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Mapping::new();
        while let Some(key) = map.next_key_seed(self)? {
            let name =
                scalar(&key).ok_or_else(|| A::Error::custom("a key must be a word, not a list or a map"))?;
            self.enter(name.clone())?;
            let value = map.next_value_seed(self)?;
            if out.insert(Value::String(name), value).is_some() {
                let mut twice = self.0.twice.borrow_mut();
                if twice.len() < 100 {
                    let path = self.0.path.borrow();
                    twice.push(
                        path.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("."),
                    );
                }
            }
            self.leave();
        }
        Ok(Value::Mapping(out))
    }

    /// A tag: `!include file`, or a value that should have been quoted.
    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (tag, content) = data.variant::<String>()?;
        let value = content.newtype_variant_seed(self)?;
        if tag.trim_start_matches('!') == "include" {
            let mut include = Mapping::new();
            include.insert(Value::String("include".to_owned()), value);
            return Ok(Value::Mapping(include));
        }
        let tag = tag.trim_start_matches('!');
        Err(A::Error::custom(format!("a value that begins with ! must stand in quotes: \"!{tag}\"")))
    }
}

impl Node<'_> {
    fn enter<E: serde::de::Error>(self, name: String) -> Result<(), E> {
        let mut path = self.0.path.borrow_mut();
        if path.len() >= DEPTH_MAX {
            return Err(E::custom(format!("nested deeper than {DEPTH_MAX}")));
        }
        path.push(name);
        Ok(())
    }

    fn leave(self) {
        self.0.path.borrow_mut().pop();
    }
}

/// The text of a scalar; `None` for lists and maps.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}

/// Sets a dotted key; numbers are places in lists, which grow by one at most.
pub(super) fn set(tree: &mut Value, key: &str, value: &str) -> Result<(), String> {
    let parts: Vec<&str> = key.trim().split('.').collect();
    if parts.len() > DEPTH_MAX || parts.iter().any(|part| part.trim().is_empty()) {
        return Err(format!("{key:?} is not a key"));
    }
    let mut node = tree;
    for part in parts {
        if matches!(node, Value::Null) {
            *node = match part.parse::<usize>() {
                Ok(_) => Value::Sequence(Vec::new()),
                Err(_) => Value::Mapping(Mapping::new()),
            };
        }
        // `types: [alert, anomaly]`: a word becomes the map that it is short for
        if let Some(word) = scalar(node) {
            let mut map = Mapping::new();
            if word == part {
                map.insert(Value::String(word), Value::Null);
            }
            *node = Value::Mapping(map);
        }
        node = match node {
            Value::Sequence(list) => {
                let length = list.len();
                let at = part.parse::<usize>().ok().filter(|at| *at <= length).ok_or_else(|| {
                    format!("{key}: {part:?} is no place in a list of {length} (0 to {length})")
                })?;
                if at == length {
                    list.push(Value::Null);
                }
                list.get_mut(at).ok_or("no such place")?
            }
            Value::Mapping(map) => {
                // `rule_files` and `rule-files` are one key
                let dashed = part.replace('_', "-");
                let found =
                    [part, dashed.as_str()].into_iter().find(|name| map.contains_key(*name)).unwrap_or(part);
                map.entry(Value::String(found.to_owned())).or_insert(Value::Null)
            }
            _ => return Err(format!("{key}: nothing can stand below this")),
        };
    }
    *node = Value::String(value.trim().to_owned());
    Ok(())
}

/// As `key = value` lines; maps and lists are told by their members, empty ones as `(null)`.
pub(super) fn flatten(value: &Value, path: &str, out: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            for (key, value) in map {
                flatten(value, &below(&scalar(key).unwrap_or_default()), out);
            }
        }
        Value::Sequence(list) if !list.is_empty() => {
            for (at, value) in list.iter().enumerate() {
                flatten(value, &below(&at.to_string()), out);
            }
        }
        Value::Mapping(_) | Value::Sequence(_) | Value::Null | Value::Tagged(_) => {
            out.push((path.to_owned(), "(null)".to_owned()));
        }
        scalar_value => out.push((path.to_owned(), scalar(scalar_value).unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(text: &str) -> Vec<String> {
        let (tree, _) = parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let mut out = Vec::new();
        flatten(&tree, "", &mut out);
        out.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn text_becomes_a_tree() {
        assert_eq!(
            flat("%YAML 1.1\n---\na: yes\nb: [1, x, {c: 64mb}]\nd:\n1: 2\n"),
            ["a=yes", "b.0=1", "b.1=x", "b.2.c=64mb", "d=(null)", "1=2"]
        );
        assert_eq!(flat("a: &x [1]\nb: *x\n"), ["a.0=1", "b.0=1"]);
        assert_eq!(flat("vars: !include vars.yaml\n"), ["vars.include=vars.yaml"]);
        let (tree, twice) = parse("s: {a: 1}\nv:\n  g: {b: 1}\n  g: {c: 1}\ns: {d: 1}\n").unwrap();
        assert_eq!(twice, ["v.g", "s"]);
        assert_eq!(serde_yaml::to_string(&tree).unwrap(), "s:\n  d: 1\nv:\n  g:\n    c: 1\n");
    }

    #[test]
    fn keys_are_set_by_path() {
        let check = |text: &str, key: &str, expected: &[&str]| {
            let (mut tree, _) = parse(text).unwrap();
            set(&mut tree, key, "V").unwrap_or_else(|e| panic!("{key}: {e}"));
            let mut out = Vec::new();
            flatten(&tree, "", &mut out);
            let out: Vec<String> = out.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!(out, expected, "{key}");
        };
        check("", "stream.midstream", &["stream.midstream=V"]);
        check("stream:\n  inline: no", "stream.midstream", &["stream.inline=no", "stream.midstream=V"]);
        check(
            "o:\n - fast\n - eve: {t: [alert, anomaly]}",
            "o.1.eve.t.1.anomaly.types.stream",
            &["o.0=fast", "o.1.eve.t.0=alert", "o.1.eve.t.1.anomaly.types.stream=V"],
        );
        check("o:\n - eve: {t: [{anomaly: }]}", "o.0.eve.t.0.anomaly.x", &["o.0.eve.t.0.anomaly.x=V"]);
        check("", "reputation-files.0", &["reputation-files.0=V"]);
        check("f: [a]", "f.1", &["f.0=a", "f.1=V"]);
        check("rule-files: x", "rule_files", &["rule-files=V"]);
        let (mut tree, _) = parse("f: [a]").unwrap();
        assert!(set(&mut tree, "f.7", "x").is_err());
        assert!(set(&mut tree, "f.x", "x").is_err());
        assert!(set(&mut tree, "f..x", "x").is_err());
        assert!(set(&mut tree, &"a.".repeat(1000), "x").is_err());
    }

    #[test]
    fn mistakes_have_a_place_and_a_remedy() {
        let check = |text: &str, line: u32, hint: &str| {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, Some(line), "{text}: {error:?}");
            assert!(error.hint.as_deref().unwrap_or(&error.message).contains(hint), "{text}: {error:?}");
        };
        check("a: 1\nb: 2: 3\n", 2, "indentation");
        check("a: 1\n\tb: 2\n", 2, "tabs");
        check("a: [1, 2\nb: 3\n", 2, "bracket");
        check("a: 1\nb: !HOME_NET\n", 2, "must stand in quotes: \"!HOME_NET\"");
    }

    #[test]
    fn bombs_are_bounded() {
        let mut aliases = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..20 {
            let refs = vec![format!("*a{}", n - 1); 10].join(",");
            aliases.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
        }
        assert!(parse(&aliases).is_err());
        for deep in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(50_000)] {
            assert!(parse(&deep).is_err());
        }
        assert!(parse(&"x".repeat(BYTES_MAX + 1)).is_err());
        assert!(parse(&format!("a: [{}1{}]", "[".repeat(70), "]".repeat(70))).is_err());
    }

    #[test]
    fn mutated_text_never_panics() {
        let seed_text = "%YAML 1.1\n---\nvars:\n  a: \"[10.0.0.0/8,!$X]\"\noutputs:\n  - eve-log: &x\n      types: [alert, {dns: }]\n  - *x\nk: !include f\nt: |\n  a\n";
        parse(seed_text).unwrap();
        let bytes = seed_text.as_bytes();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        for cut in 0..bytes.len() {
            let _ = parse(&String::from_utf8_lossy(&bytes[..cut]));
        }
        for _ in 0..4000 {
            let mut mutant = bytes.to_vec();
            for _ in 0..=random(4) {
                let at = random(mutant.len());
                mutant[at] = b"[]{}&*!:|>-\"'\n\t %#,?@"[random(21)];
            }
            let _ = parse(&String::from_utf8_lossy(&mutant));
        }
    }
}
