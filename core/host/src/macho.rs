//! Just enough of Mach-O (`mach-o/loader.h`): is it a whole dynamic library for this machine, and its strings.

use crate::library::{Fields, TRUNCATED};

const MAGIC_64: u32 = 0xfeed_facf;
const MAGIC_FAT: [u8; 4] = [0xca, 0xfe, 0xba, 0xbe];
const MH_DYLIB: u32 = 6;
const MH_BUNDLE: u32 = 8;
const LC_SYMTAB: u32 = 2;
const LC_SEGMENT_64: u32 = 0x19;
const HEADER: u64 = 32;

const MACHINES: [(u32, &str); 2] = [(0x0100_0007, "x86_64"), (0x0100_000c, "aarch64")];

pub(crate) fn is_macho(file: &[u8]) -> bool {
    Fields(file).u32(0) == Some(MAGIC_64) || file.starts_with(&MAGIC_FAT)
}

/// The string table of its symbols (of a universal file: all of it, the system's loader picks the part); the error
/// is a clause whose subject is the file.
pub(crate) fn strings(file: &[u8]) -> Result<&[u8], String> {
    if file.starts_with(&MAGIC_FAT) {
        return Ok(file);
    }
    let f = Fields(file);
    let cpu = f.u32(4).ok_or(TRUNCATED)?;
    let name = MACHINES.iter().find(|(number, _)| *number == cpu).map(|(_, name)| *name);
    if name != Some(std::env::consts::ARCH) {
        let built_for = name.map_or_else(|| format!("machine {cpu}"), str::to_owned);
        return Err(format!("it is built for {built_for}, and this is {}", std::env::consts::ARCH));
    }
    if !matches!(f.u32(12).ok_or(TRUNCATED)?, MH_DYLIB | MH_BUNDLE) {
        return Err("it is not a shared library: another kind of Mach-O file".to_owned());
    }
    symbols(f).ok_or_else(|| TRUNCATED.to_owned())
}

/// Walks the load commands; `None` when the file ends before what one of them says.
fn symbols(f: Fields<'_>) -> Option<&[u8]> {
    let (count, size) = (f.u32(16)?, f.u32(20)?);
    let mut commands = Fields(f.bytes(HEADER, size.into())?);
    let mut strings: &[u8] = &[];
    for _ in 0..count {
        let (kind, length) = (commands.u32(0)?, commands.u32(4)?);
        match kind {
            LC_SYMTAB => strings = f.bytes(commands.u32(16)?.into(), commands.u32(20)?.into())?,
            LC_SEGMENT_64 => {
                f.bytes(commands.u64(40)?, commands.u64(48)?)?;
            }
            _ => {}
        }
        // A length of 0 would stand still: `count` bounds the loop all the same.
        commands = Fields(commands.0.get(length as usize..)?);
    }
    Some(strings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::entry_majors;

    /// A dylib for this machine with one symbol table and nothing else.
    fn sample(kind: u32, strings: &[u8]) -> Vec<u8> {
        let cpu = MACHINES.iter().find(|(_, name)| *name == std::env::consts::ARCH).map_or(0, |(n, _)| *n);
        let head = [MAGIC_64, cpu, 0, kind, 1, 24, 0, 0];
        let symtab = [LC_SYMTAB, 24, 0, 0, 56, strings.len() as u32];
        let mut file: Vec<u8> = head.iter().chain(&symtab).flat_map(|word| word.to_le_bytes()).collect();
        file.extend_from_slice(strings);
        file
    }

    #[test]
    fn a_dylib_tells_its_majors_and_a_cut_one_is_truncated() {
        let file = sample(MH_DYLIB, b"\0_tidegate_plugin_entry_v1\0_malloc\0");
        assert_eq!(entry_majors(&file), Ok(vec![1]));
        for len in [5, 20, 40, file.len() - 1] {
            assert_eq!(entry_majors(&file[..len]).unwrap_err(), TRUNCATED, "cut to {len}");
        }
        assert!(entry_majors(&sample(2, b"")).unwrap_err().contains("another kind"));
    }
}
