//! `mamparo replay`: captures in, eve.json and a summary out.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::args::{Checksums, Prefilter, Replay as Arguments};
use super::outputs::{Outputs, file_store, log_folder};
use super::progress::Progress;
use super::{complain, print, setup};
use crate::capture::files::expand;
use crate::detect::prefilter::{Automaton, Everything, WindowFilter};
use crate::engine::records::Recorder;
use crate::engine::replay::Replay;
use crate::engine::{Collector, Counters, configure, tables};
use crate::output::summary::rule_perf_log;
use crate::output::{LineWriter, WhenFull};
use crate::types::Timestamp;

/// Analyses the captures; the answer is 1 when a capture could not be read to its end.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    #[expect(clippy::disallowed_methods, reason = "how long it took is for the person; no stage sees it")]
    let begun = std::time::Instant::now();
    super::engine_log::open(&arguments.common, arguments.log_dir.as_deref());
    let (config, warnings) = setup::config(&arguments.common)?;
    if arguments.verbose > 0 || arguments.test {
        for warning in &warnings {
            complain(&format!("warning: {warning}"));
        }
    } else if !warnings.is_empty() {
        complain(&format!(
            "warning: {} keys of the configuration have no effect here (-v names them)",
            warnings.len()
        ));
    }
    let companions = setup::companions(&config);
    for fault in &companions.faults {
        complain(fault.trim_end());
    }
    // before the rules, which take their time: a folder that cannot be written to is told at once
    let folder = log_folder(&config, arguments.log_dir.as_deref(), &arguments.common);
    // a test run leaves the records of another in peace
    let outputs = Outputs::open(&config, &arguments.common, &folder, arguments.test, WhenFull::Wait)?;
    let sources = match arguments.disable_detection {
        true => Vec::new(),
        false => setup::sources(&config, &arguments.rules, &arguments.more_rules)?,
    };
    let registry = setup::registry();
    let prefilter = match arguments.prefilter {
        Prefilter::Window => WindowFilter::build,
        Prefilter::AhoCorasick => Automaton::build,
        Prefilter::Off => Everything::build,
    };
    let (tables, tables_bad) = setup::tables(&config, &arguments.common, &folder);
    let compiled =
        setup::compile_rules(&config, &companions, &sources, &registry, prefilter, &tables, false, None);
    drop(tables);
    drop(sources);
    let loaded = compiled.group();
    loaded.faults.iter().for_each(|fault| complain(fault));
    setup::tell_refused(&loaded, arguments.verbose, arguments.test);
    let failed =
        loaded.refused > 0 || !companions.faults.is_empty() || !loaded.faults.is_empty() || tables_bad;
    if arguments.test {
        complain(&format!(
            "{} rules good, {} refused, {} left out because what they ask for is not supported yet",
            loaded.used, loaded.refused, loaded.unsupported
        ));
        return Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    if arguments.init_errors_fatal && failed {
        return Err("rules could not be loaded, and --init-errors-fatal is given".to_owned());
    }
    let named: Vec<PathBuf> = arguments.captures.iter().chain(&arguments.read).cloned().collect();
    if named.is_empty() {
        complain("no capture given; name files, folders, or - for standard input");
        return Ok(ExitCode::from(2));
    }
    if loaded.used == 0 {
        complain(
            "warning: no rule is in use, so nothing can alert; name a file of rules with -S, or leave -S out for the built-in ones",
        );
    }
    let captures = expand(&named).map_err(|error| error.to_string())?;

    let checksums = match arguments.checksums {
        Some(Checksums::None) => false,
        Some(Checksums::All | Checksums::Auto) => true,
        None => config.checksum_checks.unwrap_or(true),
    };
    let mut engine = configure::engine_config(
        &config,
        arguments.simulate_ips,
        checksums,
        arguments.common.config.is_none(),
    );
    engine.checksums_auto = match arguments.checksums {
        Some(Checksums::None | Checksums::All) => false,
        Some(Checksums::Auto) => true,
        None => config.checksum_checks.is_none(),
    };
    engine.file_store = file_store(&config, &outputs.folder)?;
    engine.profile = arguments.profile;
    engine.stream.rewrites = arguments.simulate_ips;
    let engine = Arc::new(engine);
    let mut collector = Collector::new(
        loaded.rules.clone(),
        outputs.records(),
        outputs.fast.as_ref().map(LineWriter::sender),
    );
    let workers = match (arguments.simulate_ips, usize::from(arguments.workers)) {
        (true, several) if several > 1 => {
            complain("--simulate-ips judges packets in their order: one worker is used");
            1
        }
        (_, workers) => workers,
    };
    let mut replay = Replay {
        config: engine.clone(),
        protocols: Arc::new(configure::protocols(
            &config,
            registry.protocols(),
            &loaded.rules,
            arguments.simulate_ips,
            false,
        )),
        rules: loaded.rules.clone(),
        thresholds: companions.thresholds,
        workers,
        counters: Counters::default(),
        decoded: Default::default(),
        costs: Vec::new(),
    };
    let mut faults = replay_all(&mut replay, &captures, &mut collector);
    if let Some(fault) = engine.file_store.as_ref().and_then(|files| files.store.fault()) {
        complain(&fault);
        faults.push((PathBuf::from("file-store"), fault));
    }
    write_stats(&replay, &mut collector, &engine);
    tables::overflows(&loaded.rules.sets).iter().for_each(|message| complain(message));
    let unsaved = tables::save(&loaded.rules.sets);
    unsaved.iter().for_each(|message| complain(message));
    #[expect(clippy::disallowed_methods, reason = "how long it took is for the person; no stage sees it")]
    let took = begun.elapsed();
    let code = finish(
        arguments,
        &captures,
        replay,
        collector,
        outputs,
        faults,
        (loaded.used, loaded.refused + loaded.unsupported),
        took,
    )?;
    Ok(if unsaved.is_empty() { code } else { ExitCode::FAILURE })
}

/// All captures, one after the other; returns what was wrong with them.
fn replay_all(
    replay: &mut Replay,
    captures: &[PathBuf],
    collector: &mut Collector,
) -> Vec<(PathBuf, String)> {
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let total: u64 = captures.iter().map(size).sum();
    let progress = Progress::new((total > 0).then_some(total), std::io::stderr().is_terminal());
    let (mut bytes_before, mut frames_before) = (0, 0);
    let mut faults = Vec::new();
    for path in captures {
        let mut frames = 0;
        let result = replay.run(path, collector, &mut |position| {
            frames = position.frames;
            progress.update(bytes_before + position.bytes, frames_before + position.frames, position.alerts);
        });
        if let Err(error) = result {
            let mut message = error.to_string();
            let shown = path.display().to_string();
            if !message.contains(&shown) {
                message = format!("{shown}: {message}");
            }
            if progress.is_shown() {
                progress.println(&format!("mamparo: {message}"));
            } else {
                complain(&message);
            }
            faults.push((path.clone(), message));
        }
        bytes_before += size(path);
        frames_before += frames;
        if collector.output_failed() {
            break;
        }
    }
    progress.finish();
    faults
}

fn write_stats(replay: &Replay, collector: &mut Collector, engine: &crate::engine::EngineConfig) {
    if !engine.records.stats {
        return;
    }
    let mut recorder = Recorder::new(engine.records.clone(), None, Vec::new(), Vec::new());
    let last = Timestamp(replay.counters.span.map_or(0, |(_, last)| last));
    let mut counters = replay.counters.named(&replay.decoded);
    if let Some(store) = &engine.file_store {
        let (stored, errors) = store.store.counts();
        counters.push(("file_store.stored".to_owned(), stored));
        counters.push(("file_store.fs_errors".to_owned(), errors));
    }
    let line = recorder.stats(last, &counters).to_vec();
    collector.line(&line);
}

#[expect(clippy::too_many_arguments, reason = "all that is known at the end")]
fn finish(
    arguments: &Arguments,
    captures: &[PathBuf],
    replay: Replay,
    collector: Collector,
    outputs: Outputs,
    faults: Vec<(PathBuf, String)>,
    rules: (usize, usize),
    took: std::time::Duration,
) -> Result<ExitCode, String> {
    let counters = &replay.counters;
    let mut summary = collector.close().summary;
    let records = outputs.close()?.map(|(path, lines, _)| (path, lines));
    for (path, message) in &faults {
        summary.fault(path.display().to_string(), message.clone());
    }
    let (first, last) = counters.span.unwrap_or_default();
    if counters.frames > 0 {
        summary.packets(counters.frames, counters.bytes, Timestamp(first), Timestamp(last));
    }
    for ((app_proto, proto), count) in &counters.ended {
        summary.flows(*app_proto, *proto, *count);
    }
    summary.source = match captures {
        [only] => only.display().to_string(),
        several => format!("{} captures", several.len()),
    };
    summary.wall_seconds = took.as_secs_f64();
    summary.rules = Some(rules);
    summary.eve = records;
    if arguments.profile {
        summary.costs = crate::engine::profile::rows(&replay.rules, &replay.costs);
        if let Some(folder) = &arguments.log_dir {
            let path = folder.join("rule_perf.log");
            std::fs::write(&path, rule_perf_log(&summary.costs))
                .map_err(|error| format!("{}: {error} (is there room?)", path.display()))?;
        }
    }
    if arguments.json {
        print(&(summary.render_json() + "\n"));
    } else if std::io::stdout().is_terminal() {
        let width = terminal_width();
        let color = std::env::var_os("NO_COLOR").is_none();
        print(&summary.render_terminal(width, color));
    }
    Ok(if faults.is_empty() || arguments.tolerate_broken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Columns of the terminal, as it says itself (`COLUMNS`), else 100.
fn terminal_width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}
