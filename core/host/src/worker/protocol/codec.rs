//! Fields of a payload: integers, and bytes led by their length. Reading has no way to panic or to allocate.

/// Bytes that are no payload of ours. A clause that says what is wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Garbled(pub(crate) &'static str);

const SHORT: Garbled = Garbled("a frame ends within a field");

/// Writes fields.
#[derive(Debug, Default)]
pub(crate) struct Put(pub(crate) Vec<u8>);

impl Put {
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn flag(&mut self, value: bool) -> &mut Self {
        self.u8(value.into())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Bytes over 4 GiB are cut in their length alone, and then nobody can read the frame; a frame's own cap is far
    /// below that.
    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.u32(value.len() as u32);
        self.0.extend_from_slice(value);
        self
    }

    /// A number that is written later, with [`Put::fill`]; the answer is where.
    pub(crate) fn gap(&mut self) -> usize {
        self.u32(0);
        self.0.len() - 4
    }

    pub(crate) fn fill(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// Reads fields, in the order in which they were written.
#[derive(Debug, Clone)]
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl<'a> Take<'a> {
    fn some(&mut self, count: usize) -> Result<&'a [u8], Garbled> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Garbled> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Garbled> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Garbled("a flag is neither 0 nor 1")),
        }
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Garbled> {
        u16::try_from(self.u32()?).map_err(|_| Garbled("a number is too large for its field"))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Garbled> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Garbled> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Garbled> {
        let len = self.u32()?;
        self.some(usize::try_from(len).map_err(|_| SHORT)?)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Garbled> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Garbled("a text is not UTF-8"))
    }

    /// A number of items of at least `least` bytes each: never more than what is left can hold, so that it can be
    /// allocated for.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, Garbled> {
        let count = self.u32()? as usize;
        match count.checked_mul(least.max(1)) {
            Some(bytes) if bytes <= self.0.len() => Ok(count),
            _ => Err(Garbled("a list is longer than its frame")),
        }
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), Garbled> {
        if self.0.is_empty() { Ok(()) } else { Err(Garbled("a frame has more bytes than fields")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_order() {
        let mut put = Put::default();
        put.u8(7).flag(true).u32(70_000).u64(u64::MAX).bytes(b"abc").bytes("ä".as_bytes());
        let mut take = Take(&put.0);
        assert_eq!((take.u8(), take.flag(), take.u32()), (Ok(7), Ok(true), Ok(70_000)));
        assert_eq!((take.u64(), take.bytes(), take.text()), (Ok(u64::MAX), Ok(&b"abc"[..]), Ok("ä")));
        assert_eq!(take.end(), Ok(()));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let mut put = Put::default();
        put.bytes(b"abc");
        for cut in 0..put.0.len() {
            assert_eq!(Take(&put.0[..cut]).bytes(), Err(SHORT), "{cut}");
        }
        assert_eq!(Take(&[0xff, 0xff, 0xff, 0xff, 1]).bytes(), Err(SHORT), "a length beyond the frame");
        assert!(Take(&[0xff, 0xff, 0xff, 0xff, 1]).count(8).is_err(), "and a count");
        assert!(Take(&[2, 0, 0, 0, 1]).count(0).is_err());
        assert!(Take(&[2]).flag().is_err());
        assert!(Take(&[1, 0, 0, 0, 0xff]).text().is_err());
        assert!(Take(&[0, 0, 1, 0]).u16().is_err());
        assert!(Take(&[1]).end().is_err());
    }
}
