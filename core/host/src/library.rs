//! What a file is, read without running it: a library for this machine? which entry symbols does it export?

use crate::{elf, macho};

/// The entry symbol without the major.
const ENTRY_STEM: &[u8] = b"tidegate_plugin_entry_v";

/// The majors of the entry symbols that a library names, ascending; the error is a clause whose subject is the file.
pub(crate) fn entry_majors(file: &[u8]) -> Result<Vec<u32>, String> {
    let strings = match file {
        [0x7f, b'E', b'L', b'F', ..] => elf::dynamic_strings(file)?,
        _ if macho::is_macho(file) => macho::strings(file)?,
        _ => return Err("it is not a shared library".to_owned()),
    };
    let mut majors: Vec<u32> = strings.split(|&b| b == 0).filter_map(major).collect();
    majors.sort_unstable();
    majors.dedup();
    Ok(majors)
}

fn major(symbol: &[u8]) -> Option<u32> {
    // Mach-O puts an underscore before each C name.
    let symbol = symbol.strip_prefix(b"_").unwrap_or(symbol);
    std::str::from_utf8(symbol.strip_prefix(ENTRY_STEM)?).ok()?.parse().ok()
}

/// Reads integers of one endianness at offsets, with bounds.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(self, at: u64, len: u64) -> Option<&'a [u8]> {
        let end = at.checked_add(len)?;
        self.0.get(usize::try_from(at).ok()?..usize::try_from(end).ok()?)
    }

    pub(crate) fn u16(self, at: u64) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(at, 2)?.try_into().ok()?))
    }

    pub(crate) fn u32(self, at: u64) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(at, 4)?.try_into().ok()?))
    }

    pub(crate) fn u64(self, at: u64) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(at, 8)?.try_into().ok()?))
    }
}

/// The clause for a file that ends before its own tables say.
pub(crate) const TRUNCATED: &str = "it is truncated: it ends before its own headers say";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors_are_read_from_symbols() {
        assert_eq!(major(b"tidegate_plugin_entry_v1"), Some(1));
        assert_eq!(major(b"_tidegate_plugin_entry_v12"), Some(12));
        assert_eq!(major(b"tidegate_plugin_entry_v"), None);
        assert_eq!(major(b"tidegate_plugin_entry_v1_bis"), None);
    }

    #[test]
    fn text_is_no_library() {
        assert_eq!(entry_majors(b"#!/bin/sh\n").unwrap_err(), "it is not a shared library");
        assert_eq!(entry_majors(b"").unwrap_err(), "it is not a shared library");
    }
}
