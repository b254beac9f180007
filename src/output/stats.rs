//! Counters → the `stats` record.

use crate::json::JsonWriter;

/// Writes `"stats":{…}`: dotted names become nested objects (`decoder.pkts` → `"decoder":{"pkts":…}`), in the order in
/// which each first appears; names with a common beginning need not stand together.
///
/// A name that is both a counter and a beginning of others (`a` and `a.b`) would be two values under one key: the counter is then
/// written inside, as `total`.
pub fn write_stats<'a>(counters: impl IntoIterator<Item = (&'a str, u64)>, out: &mut JsonWriter) {
    let mut root = Node::default();
    for (name, value) in counters {
        let mut node = &mut root;
        for part in name.split('.') {
            let at = match node.children.iter().position(|(known, _)| *known == part) {
                Some(at) => at,
                None => {
                    node.children.push((part, Node::default()));
                    node.children.len() - 1
                }
            };
            node = &mut node.children[at].1;
        }
        node.value = Some(value);
    }
    out.open_object("stats");
    write_children(&root, out);
    out.close();
}

#[derive(Default)]
struct Node<'a> {
    value: Option<u64>,
    children: Vec<(&'a str, Node<'a>)>,
}

/// Names are ours: their depth is a handful.
fn write_children(node: &Node<'_>, out: &mut JsonWriter) {
    for (name, child) in &node.children {
        if child.children.is_empty() {
            out.named(name);
            out.element_number(child.value.unwrap_or(0));
            continue;
        }
        out.named(name);
        out.open();
        if let Some(value) = child.value {
            out.number("total", value);
        }
        write_children(child, out);
        out.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_become_a_tree() {
        let mut out = JsonWriter::new();
        out.open();
        write_stats(
            [
                ("uptime", 3),
                ("decoder.pkts", 10),
                ("flow.tcp", 2),
                ("decoder.event.ipv4.trunc_pkt", 1),
                ("flow.tcp.reused", 1),
            ],
            &mut out,
        );
        out.close();
        assert_eq!(
            std::str::from_utf8(out.as_bytes()).unwrap(),
            r#"{"stats":{"uptime":3,"decoder":{"pkts":10,"event":{"ipv4":{"trunc_pkt":1}}},"flow":{"tcp":{"total":2,"reused":1}}}}"#
        );
    }
}
