//! The rule keywords of LDAP, and its record.

use super::names::OPERATIONS;
use super::slots::*;
use crate::detect::{BufferSpec, NumberSpec};
use crate::protocols::exchange::{
    Field, Format, Shape, answered, answered_each, asked, asked_each, buffer, number,
};

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("ldap.request.dn", "the distinguished name that the request is about", &[asked(REQUEST_DN)]),
    buffer("ldap.request.filter", "the filter of a search, as text: (cn=a*)", &[asked(REQUEST_FILTER)]),
    buffer(
        "ldap.request.attribute_type",
        "each attribute that the request names",
        &[asked_each(REQUEST_ATTRIBUTE)],
    ),
    buffer("ldap.request.name", "the object identifier of an extended operation", &[asked(REQUEST_NAME)]),
    buffer(
        "ldap.responses.dn",
        "each distinguished name that an answer is about",
        &[answered_each(RESPONSES_DN)],
    ),
    buffer(
        "ldap.responses.message",
        "each message beside the result of an answer",
        &[answered_each(RESPONSES_MESSAGE)],
    ),
    buffer(
        "ldap.responses.attribute_type",
        "each attribute in the answers",
        &[answered_each(RESPONSES_ATTRIBUTE)],
    ),
    buffer(
        "ldap.responses.attribute_value",
        "each value of an attribute in the answers, and where referrals lead",
        &[answered_each(RESPONSES_VALUE)],
    ),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number(
        "ldap.request.operation",
        "what is asked for, by number or name (search_request)",
        &[asked(REQUEST_OPERATION)],
        OPERATIONS,
    ),
    number("ldap.responses.count", "how many answers there were", &[answered(RESPONSES_COUNT)], &[]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "ldap",
    beside: &[Field("responses", SHOWN_RESPONSE, Shape::Objects)],
    request: &[Field("", SHOWN_REQUEST, Shape::Members)],
    response: &[],
};
