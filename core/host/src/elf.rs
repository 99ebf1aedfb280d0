//! Just enough of ELF (the System V gABI): is it a whole shared library for this machine, and its dynamic strings.

use crate::library::{Fields, TRUNCATED};

const ET_DYN: u16 = 3;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const PROGRAM_HEADER: u64 = 56;
const SECTION_HEADER: u64 = 64;

/// `e_machine` of the machines that Tidegate is built for.
const MACHINES: [(u16, &str); 5] =
    [(3, "x86"), (40, "arm"), (62, "x86_64"), (183, "aarch64"), (243, "riscv64")];

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    file_size: u64,
}

/// The string table that the dynamic symbols' names are in; the error is a clause whose subject is the file.
pub(crate) fn dynamic_strings(file: &[u8]) -> Result<&[u8], String> {
    let f = Fields(file);
    let class_and_order = f.bytes(4, 2).ok_or(TRUNCATED)?;
    let (Some(kind), Some(machine)) = (f.u16(16), f.u16(18)) else { return Err(TRUNCATED.into()) };
    let machine_name = MACHINES.iter().find(|(number, _)| *number == machine).map(|(_, name)| *name);
    if machine_name != Some(std::env::consts::ARCH) || class_and_order != [2, 1] {
        let built_for = machine_name.map_or_else(|| format!("machine {machine}"), str::to_owned);
        return Err(format!("it is built for {built_for}, and this is {}", std::env::consts::ARCH));
    }
    if kind != ET_DYN {
        return Err("it is not a shared library: another kind of ELF file".to_owned());
    }
    let segments = segments(f).ok_or(TRUNCATED)?;
    let dynamic = segments.iter().find(|s| s.kind == PT_DYNAMIC);
    let dynamic = dynamic.ok_or("it is not a shared library: it has no dynamic section")?;
    strings(f, dynamic, &segments).ok_or_else(|| "its dynamic section cannot be read".to_owned())
}

/// All segments; `None` when the file ends before one of them, or before its section headers, which stand last.
fn segments(f: Fields<'_>) -> Option<Vec<Segment>> {
    let (phoff, shoff) = (f.u64(32)?, f.u64(40)?);
    let (phentsize, phnum, shentsize, shnum) = (f.u16(54)?, f.u16(56)?, f.u16(58)?, f.u16(60)?);
    if u64::from(phentsize) != PROGRAM_HEADER || (shnum > 0 && u64::from(shentsize) != SECTION_HEADER) {
        return None;
    }
    f.bytes(shoff, u64::from(shnum) * SECTION_HEADER)?;
    (0..u64::from(phnum))
        .map(|i| {
            let at = phoff.checked_add(i * PROGRAM_HEADER)?;
            let segment = Segment {
                kind: f.u32(at)?,
                offset: f.u64(at.checked_add(8)?)?,
                address: f.u64(at.checked_add(16)?)?,
                file_size: f.u64(at.checked_add(32)?)?,
            };
            f.bytes(segment.offset, segment.file_size)?;
            Some(segment)
        })
        .collect()
}

fn strings<'a>(f: Fields<'a>, dynamic: &Segment, segments: &[Segment]) -> Option<&'a [u8]> {
    let entries = f.bytes(dynamic.offset, dynamic.file_size)?.chunks_exact(16);
    let value =
        |tag: u64| entries.clone().map(Fields).find(|e| e.u64(0) == Some(tag)).and_then(|entry| entry.u64(8));
    let (address, size) = (value(DT_STRTAB)?, value(DT_STRSZ)?);
    let home = segments.iter().find(|s| {
        s.kind == PT_LOAD && (s.address..s.address.saturating_add(s.file_size)).contains(&address)
    })?;
    f.bytes(home.offset.checked_add(address - home.address)?, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This very test program: a position-independent ELF file with a dynamic section, on Linux.
    fn sample() -> Option<Vec<u8>> {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        file.starts_with(b"\x7fELF").then_some(file)
    }

    #[test]
    fn a_whole_file_reads_and_each_cut_is_truncated() {
        let Some(file) = sample() else { return };
        assert!(dynamic_strings(&file).is_ok_and(|strings| strings.first() == Some(&0)));
        for len in [5, 17, 63, 64, 200, 4096, file.len() / 2, file.len() - 1] {
            assert_eq!(dynamic_strings(&file[..len]).unwrap_err(), TRUNCATED, "cut to {len}");
        }
    }

    #[test]
    fn a_cut_segment_is_seen_without_section_headers() {
        let Some(mut file) = sample() else { return };
        file[40..48].fill(0);
        file[60..62].fill(0);
        assert!(dynamic_strings(&file).is_ok(), "they are not needed to load it");
        assert_eq!(dynamic_strings(&file[..8192]).unwrap_err(), TRUNCATED);
    }

    #[test]
    fn another_machine_and_another_kind_are_named() {
        let Some(mut file) = sample() else { return };
        file[18] = if std::env::consts::ARCH == "aarch64" { 62 } else { 183 };
        let why = dynamic_strings(&file).unwrap_err();
        assert!(why.starts_with("it is built for ") && why.ends_with(std::env::consts::ARCH), "{why}");
        let mut file = sample().unwrap_or_default();
        file[16] = 2;
        assert!(dynamic_strings(&file).unwrap_err().contains("another kind"));
    }

    #[test]
    fn garbage_in_any_header_byte_is_an_answer_and_no_panic() {
        let Some(file) = sample() else { return };
        let mut head = file;
        for at in 0..1024 {
            let was = head[at];
            for value in [0, 0x7f, 0xff] {
                head[at] = value;
                let _ = dynamic_strings(&head);
            }
            head[at] = was;
        }
    }
}
