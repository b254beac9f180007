//! The EVE objects of a transaction: `smtp`, and `email` for the message.

use super::transaction::Tx;
use crate::json::JsonWriter;
use crate::protocols::mime;

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
    mime::array("rcpt_to", tx.rcpt_to.iter().map(Vec::as_slice), out);
    out.close();
    if let Some(message) = &tx.message {
        mime::email(message, own, out);
    }
}
