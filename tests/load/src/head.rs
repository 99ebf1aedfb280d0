//! The head of an HTTP/1.1 message, as much of it as a benchmark needs: the start line, how the body is framed,
//! and whether the connection stays open.

/// A head longer than this is refused.
const MAX_HEAD: usize = 64 * 1024;

/// How the body after a head ends (RFC 9112 section 6.3; the read-until-close form is refused, because it
/// cannot tell a whole answer from a cut one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Neither header was present.
    Absent,
}

/// A parsed head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    /// `POST /v1/chat/completions HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub(crate) start_line: &'a [u8],
    /// How the body ends.
    pub(crate) framing: Framing,
    /// `Connection: close` was asked for.
    pub(crate) close: bool,
    /// Bytes of the head, the empty line included.
    pub(crate) len: usize,
}

impl Head<'_> {
    /// The status code of a response head.
    pub(crate) fn status(&self) -> Result<u16, String> {
        let code = self.start_line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
        code.and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| code.parse().ok()).ok_or_else(
            || format!("not a HTTP/1.1 status line: {}", String::from_utf8_lossy(self.start_line)),
        )
    }
}

/// Reads a head from the front of `input`. `Ok(None)` means that more bytes are needed.
pub(crate) fn parse(input: &[u8]) -> Result<Option<Head<'_>>, String> {
    let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else {
        return if input.len() > MAX_HEAD {
            Err(format!("a head of over {MAX_HEAD} bytes"))
        } else {
            Ok(None)
        };
    };
    // The first of the two line ends belongs to the last line.
    let mut rest = &input[..end + 2];
    let start_line = take_line(&mut rest);
    let mut head = Head { start_line, framing: Framing::Absent, close: false, len: end + 4 };
    while !rest.is_empty() {
        let line = take_line(&mut rest);
        let colon = memchr::memchr(b':', line)
            .ok_or_else(|| format!("a header line without a colon: {}", String::from_utf8_lossy(line)))?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            head.framing = Framing::Length(length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(format!("transfer-encoding {} is not spoken", String::from_utf8_lossy(value)));
            }
            head.framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case(b"connection") {
            head.close = value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok(Some(head))
}

fn take_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = memchr::memmem::find(rest, b"\r\n").unwrap_or(rest.len());
    let line = &rest[..end];
    *rest = rest.get(end + 2..).unwrap_or_default();
    line
}

fn length(value: &[u8]) -> Result<u64, String> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| format!("content-length {} is not a number", String::from_utf8_lossy(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_length_chunked_and_close() {
        let head = parse(b"HTTP/1.1 200 OK\r\nContent-Length:  42 \r\nX: y\r\n\r\nrest")
            .unwrap()
            .expect("a whole head");
        assert_eq!(head.framing, Framing::Length(42));
        assert_eq!(head.status(), Ok(200));
        assert_eq!((head.close, head.len), (false, 47));

        let head = parse(b"HTTP/1.1 429 Too Many\r\ntransfer-encoding: CHUNKED\r\nconnection: Close\r\n\r\n")
            .unwrap()
            .expect("a whole head");
        assert_eq!((head.framing, head.close, head.status()), (Framing::Chunked, true, Ok(429)));
    }

    #[test]
    fn waits_for_the_empty_line() {
        let whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(parse(whole).unwrap().expect("whole").framing, Framing::Absent);
    }

    #[test]
    fn refuses_what_it_cannot_frame() {
        for bad in [
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(&vec![b'a'; MAX_HEAD + 1]).is_err());
        assert!(parse(b"HTTP/2 200 OK\r\n\r\n").unwrap().expect("whole").status().is_err());
    }
}
