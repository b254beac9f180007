//! Objects of a message: their headers, and the points of those that are known (IEEE 1815 annex A).
//!
//! A point is a row of fields; [`FIELDS`] says which an object has, in EVE's names.

use crate::protocols::reader::Reader;

/// Objects of a message, and points of all of them, that are kept.
pub(super) const OBJECTS_MAX: usize = 256;
pub(super) const POINTS_MAX: usize = 4096;

/// One object.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) group: u8,
    pub(super) variation: u8,
    pub(super) qualifier: u8,
    pub(super) start: u32,
    pub(super) stop: u32,
    pub(super) count: u32,
    pub(super) points: Vec<Point>,
}

/// One point of an object.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) prefix: u32,
    pub(super) index: u32,
    /// Bytes of an object whose size stands before it.
    pub(super) size: Option<u32>,
    pub(super) fields: Vec<(&'static str, Value)>,
}

/// What a field holds.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Number(i64),
    Float(f64),
    Text(Vec<u8>),
    /// Told in base64; nothing is not told.
    Binary(Vec<u8>),
}

/// How a field is stored.
#[derive(Clone, Copy)]
enum Field {
    /// Unsigned, of so many bytes.
    U(&'static str, usize),
    /// Signed.
    I(&'static str, usize),
    F32(&'static str),
    F64(&'static str),
    /// A byte of flags: its bits, the lowest first.
    Bits(&'static [&'static str]),
    /// A byte of parts: name and how many bits, the lowest first.
    Parts(&'static [(&'static str, u8)]),
    /// All that is left of the object.
    Rest(&'static str),
    /// The same, no text.
    RestBinary(&'static str),
    /// Text as long as the field of that name said.
    Text(&'static str, &'static str),
    /// The same, no text.
    Binary(&'static str, &'static str),
    /// Characters, up to a zero.
    Chars(&'static str, usize),
}

use Field::{Binary, Bits, Chars, F32, F64, I, Parts, Rest, RestBinary, Text, U};

const BINARY: &[&str] = &[
    "online",
    "restart",
    "comm_lost",
    "remote_forced",
    "local_forced",
    "chatter_filter",
    "reserved",
    "state",
];
const OUTPUT: &[&str] =
    &["online", "restart", "comm_lost", "remote_forced", "local_forced", "reserved0", "reserved1", "state"];
// the last bits of a counter have three sets of names in records
const COUNTER: &[&str] = &[
    "online",
    "restart",
    "comm_lost",
    "remote_forced",
    "local_forced",
    "rollover",
    "discontinuity",
    "reserved0",
];
const COUNTER_DELTA: &[&str] = &[
    "online",
    "restart",
    "comm_lost",
    "remote_forced",
    "local_forced",
    "rollover",
    "reserved0",
    "reserved1",
];
const COUNTER_FROZEN: &[&str] = &[
    "online",
    "restart",
    "comm_lost",
    "remote_forced",
    "local_forced",
    "rollover",
    "discontinuity",
    "reserved1",
];
const STATISTIC: &[&str] = &[
    "online",
    "restart",
    "comm_lost",
    "remote_forced",
    "local_forced",
    "reserved0",
    "discontinuity",
    "reserved1",
];
const ANALOG: &[&str] = &[
    "online",
    "restart",
    "comm_lost",
    "remote_forced",
    "local_forced",
    "over_range",
    "reference_err",
    "reserved0",
];
const DOUBLE: &[(&str, u8)] = &[
    ("online", 1),
    ("restart", 1),
    ("comm_lost", 1),
    ("remote_forced", 1),
    ("local_forced", 1),
    ("chatter_filter", 1),
    ("state", 2),
];
const CONTROL: &[(&str, u8)] = &[("op_type", 4), ("qu", 1), ("cr", 1), ("tcc", 2)];
const RESULT: &[(&str, u8)] = &[("status_code", 7), ("reserved", 1)];
const COMMANDED: &[(&str, u8)] = &[("status_code", 7), ("reserved0", 1)];

/// What a point of an object has; empty for objects without any, `None` for those that are not known.
fn fields(group: u8, variation: u8) -> Option<&'static [Field]> {
    Some(match (group, variation) {
        (1, 2) => &[Bits(BINARY)],
        (2, 1) => &[U("state", 1)],
        (2, 2) => &[Bits(BINARY), U("timestamp", 6)],
        (2, 3) => &[Bits(BINARY), U("timestamp", 2)],
        (3, 2) | (4, 1) => &[Parts(DOUBLE)],
        (4, 2) => &[Parts(DOUBLE), U("timestamp", 6)],
        (4, 3) => &[Parts(DOUBLE), U("relative_time_ms", 2)],
        (10, 2) | (11, 1) => &[Bits(OUTPUT)],
        (11, 2) => &[Bits(OUTPUT), U("timestamp", 6)],
        (12, 1 | 2) => &[Parts(CONTROL), U("count", 1), U("ontime", 4), U("offtime", 4), Parts(RESULT)],
        (13, 1) => &[Parts(&[("status_code", 7), ("commanded_state", 1)])],
        (13, 2) => &[Parts(&[("status_code", 7), ("commanded_state", 1)]), U("timestamp", 6)],
        (20..=23, 1) => &[Bits(COUNTER), U("count", 4)],
        (20..=22, 2) => &[Bits(COUNTER), U("count", 2)],
        (20..=23, 3) => &[Bits(COUNTER_DELTA), U("count", 4)],
        (23, 2) | (20..=23, 4) => &[Bits(COUNTER_DELTA), U("count", 2)],
        (20, 5 | 7) | (21, 9 | 11) => &[U("count", 4)],
        (20, 6 | 8) | (21, 10 | 12) => &[U("count", 2)],
        (21, 5) => &[Bits(COUNTER_FROZEN), U("count", 4), U("timestamp", 6)],
        (21, 6) => &[Bits(COUNTER_FROZEN), U("count", 2), U("timestamp", 6)],
        (23, 5) => &[Bits(COUNTER), U("count", 4), U("timestamp", 6)],
        (22 | 23, 6) => &[Bits(COUNTER), U("count", 2), U("timestamp", 6)],
        (22, 5) | (21..=23, 7) => &[Bits(COUNTER_DELTA), U("count", 4), U("timestamp", 6)],
        (21..=23, 8) => &[Bits(COUNTER_DELTA), U("count", 2), U("timestamp", 6)],
        (30..=33, 1) => &[Bits(ANALOG), I("value", 4)],
        (30..=33, 2) => &[Bits(ANALOG), I("value", 2)],
        (30, 3) | (31, 5) => &[I("value", 4)],
        (30, 4) | (31, 6) => &[I("value", 2)],
        (30, 5) | (31, 7) | (32 | 33, 5) => &[Bits(ANALOG), F32("value")],
        (30, 6) | (31, 8) | (32 | 33, 6) => &[Bits(ANALOG), F64("value")],
        (31, 3) | (32 | 33, 3) => &[Bits(ANALOG), I("value", 4), U("timestamp", 6)],
        (31, 4) | (32 | 33, 4) => &[Bits(ANALOG), I("value", 2), U("timestamp", 6)],
        (32 | 33, 7) => &[Bits(ANALOG), F32("value"), U("timestamp", 6)],
        (32 | 33, 8) => &[Bits(ANALOG), F64("value"), U("timestamp", 6)],
        (34, 1) => &[U("deadband_value", 2)],
        (34, 2) => &[U("deadband_value", 4)],
        (34, 3) => &[F32("deadband_value")],
        (40, 1) | (42, 1) => &[Bits(ANALOG), I("value", 4)],
        (40, 2) | (42, 2) => &[Bits(ANALOG), I("value", 2)],
        (40, 3) | (42, 5) => &[Bits(ANALOG), F32("value")],
        (40, 4) | (42, 6) => &[Bits(ANALOG), F64("value")],
        (41, 1) => &[I("value", 4), U("control_status", 1)],
        (41, 2) => &[I("value", 2), U("control_status", 1)],
        (41, 3) => &[F32("value"), U("control_status", 1)],
        (41, 4) => &[F64("value"), U("control_status", 1)],
        (42, 3) => &[Bits(ANALOG), I("value", 4), U("timestamp", 6)],
        (42, 4) => &[Bits(ANALOG), I("value", 2), U("timestamp", 6)],
        (42, 7) => &[Bits(ANALOG), F32("value"), U("timestamp", 6)],
        (42, 8) => &[Bits(ANALOG), F64("value"), U("timestamp", 6)],
        (43, 1) => &[Parts(COMMANDED), I("commanded_value", 4)],
        (43, 2) => &[Parts(COMMANDED), I("commanded_value", 2)],
        (43, 3) => &[Parts(COMMANDED), I("commanded_value", 4), U("timestamp", 6)],
        (43, 4) => &[Parts(COMMANDED), I("commanded_value", 2), U("timestamp", 6)],
        (43, 5) => &[Parts(COMMANDED), F32("commanded_value")],
        (43, 6) => &[Parts(COMMANDED), F64("commanded_value")],
        (43, 7) => &[Parts(COMMANDED), F32("commanded_value"), U("timestamp", 6)],
        (43, 8) => &[Parts(COMMANDED), F64("commanded_value"), U("timestamp", 6)],
        (50, 1 | 3) | (51, 1 | 2) => &[U("timestamp", 6)],
        (50, 2) => &[U("timestamp", 6), U("interval", 4)],
        (50, 4) => &[U("timestamp", 6), U("interval_count", 4), U("interval_units", 1)],
        (52, 1) => &[U("delay_secs", 2)],
        (52, 2) => &[U("delay_ms", 2)],
        (70, 2) => &[
            U("username_offset", 2),
            U("username_size", 2),
            U("password_offset", 2),
            U("password_size", 2),
            U("authentication_key", 4),
            Text("username", "username_size"),
            // what it is stays out of records
            Text("", "password_size"),
        ],
        (70, 3) => &[
            U("filename_offset", 2),
            U("filename_size", 2),
            U("created", 6),
            U("permissions", 2),
            U("authentication_key", 4),
            U("file_size", 4),
            U("operational_mode", 2),
            U("maximum_block_size", 2),
            U("request_id", 2),
            Text("filename", "filename_size"),
        ],
        (70, 4) => &[
            U("file_handle", 4),
            U("file_size", 4),
            U("maximum_block_size", 2),
            U("request_id", 2),
            U("status_code", 1),
            Rest("optional_text"),
        ],
        (70, 5) => &[U("file_handle", 4), U("block_number", 4), Rest("file_data")],
        (70, 6) => &[U("file_handle", 4), U("block_number", 4), U("status_code", 1), Rest("optional_text")],
        (70, 7) => &[
            U("filename_offset", 2),
            U("filename_size", 2),
            U("file_type", 2),
            U("file_size", 4),
            U("created_timestamp", 6),
            U("permissions", 2),
            U("request_id", 2),
            Text("filename", "filename_size"),
        ],
        (70, 8) => &[Rest("file_specification")],
        (81, 1) => {
            &[Parts(&[("fill_percentage", 7), ("overflow_state", 1)]), U("group", 1), U("variation", 1)]
        }
        (83, 1) => &[
            Chars("data->vendor_code", 4),
            U("object_id", 2),
            U("length", 2),
            Binary("data->data_objects", "length"),
        ],
        (86, 2) => &[Bits(&["rd", "wr", "st", "ev", "df", "padding0", "padding1", "padding2"])],
        (102, 1) => &[U("value", 1)],
        (110..=113, _) => &[Rest("data_objects")],
        (120, 1) => {
            &[U("csq", 4), U("usr", 2), U("mal", 1), U("reason", 1), RestBinary("data->challenge_data")]
        }
        (120, 2) => &[U("csq", 4), U("usr", 2), RestBinary("data->mac_value")],
        (120, 3) => &[U("csq", 4), U("user_number", 2)],
        (120, 4) => &[U("user_number", 2)],
        (120, 5) => &[
            U("ksq", 4),
            U("user_number", 2),
            U("key_wrap_alg", 1),
            U("key_status", 1),
            U("mal", 1),
            U("challenge_data_len", 2),
            Binary("data->challenge_data", "challenge_data_len"),
            RestBinary("data->mac_value"),
        ],
        (120, 6) => &[U("ksq", 4), U("usr", 2), RestBinary("data->wrapped_key_data")],
        (120, 7) => &[
            U("sequence_number", 4),
            U("usr", 2),
            U("association_id", 2),
            U("error_code", 1),
            U("time_of_error", 6),
            Rest("error_text"),
        ],
        (120, 8) => &[U("key_change_method", 1), U("certificate_type", 1), RestBinary("data->certificate")],
        (120, 9) => &[RestBinary("data->mac_value")],
        (120, 10) => &[
            U("key_change_method", 1),
            U("operation", 1),
            U("scs", 4),
            U("user_role", 2),
            U("user_role_expiry_interval", 2),
            U("username_len", 2),
            U("user_public_key_len", 2),
            U("certification_data_len", 2),
            Text("username", "username_len"),
            Binary("data->user_public_key", "user_public_key_len"),
            Binary("data->certification_data", "certification_data_len"),
        ],
        (120, 11) => &[
            U("key_change_method", 1),
            U("username_len", 2),
            U("master_challenge_data_len", 2),
            Text("username", "username_len"),
            Binary("data->master_challenge_data", "master_challenge_data_len"),
        ],
        (120, 12) => &[
            U("ksq", 4),
            U("user_number", 2),
            U("challenge_data_len", 2),
            Binary("data->challenge_data", "challenge_data_len"),
        ],
        (120, 13) => &[
            U("ksq", 4),
            U("user_number", 2),
            U("encrypted_update_key_len", 2),
            Binary("data->encrypted_update_key_data", "encrypted_update_key_len"),
        ],
        (120, 14) => &[RestBinary("data->digital_signature")],
        (120, 15) => &[RestBinary("data->mac")],
        (121, 1) | (122, 1) => &[Bits(STATISTIC), U("association_id", 2), U("count_value", 4)],
        (122, 2) => &[Bits(STATISTIC), U("association_id", 2), U("count_value", 4), U("timestamp", 6)],
        _ => return None,
    })
}

/// Objects of one bit a point, or of two.
fn packed(group: u8, variation: u8) -> Option<u32> {
    match (group, variation) {
        (1 | 10 | 80, 1) | (12, 3) => Some(1),
        (3, 1) => Some(2),
        _ => None,
    }
}

/// The objects of a message, with their points or without, and whether all of it was understood. Points take many times the room
/// of their bytes: they are read again when they are told.
pub(super) fn read(bytes: &[u8], with_points: bool) -> (Vec<Object>, bool) {
    let mut reader = Reader(bytes);
    let mut objects = Vec::new();
    let mut left = POINTS_MAX;
    while !reader.is_empty() {
        if objects.len() >= OBJECTS_MAX {
            return (objects, false);
        }
        let mut object = Object::default();
        let header = head(&mut reader, &mut object);
        let whole = header.is_some() && points(&mut reader, &mut object, &mut left).is_some();
        if !with_points {
            object.points = Vec::new();
        }
        if header.is_some() {
            objects.push(object);
        }
        if !whole {
            return (objects, false);
        }
    }
    (objects, true)
}

/// Group, variation, qualifier and range (IEEE 1815 clause 4.2.2.7).
fn head(reader: &mut Reader<'_>, object: &mut Object) -> Option<()> {
    (object.group, object.variation, object.qualifier) = (reader.u8()?, reader.u8()?, reader.u8()?);
    match object.qualifier & 15 {
        0 | 3 => (object.start, object.stop) = (reader.u8()?.into(), reader.u8()?.into()),
        1 | 4 => (object.start, object.stop) = (reader.u16_le()?.into(), reader.u16_le()?.into()),
        2 | 5 => (object.start, object.stop) = (reader.u32_le()?, reader.u32_le()?),
        6 => return Some(()),
        7 | 11 => object.count = reader.u8()?.into(),
        8 => object.count = reader.u16_le()?.into(),
        9 => object.count = reader.u32_le()?,
        _ => return None,
    }
    if object.qualifier & 15 < 6 {
        object.count = object.stop.checked_sub(object.start)?.checked_add(1)?;
    }
    Some(())
}

/// The points behind a header; a request that only names points has none, and ends there.
fn points(reader: &mut Reader<'_>, object: &mut Object, left: &mut usize) -> Option<()> {
    if object.count == 0 || reader.is_empty() {
        return Some(());
    }
    let prefix_code = object.qualifier >> 4 & 7;
    if let Some(bits) = packed(object.group, object.variation).filter(|_| prefix_code == 0) {
        let bytes =
            reader.take(usize::try_from(u64::from(object.count) * u64::from(bits)).ok()?.div_ceil(8))?;
        for nth in 0..object.count.min(*left as u32) {
            let bit = (nth * bits) as usize;
            let state = bytes.get(bit / 8).map(|byte| byte >> (bit % 8) & ((1 << bits) - 1))?;
            let name = if object.group == 12 { "point" } else { "state" };
            let fields = vec![(name, Value::Number(state.into()))];
            object.points.push(Point { prefix: 0, index: object.start + nth, size: None, fields });
        }
        *left -= object.points.len();
        return Some(());
    }
    // objects that stand for a class of events have no points
    if object.group == 60 {
        return Some(());
    }
    let known = fields(object.group, object.variation)?;
    for nth in 0..object.count {
        *left = left.checked_sub(1)?;
        let prefix = match prefix_code {
            0 => 0,
            1 | 4 => reader.u8()?.into(),
            2 | 5 => reader.u16_le()?.into(),
            3 | 6 => reader.u32_le()?,
            _ => return None,
        };
        let size = (prefix_code >= 4).then_some(prefix);
        let mut inner = match size {
            Some(size) => Reader(reader.take(size as usize)?),
            None => *reader,
        };
        let index = match prefix_code {
            1..=3 => prefix,
            _ if size.is_some() => nth,
            _ => object.start.checked_add(nth)?,
        };
        let mut point = Point { prefix, index, size, fields: Vec::new() };
        for field in known {
            take(&mut inner, *field, &mut point, size.is_some(), object.variation)?;
        }
        if size.is_none() {
            *reader = inner;
        }
        object.points.push(point);
    }
    Some(())
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().rev().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What the field of that name holds.
fn told(fields: &[(&'static str, Value)], name: &str) -> Option<usize> {
    fields.iter().find_map(|(known, value)| match value {
        Value::Number(number) if *known == name => usize::try_from(*number).ok(),
        _ => None,
    })
}

fn take(reader: &mut Reader<'_>, field: Field, point: &mut Point, sized: bool, variation: u8) -> Option<()> {
    let fields = &mut point.fields;
    match field {
        U(name, len) => fields.push((name, Value::Number(unsigned(reader.take(len)?) as i64))),
        I(name, len) => {
            let number = unsigned(reader.take(len)?);
            let shift = 64 - 8 * len as u32;
            fields.push((name, Value::Number(number.wrapping_shl(shift).cast_signed() >> shift)));
        }
        F32(name) => {
            let bytes = reader.take(4)?.first_chunk::<4>()?;
            fields.push((name, Value::Float(f32::from_le_bytes(*bytes).into())));
        }
        F64(name) => {
            let bytes = reader.take(8)?.first_chunk::<8>()?;
            fields.push((name, Value::Float(f64::from_le_bytes(*bytes))));
        }
        Bits(names) => {
            let byte = reader.u8()?;
            let bits =
                names.iter().enumerate().map(|(at, name)| (*name, Value::Number((byte >> at & 1).into())));
            fields.extend(bits);
        }
        Parts(parts) => {
            let byte = u16::from(reader.u8()?);
            let mut at = 0;
            for (name, bits) in parts {
                fields.push((name, Value::Number((byte >> at & ((1 << bits) - 1)).into())));
                at += bits;
            }
        }
        Rest(name) => {
            // without a size, the variation says how long a string is
            let len = if sized { reader.0.len() } else { variation.into() };
            fields.push((name, Value::Text(reader.take(len)?.to_vec())));
        }
        // how long it is stands before the object alone
        RestBinary(_) if !sized => return None,
        RestBinary(name) => fields.push((name, Value::Binary(reader.take(reader.0.len())?.to_vec()))),
        Text(name, len) => {
            let bytes = reader.take(told(fields, len)?)?;
            if !name.is_empty() {
                fields.push((name, Value::Text(bytes.to_vec())));
            }
        }
        Binary(name, len) => {
            let bytes = reader.take(told(fields, len)?)?;
            fields.push((name, Value::Binary(bytes.to_vec())));
        }
        Chars(name, len) => {
            let bytes = reader.take(len)?;
            let end = memchr::memchr(0, bytes).unwrap_or(len);
            fields.push((name, Value::Text(bytes.get(..end)?.to_vec())));
        }
    }
    Some(())
}
