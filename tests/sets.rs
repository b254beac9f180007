//! Data sets and reputation, with the binary: answers that span flows, files that are read and written.

use std::fs;
use std::path::Path;

use super::support::binary::{alerts, events, run};
use super::support::{TempDir, root};

/// Every packet and every name changes a set that other rules ask.
const CHANGING: &str = r#"
alert http any any -> any any (msg:"a new URI"; http.uri; dataset:set,uris,type string,state uris.lst; sid:1;)
alert dns any any -> any any (msg:"a new name"; dns.query; dataset:set,names,type string,save names.lst; sid:2;)
alert http any any -> any any (msg:"a host asked for before"; http.host; dataset:isset,names; sid:3;)
alert http any any -> any any (msg:"a new host"; http.host; dataset:set,names; sid:4;)
alert ip any any -> any any (msg:"a new source"; ip.src; dataset:set,sources,type ip,save sources.lst; sid:5;)
alert ip any any -> any any (msg:"it spoke before"; ip.dst; dataset:unset,sources; sid:6;)
alert ip any any -> any any (msg:"it is silent"; ip.dst; dataset:isnotset,sources; sid:7;)
alert tls any any -> any any (msg:"a new server"; tls.sni; to_md5; dataset:set,servers,type md5,save servers.lst; sid:8;)
"#;

#[test]
fn any_number_of_workers_answers_the_same() {
    let mut expected = None;
    for workers in ["1", "2", "3", "7"] {
        let dir = TempDir::new(&format!("sets-workers-{workers}"));
        fs::write(dir.path().join("my.rules"), CHANGING).expect("it can be written");
        let pcaps = root("pcaps");
        let pcaps = pcaps.to_str().expect("UTF-8");
        run(dir.path(), ["replay", "--workers", workers, "-S", "my.rules", "-l", "out", pcaps]).check(0, &[]);
        let out = dir.path().join("out");
        let told: Vec<String> = events(&out.join("eve.json"))
            .iter()
            .filter(|event| event["event_type"] == "alert")
            .map(|event| {
                let [file, packet, sid] =
                    [&event["pcap_filename"], &event["pcap_cnt"], &event["alert"]["signature_id"]];
                format!("{file} {packet} {sid}")
            })
            .collect();
        assert!(told.len() > 1000, "{}", told.len());
        // in the order in which values came: any other order of packets would show
        let saved = ["uris.lst", "names.lst", "sources.lst", "servers.lst"]
            .map(|name| fs::read_to_string(out.join(name)).expect("it was saved"));
        assert!(saved.iter().all(|text| text.lines().count() > 1), "{saved:?}");
        match &expected {
            None => expected = Some((told, saved)),
            Some((alerts, sets)) => {
                assert!(&saved == sets, "{workers} workers: {saved:#?}, one: {sets:#?}");
                let different = told.iter().zip(alerts).find(|(one, other)| one != other);
                assert!(&told == alerts, "{workers} workers: {different:?}");
            }
        }
    }
}

#[test]
fn no_prefilter_changes_what_is_in_a_set() {
    let rules = r#"
alert http any any -> any any (http.uri; dataset:set,a,type string,save a.lst; content:"containers"; sid:1;)
alert http any any -> any any (http.uri; dataset:set,b,type string,save b.lst; http.host; content:".1"; sid:2;)
alert http any any -> any any (http.host; dataset:set,c,type string,save c.lst; http.uri; content:"containers"; sid:3;)
alert http any any -> any any (http.method; content:"GET"; dataset:set,d,type string,save d.lst; http.uri; content:"json"; sid:4;)
alert http any any -> any any (http.user_agent; dataset:set,e,type string,save e.lst; http.request_body; content:"Image"; sid:5;)
alert http any any -> any any (http.uri; dataset:set,f,type string,save f.lst; content:!"containers"; sid:6;)
"#;
    let mut expected = None;
    for prefilter in ["window", "aho-corasick", "off"] {
        let dir = TempDir::new(&format!("sets-prefilter-{prefilter}"));
        fs::write(dir.path().join("my.rules"), rules).expect("it can be written");
        let pcap = root("pcaps/lateral-movement.pcap");
        let pcap = pcap.to_str().expect("UTF-8");
        run(dir.path(), ["replay", "--prefilter", prefilter, "-S", "my.rules", "-l", "out", pcap])
            .check(0, &[]);
        let out = dir.path().join("out");
        let saved = ["a.lst", "b.lst", "c.lst", "d.lst", "e.lst", "f.lst"]
            .map(|name| fs::read_to_string(out.join(name)).expect("it was saved"));
        let found = (alerts(&out.join("eve.json")), saved);
        assert!(found.0.len() >= 4, "{:?}", found.0);
        assert_eq!(*expected.get_or_insert_with(|| found.clone()), found, "{prefilter}");
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
    fs::write(path, text).expect("it can be written");
}

#[test]
fn state_is_kept_in_the_data_folder_from_run_to_run() {
    let dir = TempDir::new("sets-state");
    write(
        dir.path(),
        "rules/my.rules",
        "alert dns any any -> any any (dns.query; dataset:set,names,type string,state deep/names.lst; sid:1;)\n\
         alert dns any any -> any any (dns.query; dataset:isset,known,type string,load known.lst; sid:2;)\n\
         alert dns any any -> any any (dns.query; dataset:isset,configured; sid:3;)\n",
    );
    let pcap = root("pcaps/dns-mixed.pcap");
    let pcap = pcap.to_str().expect("UTF-8");
    write(dir.path(), "rules/known.lst", "");
    write(dir.path(), "my.yaml", "datasets:\n  configured:\n    type: string\n    load: all.lst\n");
    write(dir.path(), "all.lst", "");
    let go = |out: &str| {
        let arguments = ["replay", "-S", "rules/my.rules", "--data-dir", "data", "-l", out, "-c", "my.yaml"];
        let eve =
            ["--set", "outputs.0.eve-log.enabled=yes", "--set", "outputs.0.eve-log.types.0=alert", pcap];
        run(dir.path(), arguments.into_iter().chain(eve)).check(0, &[]);
        alerts(&dir.path().join(out).join("eve.json"))
    };
    let first = go("one");
    assert!(first[&1] > 1 && first.len() == 1, "{first:?}");
    let saved = fs::read_to_string(dir.path().join("data/deep/names.lst")).expect("it was saved");
    // what was new is known now, and what is saved can be loaded
    write(dir.path(), "rules/known.lst", &saved);
    write(dir.path(), "all.lst", &saved);
    let second = go("two");
    assert!(!second.contains_key(&1) && second[&2] >= first[&1] && second[&2] == second[&3], "{second:?}");
    assert_eq!(fs::read_to_string(dir.path().join("data/deep/names.lst")).expect("it was saved"), saved);
    assert_eq!(fs::read_dir(dir.path().join("data/deep")).expect("it is there").count(), 1);
}

#[test]
fn nothing_is_written_outside_the_data_folder() {
    let dir = TempDir::new("sets-outside");
    write(
        dir.path(),
        "my.rules",
        "alert dns any any -> any any (dns.query; dataset:set,a,type string,save ../a.lst; sid:1;)\n\
         alert dns any any -> any any (dns.query; dataset:set,b,type string,state /b.lst; sid:2;)\n",
    );
    let checked = run(dir.path(), ["check", "-S", "my.rules"]);
    assert_eq!(checked.status, 1);
    let told = checked.stdout + &checked.stderr;
    assert!(told.contains("a path may not lead out of the data folder"), "{told}");
    assert!(told.contains("absolute paths are not allowed"), "{told}");
    // a set that cannot be saved is told, and the run has failed
    write(dir.path(), "data", "a file where the folder should be");
    let rule = "alert dns any any -> any any (dns.query; dataset:set,a,type string,save a.lst; sid:1;)\n";
    write(dir.path(), "my.rules", rule);
    let pcap = root("pcaps/dns-mixed.pcap");
    let pcap = pcap.to_str().expect("UTF-8");
    run(dir.path(), ["replay", "-S", "my.rules", "--data-dir", "data", "-l", "out", pcap])
        .check(1, &["set 'a' could not be saved to data/a.lst", "--data-dir"]);
}

#[test]
fn reputation_comes_from_the_configuration() {
    let dir = TempDir::new("sets-reputation");
    write(dir.path(), "categories.txt", "1,docker,Docker networks\n");
    write(dir.path(), "lists/all.list", "0.0.0.0/0,1,10\n::/0,1,10\n");
    write(
        dir.path(),
        "my.yaml",
        "reputation-categories-file: categories.txt\ndefault-reputation-path: lists\nreputation-files:\n - all.list\n\
         outputs:\n - eve-log:\n     enabled: yes\n     types: [alert]\n",
    );
    write(
        dir.path(),
        "my.rules",
        "alert ip any any -> any any (iprep:both,docker,=,10; sid:1;)\n\
         alert ip any any -> any any (iprep:any,docker,isnotset; sid:2;)\n",
    );
    let pcap = root("pcaps/lateral-movement.pcap");
    let pcap = pcap.to_str().expect("UTF-8");
    run(dir.path(), ["replay", "-c", "my.yaml", "-S", "my.rules", "-l", "out", pcap]).check(0, &[]);
    let found = alerts(&dir.path().join("out/eve.json"));
    assert!(found[&1] > 5 && !found.contains_key(&2), "{found:?}");
    write(dir.path(), "lists/all.list", "nonsense\n");
    let checked = run(dir.path(), ["check", "-c", "my.yaml", "-S", "my.rules"]);
    assert!(
        checked.status == 1 && checked.stderr.contains("lists/all.list: 1 lines are left out"),
        "{checked:?}"
    );
}
