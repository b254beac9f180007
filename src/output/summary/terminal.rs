//! The summary for people.

use std::fmt::Write as _;

use super::text::{bar, counted, cut, duration, fit, grouped, harmless, scaled, width};
use super::{Row, Signature, Summary};
use crate::types::Endpoint;

/// Narrowest and widest table; a terminal outside gets the nearest.
const WIDTHS: std::ops::RangeInclusive<usize> = 80..=200;

/// Signatures shown for each severity; the rest is told as a number, and is in eve.json.
const SIGNATURES_MAX: usize = 20;

/// Protocols shown.
const PROTOCOLS_SHOWN_MAX: usize = 8;

/// ANSI styles; all empty without colour.
#[derive(Clone, Copy)]
struct Paint {
    color: bool,
}

impl Paint {
    fn style(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.style("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.style("2", text)
    }

    fn severity(self, severity: u8, text: &str) -> String {
        self.style(
            match severity {
                0 | 1 => "1;31",
                2 => "1;33",
                3 => "36",
                _ => "37",
            },
            text,
        )
    }
}

/// One line of the table before it is laid out.
struct Line<'a> {
    signature: &'a Signature,
    sid: String,
    ends: String,
    more: usize,
}

impl Summary {
    /// The table, with a line end after every line. `width` is the terminal's, in columns; colour (ANSI) only when asked.
    pub fn render_terminal(&self, width: usize, color: bool) -> String {
        let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
        let paint = Paint { color };
        let mut out = String::new();
        self.head(&mut out, width, paint);
        self.alert_table(&mut out, width, paint);
        self.protocol_bars(&mut out, width, paint);
        if !self.costs.is_empty() {
            out.push_str(&super::rules::table(&self.costs, width));
        }
        self.fault_list(&mut out, width, paint);
        self.foot(&mut out, width, paint);
        out
    }

    fn head(&self, out: &mut String, columns: usize, paint: Paint) {
        let wall = duration(self.wall_seconds);
        let title = cut(&harmless(&self.source), columns.saturating_sub(16 + width(&wall)));
        let _ = writeln!(out, "{} {title} {}", paint.bold("mamparo"), paint.dim(&format!("in {wall}")));
        let mut facts = vec![
            counted(self.packets, "packet", "packets"),
            scaled(self.bytes as f64, "B"),
            counted(self.flows, "flow", "flows"),
        ];
        if self.span.is_some() {
            facts.push(format!("{} of traffic", duration(self.capture_seconds())));
        }
        if self.wall_seconds > 0.0 {
            facts.push(scaled(self.packets as f64 / self.wall_seconds, "packets/s"));
            facts.push(scaled(self.bytes as f64 * 8.0 / self.wall_seconds, "bit/s"));
        }
        let _ = writeln!(out, "{}", paint.dim(&cut(&facts.join(" · "), columns)));
    }

    fn alert_table(&self, out: &mut String, columns: usize, paint: Paint) {
        out.push('\n');
        if self.alerts == 0 {
            let rules = match self.rules {
                Some((loaded, _)) => format!(" of {}", counted(loaded as u64, "rule", "rules")),
                None => String::new(),
            };
            let _ = writeln!(out, "{}{}", paint.bold("No alerts"), paint.dim(&rules));
            return;
        }
        let mut facts = format!(" of {}", counted(self.signatures.len() as u64, "signature", "signatures"));
        if self.dropped > 0 {
            let _ = write!(facts, ", {} dropped", grouped(self.dropped));
        }
        let _ =
            writeln!(out, "{}{}", paint.bold(&counted(self.alerts, "alert", "alerts")), paint.dim(&facts));

        let rows = self.rows_sorted();
        let all = self.signatures_sorted();
        let mut groups: Vec<(u8, usize, Vec<Line<'_>>)> = Vec::new();
        for ((gid, sid), signature) in all {
            if groups.last().is_none_or(|group| group.0 != signature.severity) {
                groups.push((signature.severity, 0, Vec::new()));
            }
            let Some(group) = groups.last_mut() else { continue };
            group.1 += 1;
            if group.2.len() < SIGNATURES_MAX {
                let from = rows.partition_point(|(key, _)| (key.0, key.1) < (*gid, *sid));
                let pairs =
                    rows.iter().skip(from).take_while(|(key, _)| (key.0, key.1) == (*gid, *sid)).count();
                group.2.push(Line {
                    signature,
                    sid: if *gid == 1 { sid.to_string() } else { format!("{gid}:{sid}") },
                    ends: rows.get(from).map(|(_, row)| ends(row)).unwrap_or_default(),
                    more: pairs.saturating_sub(1),
                });
            }
        }
        let shown = || groups.iter().flat_map(|group| &group.2);
        let layout = Layout::of(shown(), columns);
        for (severity, count, lines) in &groups {
            let _ =
                writeln!(out, "{}", paint.severity(*severity, &format!("● {}", severity_name(*severity))));
            for line in lines {
                layout.write(line, out, paint);
            }
            if *count > lines.len() {
                let more = counted((*count - lines.len()) as u64, "more signature", "more signatures");
                let _ = writeln!(out, "  {}", paint.dim(&format!("… and {more}: see eve.json")));
            }
        }
        if self.other > 0 {
            let other = counted(self.other, "alert", "alerts");
            let _ = writeln!(
                out,
                "  {}",
                paint.dim(&format!("… {other} beyond what this table keeps: see eve.json"))
            );
        }
    }

    fn protocol_bars(&self, out: &mut String, columns: usize, paint: Paint) {
        let all = self.protocols_sorted();
        let Some(most) = all.first().map(|(_, count)| *count) else { return };
        out.push('\n');
        let _ = writeln!(out, "{}", paint.bold("protocols"));
        let shown = &all[..all.len().min(PROTOCOLS_SHOWN_MAX)];
        let names = shown.iter().map(|(name, _)| width(name)).max().unwrap_or(0).min(20);
        let numbers = grouped(most).len();
        let bars = columns.saturating_sub(names + numbers + 14).min(40);
        for (name, count) in shown {
            let share = *count as f64 * 100.0 / self.flows.max(1) as f64;
            let _ = writeln!(
                out,
                "  {} {:>numbers$} {} {}",
                fit(&harmless(name), names),
                grouped(*count),
                paint.style("34", &bar(*count, most, bars)),
                paint.dim(&if share < 1.0 { "<1 %".to_owned() } else { format!("{share:.0} %") }),
            );
        }
        if all.len() > shown.len() {
            let flows: u64 = all.iter().skip(shown.len()).map(|(_, count)| *count).sum();
            let rest = counted((all.len() - shown.len()) as u64, "other", "others");
            let flows = counted(flows, "flow", "flows");
            let _ = writeln!(out, "  {}", paint.dim(&format!("… and {rest}, {flows}")));
        }
    }

    fn fault_list(&self, out: &mut String, columns: usize, paint: Paint) {
        const SHOWN_MAX: usize = 5;
        if self.faults.is_empty() {
            return;
        }
        out.push('\n');
        for (capture, what) in self.faults.iter().take(SHOWN_MAX) {
            let text = cut(&harmless(&format!("{capture}: {what}")), columns.saturating_sub(2));
            let _ = writeln!(out, "{} {text}", paint.style("1;33", "!"));
        }
        let more = (self.faults.len() as u64 + self.faults_more).saturating_sub(SHOWN_MAX as u64);
        if more > 0 {
            let captures = counted(more, "more capture", "more captures");
            let _ = writeln!(out, "{} … and {captures} not read whole", paint.style("1;33", "!"));
        }
    }

    /// Paths are not cut: they are there to be copied.
    fn foot(&self, out: &mut String, columns: usize, paint: Paint) {
        let next = match (&self.eve, self.alerts) {
            (Some((path, records)), alerts) => {
                let path = harmless(path);
                let records = counted(*records, "record", "records");
                let next = if alerts > 0 {
                    format!("jq 'select(.event_type==\"alert\")' {path}")
                } else {
                    "own rules: -S FILE".to_owned()
                };
                let line = format!("{path} ({records}) · next: {next}");
                let separator = if width(&line) <= columns { " · " } else { "\n" };
                format!("{} {}{separator}next: {next}", paint.bold(&path), paint.dim(&format!("({records})")))
            }
            (None, 0) => return,
            (None, _) => "no eve.json was written: -l DIR says where to put it".to_owned(),
        };
        let _ = write!(out, "\n{next}\n");
    }
}

/// Widths of the columns that depend on what is in them.
struct Layout {
    count: usize,
    sid: usize,
    technique: usize,
    message: usize,
    ends: usize,
}

impl Layout {
    fn of<'a>(lines: impl Iterator<Item = &'a Line<'a>>, columns: usize) -> Self {
        let mut layout = Layout { count: 1, sid: 3, technique: 0, message: 0, ends: 0 };
        let mut message = 0;
        for line in lines {
            layout.count = layout.count.max(grouped(line.signature.count).len() + 1);
            layout.sid = layout.sid.max(line.sid.len());
            let technique = line.signature.technique.as_deref().map_or(0, width);
            layout.technique = layout.technique.max(technique.min(9));
            message = message.max(width(&line.signature.message));
            let more = if line.more > 0 { grouped(line.more as u64).len() + 2 } else { 0 };
            layout.ends = layout.ends.max(width(&line.ends) + more);
        }
        // indent, gaps between columns
        let gaps = 2 + 3 + usize::from(layout.technique > 0);
        let room = columns.saturating_sub(layout.count + layout.sid + layout.technique + gaps);
        layout.ends = layout.ends.min(room * 55 / 100);
        layout.message = message.min(room - layout.ends);
        layout
    }

    fn write(&self, line: &Line<'_>, out: &mut String, paint: Paint) {
        let signature = line.signature;
        let count = format!("{}×", grouped(signature.count));
        let more = if line.more > 0 { format!(" +{}", grouped(line.more as u64)) } else { String::new() };
        let ends = cut(&line.ends, self.ends.saturating_sub(more.len()));
        let _ = write!(
            out,
            "  {}{} {} {}",
            " ".repeat(self.count.saturating_sub(width(&count))),
            paint.severity(signature.severity, &count),
            paint.dim(&fit(&line.sid, self.sid)),
            fit(&harmless(&signature.message), self.message),
        );
        if self.technique > 0 {
            let technique = signature.technique.as_deref().unwrap_or("");
            let _ = write!(out, " {}", paint.style("35", &fit(&harmless(technique), self.technique)));
        }
        let _ = write!(out, " {ends}{}", paint.dim(&more));
        // no space at the end of a line
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
}

fn severity_name(severity: u8) -> String {
    match severity {
        1 => "high".to_owned(),
        2 => "medium".to_owned(),
        3 => "low".to_owned(),
        _ => format!("severity {severity}"),
    }
}

/// `172.18.0.3 → 172.18.0.7:2375`; the port of the client says nothing.
fn ends(row: &Row) -> String {
    let client = row.client.map_or_else(|| "?".to_owned(), |end| end.ip.to_string());
    let server = row.server.map_or_else(|| "?".to_owned(), server);
    if row.client.is_none() && row.server.is_none() {
        return String::new();
    }
    format!("{client} → {server}")
}

fn server(end: Endpoint) -> String {
    match end.port {
        0 => end.ip.to_string(),
        port => std::net::SocketAddr::new(end.ip, port).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alert, sample};
    use super::*;

    /// Without ANSI styles.
    fn plain(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            out.push_str(before);
            rest = after.split_once('m').map_or("", |(_, rest)| rest);
        }
        out + rest
    }

    #[test]
    fn the_table_is_as_a_person_expects_it() {
        let expected = "\
mamparo lateral-movement.pcap in 0.25 s
12,345 packets · 6.8 MB · 29 flows · 1 min 15 s of traffic · 49 kpackets/s · 217 Mbit/s

15 alerts of 3 signatures, 1 dropped
● high
  13× 9000101 Exposed Docker API: a container is…  T1610 172.18.0.3 → 172.18.0.7:2375 +1
● medium
   1× 9000102 Exposed Docker API: a container is…  T1610 fd00::18:3 → [fd00::1:2:3:4:5]:2375
● low
   1× 3       Überlänge 日本語のシグネチャ ·[31mw…       10.0.0.1 → 10.0.0.2:2375

protocols
  http        20 ████████████████████████████████████████ 69 %
  dns          7 ██████████████ 24 %
  icmp         1 ██ 3 %
  tcp (other)  1 ██ 3 %

logs/eve.json (82 records) · next: jq 'select(.event_type==\"alert\")' logs/eve.json
";
        let text = sample().render_terminal(92, false);
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_colour_changes_no_text() {
        let mut summary = sample();
        summary.fault("broken.pcap", "cut short within packet 12 ".repeat(20));
        for sid in 0..60 {
            summary.alert(&alert(1000 + sid, 2, "2001:db8:1111:2222:3333:4444:5555:6666", "2001:db8::1"));
        }
        for columns in [1, 80, 81, 100, 137, 200, 5000] {
            let text = summary.render_terminal(columns, false);
            for line in text.lines() {
                assert!(width(line) <= columns.clamp(80, 200), "{columns}: {line}");
                assert_eq!(line.trim_end(), line);
            }
            assert_eq!(plain(&summary.render_terminal(columns, true)), text);
            assert!(!text.contains('\u{1b}'));
            assert!(text.contains("… and 41 more signatures"), "{text}");
        }
    }

    #[test]
    fn hostile_texts_neither_steer_the_terminal_nor_break_the_table() {
        const ALPHABET: [&str; 16] = [
            "a",
            "Z",
            " ",
            "\u{1b}[2J",
            "\n",
            "\r",
            "\t",
            "\0",
            "日",
            "☁\u{fe0f}",
            "\u{301}",
            "\u{202e}",
            "\u{9b}31m",
            "👨\u{200d}👩",
            "\"",
            "\u{ad}",
        ];
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..2000 {
            let mut text = || (0..random(60)).map(|_| ALPHABET[random(ALPHABET.len())]).collect::<String>();
            let (message, technique, source) = (text(), text(), text());
            let mut summary = Summary { source, wall_seconds: 1.0, ..Summary::default() };
            summary.flows(Some(&technique), crate::types::Proto::TCP, 1);
            summary.fault(&*technique, &*message);
            let row = alert(1, 2, "10.0.0.1", "10.0.0.2");
            summary.alert(&super::super::AlertRow {
                signature: &message,
                technique: Some(&technique),
                ..row
            });
            let columns = 80 + random(120);
            let table = summary.render_terminal(columns, false);
            assert!(!table.chars().any(|c| c.is_control() && c != '\n'), "{table:?}");
            assert!(table.lines().all(|line| width(line) <= columns), "{columns}\n{table}");
            serde_json::from_str::<serde_json::Value>(&summary.render_json()).unwrap();
        }
    }

    #[test]
    fn silence_is_told_too() {
        let mut summary = Summary { rules: Some((124, 0)), ..Summary::default() };
        let text = summary.render_terminal(80, false);
        assert!(text.contains("No alerts of 124 rules"), "{text}");
        summary.eve = Some(("eve.json".to_owned(), 1));
        let text = summary.render_terminal(80, false);
        assert!(text.ends_with("eve.json (1 record) · next: own rules: -S FILE\n"), "{text}");
    }
}
