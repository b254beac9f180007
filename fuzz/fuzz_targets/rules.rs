//! Rule text: mistakes point into it, and what is good compiles without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mamparo::config::Config;
use mamparo::detect::{Registry, Tables};
use mamparo::detect::prefilter::WindowFilter;
use mamparo::engine::configure;
use mamparo::engine::load::{LoadOptions, Source, load};
use mamparo::rules::classification::Classifications;
use mamparo::rules::parse_rule;
use mamparo::{keywords, protocols, signatures};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Err(errors) = parse_rule(&text) {
        assert!(!errors.is_empty());
    }
    let (config, _) = Config::load(None, &[]).expect("the built-in configuration");
    let (classes, _) = Classifications::parse(signatures::CLASSIFICATION.as_bytes());
    let options = LoadOptions {
        registry: Registry::new(keywords::ALL, keywords::PACKET_BUFFERS, protocols::ALL).into(),
        number: keywords::number::compile_number,
        vars: &config.vars,
        classes: &classes,
        action_order: configure::action_order(&config),
        pcre_limits: (config.pcre_match_limit, config.pcre_recursion_limit),
        prefilter: WindowFilter::build,
        features: &configure::features(&config),
        tables: &Tables::default(),
        folders: &[],
        lint: true,
        texts: false,
    };
    let loaded = load(&[Source { name: "fuzz.rules".to_owned(), bytes: data.to_vec() }], &options);
    for complaint in &loaded.complaints {
        assert!(complaint.line > 0 && complaint.column > 0);
    }
});
