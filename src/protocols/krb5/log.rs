//! The `krb5` object of EVE.

use super::message::{AS_REP, AS_REQ, ENCRYPTION, ERROR, Message, TGS_REP, TGS_REQ, is_weak};
use super::slots;
use crate::app::Slot;
use crate::json::JsonWriter;

/// RFC 4120 section 7.5.9, RFC 4556 section 3.1.3.
const ERRORS: &[(i64, &str)] = &[
    (0, "KDC_ERR_NONE"),
    (1, "KDC_ERR_NAME_EXP"),
    (2, "KDC_ERR_SERVICE_EXP"),
    (3, "KDC_ERR_BAD_PVNO"),
    (4, "KDC_ERR_C_OLD_MAST_KVNO"),
    (5, "KDC_ERR_S_OLD_MAST_KVNO"),
    (6, "KDC_ERR_C_PRINCIPAL_UNKNOWN"),
    (7, "KDC_ERR_S_PRINCIPAL_UNKNOWN"),
    (8, "KDC_ERR_PRINCIPAL_NOT_UNIQUE"),
    (9, "KDC_ERR_NULL_KEY"),
    (10, "KDC_ERR_CANNOT_POSTDATE"),
    (11, "KDC_ERR_NEVER_VALID"),
    (12, "KDC_ERR_POLICY"),
    (13, "KDC_ERR_BADOPTION"),
    (14, "KDC_ERR_ETYPE_NOSUPP"),
    (15, "KDC_ERR_SUMTYPE_NOSUPP"),
    (16, "KDC_ERR_PADATA_TYPE_NOSUPP"),
    (17, "KDC_ERR_TRTYPE_NOSUPP"),
    (18, "KDC_ERR_CLIENT_REVOKED"),
    (19, "KDC_ERR_SERVICE_REVOKED"),
    (20, "KDC_ERR_TGT_REVOKED"),
    (21, "KDC_ERR_CLIENT_NOTYET"),
    (22, "KDC_ERR_SERVICE_NOTYET"),
    (23, "KDC_ERR_KEY_EXPIRED"),
    (24, "KDC_ERR_PREAUTH_FAILED"),
    (25, "KDC_ERR_PREAUTH_REQUIRED"),
    (26, "KDC_ERR_SERVER_NOMATCH"),
    (27, "KDC_ERR_MUST_USE_USER2USER"),
    (28, "KDC_ERR_PATH_NOT_ACCEPTED"),
    (29, "KDC_ERR_SVC_UNAVAILABLE"),
    (31, "KRB_AP_ERR_BAD_INTEGRITY"),
    (32, "KRB_AP_ERR_TKT_EXPIRED"),
    (33, "KRB_AP_ERR_TKT_NYV"),
    (34, "KRB_AP_ERR_REPEAT"),
    (35, "KRB_AP_ERR_NOT_US"),
    (36, "KRB_AP_ERR_BADMATCH"),
    (37, "KRB_AP_ERR_SKEW"),
    (38, "KRB_AP_ERR_BADADDR"),
    (39, "KRB_AP_ERR_BADVERSION"),
    (40, "KRB_AP_ERR_MSG_TYPE"),
    (41, "KRB_AP_ERR_MODIFIED"),
    (42, "KRB_AP_ERR_BADORDER"),
    (44, "KRB_AP_ERR_BADKEYVER"),
    (45, "KRB_AP_ERR_NOKEY"),
    (46, "KRB_AP_ERR_MUT_FAIL"),
    (47, "KRB_AP_ERR_BADDIRECTION"),
    (48, "KRB_AP_ERR_METHOD"),
    (49, "KRB_AP_ERR_BADSEQ"),
    (50, "KRB_AP_ERR_INAPP_CKSUM"),
    (51, "KRB_AP_PATH_NOT_ACCEPTED"),
    (52, "KRB_ERR_RESPONSE_TOO_BIG"),
    (60, "KRB_ERR_GENERIC"),
    (61, "KRB_ERR_FIELD_TOOLONG"),
    (62, "KDC_ERROR_CLIENT_NOT_TRUSTED"),
    (63, "KDC_ERROR_KDC_NOT_TRUSTED"),
    (64, "KDC_ERROR_INVALID_SIG"),
    (65, "KDC_ERR_KEY_TOO_WEAK"),
    (66, "KDC_ERR_CERTIFICATE_MISMATCH"),
    (67, "KRB_AP_ERR_NO_TGT"),
    (68, "KDC_ERR_WRONG_REALM"),
    (69, "KRB_AP_ERR_USER_TO_USER_REQUIRED"),
    (70, "KDC_ERR_CANT_VERIFY_CERTIFICATE"),
    (71, "KDC_ERR_INVALID_CERTIFICATE"),
    (72, "KDC_ERR_REVOKED_CERTIFICATE"),
    (73, "KDC_ERR_REVOCATION_STATUS_UNKNOWN"),
    (74, "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE"),
    (75, "KDC_ERR_CLIENT_NAME_MISMATCH"),
    (76, "KDC_ERR_KDC_NAME_MISMATCH"),
];

fn kind_name(kind: u8) -> &'static str {
    match kind {
        AS_REQ => "KRB_AS_REQ",
        AS_REP => "KRB_AS_REP",
        TGS_REQ => "KRB_TGS_REQ",
        TGS_REP => "KRB_TGS_REP",
        ERROR => "KRB_ERROR",
        _ => "UNKNOWN",
    }
}

/// One message; `request` is the kind of the one before it.
pub(super) fn message(message: &Message, request: Option<u8>, out: &mut JsonWriter) {
    out.open_object("krb5");
    out.text("msg_type", kind_name(message.kind));
    if let Some(code) = message.error {
        out.text("failed_request", request.map_or("UNKNOWN", kind_name));
        named("error_code", code, ERRORS, out);
    }
    name("cname", slots::CNAME, message, out);
    match &message.realm {
        Some(realm) => out.bytes("realm", realm),
        None => out.text("realm", "<empty>"),
    }
    name("sname", slots::SNAME, message, out);
    match message.encryption {
        Some(kind) => named("encryption", kind, ENCRYPTION, out),
        None => out.text("encryption", "<none>"),
    }
    out.flag("weak_encryption", message.encryption.is_some_and(is_weak));
    if let Some(kind) = message.ticket {
        named("ticket_encryption", kind, ENCRYPTION, out);
        out.flag("ticket_weak_encryption", is_weak(kind));
    }
    out.close();
}

fn named(key: &'static str, number: i64, names: &[(i64, &str)], out: &mut JsonWriter) {
    match names.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => out.text(key, name),
        None => out.plain(key, number),
    }
}

/// The components of a name with slashes between.
fn name(key: &'static str, slot: Slot, message: &Message, out: &mut JsonWriter) {
    let parts: Vec<&[u8]> = message.values.all(slot).collect();
    if parts.is_empty() { out.text(key, "<empty>") } else { out.bytes(key, &parts.join(&b'/')) }
}
