//! The rule keywords of MySQL, and its record.

use super::slots::*;
use crate::detect::{BufferSpec, NumberSpec};
use crate::protocols::exchange::{Field, Format, Shape, answered, answered_each, asked, buffer, number};

/// The commands (MySQL documentation, "Command Phase").
pub(super) const COMMANDS: &[(&str, u64)] = &[
    ("quit", 1),
    ("init_db", 2),
    ("query", 3),
    ("field_list", 4),
    ("create_db", 5),
    ("drop_db", 6),
    ("refresh", 7),
    ("shutdown", 8),
    ("statistics", 9),
    ("process_info", 10),
    ("connect", 11),
    ("process_kill", 12),
    ("debug", 13),
    ("ping", 14),
    ("change_user", 17),
    ("binlog_dump", 18),
    ("table_dump", 19),
    ("register_slave", 21),
    ("stmt_prepare", 22),
    ("stmt_execute", 23),
    ("stmt_send_long_data", 24),
    ("stmt_close", 25),
    ("stmt_reset", 26),
    ("set_option", 27),
    ("stmt_fetch", 28),
    ("binlog_dump_gtid", 30),
    ("reset_connection", 31),
    ("stmt_bulk_execute", 250),
];

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    BufferSpec {
        aliases: &["mysql.command"],
        ..buffer("mysql.query", "the statement of a query, or one to be prepared", &[asked(QUERY)])
    },
    buffer("mysql.user", "the name that a client signs in with", &[asked(USER)]),
    buffer("mysql.database", "the database that the client chooses", &[asked(DATABASE)]),
    buffer("mysql.version", "what the server says that it is", &[answered(VERSION)]),
    buffer("mysql.error", "the text of an error", &[answered(ERROR)]),
    buffer("mysql.rows", "each row of an answer, its columns with commas between", &[answered_each(ROWS)]),
    buffer("mysql.infile", "a file that the server asks the client for", &[answered(INFILE)]),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number("mysql.command_code", "the number or name of the command", &[asked(COMMAND)], COMMANDS),
    number("mysql.error_code", "the number of an error", &[answered(ERROR_CODE)], &[]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "mysql",
    beside: &[],
    request: &[
        Field("command", COMMAND, Shape::Word(COMMANDS)),
        Field("query", QUERY, Shape::Text),
        Field("user", USER, Shape::Text),
        Field("database", DATABASE, Shape::Text),
        Field("plugin", PLUGIN, Shape::Text),
        Field("program", PROGRAM, Shape::Text),
        Field("tls", TLS, Shape::Word(&[("requested", 1)])),
    ],
    response: &[
        Field("version", VERSION, Shape::Text),
        Field("affected_rows", AFFECTED, Shape::Number),
        Field("row_count", ROW_COUNT, Shape::Number),
        Field("error_code", ERROR_CODE, Shape::Number),
        Field("error", ERROR, Shape::Text),
        Field("infile", INFILE, Shape::Text),
    ],
};
