//! Text that fits: widths of what a terminal shows, numbers for people.

use unicode_width::UnicodeWidthStr as _;

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Without what steers a terminal: rule texts and file names come from outside.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_direction_override(c) { '·' } else { c }).collect()
}

/// Characters that turn the direction of what follows, and would let a text disguise itself.
fn is_direction_override(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Exactly `columns` wide: cut with `…`, or filled with spaces.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let mut fitted = cut(text, columns);
    let have = width(&fitted);
    fitted.extend(std::iter::repeat_n(' ', columns.saturating_sub(have)));
    fitted
}

/// At most `columns` wide; what is cut off leaves `…`, and no space before it.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns && text.len() <= columns * 16 {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut kept = String::new();
    // four marks on a column are enough for every script; more would be there to waste our time
    for c in text.chars().take(columns * 4) {
        kept.push(c);
        // the width of a text is not the sum of its characters' (an emoji and what follows it)
        if width(&kept) > columns - 1 {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// `12,345,678`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 alert`, `2 alerts`
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// `6.8 MB`: three digits at most, powers of 1000.
pub(super) fn scaled(number: f64, unit: &str) -> String {
    let mut number = if number.is_finite() { number.max(0.0) } else { 0.0 };
    let mut prefix = "";
    for next in ["k", "M", "G", "T", "P", "E"] {
        if number < 999.5 {
            break;
        }
        number /= 1000.0;
        prefix = next;
    }
    if number < 9.95 && !prefix.is_empty() {
        format!("{number:.1} {prefix}{unit}")
    } else {
        format!("{number:.0} {prefix}{unit}")
    }
}

/// `0.25 s`, `1 min 15 s`, `3 h 02 min`, `2 d 04 h`
pub(super) fn duration(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    let whole = seconds as u64;
    match whole {
        0 if seconds < 0.001 => "under 1 ms".to_owned(),
        0 if seconds < 0.1 => format!("{:.0} ms", seconds * 1000.0),
        0..10 => format!("{seconds:.2} s"),
        10..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// A bar of `columns` for `part` of `whole`, in eighths of a column; never empty for something.
pub(super) fn bar(part: u64, whole: u64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if whole == 0 { 0.0 } else { (part as f64 / whole as f64).min(1.0) };
    let eighths = ((share * columns as f64 * 8.0).round() as usize).max(usize::from(part > 0));
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_what_a_terminal_shows() {
        for (text, columns, expected) in [
            ("plain", 5, "plain"),
            ("plain", 8, "plain   "),
            ("a longer text", 8, "a longe…"),
            ("a longer text", 3, "a… "),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日… "),
            ("x", 0, ""),
            ("☁\u{fe0f}☁\u{fe0f}☁\u{fe0f}", 5, "☁\u{fe0f}☁\u{fe0f}…"),
        ] {
            assert_eq!(fit(text, columns), expected, "{text} {columns}");
            assert_eq!(width(&fit(text, columns)), columns);
        }
        assert_eq!(harmless("a\u{1b}[31mb\n\u{202e}c"), "a·[31mb··c");
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([0, 999, 1000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!(counted(1, "flow", "flows"), "1 flow");
        for (number, expected) in
            [(0.0, "0 B"), (999.0, "999 B"), (1000.0, "1.0 kB"), (6_789_012.0, "6.8 MB"), (45e9, "45 GB")]
        {
            assert_eq!(scaled(number, "B"), expected);
        }
        for (seconds, expected) in [
            (0.0, "under 1 ms"),
            (0.025, "25 ms"),
            (0.25, "0.25 s"),
            (59.96, "60.0 s"),
            (75.5, "1 min 15 s"),
            (10_925.0, "3 h 02 min"),
            (187_200.0, "2 d 04 h"),
            (f64::NAN, "under 1 ms"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn a_bar_is_never_longer_than_its_place() {
        assert_eq!(bar(1, 1, 4), "████");
        assert_eq!(bar(3, 2, 4), "████");
        assert_eq!(bar(1, 1_000_000, 4), "▏");
        assert_eq!(bar(0, 10, 4), "");
        assert_eq!(bar(5, 16, 4), "█▎");
        assert_eq!(bar(0, 0, 4), "");
    }
}
