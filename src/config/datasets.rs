//! The section `datasets`.

use serde_yaml::Value;

use super::section::{Reading, Section};
use crate::detect::sets::{Kind, Settings, Wanted};

/// `datasets`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetsSection {
    /// What holds for all; the data folder is not part of the configuration.
    pub settings: Settings,
    /// Sets that are defined here.
    pub defined: Vec<Wanted>,
}

impl DatasetsSection {
    pub(super) fn read(reading: &Reading, value: Option<&Value>) -> Self {
        let section = Section::new(reading, "datasets".to_owned(), value);
        let usual = Settings::default();
        let defaults = section.section("defaults");
        let limits = section.section("limits");
        let rules = section.section("rules");
        let settings = Settings {
            memcap: defaults.size("memcap", usual.memcap),
            hashsize: defaults.number("hashsize", usual.hashsize, 1..=u64::from(u32::MAX)),
            single_hashsize_max: limits.number(
                "single-hashsize",
                usual.single_hashsize_max,
                1..=u64::from(u32::MAX),
            ),
            total_hashsizes_max: limits.number(
                "total-hashsizes",
                usual.total_hashsizes_max,
                1..=u64::from(u32::MAX),
            ),
            allow_write: rules.flag("allow-write", usual.allow_write),
            allow_absolute: rules.flag("allow-absolute-filenames", usual.allow_absolute),
            data_dir: usual.data_dir,
        };
        for part in [defaults, limits, rules] {
            part.finish();
        }
        let others = section
            .entries()
            .into_iter()
            .filter(|(name, _)| !["defaults", "limits", "rules"].contains(&name.as_str()));
        let defined = others.map(|(name, value)| set(reading, name, section.path.as_str(), value)).collect();
        DatasetsSection { settings, defined }
    }
}

fn set(reading: &Reading, name: String, path: &str, value: &Value) -> Wanted {
    let section = Section::new(reading, format!("{path}.{name}"), Some(value));
    let kind = match section.has("type") {
        true => section.word("type", Kind::NAMES, ""),
        false => {
            section.wrong("type", "a set needs its type", "write type: string, md5, sha256, ipv4 or ip");
            None
        }
    };
    let file = |key| section.text(key).filter(|name| !name.is_empty());
    let wanted = Wanted {
        name,
        kind,
        load: file("load"),
        save: file("save"),
        state: file("state"),
        memcap: section.has("memcap").then(|| section.size("memcap", Settings::default().memcap)),
        hashsize: section
            .has("hashsize")
            .then(|| section.number("hashsize", Settings::default().hashsize, 1..=u64::from(u32::MAX))),
    };
    section.finish();
    wanted
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::detect::sets::Kind;

    fn load(text: &str) -> Result<(Config, Vec<String>), String> {
        let loaded = Config::from_text(None, text, &[], &mut |_| Err("none".to_owned()));
        loaded
            .map(|(config, warnings)| (config, warnings.iter().map(ToString::to_string).collect()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_section_is_read() {
        let (config, warnings) = load(
            "datasets:\n  defaults:\n    memcap: 1mb\n    #hashsize: 5\n  limits:\n  rules:\n    allow-absolute-filenames: yes\n  \
             ua-seen:\n    type: string\n    state: ua.lst\n  dns:\n    type: sha256\n    load: dns.lst\n    memcap: 10mb\n    hashsize: 1024\n    foo: 1\n",
        )
        .unwrap();
        let section = &config.datasets;
        assert_eq!((section.settings.memcap, section.settings.hashsize), (1 << 20, 4096));
        assert!(section.settings.allow_absolute && section.settings.allow_write);
        let [seen, dns] = section.defined.as_slice() else { panic!("{section:?}") };
        assert_eq!(
            (seen.name.as_str(), seen.kind, seen.state.as_deref()),
            ("ua-seen", Some(Kind::String), Some("ua.lst"))
        );
        assert_eq!((seen.memcap, seen.load.as_deref()), (None, None));
        assert_eq!((dns.kind, dns.memcap, dns.hashsize), (Some(Kind::Sha256), Some(10 << 20), Some(1024)));
        assert!(matches!(warnings.as_slice(), [one] if one.contains("datasets.dns.foo")), "{warnings:?}");
        assert_eq!(load("datasets:\n  defaults:\n").unwrap().0.datasets, Config::default().datasets);
    }

    #[test]
    fn mistakes_name_their_key() {
        for (text, key) in [
            ("datasets:\n  a:\n    load: x\n", "datasets.a.type"),
            ("datasets:\n  a:\n    type: text\n", "datasets.a.type"),
            ("datasets:\n  a: 5\n", "datasets.a"),
            ("datasets:\n  defaults:\n    hashsize: 0\n", "datasets.defaults.hashsize"),
            ("datasets: 5\n", "datasets"),
        ] {
            assert!(load(text).is_err_and(|error| error.contains(key)), "{text}");
        }
    }
}
