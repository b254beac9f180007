//! Names for records: procedures and statuses, as EVE spells them.

/// RFC 1094 section 2.2.
const V2: [&str; 18] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "ROOT",
    "LOOKUP",
    "READLINK",
    "READ",
    "WRITECACHE",
    "WRITE",
    "CREATE",
    "REMOVE",
    "RENAME",
    "LINK",
    "SYMLINK",
    "MKDIR",
    "RMDIR",
    "READDIR",
    "STATFS",
];

/// RFC 1813 section 3.
const V3: [&str; 22] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "LOOKUP",
    "ACCESS",
    "READLINK",
    "READ",
    "WRITE",
    "CREATE",
    "MKDIR",
    "SYMLINK",
    "MKNOD",
    "REMOVE",
    "RMDIR",
    "RENAME",
    "LINK",
    "READDIR",
    "READDIRPLUS",
    "FSSTAT",
    "FSINFO",
    "PATHCONF",
    "COMMIT",
];

/// Operations of version 4 that a compound is named by, RFC 7530 section 16.
const V4: &[(u32, &str)] = &[
    (0, "NULL"),
    (1, "COMPOUND"),
    (3, "ACCESS"),
    (4, "CLOSE"),
    (5, "COMMIT"),
    (6, "CREATE"),
    (9, "GETATTR"),
    (15, "LOOKUP"),
    (18, "OPEN"),
    (25, "READ"),
    (26, "READDIR"),
    (28, "REMOVE"),
    (29, "RENAME"),
    (38, "WRITE"),
];

pub(super) fn procedure(version: u32, number: u32) -> &'static str {
    let at = number as usize;
    let found = match version {
        2 => V2.get(at).copied(),
        3 => V3.get(at).copied(),
        _ => V4.iter().find(|(known, _)| *known == number).map(|(_, name)| *name),
    };
    found.unwrap_or("UNKNOWN")
}

pub(super) fn status(number: u32) -> String {
    let name = match number {
        0 => "OK",
        1 => "ERR_PERM",
        2 => "ERR_NOENT",
        5 => "ERR_IO",
        6 => "ERR_NXIO",
        13 => "ERR_ACCESS",
        17 => "ERR_EXIST",
        18 => "ERR_XDEV",
        19 => "ERR_NODEV",
        20 => "ERR_NOTDIR",
        21 => "ERR_ISDIR",
        22 => "ERR_INVAL",
        27 => "ERR_FBIG",
        28 => "ERR_NOSPC",
        30 => "ERR_ROFS",
        31 => "ERR_MLINK",
        63 => "ERR_NAMETOOLONG",
        66 => "ERR_NOTEMPTY",
        69 => "ERR_DQUOT",
        70 => "ERR_STALE",
        71 => "ERR_REMOTE",
        10001 => "ERR_BADHANDLE",
        10002 => "ERR_NOT_SYNC",
        10003 => "ERR_BAD_COOKIE",
        10004 => "ERR_NOTSUPP",
        10005 => "ERR_TOOSMALL",
        10006 => "ERR_SERVERFAULT",
        10007 => "ERR_BADTYPE",
        10008 => "ERR_JUKEBOX",
        _ => return number.to_string(),
    };
    name.to_owned()
}

/// RFC 5531 section 8 and RFC 2203.
pub(super) fn flavor(number: u32) -> String {
    match number {
        0 => "NULL".to_owned(),
        1 => "UNIX".to_owned(),
        6 => "GSS".to_owned(),
        _ => number.to_string(),
    }
}

/// The CRC-32 of a handle.
pub(super) fn hash(handle: &[u8]) -> u32 {
    !handle.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
