//! `fileinfo{…}`, and `files[…]` of an alert.

use crate::app::File;
use crate::json::{JsonWriter, hex};

/// What is told of a file beside what is known of it.
#[derive(Clone, Debug, Default)]
pub struct FileNote {
    /// Rules that want it stored.
    pub sids: Vec<u32>,
    /// It will be stored when it is whole.
    pub storing: bool,
    /// It was stored: its number.
    pub stored: Option<u64>,
}

/// Writes `"fileinfo":{…}`. `tx_id` is the transaction that carried it.
pub fn write_fileinfo(file: &File, tx_id: u64, note: &FileNote, out: &mut JsonWriter) {
    out.open_object("fileinfo");
    write_members(file, tx_id, note, out);
    out.close();
}

/// Writes `"files":[…]` of an alert; nothing when there is none.
pub fn write_files(files: &[File], tx_id: u64, note: impl Fn(usize) -> FileNote, out: &mut JsonWriter) {
    if files.is_empty() {
        return;
    }
    out.open_array("files");
    for (nth, file) in files.iter().enumerate() {
        out.open();
        write_members(file, tx_id, &note(nth), out);
        out.close();
    }
    out.close_array();
}

fn write_members(file: &File, tx_id: u64, note: &FileNote, out: &mut JsonWriter) {
    if !file.name.is_empty() {
        out.bytes("filename", &file.name);
    }
    if !note.sids.is_empty() {
        out.open_array("sid");
        note.sids.iter().for_each(|sid| out.element_number(*sid));
        out.close_array();
    }
    if let Some(magic) = &file.magic {
        out.text("magic", magic);
    }
    out.flag("gaps", file.gaps);
    out.text("state", file.state.name());
    if let Some(digest) = &file.md5 {
        out.ascii("md5", &digest.map(hex).concat());
    }
    if let Some(digest) = &file.sha1 {
        out.ascii("sha1", &digest.map(hex).concat());
    }
    if let Some(digest) = &file.sha256 {
        out.ascii("sha256", &digest.map(hex).concat());
    }
    out.flag("stored", note.stored.is_some());
    if let Some(id) = note.stored {
        out.number("file_id", id);
    } else if note.storing {
        out.flag("storing", true);
    }
    out.number("size", file.size);
    if let Some((start, end, _)) = file.range {
        out.number("start", start);
        out.number("end", end);
    }
    out.number("tx_id", tx_id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::FileState;

    #[test]
    fn a_file_has_the_peers_shape() {
        let mut file = File {
            name: b"/db/Malware 2.exe".to_vec(),
            state: FileState::Closed,
            size: 296,
            gaps: false,
            range: Some((77_864, 78_159, 78_160)),
            md5: Some([0xdd; 16]),
            sha256: Some([0x0a; 32]),
            ..File::new(Vec::new())
        };
        let mut out = JsonWriter::new();
        out.open();
        write_fileinfo(&file, 3, &FileNote::default(), &mut out);
        file.state = FileState::Opened;
        file.range = None;
        file.md5 = None;
        file.sha256 = None;
        file.magic = Some("data".to_owned());
        let note = |nth| FileNote { sids: vec![7], storing: nth == 0, stored: None };
        write_files(std::slice::from_ref(&file), 0, note, &mut out);
        write_files(&[], 0, note, &mut out);
        out.close();
        let expected = r#"{"fileinfo":{"filename":"/db/Malware 2.exe","gaps":false,"state":"CLOSED","md5":"MD5","sha256":"SHA","stored":false,"size":296,"start":77864,"end":78159,"tx_id":3},"files":[{"filename":"/db/Malware 2.exe","sid":[7],"magic":"data","gaps":false,"state":"UNKNOWN","stored":false,"storing":true,"size":296,"tx_id":0}]}"#
            .replace("MD5", &"dd".repeat(16))
            .replace("SHA", &"0a".repeat(32));
        assert_eq!(std::str::from_utf8(out.as_bytes()).unwrap(), expected);
    }
}
