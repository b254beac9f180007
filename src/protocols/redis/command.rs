//! Commands: their names, and which of their arguments are keys (Redis documentation, "Key specifications").

/// Arguments of a command.
pub(super) type Arguments<'a> = &'a [Vec<u8>];

/// Commands of which the first argument is part of the name.
const CONTAINERS: &[&str] = &[
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE",
    "OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG", "XGROUP", "XINFO",
];

/// Commands that name no key.
const KEYLESS: &[&str] = &[
    "ACL",
    "ASKING",
    "AUTH",
    "BGREWRITEAOF",
    "BGSAVE",
    "CLIENT",
    "CLUSTER",
    "COMMAND",
    "CONFIG",
    "DBSIZE",
    "DEBUG",
    "DISCARD",
    "ECHO",
    "EXEC",
    "FAILOVER",
    "FLUSHALL",
    "FLUSHDB",
    "FUNCTION",
    "HELLO",
    "INFO",
    "KEYS",
    "LASTSAVE",
    "LATENCY",
    "LOLWUT",
    "MODULE",
    "MONITOR",
    "MULTI",
    "PING",
    "PSUBSCRIBE",
    "PSYNC",
    "PUBLISH",
    "PUBSUB",
    "PUNSUBSCRIBE",
    "QUIT",
    "RANDOMKEY",
    "READONLY",
    "READWRITE",
    "REPLCONF",
    "REPLICAOF",
    "RESET",
    "ROLE",
    "SAVE",
    "SCAN",
    "SCRIPT",
    "SELECT",
    "SENTINEL",
    "SHUTDOWN",
    "SLAVEOF",
    "SLOWLOG",
    "SPUBLISH",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SWAPDB",
    "SYNC",
    "TIME",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WAIT",
    "WAITAOF",
];

/// Every command that an inline request may begin with on a port that is Redis's: those without a key, and the usual others.
const OTHERS: &[&str] =
    &["DEL", "EVAL", "EXISTS", "EXPIRE", "GET", "HGETALL", "INCR", "MGET", "OBJECT", "SET", "TTL", "TYPE"];

/// The name in capitals: that of the command, and with its subcommand.
pub(super) fn name(words: Arguments<'_>) -> (String, String) {
    let upper = |word: &[u8]| String::from_utf8_lossy(word.get(..64).unwrap_or(word)).to_uppercase();
    let name = words.first().map(|word| upper(word)).unwrap_or_default();
    let whole = match words.get(1) {
        Some(sub) if CONTAINERS.contains(&name.as_str()) => format!("{name} {}", upper(sub)),
        _ => name.clone(),
    };
    (name, whole)
}

/// Whether inline bytes begin with a command.
pub(super) fn is_known(word: &[u8]) -> bool {
    KEYLESS.iter().chain(OTHERS).any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a command may begin with those letters.
pub(super) fn may_begin(letters: &[u8]) -> bool {
    let begins = |known: &&str| {
        known.as_bytes().get(..letters.len()).is_some_and(|start| start.eq_ignore_ascii_case(letters))
    };
    KEYLESS.iter().chain(OTHERS).any(begins)
}

/// Whether what is sent with it is a secret that a record must not show.
pub(super) fn is_secret(whole: &str, arguments: Arguments<'_>) -> bool {
    matches!(whole, "AUTH" | "HELLO" | "MIGRATE" | "ACL SETUSER")
        || whole == "CONFIG SET"
            && arguments.iter().any(|word| {
                [&b"requirepass"[..], b"masterauth", b"tls-key-file-pass"]
                    .iter()
                    .any(|secret| word.eq_ignore_ascii_case(secret))
            })
}

/// Which arguments are keys.
pub(super) fn keys(name: &str, arguments: Arguments<'_>) -> Vec<usize> {
    let count = arguments.len();
    let counted = |at: usize| {
        let text = arguments.get(at).and_then(|word| std::str::from_utf8(word).ok());
        let keys = text.and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
        at + 1..(at + 1).saturating_add(keys).min(count)
    };
    match name {
        "OBJECT" | "MEMORY" | "XGROUP" | "XINFO" => (1..count.min(2)).collect(),
        _ if KEYLESS.contains(&name) => Vec::new(),
        "DEL" | "UNLINK" | "EXISTS" | "TOUCH" | "MGET" | "WATCH" | "SUNION" | "SINTER" | "SDIFF"
        | "SUNIONSTORE" | "SINTERSTORE" | "SDIFFSTORE" | "PFCOUNT" | "PFMERGE" => (0..count).collect(),
        "BLPOP" | "BRPOP" | "BZPOPMIN" | "BZPOPMAX" => (0..count.saturating_sub(1)).collect(),
        "MSET" | "MSETNX" => (0..count).step_by(2).collect(),
        "RENAME" | "RENAMENX" | "COPY" | "RPOPLPUSH" | "BRPOPLPUSH" | "LMOVE" | "BLMOVE" | "SMOVE"
        | "LCS" | "ZRANGESTORE" | "GEOSEARCHSTORE" => (0..count.min(2)).collect(),
        "EVAL" | "EVALSHA" | "EVAL_RO" | "EVALSHA_RO" | "FCALL" | "FCALL_RO" | "BLMPOP" | "BZMPOP" => {
            counted(1).collect()
        }
        "ZUNION" | "ZINTER" | "ZDIFF" | "SINTERCARD" | "LMPOP" | "ZMPOP" => counted(0).collect(),
        "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE" => (0..count.min(1)).chain(counted(1)).collect(),
        "BITOP" => (1..count).collect(),
        "MIGRATE" => (2..count.min(3)).collect(),
        "XREAD" | "XREADGROUP" => {
            let from = arguments.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"));
            let from = from.map_or(count, |at| at + 1);
            (from..from + (count - from) / 2).collect()
        }
        _ => (0..count.min(1)).collect(),
    }
}

/// The words of an inline command, quoted as the server's own command line has them.
pub(super) fn inline(line: &[u8], words_max: usize) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line;
    while words.len() < words_max {
        let start = rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len());
        rest = rest.get(start..).unwrap_or_default();
        let Some(first) = rest.first() else { break };
        let (word, behind) = match first {
            b'"' | b'\'' => quoted(*first, rest.get(1..).unwrap_or_default()),
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                (word.to_vec(), behind)
            }
        };
        words.push(word);
        rest = behind;
    }
    words
}

fn quoted(quote: u8, text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match (*byte, behind.first()) {
            (byte, _) if byte == quote => break,
            (b'\\', Some(next)) => {
                rest = behind.get(1..).unwrap_or_default();
                match (quote, *next) {
                    (b'"', b'n') => word.push(b'\n'),
                    (b'"', b'r') => word.push(b'\r'),
                    (b'"', b't') => word.push(b'\t'),
                    (b'"', b'x') => {
                        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                            Some(byte) => {
                                word.push(byte);
                                rest = rest.get(2..).unwrap_or_default();
                            }
                            None => word.push(b'x'),
                        }
                    }
                    (_, next) => word.push(next),
                }
            }
            (byte, _) => word.push(byte),
        }
    }
    (word, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        inline(text.as_bytes(), 100)
    }

    #[test]
    fn keys_are_told_from_other_arguments() {
        for (command, expected) in [
            ("get a", "a"),
            ("SET a b", "a"),
            ("DEL a b c", "a b c"),
            ("MSET a 1 b 2", "a b"),
            ("EVAL script 2 a b x", "a b"),
            ("EVAL script 99 a b", "a b"),
            ("EVAL script nonsense a", ""),
            ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b"),
            ("BLPOP a b 0", "a b"),
            ("XREAD COUNT 2 STREAMS a b 0 0", "a b"),
            ("XREAD STREAMS", ""),
            ("BITOP AND d a b", "d a b"),
            ("CONFIG SET dir /tmp", ""),
            ("OBJECT ENCODING a", "a"),
            ("system.exec id", "id"),
            ("PING", ""),
            ("MIGRATE h 1 a 0 10", "a"),
        ] {
            let words = words(command);
            let (name, _) = name(&words);
            let found: Vec<&[u8]> = keys(&name, &words[1..]).iter().map(|at| &words[1 + at][..]).collect();
            assert_eq!(String::from_utf8_lossy(&found.join(&b' ')), expected, "{command}");
        }
    }

    #[test]
    fn inline_words_may_be_quoted() {
        for (line, expected) in [
            ("  set  a\tb ", &[&b"set"[..], b"a", b"b"][..]),
            (r#"set "a b" 'c\'d' "\x41\n\xZ""#, &[b"set", b"a b", b"c'd", b"A\nxZ"]),
            ("\"open", &[b"open"]),
            ("", &[]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }
}
