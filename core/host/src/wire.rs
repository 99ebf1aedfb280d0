//! Reads what a plugin hands over, within what the contract allows.

use tidegate_plugin_abi::Str;

/// No struct or table of any minor is near this size: a larger one is garbage.
const SIZE_CAP: u32 = 64 * 1024;

/// Lends `bytes` to a plugin for one call.
pub(crate) fn lend(bytes: &[u8]) -> Str {
    Str::lend(bytes)
}

/// The bytes of a `tg_str`; `None` when it cannot be one (null with a length, or longer than memory can be).
///
/// # Safety
/// When `s.ptr` is not null it must point to `s.len` bytes that live and do not change during `'a`.
pub(crate) unsafe fn bytes<'a>(s: Str) -> Option<&'a [u8]> {
    if s.len == 0 {
        return Some(&[]);
    }
    if s.ptr.is_null() || s.len > isize::MAX as usize {
        return None;
    }
    // SAFETY: not null, not too long, and the caller vouches for the rest.
    Some(unsafe { std::slice::from_raw_parts(s.ptr, s.len) })
}

/// Why a struct could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Null,
    Misaligned,
    Size(u32),
}

/// Copies a struct that is led by its `u32` size. What lies beyond that size (the writer's minor is older) is zero;
/// what lies beyond `T` (it is newer) is not read.
///
/// # Safety
/// `ptr` must be null or point to a struct of the contract whose first field is its true size; all-zero bytes must
/// be a valid `T`, and `T` must not need to be dropped.
pub(crate) unsafe fn sized<T>(ptr: *const T) -> Result<T, Unreadable> {
    if ptr.is_null() {
        return Err(Unreadable::Null);
    }
    if !ptr.is_aligned() {
        return Err(Unreadable::Misaligned);
    }
    // SAFETY: every such struct begins with its size, and `ptr` is aligned for more than a u32.
    let size = unsafe { ptr.cast::<u32>().read() };
    if !(8..=SIZE_CAP).contains(&size) {
        return Err(Unreadable::Size(size));
    }
    let mut copy = std::mem::MaybeUninit::<T>::zeroed();
    let known = (size as usize).min(size_of::<T>());
    // SAFETY: `known` bytes lie within both; the rest of `copy` is zero, which the caller says is a valid T.
    unsafe {
        std::ptr::copy_nonoverlapping(ptr.cast::<u8>(), copy.as_mut_ptr().cast::<u8>(), known);
        Ok(copy.assume_init())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Grown {
        size: u32,
        a: u32,
        b: u64,
    }

    #[test]
    fn an_older_struct_reads_with_zeros_and_a_newer_one_is_cut() {
        let read = |size| {
            let given = Grown { size, a: 7, b: 9 };
            // SAFETY: `given` has at least `size` bytes in the cases that are read.
            unsafe { sized(&raw const given) }
        };
        assert_eq!(read(8), Ok(Grown { size: 8, a: 7, b: 0 }));
        assert_eq!(read(16), Ok(Grown { size: 16, a: 7, b: 9 }));
        assert_eq!(read(24), Ok(Grown { size: 24, a: 7, b: 9 }));
        assert_eq!(read(4), Err(Unreadable::Size(4)));
        assert_eq!(read(u32::MAX), Err(Unreadable::Size(u32::MAX)));
    }

    #[test]
    fn a_null_string_with_a_length_is_refused() {
        // SAFETY: nothing is read through a null pointer.
        unsafe {
            assert_eq!(bytes(Str { ptr: std::ptr::null(), len: 3 }), None);
            assert_eq!(bytes(Str::EMPTY), Some(&[][..]));
        }
    }
}
