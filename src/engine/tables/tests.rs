//! Databases, lists and sets from files, and back.

use super::*;
use crate::detect::sets::{By, Kind, Wanted};

/// A value of a MaxMind database.
enum Value<'v> {
    Text(&'v str),
    Number(u8, u64),
    Map(Vec<(&'v str, Value<'v>)>),
    List(Vec<Value<'v>>),
}

/// As the MaxMind DB format 2.0 has it: a control byte of type and size, then the payload.
fn encode(value: &Value<'_>, out: &mut Vec<u8>) {
    let control = |out: &mut Vec<u8>, kind: u8, size: usize| {
        assert!(size < 29, "short values only");
        match kind {
            1..=7 => out.push(kind << 5 | size as u8),
            _ => out.extend([size as u8, kind - 7]),
        }
    };
    match value {
        Value::Text(text) => {
            control(out, 2, text.len());
            out.extend(text.as_bytes());
        }
        Value::Number(kind, number) => {
            let bytes: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            control(out, *kind, bytes.len());
            out.extend(bytes);
        }
        Value::Map(pairs) => {
            control(out, 7, pairs.len());
            for (key, value) in pairs {
                encode(&Value::Text(key), out);
                encode(value, out);
            }
        }
        Value::List(values) => {
            control(out, 11, values.len());
            values.iter().for_each(|value| encode(value, out));
        }
    }
}

/// A database of networks and their countries; wider networks first.
fn database(networks: &[(&str, Value<'_>)]) -> Vec<u8> {
    /// Where a branch of the tree leads.
    #[derive(Clone, Copy)]
    enum Branch {
        Nowhere,
        Node(usize),
        Data(usize),
    }
    let mut nodes = vec![[Branch::Nowhere; 2]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let network: ipnet::IpNet = network.parse().unwrap();
        let (bits, len) = match network {
            ipnet::IpNet::V4(v4) => (u128::from(u32::from(v4.network())), v4.prefix_len() + 96),
            ipnet::IpNet::V6(v6) => (u128::from(v6.network()), v6.prefix_len()),
        };
        let (mut node, at) = (0, data.len());
        encode(value, &mut data);
        for depth in 0..len {
            let side = (bits >> (127 - depth)) as usize & 1;
            if depth + 1 == len {
                nodes[node][side] = Branch::Data(at);
                break;
            }
            node = match nodes[node][side] {
                Branch::Node(next) => next,
                // what a wider network says holds on both sides until a narrower one says otherwise
                other => {
                    nodes.push([other; 2]);
                    nodes[node][side] = Branch::Node(nodes.len() - 1);
                    nodes.len() - 1
                }
            };
        }
    }
    let mut out = Vec::new();
    for branch in nodes.iter().flatten() {
        let record = match *branch {
            Branch::Nowhere => nodes.len(),
            Branch::Node(node) => node,
            Branch::Data(at) => nodes.len() + 16 + at,
        };
        out.extend((record as u32).to_be_bytes());
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::Number(5, 2)),
        ("binary_format_minor_version", Value::Number(5, 0)),
        ("build_epoch", Value::Number(9, 1_700_000_000)),
        ("database_type", Value::Text("Test-Country")),
        ("description", Value::Map(vec![("en", Value::Text("a test"))])),
        ("ip_version", Value::Number(5, 6)),
        ("languages", Value::List(vec![Value::Text("en")])),
        ("node_count", Value::Number(6, nodes.len() as u64)),
        ("record_size", Value::Number(5, 32)),
    ]);
    encode(&metadata, &mut out);
    out
}

fn in_country(code: &str) -> Value<'_> {
    Value::Map(vec![("country", Value::Map(vec![("iso_code", Value::Text(code))]))])
}

fn small() -> Vec<u8> {
    let registered =
        Value::Map(vec![("registered_country", Value::Map(vec![("iso_code", Value::Text("FR"))]))]);
    database(&[
        ("8.0.0.0/8", in_country("US")),
        ("8.8.0.0/16", in_country("DE")),
        ("9.0.0.0/8", registered),
        ("7.0.0.0/8", in_country("Nowhere")),
        ("2001:db8::/32", in_country("JP")),
    ])
}

#[test]
fn countries_are_found() {
    let world = countries(small()).unwrap();
    for (address, expected) in [
        ("8.1.1.1", Some(*b"US")),
        ("8.8.8.8", Some(*b"DE")),
        ("9.9.9.9", None),
        ("7.7.7.7", None),
        ("10.0.0.1", None),
        ("2001:db8::1", Some(*b"JP")),
        ("2001:db9::1", None),
    ] {
        assert_eq!(world.country(address.parse().unwrap()), expected, "{address}");
    }
}

/// The database comes from outside too: a broken one answers nothing, and never panics.
#[test]
fn broken_databases_are_told_or_answer_nothing() {
    let good = small();
    assert!(countries(b"no database".to_vec()).is_err());
    let mut seed = 3u64;
    for round in 0..2000 {
        let mut bytes = good.clone();
        for _ in 0..=round % 4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) as usize % bytes.len();
            bytes[at] = (seed >> 25) as u8;
        }
        if round % 3 == 0 {
            bytes.drain(..(seed >> 40) as usize % good.len());
        }
        if let Ok(world) = countries(bytes) {
            for address in ["8.8.8.8", "2001:db8::1", "::", "255.255.255.255"] {
                world.country(address.parse().unwrap());
            }
        }
    }
}

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mamparo-tables-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.0.join(name), text).unwrap();
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn sets_are_saved_whole_and_read_again() {
    let folder = Folder::new("sets");
    let data = folder.0.join("data");
    let config = Config::default();
    let wanted = Wanted {
        name: "seen".to_owned(),
        kind: Some(Kind::String),
        state: Some("sub/seen.lst".to_owned()),
        ..Wanted::default()
    };
    for (value, expected) in [("one", "b25l\n"), ("two", "b25l\ndHdv\n")] {
        let (tables, faults) = read(&config, &data);
        assert_eq!(faults, [] as [String; 0]);
        let mut sets = Sets::default();
        let (set, _) = sets.open(&wanted, By::Rule(&folder.0), &tables.sets, &*tables.files).unwrap();
        set.used(true);
        assert!(set.add(value.as_bytes()));
        assert_eq!(save(&sets), [] as [String; 0]);
        assert_eq!(std::fs::read_to_string(data.join("sub/seen.lst")).unwrap(), expected);
    }
    let left: Vec<_> =
        std::fs::read_dir(data.join("sub")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["seen.lst"]);
    // a folder stands where the file should be
    let (tables, _) = read(&config, &folder.0);
    let wanted = Wanted { state: None, save: Some("data".to_owned()), ..wanted };
    let mut sets = Sets::default();
    let (set, _) = sets.open(&wanted, By::Rule(&folder.0), &tables.sets, &*tables.files).unwrap();
    assert_eq!(save(&sets), [] as [String; 0], "no rule uses it");
    set.used(false);
    assert!(
        matches!(save(&sets).as_slice(), [told] if told.starts_with("set 'seen' could not be saved to "))
    );
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn reputation_is_read_from_the_files_of_the_configuration() {
    let folder = Folder::new("reputation");
    let categories = folder.write("categories.txt", "1,bad,Bad\n");
    folder.write("list.txt", "10.0.0.0/8,1,7\nnonsense\n");
    let mut config = Config::default();
    config.reputation_path = Some(folder.0.clone());
    config.reputation_files = vec!["list.txt".to_owned(), "none.txt".to_owned()];
    let (tables, faults) = read(&config, &folder.0);
    assert!(tables.reputation.is_none() && faults.len() == 1, "{faults:?}");
    config.reputation_categories_file = Some(categories);
    let (tables, faults) = read(&config, &folder.0);
    let reputation = tables.reputation.unwrap();
    let bad = reputation.category("bad").unwrap();
    assert_eq!(reputation.score(bad, "10.1.1.1".parse().unwrap()), Some(7));
    assert!(
        faults.len() == 2 && faults[0].contains("line 2") && faults[1].contains("none.txt"),
        "{faults:?}"
    );
    assert_eq!(tables.countries.err().as_deref(), Some("no database is configured"));
    config.geoip_database = Some(folder.write("bad.mmdb", "x"));
    assert!(read(&config, &folder.0).0.countries.is_err_and(|why| why.contains("bad.mmdb: ")));
}
