//! The `smb` object of EVE.

use std::fmt;

use super::names;
use super::transaction::{Create, Data, Dialect, Fid, Native, SmbTx, Status};
use super::wire::Guid;
use crate::app::Transaction;
use crate::json::JsonWriter;
use crate::protocols::dcerpc::call::{self, Call, Kind};
use crate::protocols::dcerpc::pdu;

/// The whole object.
pub(super) fn object(tx: &SmbTx, out: &mut JsonWriter) {
    out.open_object("smb");
    out.number("id", tx.id() + 1);
    match &tx.dialect {
        Dialect::Unknown => out.text("dialect", "unknown"),
        Dialect::Named(name) => out.bytes("dialect", name),
        Dialect::Number(number) => match names::dialect(*number) {
            Some(name) => out.text("dialect", name),
            None => out.plain("dialect", number),
        },
    }
    let command = match tx.key.version {
        1 => u8::try_from(tx.key.command).ok().and_then(names::smb1_command),
        _ => names::smb2_command(tx.key.command),
    };
    match command {
        Some(name) => out.text("command", name),
        None => out.plain("command", tx.key.command),
    }
    status(tx, out);
    out.number("session_id", tx.session);
    out.number("tree_id", tx.tree);
    data(tx, out);
    out.close();
}

fn status(tx: &SmbTx, out: &mut JsonWriter) {
    match tx.status {
        Some(Status::Nt(status)) => {
            match names::status(status) {
                Some(name) => out.text("status", name),
                None => out.plain("status", status),
            }
            out.plain("status_code", format_args!("{status:#x}"));
        }
        Some(Status::Dos(class, code)) => {
            match names::dos_error(class, code) {
                Some(name) => out.text("status", name),
                None if class == 1 || class == 2 => out.plain("status", code),
                None => out.plain("status", format_args!("UNKNOWN_{class:02x}_{code:04x}")),
            }
            out.plain("status_code", format_args!("0x{code:04x}"));
        }
        None => {}
    }
}

struct Fuid(Fid);

impl fmt::Display for Fuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fid::Short(fid) => write!(f, "{fid:04x}"),
            Fid::Guid(guid) => Guid(guid).fmt(f),
        }
    }
}

fn data(tx: &SmbTx, out: &mut JsonWriter) {
    match &tx.data {
        Data::Generic => {}
        Data::Negotiate(negotiate) => {
            out.open_array("client_dialects");
            negotiate.dialects.iter().for_each(|dialect| out.element(dialect));
            out.close_array();
            if let Some(guid) = &negotiate.client_guid {
                out.plain("client_guid", Guid(guid));
            }
            match &negotiate.server_guid {
                Some(guid) => out.plain("server_guid", Guid(guid)),
                None => out.text("server_guid", ""),
            }
            if let Some((read, write)) = negotiate.sizes {
                out.number("max_read_size", read);
                out.number("max_write_size", write);
            }
        }
        Data::Session(setup) => {
            if let Some(ntlmssp) = &setup.identity.ntlmssp {
                out.open_object("ntlmssp");
                out.bytes("domain", &ntlmssp.domain);
                out.bytes("user", &ntlmssp.user);
                out.bytes("host", &ntlmssp.host);
                if let Some((major, minor, build, revision)) = ntlmssp.version {
                    out.plain("version", format_args!("{major}.{minor} build {build} rev {revision}"));
                }
                out.close();
            }
            if let Some(kerberos) = &setup.identity.kerberos {
                out.open_object("kerberos");
                out.bytes("realm", &kerberos.realm);
                out.open_array("snames");
                kerberos.names.iter().for_each(|name| out.element(name));
                out.close_array();
                out.close();
            }
            native("request", setup.request.as_ref(), out);
            native("response", setup.response.as_ref(), out);
        }
        Data::Tree(tree) => {
            out.bytes(if tree.is_pipe { "named_pipe" } else { "share" }, &tree.name);
            if let Some((request, response)) = &tree.service {
                out.open_object("service");
                out.bytes("request", request);
                if let Some(response) = response {
                    out.bytes("response", response);
                }
                out.close();
            }
            if let Some(share_type) = tree.share_type {
                let name = match share_type {
                    1 => "FILE",
                    2 => "PIPE",
                    3 => "PRINT",
                    _ => "UNKNOWN",
                };
                out.text("share_type", name);
            }
        }
        Data::Create(create) => created(create, out),
        Data::Transfer(transfer) => {
            out.bytes("filename", transfer.assembly.name());
            out.bytes("share", &transfer.share);
            out.plain("fuid", Fuid(transfer.fid));
        }
        Data::Call(call) => dcerpc(call, out),
        Data::Ioctl(function) => match names::function(*function) {
            Some(name) => out.text("function", name),
            None => out.plain("function", function),
        },
        Data::Delete { name, fid, delete } => {
            out.bytes("filename", name);
            out.text("access", if *delete { "delete on close" } else { "normal" });
            out.plain("fuid", Fuid(*fid));
        }
        Data::Rename { from, to, fid } => {
            out.open_object("rename");
            out.bytes("from", from);
            out.bytes("to", to);
            out.close();
            out.plain("fuid", Fuid(*fid));
        }
    }
}

fn native(key: &'static str, native: Option<&Native>, out: &mut JsonWriter) {
    if let Some(Native { os, lm }) = native {
        out.open_object(key);
        out.bytes("native_os", os);
        out.bytes("native_lm", lm);
        out.close();
    }
}

fn created(create: &Create, out: &mut JsonWriter) {
    let name = if create.name.is_empty() { b"<share_root>" } else { &create.name[..] };
    let directory = create.directory && !create.name.is_empty();
    out.bytes(if directory { "directory" } else { "filename" }, name);
    out.text("disposition", names::disposition(create.disposition));
    out.text("access", if create.delete_on_close { "delete on close" } else { "normal" });
    for (key, time) in ["created", "accessed", "modified", "changed"].into_iter().zip(create.times) {
        out.number(key, time);
    }
    out.number("size", create.size);
    match create.fid {
        Some(fid) => out.plain("fuid", Fuid(fid)),
        None => out.text("fuid", ""),
    }
}

/// A call in a pipe.
fn dcerpc(call: &Call, out: &mut JsonWriter) {
    out.open_object("dcerpc");
    match call.request {
        Some(kind) => out.plain("request", Kind(kind)),
        None => out.text("request", "REQUEST_LOST"),
    }
    match call.response {
        Some(kind) => out.plain("response", Kind(kind)),
        None => out.text("response", "UNREPLIED"),
    }
    match call.request {
        Some(pdu::REQUEST) => {
            out.number("opnum", call.opnum);
            out.open_object("req");
            call::log_stub(call, 0, out);
            out.close();
            call::log_interfaces(&call.interfaces, |_, _| (), out);
        }
        Some(pdu::BIND) => {
            let answer = |interface: &call::Interface, out: &mut JsonWriter| {
                if let Some((result, _)) = interface.answer {
                    // as the reference engine has it: the high byte of the result
                    out.number("ack_result", result & 0xff);
                    out.number("ack_reason", result >> 8);
                }
            };
            call::log_interfaces(&call.interfaces, answer, out);
        }
        _ => {}
    }
    if call.response == Some(pdu::RESPONSE) {
        out.open_object("res");
        call::log_stub(call, 1, out);
        out.close();
    }
    out.number("call_id", call.id);
    out.close();
}
