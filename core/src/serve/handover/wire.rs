//! The pair of sockets between both processes: a line of JSON for each message, the first with descriptors.

use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Read, Result, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the longest line: a configuration's report may be in it.
const LONGEST: usize = 64 << 10;

/// Descriptors of one message.
const SOCKETS: usize = 2;

/// One end.
#[derive(Debug)]
pub(super) struct Wire(UnixStream);

impl Wire {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self(socket)
    }

    /// Sends a message.
    pub(super) fn say(&self, message: &impl Serialize) -> Result<()> {
        (&self.0).write_all(&line(message)?)
    }

    /// Sends a message with descriptors.
    pub(super) fn say_with(
        &self,
        message: &impl Serialize,
        sockets: [BorrowedFd<'_>; SOCKETS],
    ) -> Result<()> {
        let line = line(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
            return Err(ErrorKind::OutOfMemory.into());
        }
        let sent = sendmsg(&self.0, &[IoSlice::new(&line)], &mut control, SendFlags::empty())?;
        (&self.0).write_all(line.get(sent..).unwrap_or_default())
    }

    /// The next message; `UnexpectedEof`: the other end is gone. Whoever hears waits at most `limit`.
    pub(super) fn hear<T: DeserializeOwned>(&self, limit: Duration) -> Result<T> {
        let until = Instant::now() + limit;
        let (mut line, mut byte) = (Vec::new(), [0]);
        // Byte after byte, for a handful of short lines: what follows a line stays where it is.
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || line.len() > LONGEST {
                return Err(ErrorKind::TimedOut.into());
            }
            self.0.set_read_timeout(Some(left))?;
            match (&self.0).read(&mut byte) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) if byte == *b"\n" => return Ok(serde_json::from_slice(&line)?),
                Ok(_) => line.extend(byte),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the other end is closed within `limit`; what it says until then is dropped.
    pub(super) fn closes(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut dropped = [0; 1024];
        loop {
            // One look at least: zero would be for ever.
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            if self.0.set_read_timeout(Some(left)).is_err() {
                return false;
            }
            match (&self.0).read(&mut dropped) {
                Ok(0) => return true,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return true,
                Err(error) if error.kind() != ErrorKind::Interrupted => return false,
                Ok(_) | Err(_) if Instant::now() >= until => return false,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// The first message, with the descriptors that came with its first byte.
    pub(super) fn hear_with<T: DeserializeOwned>(&self, limit: Duration) -> Result<(T, Vec<OwnedFd>)> {
        self.0.set_read_timeout(Some(limit))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 1];
        let read =
            recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::empty())?.bytes;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut sockets = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                sockets.extend(descriptors);
            }
        }
        for socket in &sockets {
            // Not for the processes that are started here.
            fcntl_setfd(socket, FdFlags::CLOEXEC)?;
        }
        // `{`, which every message begins with.
        if bytes != *b"{" {
            return Err(Error::new(ErrorKind::InvalidData, "it does not begin as a message does"));
        }
        let rest = self.rest(limit)?;
        Ok((serde_json::from_slice(&[&bytes[..], &rest].concat())?, sockets))
    }

    fn rest(&self, limit: Duration) -> Result<Vec<u8>> {
        self.0.set_read_timeout(Some(limit))?;
        let (mut line, mut byte) = (Vec::new(), [0]);
        while line.len() < LONGEST {
            (&self.0).read_exact(&mut byte)?;
            if byte == *b"\n" {
                return Ok(line);
            }
            line.extend(byte);
        }
        Err(ErrorKind::InvalidData.into())
    }
}

fn line(message: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn sockets_arrive_with_their_message_and_are_closed_on_exec() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (ours, theirs) = (Wire::new(ours), Wire::new(theirs));
        let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = sockets.each_ref().map(|socket| socket.local_addr().unwrap().port());
        ours.say_with(&serde_json::json!({"n": 1}), sockets.each_ref().map(AsFd::as_fd)).unwrap();
        ours.say(&serde_json::json!({"n": 2})).unwrap();
        drop(sockets);
        let (first, got): (serde_json::Value, _) = theirs.hear_with(SOON).unwrap();
        let second: serde_json::Value = theirs.hear(SOON).unwrap();
        assert_eq!((first["n"].as_u64(), second["n"].as_u64()), (Some(1), Some(2)));
        for socket in &got {
            assert!(rustix::io::fcntl_getfd(socket).unwrap().contains(FdFlags::CLOEXEC));
        }
        let got: Vec<u16> =
            got.into_iter().map(|fd| TcpListener::from(fd).local_addr().unwrap().port()).collect();
        assert_eq!(got, ports);
    }

    #[test]
    fn an_end_and_a_silence_are_told_apart() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let wire = Wire::new(ours);
        let silent = wire.hear::<u32>(Duration::from_millis(20)).unwrap_err();
        assert_eq!(silent.kind(), ErrorKind::TimedOut);
        (&theirs).write_all(b"more\n").unwrap();
        assert!(!wire.closes(Duration::from_millis(20)), "it only speaks");
        drop(theirs);
        assert!(wire.closes(SOON) && wire.closes(Duration::ZERO));
        assert_eq!(wire.hear::<u32>(SOON).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
