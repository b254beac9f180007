//! The lines of both sides (RFC 5321 section 4.1 and 4.2).

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'l> {
    /// HELO or EHLO, with the name.
    Hello(&'l [u8]),
    /// MAIL FROM, with the sender.
    Mail(&'l [u8]),
    /// RCPT TO, with the recipient.
    Recipient(&'l [u8]),
    Data,
    /// BDAT, with the length, `None` when it cannot be read, and whether the chunk is the last one.
    Chunk(Option<u64>, bool),
    Reset,
    StartTls,
    Quit,
    /// A command that needs no attention here.
    Other,
    /// No command of any RFC.
    Unknown,
}

/// Further commands that servers know.
const OTHERS: &[&str] = &[
    "NOOP", "VRFY", "EXPN", "HELP", "AUTH", "ETRN", "TURN", "ATRN", "LHLO", "SEND", "SOML", "SAML",
    "XCLIENT", "XFORWARD", "BURL", "MAIL", "RCPT", "BDAT",
];

/// Reply codes that are known. Others are told of, and taken for what their first digit says.
const CODES: &[u16] = &[
    211, 214, 220, 221, 235, 250, 251, 252, 334, 354, 421, 450, 451, 452, 455, 500, 501, 502, 503, 504, 550,
    551, 552, 553, 554, 555,
];

/// Reads a line without its line end.
pub(super) fn command(line: &[u8]) -> Command<'_> {
    let after = |prefix: &str| {
        let (head, tail) = line.split_at_checked(prefix.len())?;
        head.eq_ignore_ascii_case(prefix.as_bytes()).then_some(tail)
    };
    if let Some(rest) = after("EHLO").or_else(|| after("HELO")) {
        return Command::Hello(argument(rest));
    }
    if let Some(rest) = after("MAIL FROM") {
        return Command::Mail(argument(rest));
    }
    if let Some(rest) = after("RCPT TO") {
        return Command::Recipient(argument(rest));
    }
    let end = line.iter().position(|c| matches!(c, b' ' | b'\t')).unwrap_or(line.len());
    let (verb, rest) = line.split_at(end);
    let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
    match () {
        () if is("DATA") => Command::Data,
        () if is("BDAT") && !rest.trim_ascii().is_empty() => {
            let mut words = rest.split(|c| matches!(c, b' ' | b'\t')).filter(|word| !word.is_empty());
            let length = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            Command::Chunk(length, words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST")))
        }
        () if is("RSET") => Command::Reset,
        () if is("STARTTLS") => Command::StartTls,
        () if is("QUIT") => Command::Quit,
        () if OTHERS.iter().any(|name| is(name)) => Command::Other,
        () => Command::Unknown,
    }
}

/// The first word behind a colon or a blank.
fn argument(rest: &[u8]) -> &[u8] {
    let rest = rest.get(1..).unwrap_or_default();
    let blank = rest.iter().take_while(|&&c| c == b' ').count();
    let rest = rest.get(blank..).unwrap_or_default();
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// A line of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// No line of the same reply follows.
    pub(super) last: bool,
}

impl Reply {
    /// Reads a line without its line end; `None` when it is no reply.
    pub(super) fn read(line: &[u8]) -> Option<Reply> {
        let digits = line.get(..3)?;
        let code = digits.iter().try_fold(0u16, |code, c| {
            let digit = (*c as char).to_digit(10)?;
            Some(code * 10 + digit as u16)
        })?;
        Some(Reply { code, last: line.get(3) != Some(&b'-') })
    }

    /// A code that is expected.
    pub(super) fn is_known(self) -> bool {
        CODES.contains(&self.code)
    }
}

/// A line without its line end, and that line end.
pub(super) fn split_end(line: &[u8]) -> (&[u8], &'static [u8]) {
    match line {
        [text @ .., b'\r', b'\n'] => (text, b"\r\n"),
        [text @ .., b'\n'] => (text, b"\n"),
        text => (text, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        use Command::*;
        for (line, expected) in [
            ("EHLO me.example", Hello(b"me.example")),
            ("ehlo    a b ", Hello(b"a")),
            ("HELO", Hello(b"")),
            ("EHLOx", Hello(b"")),
            ("MAIL FROM:<a@b> SIZE=10", Mail(b"<a@b>")),
            ("mail from: a@b", Mail(b"a@b")),
            ("MAIL FROM", Mail(b"")),
            ("RCPT TO:   <q> X=1", Recipient(b"<q>")),
            ("MAIL  FROM:<a>", Other),
            ("DATA", Data),
            ("data ", Data),
            ("DATAX", Unknown),
            ("BDAT 10", Chunk(Some(10), false)),
            ("BDAT  10  last", Chunk(Some(10), true)),
            ("BDAT x", Chunk(None, false)),
            ("BDAT -1 LAST", Chunk(None, true)),
            ("BDAT 99999999999999999999", Chunk(None, false)),
            ("BDAT", Other),
            ("RSET", Reset),
            ("STARTTLS", StartTls),
            ("quit", Quit),
            ("AUTH LOGIN", Other),
            ("From: a", Unknown),
            (" EHLO x", Unknown),
            ("", Unknown),
        ] {
            assert_eq!(command(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn replies_are_read() {
        for (line, expected) in [
            ("250 ok", Some((250, true))),
            ("250-more", Some((250, false))),
            ("250", Some((250, true))),
            ("25", None),
            ("abc x", None),
            ("", None),
        ] {
            assert_eq!(
                Reply::read(line.as_bytes()).map(|reply| (reply.code, reply.last)),
                expected,
                "{line}"
            );
        }
        assert!(Reply::read(b"354 go").unwrap().is_known() && !Reply::read(b"999 go").unwrap().is_known());
    }
}
