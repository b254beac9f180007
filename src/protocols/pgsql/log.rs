//! The `pgsql` object of EVE.

use super::transaction::{Item, PgsqlTx, Request, Response};
use crate::json::JsonWriter;

/// Request and answer; transactions are counted from 1.
pub(super) fn transaction(tx: &PgsqlTx, out: &mut JsonWriter) {
    out.open_object("pgsql");
    out.number("tx_id", tx.id + 1);
    out.open_object("request");
    request(&tx.request, tx.passwords, out);
    out.close();
    if !tx.response.is_empty() {
        out.open_object("response");
        response(&tx.response, out);
        out.close();
    }
    out.close();
}

fn request(request: &Request, passwords: bool, out: &mut JsonWriter) {
    match request {
        Request::Ssl => out.text("message", "SSL Request"),
        Request::Gss => out.text("message", "GSSENC Request"),
        Request::Cancel { process, secret } => {
            out.text("message", "cancel_request");
            out.number("process_id", *process);
            out.number("secret_key", *secret);
        }
        Request::Startup { major, minor, parameters } => {
            out.plain("protocol_version", format_args!("{major}.{minor}"));
            out.open_object("startup_parameters");
            if let Some(((_, user), others)) = parameters.split_first() {
                out.bytes("user", user);
                pairs("optional_parameters", others, out);
            }
            out.close();
        }
        Request::Password(password) if passwords => out.bytes("password", password),
        Request::Password(_) | Request::Token => {}
        Request::Sasl { mechanism, parameter } => {
            match &mechanism[..] {
                b"SCRAM-SHA-256" => out.text("sasl_authentication_mechanism", "scram_SHA256"),
                b"SCRAM-SHA-256-PLUS" => out.text("sasl_authentication_mechanism", "scram_SHA256_plus"),
                other => out.bytes("sasl_authentication_mechanism", other),
            }
            out.bytes("sasl_param", parameter);
        }
        Request::SaslResponse(text) => out.bytes("sasl_response", text),
        Request::Query(query) => out.bytes("simple_query", query),
        Request::Extended { queries } => {
            out.open_array("extended_queries");
            queries.iter().for_each(|query| out.element(query));
            out.close_array();
        }
        Request::Terminate => out.text("message", "termination_message"),
    }
}

fn response(response: &Response, out: &mut JsonWriter) {
    for item in &response.items {
        match item {
            Item::Text(key, text) => out.bytes(key, text),
            Item::Flag(key, value) => out.flag(key, *value),
        }
    }
    pairs("parameter_status", &response.parameters, out);
    if let Some((process, secret)) = response.key {
        out.number("process_id", process);
        out.number("secret_key", secret);
    }
    if let Some(fields) = response.fields {
        out.number("field_count", fields);
    }
    if response.rows > 0 {
        out.number("data_rows", response.rows);
        out.number("data_size", response.size);
    }
    if let Some(command) = &response.command {
        out.bytes("command_completed", command);
    }
}

fn pairs(key: &'static str, pairs: &[(Vec<u8>, Vec<u8>)], out: &mut JsonWriter) {
    if pairs.is_empty() {
        return;
    }
    out.open_array(key);
    for (name, value) in pairs {
        out.open();
        let name = String::from_utf8_lossy(name);
        out.named(match &*name {
            "DateStyle" => "date_style",
            "IntervalStyle" => "interval_style",
            "TimeZone" => "time_zone",
            name => name,
        });
        out.element(value);
        out.close();
    }
    out.close_array();
}
