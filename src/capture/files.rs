//! Which captures are meant by the arguments of a command.

use std::path::{Path, PathBuf};

use super::error::CaptureError;

/// How a capture's name ends when it is found in a folder; each also with the ending of a compression.
const EXTENSIONS: &[&str] = &["pcap", "pcapng", "cap", "ntar", "dmp"];
/// Endings of compressions that are looked through.
const COMPRESSIONS: &[&str] = &["gz", "xz", "zst", "zstd"];
/// Folders within folders.
const DEPTH_MAX: usize = 32;

/// The captures that these arguments name: files as they are, `-` for standard input, folders by what they and their
/// folders hold, sorted by name. A folder without any is an error.
pub fn expand(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, CaptureError> {
    let mut files = Vec::new();
    for argument in arguments {
        if argument.as_os_str() != "-" && argument.is_dir() {
            let before = files.len();
            walk(argument, 0, &mut files)?;
            if files.len() == before {
                let remedy = "a folder without captures (.pcap .pcapng .cap, also .gz .xz .zst); name the files themselves";
                return Err(CaptureError::Folder { path: argument.clone(), remedy });
            }
        } else {
            files.push(argument.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), CaptureError> {
    let failed = |error| CaptureError::Io { path: folder.to_owned(), error };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?);
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Links to folders are not followed: they may lead back.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            if depth < DEPTH_MAX {
                walk(&path, depth + 1, files)?;
            }
        } else if is_capture(&path) && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn is_capture(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let name = name.to_ascii_lowercase();
    let stem = COMPRESSIONS.iter().find_map(|end| name.strip_suffix(end)?.strip_suffix('.')).unwrap_or(&name);
    // Rotated captures end in a number: `dump.pcap.3`, `dump.pcap0`.
    let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    EXTENSIONS.iter().any(|end| stem.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_known_by_their_ending() {
        for (name, expected) in [
            ("a.pcap", true),
            ("A.PCAPNG", true),
            ("a.cap.gz", true),
            ("a.pcap.zst", true),
            ("a.pcap.3", true),
            ("a.pcap0", true),
            ("pcap", false),
            ("a.pcap.txt", false),
            ("a.gz", false),
            ("a.jsonl", false),
        ] {
            assert_eq!(is_capture(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn folders_are_walked_in_order() {
        let folder = std::env::temp_dir().join(format!("mamparo-files-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("b/c")).unwrap();
        std::fs::create_dir_all(folder.join("empty")).unwrap();
        for name in ["z.pcap", "a.pcap", "b/c/1.cap", "b/2.pcapng.xz", "b/readme"] {
            std::fs::write(folder.join(name), b"").unwrap();
        }
        let found = expand(&[folder.clone(), PathBuf::from("-"), PathBuf::from("no-such.file")]).unwrap();
        let expected = ["a.pcap", "b/2.pcapng.xz", "b/c/1.cap", "z.pcap"].map(|name| folder.join(name));
        assert_eq!(found[..4], expected);
        assert_eq!(found[4..], [PathBuf::from("-"), PathBuf::from("no-such.file")]);
        let error = expand(&[folder.join("empty")]).unwrap_err().to_string();
        assert!(error.contains("without captures"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
