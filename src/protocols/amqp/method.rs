//! Methods and their arguments (AMQP 0-9-1 specification, "The AMQP 0-9-1 Reference", and RabbitMQ's additions).

use super::slots::*;
use crate::app::Slot;
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;

/// What an argument is.
#[derive(Clone, Copy, Debug)]
enum Argument {
    /// So many bytes that say nothing here.
    Fixed(usize),
    /// A short text that belongs into that slot.
    Text(Slot),
    /// A short text that says nothing here.
    Short,
    /// A table.
    Table,
    /// A reply: its code and its text.
    Reply,
    /// The answer of a client that signs in.
    Credentials,
}
use Argument::*;

/// Class, method, name, the arguments that matter.
type Row = (u16, u16, &'static str, &'static [Argument]);

const METHODS: &[Row] = &[
    (10, 10, "connection.start", &[]),
    (10, 11, "connection.start-ok", &[Table, Text(MECHANISM), Credentials]),
    (10, 20, "connection.secure", &[]),
    (10, 21, "connection.secure-ok", &[]),
    (10, 30, "connection.tune", &[]),
    (10, 31, "connection.tune-ok", &[]),
    (10, 40, "connection.open", &[Text(VIRTUAL_HOST)]),
    (10, 41, "connection.open-ok", &[]),
    (10, 50, "connection.close", &[Reply]),
    (10, 51, "connection.close-ok", &[]),
    (10, 60, "connection.blocked", &[]),
    (10, 61, "connection.unblocked", &[]),
    (10, 70, "connection.update-secret", &[]),
    (10, 71, "connection.update-secret-ok", &[]),
    (20, 10, "channel.open", &[]),
    (20, 11, "channel.open-ok", &[]),
    (20, 20, "channel.flow", &[]),
    (20, 21, "channel.flow-ok", &[]),
    (20, 40, "channel.close", &[Reply]),
    (20, 41, "channel.close-ok", &[]),
    (40, 10, "exchange.declare", &[Fixed(2), Text(EXCHANGE)]),
    (40, 11, "exchange.declare-ok", &[]),
    (40, 20, "exchange.delete", &[Fixed(2), Text(EXCHANGE)]),
    (40, 21, "exchange.delete-ok", &[]),
    (40, 30, "exchange.bind", &[Fixed(2), Text(EXCHANGE), Short, Text(ROUTING_KEY)]),
    (40, 31, "exchange.bind-ok", &[]),
    (40, 40, "exchange.unbind", &[Fixed(2), Text(EXCHANGE), Short, Text(ROUTING_KEY)]),
    (40, 51, "exchange.unbind-ok", &[]),
    (50, 10, "queue.declare", &[Fixed(2), Text(QUEUE)]),
    (50, 11, "queue.declare-ok", &[Text(QUEUE)]),
    (50, 20, "queue.bind", &[Fixed(2), Text(QUEUE), Text(EXCHANGE), Text(ROUTING_KEY)]),
    (50, 21, "queue.bind-ok", &[]),
    (50, 30, "queue.purge", &[Fixed(2), Text(QUEUE)]),
    (50, 31, "queue.purge-ok", &[]),
    (50, 40, "queue.delete", &[Fixed(2), Text(QUEUE)]),
    (50, 41, "queue.delete-ok", &[]),
    (50, 50, "queue.unbind", &[Fixed(2), Text(QUEUE), Text(EXCHANGE), Text(ROUTING_KEY)]),
    (50, 51, "queue.unbind-ok", &[]),
    (60, 10, "basic.qos", &[]),
    (60, 11, "basic.qos-ok", &[]),
    (60, 20, "basic.consume", &[Fixed(2), Text(QUEUE)]),
    (60, 21, "basic.consume-ok", &[]),
    (60, 30, "basic.cancel", &[]),
    (60, 31, "basic.cancel-ok", &[]),
    (60, 40, "basic.publish", &[Fixed(2), Text(EXCHANGE), Text(ROUTING_KEY)]),
    (60, 50, "basic.return", &[Reply, Text(EXCHANGE), Text(ROUTING_KEY)]),
    (60, 60, "basic.deliver", &[Short, Fixed(9), Text(EXCHANGE), Text(ROUTING_KEY)]),
    (60, 70, "basic.get", &[Fixed(2), Text(QUEUE)]),
    (60, 71, "basic.get-ok", &[Fixed(9), Text(EXCHANGE), Text(ROUTING_KEY)]),
    (60, 72, "basic.get-empty", &[]),
    (60, 80, "basic.ack", &[]),
    (60, 90, "basic.reject", &[]),
    (60, 100, "basic.recover-async", &[]),
    (60, 110, "basic.recover", &[]),
    (60, 111, "basic.recover-ok", &[]),
    (60, 120, "basic.nack", &[]),
    (85, 10, "confirm.select", &[]),
    (85, 11, "confirm.select-ok", &[]),
    (90, 10, "tx.select", &[]),
    (90, 11, "tx.select-ok", &[]),
    (90, 20, "tx.commit", &[]),
    (90, 21, "tx.commit-ok", &[]),
    (90, 30, "tx.rollback", &[]),
    (90, 31, "tx.rollback-ok", &[]),
];

/// A method: what it says, and whether a content follows. `None` for one that is not known.
pub(super) fn read(payload: &[u8], values: &mut Values) -> Option<bool> {
    let mut front = Reader(payload);
    let (class, method) = (front.u16()?, front.u16()?);
    let (.., name, arguments) = METHODS.iter().find(|row| (row.0, row.1) == (class, method))?;
    values.push(METHOD, name.as_bytes());
    for argument in *arguments {
        // what was cut off is not there
        if take(*argument, &mut front, values).is_none() {
            break;
        }
    }
    Some(class == 60 && matches!(method, 40 | 50 | 60 | 71))
}

fn take(argument: Argument, front: &mut Reader<'_>, values: &mut Values) -> Option<()> {
    match argument {
        Fixed(len) => {
            front.take(len)?;
        }
        Text(slot) => {
            let len = front.u8()?;
            values.push(slot, front.take(len.into())?);
        }
        Short => {
            let len = front.u8()?;
            front.take(len.into())?;
        }
        Table => {
            let len = front.u32()?;
            front.take(usize::try_from(len).ok()?)?;
        }
        Reply => {
            values.push_number(CODE, front.u16()?);
            let len = front.u8()?;
            values.push(REPLY, front.take(len.into())?);
        }
        Credentials => {
            let len = front.u32()?;
            let answer = front.take(usize::try_from(len).ok()?)?;
            if let Some(user) = user(answer) {
                values.push(USER, user);
            }
        }
    }
    Some(())
}

/// The name in an answer of PLAIN (`\0anna\0secret`) or of AMQPLAIN (a table with LOGIN).
fn user(answer: &[u8]) -> Option<&[u8]> {
    if answer.first() == Some(&0) {
        return answer.split(|byte| *byte == 0).nth(1);
    }
    let at = memchr::memmem::find(answer, b"\x05LOGINS")?;
    let mut front = Reader(answer.get(at + 7..)?);
    let len = front.u32()?;
    front.take(usize::try_from(len).ok()?)
}
