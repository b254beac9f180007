//! The `dnp3` object of EVE.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keywords::INDICATORS_NAMES;
use super::objects::{self, Object, Value};
use super::slots;
use crate::app::RecordEnds;
use crate::json::JsonWriter;
use crate::protocols::single::Record;
use crate::protocols::values::Values;
use crate::types::Direction;

/// What is kept of a message.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Control byte of the link; `None` for what is no message but carries an event.
    pub(super) link: Option<u8>,
    pub(super) source: u16,
    pub(super) destination: u16,
    /// Control byte of the application.
    pub(super) control: u8,
    pub(super) function: u8,
    pub(super) indicators: Option<u16>,
    pub(super) objects: Vec<Object>,
    pub(super) complete: bool,
}

impl Record for Message {
    fn logs(&self) -> bool {
        // a confirmation says nothing
        self.link.is_some() && self.function != 0
    }

    fn ends(&self, _dir: Direction) -> RecordEnds {
        RecordEnds::Flow
    }

    fn log(&self, values: &Values, out: &mut JsonWriter) {
        let Some(link) = self.link else {
            out.open_object("dnp3");
            out.close();
            return;
        };
        out.open_object("dnp3");
        out.text(
            "type",
            match self.function {
                130 => "unsolicited_response",
                129.. => "response",
                _ => "request",
            },
        );
        out.open_object("control");
        for (key, bit) in [("dir", 0x80), ("pri", 0x40), ("fcb", 0x20), ("fcv", 0x10)] {
            out.flag(key, link & bit != 0);
        }
        out.number("function_code", link & 15);
        out.close();
        out.number("src", self.source);
        out.number("dst", self.destination);
        out.open_object("application");
        out.open_object("control");
        for (key, bit) in [("fir", 0x80), ("fin", 0x40), ("con", 0x20), ("uns", 0x10)] {
            out.flag(key, self.control & bit != 0);
        }
        out.number("sequence", self.control & 15);
        out.close();
        out.number("function_code", self.function);
        if !self.objects.is_empty() {
            let data = values.text(slots::DATA, 0).unwrap_or_default();
            // behind control, function and indications
            let head = if self.indicators.is_some() { 4 } else { 2 };
            out.open_array("objects");
            let (objects, _) = objects::read(data.get(head..).unwrap_or_default(), true);
            objects.iter().for_each(|object| one(object, out));
            out.close_array();
        }
        out.flag("complete", self.complete);
        out.close();
        if let Some(indicators) = self.indicators {
            out.open_object("iin");
            if indicators != 0 {
                out.open_array("indicators");
                let set = INDICATORS_NAMES.iter().filter(|(_, bit)| indicators & bit != 0);
                set.for_each(|(name, _)| out.element_text(name));
                out.close_array();
            }
            out.close();
        }
        out.close();
    }

    fn memory(&self) -> usize {
        self.objects.capacity() * size_of::<Object>()
    }
}

/// As JSON has it, without hundreds of digits.
fn decimal(number: f64) -> String {
    if number == 0.0 || (1e-5..1e16).contains(&number.abs()) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

fn one(object: &Object, out: &mut JsonWriter) {
    out.open();
    out.number("group", object.group);
    out.number("variation", object.variation);
    out.number("qualifier", object.qualifier);
    out.number("prefix_code", object.qualifier >> 4 & 7);
    out.number("range_code", object.qualifier & 15);
    out.number("start", object.start);
    out.number("stop", object.stop);
    out.number("count", object.count);
    if !object.points.is_empty() {
        out.open_array("points");
        for point in &object.points {
            out.open();
            out.number("prefix", point.prefix);
            out.number("index", point.index);
            if let Some(size) = point.size {
                out.number("size", size);
            }
            for (name, value) in &point.fields {
                match value {
                    Value::Number(number) => out.number(name, *number),
                    Value::Float(number) if number.is_finite() => out.raw(name, decimal(*number).as_bytes()),
                    // JSON has no such number
                    Value::Float(_) => out.number(name, 0),
                    Value::Text(text) => out.bytes(name, text),
                    Value::Binary(bytes) if bytes.is_empty() => {}
                    Value::Binary(bytes) => out.plain(name, STANDARD.encode(bytes)),
                }
            }
            out.close();
        }
        out.close_array();
    }
    out.close();
}
