//! How far a replay is, on a terminal.

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on standard error that moves: bytes of the captures, packets a second, alerts so far.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// With `total` bytes to read, when that is known. Shows nothing unless `show` (the caller knows whether standard error is a
    /// terminal) and unless standard error is one.
    pub fn new(total: Option<u64>, show: bool) -> Self {
        // at most eight times a second: what a person reads, and no burden
        let target = if show { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => {
                "{bar:24.cyan/dim} {percent:>3} % {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {msg} {eta:>4} left"
            }
            None => "{spinner:.cyan} {binary_bytes} {binary_bytes_per_sec} {msg} {elapsed}",
        };
        // a template that cannot be read would be our mistake; the default bar is no worse than none
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Progress { bar }
    }

    /// Bytes, packets and alerts so far. Cheap, yet not for every packet: once in a batch.
    pub fn update(&self, bytes: u64, packets: u64, alerts: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(bytes);
        let seconds = self.bar.elapsed().as_secs_f64().max(0.001);
        let rate = HumanCount((packets as f64 / seconds) as u64);
        self.bar.set_message(format!("{rate} packets/s, {} alerts", HumanCount(alerts)));
    }

    /// Writes a line above the bar (a warning), or to nowhere when nothing is shown.
    pub fn println(&self, line: &str) {
        self.bar.println(line);
    }

    /// Whether anything is shown.
    pub fn is_shown(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_progress_is_harmless() {
        for total in [None, Some(0), Some(100)] {
            let progress = Progress::new(total, false);
            assert!(!progress.is_shown());
            progress.update(1000, 10, 1);
            progress.println("warning");
            progress.finish();
        }
    }

    #[test]
    fn templates_are_valid() {
        for template in ["{binary_total_bytes}", "{binary_bytes_per_sec}", "{bar:24.cyan/dim}", "{eta:>4}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
