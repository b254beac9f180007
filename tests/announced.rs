//! Flows that other flows announce, and the files in them: FTP's data connections, with one worker and with several.

use std::fs;

use super::support::TempDir;
use super::support::binary::{events, run};

/// Ends of a TCP conversation, and what each has sent.
struct Talk {
    client: (u8, u16),
    server: (u8, u16),
    sent: [u32; 2],
}

/// A capture in the making: raw IPv4, one packet a millisecond.
struct Capture {
    bytes: Vec<u8>,
    millis: u32,
}

impl Capture {
    fn new() -> Self {
        let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        for word in [0x0004_0002_u32, 0, 0, 65_535, 101] {
            bytes.extend(word.to_le_bytes());
        }
        Capture { bytes, millis: 0 }
    }

    fn packet(&mut self, talk: &Talk, from_client: bool, flags: u8, payload: &[u8]) {
        let (source, destination) =
            if from_client { (talk.client, talk.server) } else { (talk.server, talk.client) };
        let (own, other) = if from_client { (0, 1) } else { (1, 0) };
        let len = 40 + payload.len();
        let mut packet = vec![0x45, 0, (len >> 8) as u8, len as u8, 0, 0, 0, 0, 64, 6, 0, 0];
        packet.extend([10, 0, 0, source.0, 10, 0, 0, destination.0]);
        packet.extend(source.1.to_be_bytes());
        packet.extend(destination.1.to_be_bytes());
        packet.extend(talk.sent[own].to_be_bytes());
        packet.extend(talk.sent[other].to_be_bytes());
        packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(payload);
        self.millis += 1;
        for word in [1_700_000_000, self.millis * 1000, packet.len() as u32, packet.len() as u32] {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend(packet);
    }

    fn open(&mut self, client: (u8, u16), server: (u8, u16)) -> Talk {
        let mut talk = Talk { client, server, sent: [1000, 0] };
        self.packet(&talk, true, 0x02, b"");
        talk.sent = [1001, 5000];
        self.packet(&talk, false, 0x12, b"");
        talk.sent = [1001, 5001];
        self.packet(&talk, true, 0x10, b"");
        talk
    }

    fn say(&mut self, talk: &mut Talk, from_client: bool, payload: &[u8]) {
        self.packet(talk, from_client, 0x18, payload);
        talk.sent[usize::from(!from_client)] += payload.len() as u32;
        self.packet(talk, !from_client, 0x10, b"");
    }

    fn close(&mut self, talk: &mut Talk, client_first: bool) {
        for from_client in [client_first, !client_first] {
            self.packet(talk, from_client, 0x11, b"");
            talk.sent[usize::from(!from_client)] += 1;
        }
        self.packet(talk, client_first, 0x10, b"");
    }

    /// A client takes one file in passive mode and puts one in active mode.
    fn transfers(&mut self, client: u8, server: u8) {
        let mut control = self.open((client, 40_000), (server, 21));
        self.say(&mut control, false, b"220 (ready)\r\n");
        self.say(&mut control, true, b"USER a\r\n");
        self.say(&mut control, false, b"331 more\r\n");
        self.say(&mut control, true, b"PASV\r\n");
        self.say(&mut control, false, format!("227 Fine (10,0,0,{server},200,10).\r\n").as_bytes());
        let mut data = self.open((client, 40_001), (server, 51_210));
        self.say(&mut control, true, b"RETR dir/report.pdf\r\n");
        self.say(&mut control, false, b"150 Opening\r\n");
        self.say(&mut data, false, b"%PDF-1.5\nsecret");
        self.close(&mut data, false);
        self.say(&mut control, false, b"226 Done\r\n");
        self.say(&mut control, true, format!("PORT 10,0,0,{client},20,5\r\n").as_bytes());
        self.say(&mut control, false, b"200 Fine\r\n");
        self.say(&mut control, true, b"STOR tool.exe\r\n");
        self.say(&mut control, false, b"150 Go\r\n");
        let mut data = self.open((server, 20), (client, 5125));
        self.say(&mut data, false, b"MZ\x90\0 tool");
        self.close(&mut data, false);
        self.say(&mut control, false, b"226 Thanks\r\n");
        // a connection that nobody announced is none of FTP's
        let mut other = self.open((client, 40_002), (server, 51_211));
        self.say(&mut other, false, b"%PDF-1.5\nsecret");
        self.close(&mut other, false);
        self.close(&mut control, true);
    }
}

const RULES: &str = r#"
alert ftp-data any any -> any any (msg:"taken"; ftpdata_command:retr; sid:1;)
alert ftp-data any any -> any any (msg:"put"; ftpdata_command:stor; sid:2;)
alert ftp-data any any -> any any (msg:"a PDF"; filemagic:"PDF document"; filename:"report"; filestore; sid:3;)
alert ftp-data any any -> any any (msg:"bytes"; file.data; content:"secret"; sid:4;)
alert tcp any any -> any any (msg:"known"; filemd5:known.md5; sid:5;)
alert ftp-data any any -> any any (msg:"type"; file.magic; content:"MS-DOS executable"; sid:6;)
alert ftp any any -> any any (msg:"asked"; ftp.command; content:"RETR"; ftp.command_data; content:"report"; sid:7;)
alert ftp any any -> any any (msg:"bounce"; ftpbounce; sid:8;)
"#;

const CONFIG: &str = "%YAML 1.1\n---\noutputs:\n  - eve-log:\n      enabled: yes\n      types: [alert, files, ftp, flow]\n  - file-store:\n      version: 2\n      enabled: yes\n      write-fileinfo: yes\n";

#[test]
fn announced_flows_are_found_by_any_number_of_workers() {
    let dir = TempDir::new("announced");
    let mut capture = Capture::new();
    for pair in 0..8 {
        capture.transfers(10 + 2 * pair, 11 + 2 * pair);
    }
    fs::write(dir.path().join("x.pcap"), &capture.bytes).expect("written");
    fs::write(dir.path().join("x.rules"), RULES).expect("written");
    fs::write(dir.path().join("x.yaml"), CONFIG).expect("written");
    // md5 of what is put
    fs::write(dir.path().join("known.md5"), format!("# known\n{}  tool.exe\n", md5(b"MZ\x90\0 tool")))
        .expect("written");
    let mut told: Vec<Vec<String>> = Vec::new();
    for workers in ["1", "2", "3"] {
        let out = format!("out-{workers}");
        let arguments = [
            "replay",
            "--workers",
            workers,
            "-c",
            "x.yaml",
            "-S",
            "x.rules",
            "-k",
            "none",
            "-l",
            &out,
            "x.pcap",
        ];
        run(dir.path(), arguments).check(0, &[]);
        let records = events(&dir.path().join(&out).join("eve.json"));
        let count = |kind: &str, sid: u64| {
            let is = |record: &&serde_json::Value| {
                record["event_type"] == kind && (sid == 0 || record["alert"]["signature_id"] == sid)
            };
            records.iter().filter(is).count()
        };
        for sid in 1..=7 {
            assert_eq!(count("alert", sid), 8, "{workers} workers, rule {sid}");
        }
        assert_eq!((count("alert", 8), count("ftp_data", 0), count("fileinfo", 0)), (0, 16, 16));
        let stored = |record: &&serde_json::Value| record["fileinfo"]["stored"] == true;
        assert_eq!(records.iter().filter(stored).count(), 8, "{workers} workers");
        let children = |record: &&serde_json::Value| {
            record["event_type"] == "flow"
                && record["parent_id"].is_u64()
                && record["app_proto"] == "ftp-data"
        };
        assert_eq!(records.iter().filter(children).count(), 16, "{workers} workers");
        // stored files are numbered in the order of storing, which is each run's own when several workers store
        let numberless = |record: &serde_json::Value| {
            let mut record = record.clone();
            if let Some(file) = record.get_mut("fileinfo").and_then(|file| file.as_object_mut()) {
                file.remove("file_id");
            }
            record.to_string()
        };
        let mut lines: Vec<String> = records.iter().map(numberless).collect();
        lines.sort();
        told.push(lines);
        // the file under its digest, and a record beside it for each time it was seen
        let store = dir.path().join(&out).join("filestore");
        let folders = || fs::read_dir(&store).expect("a folder").map(|entry| entry.expect("an entry").path());
        let files: Vec<_> = folders()
            .filter(|path| !path.ends_with("tmp"))
            .flat_map(|path| fs::read_dir(path).expect("a folder"))
            .map(|entry| entry.expect("an entry").path())
            .collect();
        let (notes, bytes): (Vec<_>, Vec<_>) =
            files.iter().partition(|path| path.extension().is_some_and(|end| end == "json"));
        assert_eq!((notes.len(), bytes.len()), (8, 1), "{workers} workers: {files:?}");
        assert_eq!(fs::read(bytes[0]).expect("a file"), b"%PDF-1.5\nsecret");
    }
    assert!(told[0] == told[1] && told[0] == told[2], "the records depend on the number of workers");
}

fn md5(bytes: &[u8]) -> String {
    use md5::Digest as _;
    md5::Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
