//! The summary for scripts (`--json`): one object, one line.

use super::{Row, Summary};
use crate::json::JsonWriter;
use crate::types::Endpoint;

impl Summary {
    /// One JSON object, one line, without the line end. Sorted: the same result gives the same text.
    pub fn render_json(&self) -> String {
        let mut out = JsonWriter::new();
        out.open();
        self.write_run(&mut out);
        self.write_alerts(&mut out);
        out.open_object("protocols");
        for (name, count) in self.protocols_sorted() {
            out.named(name);
            out.element_number(count);
        }
        out.close();
        if !self.costs.is_empty() {
            super::rules::json(&self.costs, &mut out);
        }
        out.open_array("faults");
        for (capture, what) in &self.faults {
            out.open();
            out.text("capture", capture);
            out.text("fault", what);
            out.close();
        }
        out.close_array();
        if self.faults_more > 0 {
            out.number("faults_more", self.faults_more);
        }
        out.close();
        String::from_utf8(out.take()).unwrap_or_default()
    }

    fn write_run(&self, out: &mut JsonWriter) {
        out.text("source", &self.source);
        out.number("packets", self.packets);
        out.number("bytes", self.bytes);
        out.number("flows", self.flows);
        if let Some((first, last)) = self.span {
            out.plain("first", first);
            out.plain("last", last);
        }
        out.raw("capture_seconds", format!("{:.6}", self.capture_seconds()).as_bytes());
        // a caller's mistake (a negative or endless time) must not break the object
        let wall = if self.wall_seconds.is_finite() { self.wall_seconds.max(0.0) } else { 0.0 };
        out.raw("wall_seconds", format!("{wall:.6}").as_bytes());
        if let Some((loaded, failed)) = self.rules {
            out.number("rules_loaded", loaded as u64);
            out.number("rules_failed", failed as u64);
        }
        if let Some((path, records)) = &self.eve {
            out.text("eve", path);
            out.number("eve_records", *records);
        }
    }

    fn write_alerts(&self, out: &mut JsonWriter) {
        out.number("alerts", self.alerts);
        out.number("dropped", self.dropped);
        out.open_array("signatures");
        let rows = self.rows_sorted();
        for ((gid, sid), signature) in self.signatures_sorted() {
            out.open();
            out.number("gid", *gid);
            out.number("signature_id", *sid);
            out.number("severity", signature.severity);
            out.text("signature", &signature.message);
            out.text("category", &signature.category);
            if let Some(technique) = &signature.technique {
                out.text("mitre_technique_id", technique);
            }
            out.number("count", signature.count);
            out.number("dropped", signature.dropped);
            out.plain("first", signature.first);
            out.plain("last", signature.last);
            out.open_array("ends");
            let from = rows.partition_point(|(key, _)| (key.0, key.1) < (*gid, *sid));
            for (_, row) in rows.iter().skip(from).take_while(|(key, _)| (key.0, key.1) == (*gid, *sid)) {
                write_row(row, out);
            }
            out.close_array();
            out.close();
        }
        out.close_array();
        if self.other > 0 {
            out.number("other", self.other);
        }
    }
}

fn write_row(row: &Row, out: &mut JsonWriter) {
    out.open();
    write_end("client", row.client, out);
    write_end("server", row.server, out);
    if let Some(proto) = row.proto {
        out.plain("proto", proto);
    }
    if let Some(name) = &row.app_proto {
        out.text("app_proto", name);
    }
    out.number("count", row.count);
    out.number("dropped", row.dropped);
    out.plain("first", row.first);
    out.plain("last", row.last);
    out.close();
}

fn write_end(name: &'static str, end: Option<Endpoint>, out: &mut JsonWriter) {
    if let Some(end) = end {
        out.open_object(name);
        out.plain("ip", end.ip);
        if end.port != 0 {
            out.number("port", end.port);
        }
        out.close();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn scripts_get_valid_json_with_the_worst_first() {
        let value: serde_json::Value = serde_json::from_str(&sample().render_json()).unwrap();
        assert_eq!(value["packets"], 12_345);
        assert_eq!(value["alerts"], 15);
        assert_eq!(value["signatures"][0]["signature_id"], 9_000_101);
        assert_eq!(value["signatures"][0]["count"], 13);
        assert_eq!(value["signatures"][0]["ends"][0]["count"], 12);
        assert_eq!(value["signatures"][0]["ends"][0]["server"]["port"], 2375);
        assert_eq!(value["signatures"][0]["ends"].as_array().unwrap().len(), 2);
        assert_eq!(value["signatures"][2]["severity"], 3);
        assert_eq!(value["protocols"]["http"], 20);
        assert_eq!(value["capture_seconds"], 75.5);
    }

    #[test]
    fn nothing_at_all_is_valid_too() {
        let empty = Summary { wall_seconds: f64::NAN, ..Summary::default() };
        let value: serde_json::Value = serde_json::from_str(&empty.render_json()).unwrap();
        assert_eq!(value["signatures"].as_array().unwrap().len(), 0);
        assert_eq!(value["wall_seconds"], 0.0);
    }
}
