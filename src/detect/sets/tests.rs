//! Sets as rules and the configuration ask for them.

use std::collections::HashMap;
use std::io;

use super::*;

/// Files in memory.
struct Memory(HashMap<PathBuf, &'static str>);

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.0.get(path).map(|text| text.as_bytes().to_vec());
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not found"))
    }
}

fn files() -> Memory {
    Memory(HashMap::from([
        (PathBuf::from("rules/a.lst"), "YQ==\nYg==\n"),
        (PathBuf::from("rules/bad.lst"), "YQ==\n!\n!!\n"),
        (PathBuf::from("data/state.lst"), "Yw==\n"),
        (PathBuf::from("config.lst"), "ZA==\n"),
    ]))
}

fn wanted(name: &str) -> Wanted {
    Wanted { name: name.to_owned(), kind: Some(Kind::String), ..Wanted::default() }
}

fn settings() -> Settings {
    Settings { data_dir: PathBuf::from("data"), ..Settings::default() }
}

fn open(sets: &mut Sets, wanted: &Wanted) -> Result<(Arc<DataSet>, Vec<String>), Problem> {
    sets.open(wanted, By::Rule(Path::new("rules")), &settings(), &files())
}

fn text(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn files_lie_beside_the_rules_and_in_the_data_folder() {
    let mut sets = Sets::default();
    let (set, odd) =
        open(&mut sets, &Wanted { load: text("a.lst"), save: text("sub/b.lst"), ..wanted("one") }).unwrap();
    assert_eq!((set.contains(b"a"), set.contains(b"c"), odd), (Some(true), Some(false), vec![]));
    assert_eq!(set.save_path(), None, "no rule uses it yet");
    set.used(false);
    assert_eq!(set.save_path(), Some(Path::new("data/sub/b.lst")));
    let (set, _) = open(&mut sets, &Wanted { state: text("state.lst"), ..wanted("two") }).unwrap();
    set.used(false);
    assert_eq!((set.contains(b"c"), set.save_path()), (Some(true), Some(Path::new("data/state.lst"))));
    let (set, _) = open(&mut sets, &Wanted { state: text("new.lst"), ..wanted("three") }).unwrap();
    assert!(set.with(Table::is_empty));
    let defined = Wanted { load: text("config.lst"), save: text("/else/x"), ..wanted("four") };
    let (set, _) = sets.open(&defined, By::Config, &settings(), &files()).unwrap();
    assert_eq!((set.contains(b"d"), set.save_path()), (Some(true), Some(Path::new("/else/x"))));
    let problem = open(&mut sets, &Wanted { load: text("none.lst"), ..wanted("five") }).unwrap_err();
    assert_eq!(problem.message, "rules/none.lst: not found");
}

#[test]
fn a_set_is_one_whoever_names_it() {
    let mut sets = Sets::default();
    let full = Wanted { load: text("a.lst"), ..wanted("one") };
    let (set, _) = open(&mut sets, &full).unwrap();
    set.used(true);
    assert!(set.add(b"x"));
    for again in [&full, &Wanted { kind: None, ..wanted("one") }, &wanted("one")] {
        assert_eq!(open(&mut sets, again).unwrap().0.contains(b"x"), Some(true));
    }
    for (again, message) in [
        (Wanted { kind: Some(Kind::Md5), ..wanted("one") }, "set 'one' holds string, not md5"),
        (Wanted { load: text("b.lst"), ..wanted("one") }, "set 'one' has load rules/a.lst, not rules/b.lst"),
        (Wanted { save: text("b.lst"), ..wanted("one") }, "set 'one' was named before without save"),
        (Wanted { kind: None, ..wanted("two") }, "no set 'two' is known"),
        (wanted(""), "a set's name has 1 to 255 bytes"),
    ] {
        assert_eq!(open(&mut sets, &again).unwrap_err().message, message);
    }
    assert_eq!(sets.all().len(), 1);
}

#[test]
fn rules_write_where_they_may() {
    let save = |name: &str, settings: &Settings| {
        let wanted = Wanted { save: text(name), ..wanted("one") };
        let opened = Sets::default().open(&wanted, By::Rule(Path::new("rules")), settings, &files());
        opened
            .map(|(set, _)| {
                set.used(false);
                set.save_path().unwrap().to_path_buf()
            })
            .map_err(|problem| problem.message)
    };
    let bad = |message: &str| Err(message.to_owned());
    let default = settings();
    assert_eq!(save("./a/b", &default), Ok(PathBuf::from("data/./a/b")));
    assert_eq!(save("/a", &default), bad("absolute paths are not allowed: /a"));
    for name in ["..", "../a", "a/../b", "a/..", "."] {
        assert_eq!(save(name, &default), bad(&format!("a path may not lead out of the data folder: {name}")));
    }
    let anywhere = Settings { allow_absolute: true, ..settings() };
    assert_eq!(save("/a", &anywhere), Ok(PathBuf::from("/a")));
    assert_eq!(save("../a", &anywhere), Ok(PathBuf::from("data/../a")));
    let nowhere = Settings { allow_write: false, ..settings() };
    assert_eq!(save("a", &nowhere), bad("rules may not save sets: datasets.rules.allow-write is off"));
}

#[test]
fn limits_are_kept() {
    let mut sets = Sets::default();
    let (set, _) = open(&mut sets, &Wanted { memcap: Some(200), ..wanted("small") }).unwrap();
    set.used(true);
    let added = (0..100u8).filter(|n| set.add(&[*n; 8])).count();
    assert!((4..20).contains(&added), "{added}");
    assert_eq!(set.refused(), 100 - added as u64);
    let full = open(&mut sets, &Wanted { memcap: Some(20), load: text("a.lst"), ..wanted("full") });
    assert_eq!(full.unwrap_err().message, "rules/a.lst does not fit into the 20 bytes of the set");
    let tight = Settings { total_hashsizes_max: 10_000, ..settings() };
    let mut sets = Sets::default();
    let mut named = |name: &str| {
        sets.open(&wanted(name), By::Config, &tight, &files()).map(|_| ()).map_err(|problem| problem.message)
    };
    assert_eq!((named("a"), named("b")), (Ok(()), Ok(())));
    assert_eq!(named("c"), Err("the hashsizes of all sets are over the limit of 10000".to_owned()));
}

#[test]
fn bad_lines_are_told_once() {
    let (set, odd) = open(&mut Sets::default(), &Wanted { load: text("bad.lst"), ..wanted("one") }).unwrap();
    assert_eq!(set.contains(b"a"), Some(true));
    assert_eq!(odd, ["rules/bad.lst: 2 lines are left out, the first is line 2, \"!\": it is not base64"]);
    let both = Wanted { load: text("a.lst"), state: text("state.lst"), ..wanted("two") };
    let (set, odd) = open(&mut Sets::default(), &both).unwrap();
    set.used(false);
    assert_eq!((set.contains(b"c"), set.save_path(), odd.len()), (Some(false), None, 1));
}

#[test]
fn a_set_that_no_rule_changes_is_frozen() {
    let mut sets = Sets::default();
    let (still, _) = open(&mut sets, &Wanted { load: text("a.lst"), ..wanted("still") }).unwrap();
    let (moving, _) = open(&mut sets, &wanted("moving")).unwrap();
    assert!(!sets.change());
    moving.used(true);
    assert!(sets.change());
    sets.freeze();
    assert!(still.frozen.get().is_some() && moving.frozen.get().is_none());
    assert_eq!(
        (still.contains(b"a"), still.score(b"a"), still.contains(b"x")),
        (Some(true), Some(0), Some(false))
    );
    assert!(!still.add(b"x") && !still.remove(b"a") && moving.add(b"x") && moving.remove(b"x"));
}

#[test]
fn what_is_in_no_file_that_is_loaded_goes_on_in_the_next_sets() {
    let mut sets = Sets::default();
    let state = Wanted { state: text("new.lst"), ..wanted("state") };
    let load = Wanted { load: text("a.lst"), ..wanted("load") };
    for wanted in [&wanted("plain"), &state, &load, &wanted("still")] {
        let (set, _) = open(&mut sets, wanted).unwrap();
        set.used(wanted.name != "still");
        set.add(b"learned");
    }
    sets.freeze();
    let mut next = Sets::default();
    next.follow(&sets);
    let mut again = |wanted: &Wanted| {
        let (set, _) = open(&mut next, wanted).unwrap();
        (set.contains(b"learned"), set)
    };
    assert_eq!((again(&wanted("plain")).0, again(&state).0), (Some(true), Some(true)));
    assert_eq!(again(&load).0, Some(false), "it is read anew");
    // another definition makes another set
    let mut other = Sets::default();
    other.follow(&sets);
    let smaller = Wanted { memcap: Some(1000), ..wanted("plain") };
    assert_eq!(open(&mut other, &smaller).unwrap().0.contains(b"learned"), Some(false));
    // one that nobody changed may be changed by other rules, and the old ones do not see it
    let (found, still) = again(&wanted("still"));
    assert_eq!(found, Some(true));
    still.used(true);
    next.freeze();
    assert!(still.add(b"more") && still.contains(b"more") == Some(true));
    let old = sets.all().iter().find(|set| set.name() == "still").unwrap();
    assert_eq!(old.contains(b"more"), Some(false));
}

#[test]
fn addresses_of_either_kind_are_in_one_set() {
    let mut sets = Sets::default();
    let (set, _) = open(&mut sets, &Wanted { kind: Some(Kind::Ip), ..wanted("ip") }).unwrap();
    set.used(true);
    assert!(set.add(&[10, 0, 0, 1]) && !set.add(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1]));
    assert_eq!((set.contains(&[10, 0, 0, 1]), set.contains(&[10, 0, 0])), (Some(true), None));
}
