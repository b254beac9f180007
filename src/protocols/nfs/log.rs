//! The `rpc` and `nfs` objects of EVE.

use super::names;
use super::transaction::NfsTx;
use crate::app::Transaction as _;
use crate::json::JsonWriter;
use crate::types::Direction;

/// One transaction.
pub(super) fn object(tx: &NfsTx, out: &mut JsonWriter) {
    out.open_object("rpc");
    out.number("xid", tx.xid);
    out.text("status", if tx.is_denied { "DENIED" } else { "ACCEPTED" });
    out.text("auth_type", &names::flavor(tx.credentials.flavor));
    if let Some((machine, user, group)) = &tx.credentials.unix {
        out.open_object("creds");
        out.bytes("machine_name", machine);
        out.number("uid", *user);
        out.number("gid", *group);
        out.close();
    }
    out.close();
    out.open_object("nfs");
    out.number("version", tx.version);
    out.text("procedure", names::procedure(tx.version, tx.procedure));
    out.bytes("filename", &tx.name);
    if !tx.handle.is_empty() && tx.version > 2 {
        // as EVE has it: without the zeros in front
        out.plain("hhash", format_args!("{:x}", names::hash(&tx.handle)));
    }
    out.number("id", tx.id() + 1);
    out.flag("file_tx", tx.transfer.is_some());
    out.text("type", "response");
    out.text("status", &names::status(tx.status));
    if let Some(transfer) = &tx.transfer {
        out.open_object(if transfer.dir == Direction::ToServer { "write" } else { "read" });
        out.flag("first", true);
        out.flag("last", transfer.ended);
        out.number("last_xid", transfer.last_xid);
        out.number("chunks", transfer.chunks);
        out.close();
    }
    if let Some(to) = &tx.rename_to {
        out.open_object("rename");
        out.bytes("from", &tx.name);
        out.bytes("to", to);
        out.close();
    }
    out.close();
}
