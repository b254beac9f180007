//! The rule keywords of AMQP, and its record.

use super::slots::*;
use crate::app::Slot;
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::protocols::exchange::{Field, Format, Shape, answered, asked, buffer};

/// Both sides send methods.
const fn both(slot: Slot) -> [Place; 2] {
    [Place { kind: Kind::Bytes, ..asked(slot) }, answered(slot)]
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("amqp.method", "class and method (queue.declare, basic.publish)", &both(METHOD)),
    buffer("amqp.exchange", "the exchange that a method names", &both(EXCHANGE)),
    buffer("amqp.queue", "the queue that a method names", &both(QUEUE)),
    buffer("amqp.routing_key", "the routing key that a method names", &both(ROUTING_KEY)),
    buffer("amqp.user", "the name that a client signs in with", &[asked(USER)]),
    buffer("amqp.virtual_host", "the virtual host that a client opens", &[asked(VIRTUAL_HOST)]),
    buffer("amqp.message", "the content of a message", &both(MESSAGE)),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "amqp",
    beside: &[],
    request: &[
        Field("method", METHOD, Shape::Text),
        Field("channel", CHANNEL, Shape::Number),
        Field("exchange", EXCHANGE, Shape::Text),
        Field("queue", QUEUE, Shape::Text),
        Field("routing_key", ROUTING_KEY, Shape::Text),
        Field("virtual_host", VIRTUAL_HOST, Shape::Text),
        Field("mechanism", MECHANISM, Shape::Text),
        Field("user", USER, Shape::Text),
        Field("code", CODE, Shape::Number),
        Field("reply", REPLY, Shape::Text),
        Field("size", SIZE, Shape::Number),
    ],
    response: &[],
};
