//! `frame`: a sticky buffer over the frames of a protocol, each looked at on its own.

use super::row::{Row, plain, row};
use crate::detect::{RuleBuilder, rule::RuleProtocol};
use crate::rules::report::did_you_mean;
use crate::rules::{OptionAst, RuleError};

pub(super) static FRAME: Row =
    row("frame", "A sticky buffer over the frames of a protocol (dns.pdu, tls.hdr).", frame);

fn frame(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let name = value.node.to_ascii_lowercase();
    let registry = rule.registry;
    // the type alone is one of the rule's protocol; names of types may have dots (`smb2.data`)
    let own = match rule.protocol {
        RuleProtocol::App(protocol) => registry.frame(protocol, &name),
        _ => None,
    };
    let other = || {
        let (protocol, kind) = name.split_once('.')?;
        let protocol = registry.protocol_named(protocol)?;
        if matches!(rule.protocol, RuleProtocol::App(of) if of != protocol) {
            return None;
        }
        registry.frame(protocol, kind)
    };
    let Some(buffer) = own.or_else(other) else {
        let error = RuleError::new(value.span.clone(), format!("unknown frame '{}'", value.node));
        let known: Vec<String> = registry.frame_names().collect();
        return Err(match did_you_mean(&name, known.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error.hint(format!("frames are {}", known.join(", "))),
        });
    };
    rule.select(buffer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads};

    #[test]
    fn frames_are_of_protocols() {
        check_loads(&[
            "frame:http.request; content:\"a\";",
            "frame:http.request; content:\"a\"; bsize:>4;",
            "frame:http.body.part; content:\"a\";",
            "frame:http.stream; content:\"a\";",
            "frame:http.request; content:\"a\"; nocase; pcre:\"/b/R\";",
        ]);
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            ("frame; content:\"a\";", "frame needs a value"),
            ("frame:http.requets; content:\"a\";", "unknown frame 'http.requets'"),
            ("frame:request; content:\"a\";", "unknown frame 'request'"),
        ]);
    }
}
