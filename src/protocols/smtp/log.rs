//! The EVE objects of a transaction: `smtp`, and `email` for the message.

use super::header;
use super::mime::Message;
use super::transaction::Tx;
use crate::app::Settings;
use crate::json::JsonWriter;

/// Headers that `custom` may ask for, what records call them, and how their value is written.
const FIELDS: &[(&str, &str, Shape)] = &[
    ("reply-to", "reply_to", Shape::Text),
    ("bcc", "bcc", Shape::List),
    ("message-id", "message_id", Shape::Text),
    ("subject", "subject", Shape::Text),
    ("x-mailer", "x_mailer", Shape::Text),
    ("user-agent", "user_agent", Shape::Text),
    ("received", "received", Shape::All),
    ("x-originating-ip", "x_originating_ip", Shape::Text),
    ("in-reply-to", "in_reply_to", Shape::Text),
    ("references", "references", Shape::Text),
    ("importance", "importance", Shape::Text),
    ("priority", "priority", Shape::Text),
    ("sensitivity", "sensitivity", Shape::Text),
    ("organization", "organization", Shape::Text),
    ("content-md5", "content_md5", Shape::Text),
    ("date", "date", Shape::Text),
];

/// What `extended` stands for.
const EXTENDED: &[&str] = &["bcc", "message-id", "subject", "x-mailer", "user-agent"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// The last header of the name.
    Text,
    /// Its items between commas.
    List,
    /// All headers of the name.
    All,
}

/// What records hold beside the usual.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Which of [`FIELDS`].
    fields: u32,
    body_md5: bool,
    subject_md5: bool,
}

impl Wanted {
    /// From `eve.custom`, `eve.extended` and `eve.md5`, as under `outputs.eve-log.types.smtp`.
    pub(super) fn new(settings: &Settings) -> Self {
        let listed = |key: &str, name: &str| {
            settings.list(key).is_some_and(|list| list.iter().any(|item| item.eq_ignore_ascii_case(name)))
        };
        let extended = settings.flag("eve.extended").unwrap_or(false);
        let mut wanted = Wanted {
            fields: 0,
            body_md5: listed("eve.md5", "body") && settings.flag("mime.body-md5").unwrap_or(false),
            subject_md5: listed("eve.md5", "subject"),
        };
        for (nth, (name, _, _)) in FIELDS.iter().enumerate() {
            if listed("eve.custom", name) || (extended && EXTENDED.contains(name)) {
                wanted.fields |= 1 << nth;
            }
        }
        wanted
    }
}

/// Writes `"smtp":{…}` and, when there is a message, `"email":{…}`, in Suricata's names and order. `own` for the transaction's
/// own record.
pub(super) fn write(tx: &Tx, own: bool, out: &mut JsonWriter) {
    out.open_object("smtp");
    if let Some(helo) = &tx.helo {
        out.bytes("helo", helo);
    }
    if let Some(sender) = &tx.mail_from {
        out.bytes("mail_from", sender);
    }
    array("rcpt_to", tx.rcpt_to.iter().map(Vec::as_slice), out);
    out.close();
    let Some(message) = &tx.message else { return };
    out.open_object("email");
    out.text("status", message.status());
    if let Some(from) = message.header("from") {
        out.bytes("from", from);
    }
    for name in ["to", "cc"] {
        array(name, message.header(name).into_iter().flat_map(header::list), out);
    }
    if !message.urls.is_empty() {
        let kinds = message.urls.kinds();
        out.flag("has_ipv6_url", kinds.ipv6);
        out.flag("has_ipv4_url", kinds.ipv4);
        out.flag("has_exe_url", kinds.program);
    }
    array("attachment", message.files.attachments().map(|file| file.name.as_slice()), out);
    array("url", message.urls.in_record_order(), out);
    if own {
        custom(tx, message, out);
    }
    out.close();
}

fn custom(tx: &Tx, message: &Message, out: &mut JsonWriter) {
    let wanted = &tx.config.wanted;
    for (nth, (name, key, shape)) in FIELDS.iter().enumerate() {
        if wanted.fields & 1 << nth == 0 {
            continue;
        }
        match shape {
            Shape::Text => {
                if let Some(value) = message.header(name) {
                    out.bytes(key, value);
                }
            }
            Shape::List => array(key, message.header(name).into_iter().flat_map(header::list), out),
            Shape::All => array(key, message.headers(name), out),
        }
    }
    if let (true, Some(subject)) = (wanted.subject_md5, message.header("subject")) {
        use sha2::Digest as _;
        let digest = md5::Md5::digest(subject);
        let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        out.text("subject_md5", &text);
    }
    if let (true, Some(digest)) = (wanted.body_md5, tx.body_md5()) {
        out.text("body_md5", digest);
    }
}

/// Nothing when there is none.
fn array<'i>(key: &'static str, items: impl Iterator<Item = &'i [u8]>, out: &mut JsonWriter) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    out.open_array(key);
    for item in items {
        out.element(item);
    }
    out.close_array();
}
