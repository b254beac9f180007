//! Programs: PE and MS-DOS, ELF, Mach-O, Java, Dalvik, WebAssembly.

use std::fmt::Write as _;

use super::At;

/// Section headers and program headers looked at.
const HEADERS_MAX: usize = 32;

pub(super) fn describe(head: &[u8]) -> Option<String> {
    let at = At(head);
    match head {
        [b'M', b'Z', ..] => Some(pe(&at).unwrap_or_else(|| "MS-DOS executable".to_owned())),
        [0x7f, b'E', b'L', b'F', ..] => Some(elf(&at)),
        [0xca, 0xfe, 0xba, 0xbe, ..] => java_or_fat(&at),
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => mach(&at),
        [b'd', b'e', b'x', b'\n', a, b, c, 0, ..] => {
            Some(format!("Dalvik dex file version {}{}{}", char::from(*a), char::from(*b), char::from(*c)))
        }
        [0, b'a', b's', b'm', version, ..] => {
            let kind = if *version == 1 { " (MVP)" } else { "" };
            Some(format!("WebAssembly (wasm) binary module version {version:#x}{kind}"))
        }
        _ => None,
    }
}

/// `None` when the header of Windows is not there (yet): then it is a program of MS-DOS.
fn pe(at: &At<'_>) -> Option<String> {
    let header = at.u32(0x3c, false)? as usize;
    if !at.starts(header, b"PE\0\0") {
        let other = match at.0.get(header..)?.get(..2)? {
            b"NE" => "MS-DOS executable, NE for MS Windows 3.x",
            b"LE" => "MS-DOS executable, LE executable for MS Windows (VxD)",
            b"LX" => "MS-DOS executable, LX for OS/2",
            _ => return None,
        };
        return Some(other.to_owned());
    }
    let machine = at.u16(header + 4, false)?;
    let sections = at.u16(header + 6, false)?;
    let optional_len = usize::from(at.u16(header + 20, false)?);
    let characteristics = at.u16(header + 22, false)?;
    let optional = header + 24;
    let (name, directories) = match at.u16(optional, false)? {
        0x10b => ("PE32", optional + 96),
        0x20b => ("PE32+", optional + 112),
        0x107 => ("PE32 ROM image", optional),
        _ => ("PE Unknown PE signature", optional),
    };
    let mut out = format!("{name} executable");
    if characteristics & 0x2000 != 0 {
        out.push_str(" (DLL)");
    }
    out.push_str(match at.u16(optional + 68, false)? {
        1 => " (native)",
        2 => " (GUI)",
        3 => " (console)",
        7 => " (POSIX)",
        9 => " (Windows CE)",
        10 => " (EFI application)",
        11 => " (EFI boot service driver)",
        12 => " (EFI runtime driver)",
        13 => " (EFI ROM)",
        14 => " (XBOX)",
        16 => " (Windows boot application)",
        _ => "",
    });
    out.push_str(match machine {
        0x14c => " Intel 80386",
        0x8664 => " x86-64",
        0x1c0 => " ARM",
        0x1c2 => " ARM Thumb",
        0x1c4 => " ARMv7 Thumb",
        0xaa64 => " Aarch64",
        0x200 => " Intel Itanium",
        0x184 => " Alpha",
        0x166 => " MIPS R4000",
        0x1f0 => " PowerPC",
        0x5032 => " RISC-V 32-bit",
        0x5064 => " RISC-V 64-bit",
        0xebc => " EFI byte code",
        _ => "",
    });
    // the directory of .NET
    if at.u32(directories + 14 * 8, false).is_some_and(|address| address > 0) {
        out.push_str(" Mono/.Net assembly");
    }
    if characteristics & 0x0200 != 0 {
        out.push_str(" (stripped to external PDB)");
    }
    out.push_str(", for MS Windows");
    for nth in 0..usize::from(sections).min(HEADERS_MAX) {
        if at.starts(optional + optional_len + nth * 40, b"UPX0") {
            out.push_str(", UPX compressed");
            break;
        }
    }
    let _ = write!(out, ", {sections} sections");
    Some(out)
}

fn elf(at: &At<'_>) -> String {
    let wide = at.u8(4) == Some(2);
    let big = at.u8(5) == Some(2);
    let mut out = "ELF".to_owned();
    out.push_str(match at.u8(4) {
        Some(1) => " 32-bit",
        Some(2) => " 64-bit",
        _ => " unknown class",
    });
    out.push_str(match at.u8(5) {
        Some(1) => " LSB",
        Some(2) => " MSB",
        _ => "",
    });
    let Some(kind) = at.u16(16, big) else { return out };
    let (linked, interpreter) = segments(at, wide, big);
    out.push_str(match kind {
        1 => " relocatable",
        2 => " executable",
        // a program that may be loaded anywhere names who loads it
        3 if interpreter.is_some() => " pie executable",
        3 => " shared object",
        4 => " core file",
        _ => "",
    });
    if let Some(machine) = at.u16(18, big) {
        out.push_str(match machine {
            2 | 18 => ", SPARC",
            3 => ", Intel 80386",
            4 => ", Motorola m68k",
            8 => ", MIPS",
            20 => ", PowerPC or cisco 4500",
            21 => ", 64-bit PowerPC or cisco 7500",
            22 => ", IBM S/390",
            40 => ", ARM",
            42 => ", Renesas SH",
            50 => ", IA-64",
            62 => ", x86-64",
            183 => ", ARM aarch64",
            243 => ", UCB RISC-V",
            258 => ", LoongArch",
            _ => ", unknown arch",
        });
    }
    if let Some(version) = at.u32(20, big) {
        let _ = write!(out, ", version {version}");
    }
    out.push_str(match at.u8(7) {
        Some(0) => " (SYSV)",
        Some(1) => " (HP-UX)",
        Some(2) => " (NetBSD)",
        Some(3) => " (GNU/Linux)",
        Some(6) => " (Solaris)",
        Some(9) => " (FreeBSD)",
        Some(12) => " (OpenBSD)",
        Some(97) => " (ARM)",
        _ => "",
    });
    if matches!(kind, 2 | 3) {
        out.push_str(if linked { ", dynamically linked" } else { ", statically linked" });
        if let Some(interpreter) = interpreter {
            let _ = write!(out, ", interpreter {}", interpreter.escape_ascii());
        }
    }
    out
}

/// Whether an ELF file is linked as it is loaded, and by whom.
fn segments<'b>(at: &At<'b>, wide: bool, big: bool) -> (bool, Option<&'b [u8]>) {
    let find = || {
        let (start, size, count) = match wide {
            true => (usize::try_from(at.u64(32, big)?).ok()?, at.u16(54, big)?, at.u16(56, big)?),
            false => (at.u32(28, big)? as usize, at.u16(42, big)?, at.u16(44, big)?),
        };
        let (mut linked, mut interpreter) = (false, None);
        for nth in 0..usize::from(count).min(HEADERS_MAX) {
            let header = start.checked_add(nth * usize::from(size))?;
            match at.u32(header, big) {
                Some(2) => linked = true,
                Some(3) => {
                    let (from, len) = match wide {
                        true => (at.u64(header + 8, big)?, at.u64(header + 32, big)?),
                        false => (u64::from(at.u32(header + 4, big)?), u64::from(at.u32(header + 16, big)?)),
                    };
                    let from = usize::try_from(from).ok()?;
                    let text = at.0.get(from..from.checked_add(usize::try_from(len).ok()?)?);
                    interpreter = text.and_then(|text| text.split(|byte| *byte == 0).next());
                }
                Some(_) => {}
                None => break,
            }
        }
        Some((linked, interpreter))
    };
    find().unwrap_or((false, None))
}

fn java_or_fat(at: &At<'_>) -> Option<String> {
    let number = at.u32(4, true)?;
    // one number says how many architectures, the other the version: the smallest version is 43
    if number < 43 {
        return Some(format!("Mach-O universal binary with {number} architectures"));
    }
    let (minor, major) = (number >> 16, number & 0xffff);
    let name = match major {
        45 => "Java 1.1".to_owned(),
        46..=48 => format!("Java 1.{}", major - 44),
        49..=52 => format!("Java 1.{}", major - 44),
        53..=80 => format!("Java SE {}", major - 44),
        _ => return Some(format!("compiled Java class data, version {major}.{minor}")),
    };
    Some(format!("compiled Java class data, version {major}.{minor} ({name})"))
}

fn mach(at: &At<'_>) -> Option<String> {
    let big = at.u8(0)? == 0xfe;
    let wide = at.u32(0, big)? & 1 == 1;
    let machine = match at.u32(4, big)? & 0x00ff_ffff {
        7 if wide => "x86_64",
        7 => "i386",
        12 if wide => "arm64",
        12 => "arm",
        18 if wide => "ppc64",
        18 => "ppc",
        _ => "unknown",
    };
    let kind = match at.u32(12, big)? {
        1 => "object",
        2 => "executable",
        6 => "dynamically linked shared library",
        8 => "bundle",
        _ => "file",
    };
    Some(format!("Mach-O {}{machine} {kind}", if wide { "64-bit " } else { "" }))
}
