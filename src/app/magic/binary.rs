//! Documents, pictures, sound, archives: what begins with a mark.

use std::fmt::Write as _;

use super::At;

/// Beginnings that need no look at what follows.
const PLAIN: &[(usize, &[u8], &str)] = &[
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Composite Document File V2 Document"),
    (0, b"\xfd7zXZ\0\0\x01", "XZ compressed data, checksum CRC32"),
    (0, b"\xfd7zXZ\0\0\x04", "XZ compressed data, checksum CRC64"),
    (0, b"\xfd7zXZ\0\0\x0a", "XZ compressed data, checksum SHA-256"),
    (0, b"\xfd7zXZ\0", "XZ compressed data"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard compressed data (v0.8+)"),
    (0, b"\x04\x22\x4d\x18", "LZ4 compressed data (v1.4+)"),
    (0, b"LZIP", "lzip compressed data"),
    (0, b"\x89LZO\0\r\n\x1a\n", "lzop compressed data"),
    (0, b"\x1f\x9d", "compress'd data"),
    (0, b"SZDD\x88\xf0\x27\x33", "MS Compress archive data, SZDD variant"),
    (0, b"KWAJ\x88\xf0\x27\xd1", "MS Compress archive data, KWAJ variant"),
    (0, b"Rar!\x1a\x07\x01\0", "RAR archive data, v5"),
    (0, b"Rar!\x1a\x07\0", "RAR archive data, v4"),
    (0, b"MSCF\0\0\0\0", "Microsoft Cabinet archive data"),
    (0, b"ITSF\x03\0\0\0", "MS Windows HtmlHelp Data"),
    (0, b"!<arch>\ndebian-binary", "Debian binary package (format 2.0)"),
    (0, b"!<arch>\n", "current ar archive"),
    (0, b"\xed\xab\xee\xdb\x03", "RPM v3.0"),
    (257, b"ustar  \0", "POSIX tar archive (GNU)"),
    (257, b"ustar\0", "POSIX tar archive"),
    (0, b"070701", "ASCII cpio archive (SVR4 with no CRC)"),
    (0, b"070702", "ASCII cpio archive (SVR4 with CRC)"),
    (0, b"070707", "ASCII cpio archive (pre-SVR4 or odc)"),
    (0, b"xar!", "xar archive"),
    (0, b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", "MS Windows shortcut"),
    (0, b"regf", "MS Windows registry file, NT/2000 or above"),
    (0, b"ElfFile\0", "MS Windows Vista Event Log"),
    (0, b"MDMP", "Mini DuMP crash report"),
    (0, b"SQLite format 3\0", "SQLite 3.x database"),
    (4, b"Standard Jet DB", "Microsoft Access Database"),
    (4, b"Standard ACE DB", "Microsoft Access Database"),
    (0, b"!BDN", "Microsoft Outlook email folder (>=2003)"),
    (0, b"\xd4\xc3\xb2\xa1", "pcap capture file, microsecond ts (little-endian)"),
    (0, b"\xa1\xb2\xc3\xd4", "pcap capture file, microsecond ts (big-endian)"),
    (0, b"\x4d\x3c\xb2\xa1", "pcap capture file, nanosecond ts (little-endian)"),
    (0, b"\x0a\x0d\x0d\x0a", "pcapng capture file"),
    (0, b"fLaC", "FLAC audio bitstream data"),
    (0, b"OggS", "Ogg data"),
    (0, b"MThd", "Standard MIDI data"),
    (0, b"FLV\x01", "Macromedia Flash Video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c", "Microsoft ASF"),
    (0, b"\0\0\x01\xba", "MPEG sequence, v2, program multiplex"),
    (0, b"\0\0\x01\xb3", "MPEG sequence"),
    (0, b"8BPS\0\x01", "Adobe Photoshop Image"),
    (0, b"gimp xcf", "GIMP XCF image data"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 Part 1 (JP2)"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000 codestream"),
    (0, b"wOFF\0\x01\0\0", "Web Open Font Format, TrueType"),
    (0, b"wOFFOTTO", "Web Open Font Format, CFF"),
    (0, b"wOF2", "Web Open Font Format (Version 2)"),
    (0, b"OTTO\0", "OpenType font data"),
    (0, b"\0\x01\0\0\0", "TrueType Font data"),
    (0, b"ttcf", "TrueType font collection data"),
    (0, b"\xac\xed\0\x05", "Java serialization data, version 5"),
    (0, b"\xca\xfe\xd0\x0d", "JAR compressed with pack200"),
    (0, b"bplist0", "Apple binary property list"),
    (0, b"\xd7\xcd\xc6\x9a", "Windows metafile"),
    (0, b"\x01\0\x09\0\0\x03", "Windows metafile"),
    (0, b"AT&TFORM", "DjVu document"),
    (0, b"conectix", "Microsoft Disk Image, Virtual Server or Virtual PC"),
    (0, b"QFI\xfb", "QEMU QCOW Image"),
    (0, b"KDMV", "VMware4 disk image"),
    (0, b"vhdxfile", "Microsoft Disk Image eXtended"),
    (0, b"\x99\x01", "PGP/GPG key public ring (v4)"),
    (0, b"hsqs", "Squashfs filesystem, little endian"),
    (0, b"\x27\x05\x19\x56", "u-boot legacy uImage"),
    (0, b"MAC ", "Monkey's Audio compressed format"),
    (0, b"CISO", "CSO archive"),
    (0, b"ISc(", "InstallShield CAB"),
    (0, b"\x60\xea", "ARJ archive data"),
];

pub(super) fn describe(head: &[u8]) -> Option<String> {
    let at = At(head);
    detailed(&at).or_else(|| {
        let found = PLAIN.iter().find(|(offset, mark, _)| at.starts(*offset, mark))?;
        Some(found.2.to_owned())
    })
}

fn detailed(at: &At<'_>) -> Option<String> {
    match at.0 {
        [b'%', b'P', b'D', b'F', b'-', rest @ ..] => Some(pdf(rest)),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(png(at)),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(gif(at)),
        [0xff, 0xd8, 0xff, ..] => Some(jpeg(at)),
        [b'P', b'K', 3, 4, ..] => Some(zip(at)),
        [b'P', b'K', 5, 6, ..] => Some("Zip archive data (empty)".to_owned()),
        [0x1f, 0x8b, ..] => Some(gzip(at)),
        [b'B', b'Z', b'h', level @ b'1'..=b'9', ..] => {
            Some(format!("bzip2 compressed data, block size = {}00k", char::from(*level)))
        }
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, major, minor, ..] => {
            Some(format!("7-zip archive data, version {major}.{minor}"))
        }
        [b'F' | b'C' | b'Z', b'W', b'S', version @ 1..=60, ..] => {
            let packed = if at.u8(0) == Some(b'F') { "" } else { " (compressed)" };
            Some(format!("Macromedia Flash data{packed}, version {version}"))
        }
        [b'{', b'\\', b'r', b't', b'f', rest @ ..] => Some(rtf(rest)),
        [b'R', b'I', b'F', b'F', ..] => riff(at),
        [b'B', b'M', ..] => bitmap(at),
        [0, 0, 1 | 2, 0, count, 0, ..] if *count > 0 => {
            let kind = if at.u8(2) == Some(1) { "icon" } else { "cursor" };
            let plural = if *count > 1 { "s" } else { "" };
            Some(format!("MS Windows {kind} resource - {count} icon{plural}"))
        }
        [b'I', b'I', 0x2a, 0, ..] => Some("TIFF image data, little-endian".to_owned()),
        [b'M', b'M', 0, 0x2a, ..] => Some("TIFF image data, big-endian".to_owned()),
        [b'I', b'D', b'3', major, minor, ..] => {
            Some(format!("Audio file with ID3 version 2.{major}.{minor}"))
        }
        [0xff, 0xfa | 0xfb, ..] => Some("MPEG ADTS, layer III, v1".to_owned()),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => Some(media(brand)),
        [0x1a, 0x45, 0xdf, 0xa3, rest @ ..] => {
            let web = rest.get(..64).unwrap_or(rest).windows(4).any(|part| part == b"webm");
            Some(if web { "WebM" } else { "Matroska data" }.to_owned())
        }
        [0x30, 0x82, _, _, 0x30, 0x82, ..] => Some("Certificate, Version=3".to_owned()),
        [b'%', b'!', b'P', b'S', b'-', b'A', b'd', b'o', b'b', b'e', b'-', major, b'.', minor, ..] => {
            let level = [*major, b'.', *minor];
            Some(format!("PostScript document text conforming DSC level {}", level.escape_ascii()))
        }
        [b'%', b'!', ..] => Some("PostScript document text".to_owned()),
        _ => None,
    }
}

fn pdf(rest: &[u8]) -> String {
    match rest {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9', ..] => {
            format!("PDF document, version {}.{}", char::from(*major), char::from(*minor))
        }
        _ => "PDF document".to_owned(),
    }
}

fn png(at: &At<'_>) -> String {
    let mut out = "PNG image data".to_owned();
    let (Some(width), Some(height), true) = (at.u32(16, true), at.u32(20, true), at.starts(12, b"IHDR"))
    else {
        return out;
    };
    let _ = write!(out, ", {width} x {height}");
    let (Some(depth), Some(color)) = (at.u8(24), at.u8(25)) else { return out };
    let color = match color {
        0 => " grayscale",
        2 => "/color RGB",
        3 => " colormap",
        4 => " gray+alpha",
        6 => "/color RGBA",
        _ => "",
    };
    let _ = write!(out, ", {depth}-bit{color}");
    match at.u8(28) {
        Some(0) => out.push_str(", non-interlaced"),
        Some(1) => out.push_str(", interlaced"),
        _ => {}
    }
    out
}

fn gif(at: &At<'_>) -> String {
    let version = if at.u8(4) == Some(b'7') { "87a" } else { "89a" };
    let mut out = format!("GIF image data, version {version}");
    if let (Some(width), Some(height)) = (at.u16(6, false), at.u16(8, false)) {
        let _ = write!(out, ", {width} x {height}");
    }
    out
}

/// Segments of a JPEG that are looked at.
const SEGMENTS_MAX: usize = 64;

fn jpeg(at: &At<'_>) -> String {
    let mut out = "JPEG image data".to_owned();
    if at.starts(6, b"JFIF\0") {
        if let (Some(major), Some(minor)) = (at.u8(11), at.u8(12)) {
            let _ = write!(out, ", JFIF standard {major}.{minor:02}");
        }
        if let (Some(units), Some(x), Some(y)) = (at.u8(13), at.u16(14, true), at.u16(16, true)) {
            out.push_str(match units {
                0 => ", aspect ratio",
                1 => ", resolution (DPI)",
                2 => ", resolution (DPCM)",
                _ => "",
            });
            let _ = write!(out, ", density {x}x{y}");
        }
        if let Some(len) = at.u16(4, true) {
            let _ = write!(out, ", segment length {len}");
        }
    } else if at.starts(6, b"Exif\0") {
        out.push_str(", Exif standard");
    }
    let mut position = 2;
    for _ in 0..SEGMENTS_MAX {
        let (Some(0xff), Some(kind), Some(len)) =
            (at.u8(position), at.u8(position + 1), at.u16(position + 2, true))
        else {
            break;
        };
        if matches!(kind, 0xc0..=0xc2) {
            let read = (
                at.u8(position + 4),
                at.u16(position + 5, true),
                at.u16(position + 7, true),
                at.u8(position + 9),
            );
            if let (Some(precision), Some(height), Some(width), Some(components)) = read {
                out.push_str(match kind {
                    0xc0 => ", baseline",
                    0xc1 => ", extended sequential",
                    _ => ", progressive",
                });
                let _ = write!(out, ", precision {precision}, {width}x{height}, components {components}");
            }
            break;
        }
        position += 2 + usize::from(len).max(2);
    }
    out
}

fn zip(at: &At<'_>) -> String {
    let name_len = at.u16(26, false).map_or(0, usize::from);
    let name = at.0.get(30..).map_or(&[][..], |rest| rest.get(..name_len).unwrap_or(rest));
    let behind = at.0.get(30 + name.len()..).unwrap_or_default();
    if name == b"mimetype" {
        for (kind, text) in [
            (&b"application/vnd.oasis.opendocument.text"[..], "OpenDocument Text"),
            (b"application/vnd.oasis.opendocument.spreadsheet", "OpenDocument Spreadsheet"),
            (b"application/vnd.oasis.opendocument.presentation", "OpenDocument Presentation"),
            (b"application/epub+zip", "EPUB document"),
        ] {
            if behind.starts_with(kind) {
                return text.to_owned();
            }
        }
    }
    if name == b"[Content_Types].xml" || name == b"_rels/.rels" || name.starts_with(b"docProps") {
        for (folder, text) in [
            (&b"word/"[..], "Microsoft Word 2007+"),
            (b"ppt/", "Microsoft PowerPoint 2007+"),
            (b"xl/", "Microsoft Excel 2007+"),
            (b"visio/", "Microsoft Visio 2013+"),
        ] {
            if memchr::memmem::find(behind, folder).is_some() {
                return text.to_owned();
            }
        }
        return "Microsoft OOXML".to_owned();
    }
    if name.starts_with(b"META-INF/") {
        return "Java archive data (JAR)".to_owned();
    }
    if name == b"AndroidManifest.xml" {
        return "Android package (APK), with AndroidManifest.xml".to_owned();
    }
    let mut out = "Zip archive data".to_owned();
    if let Some(version) = at.u8(4) {
        let _ = write!(out, ", at least v{}.{} to extract", version / 10, version % 10);
    }
    match at.u16(8, false) {
        Some(0) => out.push_str(", compression method=store"),
        Some(8) => out.push_str(", compression method=deflate"),
        Some(9) => out.push_str(", compression method=deflate64"),
        Some(12) => out.push_str(", compression method=bzip2"),
        Some(14) => out.push_str(", compression method=lzma"),
        Some(99) => out.push_str(", compression method=AES Encrypted"),
        _ => {}
    }
    out
}

fn gzip(at: &At<'_>) -> String {
    let mut out = "gzip compressed data".to_owned();
    let flags = at.u8(3).unwrap_or(0);
    // a name stands behind the header, unless extra fields do
    if flags & 0x0c == 0x08
        && let Some(name) = at.0.get(10..).and_then(|rest| rest.split(|byte| *byte == 0).next())
    {
        let name = name.get(..128).unwrap_or(name);
        let _ = write!(out, ", was \"{}\"", name.escape_ascii());
    }
    match at.u8(8) {
        Some(2) => out.push_str(", max compression"),
        Some(4) => out.push_str(", max speed"),
        _ => {}
    }
    out.push_str(match at.u8(9) {
        Some(0) => ", from FAT filesystem (MS-DOS, OS/2, NT)",
        Some(3) => ", from Unix",
        Some(7) => ", from MacOS",
        Some(10) => ", from NTFS filesystem (NT)",
        Some(11) => ", from NTFS filesystem (NT)",
        _ => "",
    });
    out
}

fn rtf(rest: &[u8]) -> String {
    let mut out = "Rich Text Format data".to_owned();
    if let Some(version @ b'0'..=b'9') = rest.first() {
        let _ = write!(out, ", version {}", char::from(*version));
    }
    let words = rest.get(1..).unwrap_or_default();
    if words.starts_with(b"\\ansi") {
        out.push_str(", ANSI");
    } else if words.starts_with(b"\\mac") {
        out.push_str(", Apple Macintosh");
    } else if words.starts_with(b"\\pc") {
        out.push_str(", IBM PC");
    } else {
        out.push_str(", unknown character set");
    }
    out
}

fn riff(at: &At<'_>) -> Option<String> {
    let kind = match at.0.get(8..12)? {
        b"WAVE" => "WAVE audio",
        b"AVI " => "AVI",
        b"WEBP" => "Web/P image",
        b"ACON" => "animated cursor",
        _ => return Some("RIFF (little-endian) data".to_owned()),
    };
    Some(format!("RIFF (little-endian) data, {kind}"))
}

fn bitmap(at: &At<'_>) -> Option<String> {
    let version = match at.u32(14, false)? {
        12 => "OS/2 1.x format",
        40 => "Windows 3.x format",
        64 => "OS/2 2.x format",
        108 => "Windows 95/NT4 and newer format",
        124 => "Windows 98/2000 and newer format",
        _ => return None,
    };
    let mut out = format!("PC bitmap, {version}");
    if let (Some(width), Some(height), Some(bits)) = (at.u32(18, false), at.u32(22, false), at.u16(28, false))
    {
        let _ = write!(out, ", {} x {} x {bits}", width.cast_signed(), height.cast_signed());
    }
    Some(out)
}

fn media(brand: &[u8]) -> String {
    let kind = match brand.get(..4).unwrap_or_default() {
        b"isom" => ", MP4 Base Media v1 [ISO 14496-12:2003]",
        b"iso2" => ", MP4 Base Media v2 [ISO 14496-12:2005]",
        b"mp41" => ", MP4 v1 [ISO 14496-1:ch13]",
        b"mp42" => ", MP4 v2 [ISO 14496-14]",
        b"qt  " => ", Apple QuickTime movie, Apple QuickTime (.MOV/QT)",
        b"M4A " => ", Apple iTunes ALAC/AAC-LC (.M4A) Audio",
        b"M4V " => ", Apple iTunes Video (.M4V) Video",
        b"heic" => ", HEIF Image HEVC Main or Main Still Picture Profile",
        b"avif" => ", AVIF Image",
        [b'3', b'g', ..] => ", MPEG v4 system, 3GPP",
        _ => "",
    };
    format!("ISO Media{kind}")
}
