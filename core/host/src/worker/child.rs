//! The worker itself: loads one plugin, and serves its parent's calls one at a time until the socket ends.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use nix::libc;
use parking_lot::Mutex;

use super::protocol::ask::{self, Hello};
use super::protocol::events::{put_end, put_event, take_asked};
use super::protocol::frame::{Head, frame};
use super::protocol::{Garbled, Put, Splitter, Tag, Take, answer};
use super::slot::wait;
use crate::error::{CreateError, PluginError};
use crate::events::Events;
use crate::hook::{CallHook, Op, Outcome, set_call_hook};
use crate::input::{FailureIn, HeadIn, RequestIn};
use crate::load::load_held;
use crate::log::{LogLevel, set_log};
use crate::plugin::Plugin;
use crate::policy::{History, PolicyInstance};
use crate::process::exit_at_once;
use crate::provider::{Limits, ProviderInstance};
use crate::sandbox;
use crate::stream::{Answer, Stream};
use crate::worker::protocol::events::MAX_ANSWERS;

/// sysexits.h: EX_USAGE, EX_PROTOCOL, EX_CONFIG, EX_OSERR.
const NOT_A_WORKER: i32 = 64;
const GARBLED: i32 = 76;
const REFUSED: i32 = 78;
const NOT_CONFINED: i32 = 71;

/// The way to the parent; log lines of any thread go there too.
static PARENT: OnceLock<Mutex<UnixStream>> = OnceLock::new();

thread_local! {
    static OUTCOME: Cell<Outcome> = const { Cell::new(Outcome::Ok) };
}

struct Outcomes;

impl CallHook for Outcomes {
    fn enter(&self, _: u32, _: Op) {}
    fn leave(&self, _: u32, _: Op, outcome: Outcome) {
        OUTCOME.set(outcome);
    }
}

/// Is a worker: `tidegate plugin-worker PARENT NAME`, with a socket as its standard input. It has to be called before
/// anything else of the program runs, and does not return.
pub fn run() -> ! {
    let parent = std::env::args().nth(2).and_then(|pid| pid.parse().ok());
    let code = serve(parent).map_or_else(|code| code, |()| 0);
    // No exit handler of the plugin runs: it could wait for ever.
    exit_at_once(code)
}

fn serve(parent: Option<u32>) -> Result<(), i32> {
    ignore_signals();
    // Where memory runs out, a plugin is to go before the program that it belongs to. Not every system has the file.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    // SAFETY: standard input is open from the start of the process, and nothing else here uses it.
    let mut socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(0) });
    let held = receive(&socket).map_err(|_| NOT_A_WORKER)?;
    let mut splitter = Splitter::default();
    let Some((head, payload)) = next(&mut socket, &mut splitter)? else { return Ok(()) };
    let hello = Hello::take(Take(payload));
    let answer_to = socket.try_clone().map_err(|_| NOT_A_WORKER)?;
    if PARENT.set(Mutex::new(answer_to)).is_err() {
        return Err(NOT_A_WORKER);
    }
    set_log(log);
    set_call_hook(&Outcomes);

    let hello = hello.map_err(|Garbled(why)| refuse(head, why, GARBLED))?;
    let limits = sandbox::Limits {
        memory: hello.memory,
        keep: kept(held.as_raw_fd()),
        readable: vec![hello.place.to_owned()],
        parent,
    };
    let mut applied = sandbox::before_load(&limits).map_err(|why| refuse(head, &why, NOT_CONFINED))?;
    let plugin =
        load_held(&place(&held, hello.place), hello.path).map_err(|why| refuse(head, &why, REFUSED))?;
    applied.merge(sandbox::after_load().map_err(|why| refuse(head, &why, NOT_CONFINED))?);
    // The loader has mapped it; the descriptor stays, so that its number is not another's.
    std::mem::forget(held);
    let level = if applied.missing.is_empty() { LogLevel::Debug } else { LogLevel::Warn };
    log("", level, &format!("its worker is confined: {applied}"));
    tell(&frame(head.id, head.tag, |put| put_about(put, &plugin)))?;
    let mut desk = Desk { plugin, kept: HashMap::new(), streams: HashMap::new(), events: Events::default() };
    while let Some((head, payload)) = next(&mut socket, &mut splitter)? {
        let mut reply = Put::default();
        OUTCOME.set(Outcome::Ok);
        desk.serve(head, payload, &mut reply).map_err(|_| GARBLED)?;
        tell(&frame(head.id, head.tag, |put| put.0.append(&mut reply.0)))?;
    }
    Ok(())
}

/// A service manager tells all processes of a service to end. The parent is to end its workers, once it has drained.
fn ignore_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// The descriptors that the worker goes on with, and those of its start in between.
fn kept(held: RawFd) -> Vec<RawFd> {
    let parent = PARENT.get().map(|socket| socket.lock().as_raw_fd());
    (0..=2).chain(parent).chain([held]).collect()
}

/// Where the loader finds what is held.
fn place(held: &OwnedFd, place: &Path) -> PathBuf {
    let by_descriptor = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    // Not there without /proc.
    if by_descriptor.exists() { by_descriptor } else { place.to_owned() }
}

/// Takes the descriptor that comes first.
fn receive(socket: &UnixStream) -> io::Result<OwnedFd> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    let mut byte = [0];
    let mut pieces = [io::IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(RawFd);
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut pieces, Some(&mut space), MsgFlags::empty())?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control
            && let [descriptor] = descriptors[..]
        {
            // SAFETY: the kernel has just made it for this message.
            return Ok(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// The next frame; `None` at the end.
fn next<'s>(socket: &mut UnixStream, splitter: &'s mut Splitter) -> Result<Option<(Head, &'s [u8])>, i32> {
    let mut buffer = [0; 64 * 1024];
    while !splitter.has_next().map_err(|_| GARBLED)? {
        match socket.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(read) => splitter.push(&buffer[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(None),
        }
    }
    splitter.next(|_| Ok(())).map_err(|_| GARBLED)
}

fn tell(frame: &[u8]) -> Result<(), i32> {
    let Some(parent) = PARENT.get() else { return Err(NOT_A_WORKER) };
    // Without a parent there is nothing to do.
    parent.lock().write_all(frame).map_err(|_| 0)
}

fn refuse(hello: Head, why: &str, code: i32) -> i32 {
    let refusal = frame(hello.id, hello.tag, |put| {
        put.u8(1).bytes(why.as_bytes());
    });
    tell(&refusal).map_or_else(|code| code, |()| code)
}

fn log(_: &str, level: LogLevel, message: &str) {
    // A line that does not reach a parent that is gone is lost with it.
    let _ = tell(&frame(0, Tag::Log, |put| {
        put.u32(level.number()).bytes(message.as_bytes());
    }));
}

fn put_about(put: &mut Put, plugin: &Plugin) {
    let about = plugin.about();
    put.u8(0).bytes(about.name.as_bytes()).bytes(about.version.as_bytes()).u32(about.minor);
    put.bytes(about.manifest_text.as_bytes());
    put.flag(about.offers.provider).flag(about.offers.policy).flag(about.offers.pick);
}

enum Kept {
    Provider(ProviderInstance),
    Policy(PolicyInstance),
}

/// What the worker has, by the parent's numbers.
struct Desk {
    plugin: Arc<Plugin>,
    kept: HashMap<u64, Kept>,
    streams: HashMap<u64, Stream>,
    events: Events,
}

const NO_INSTANCE: &str = "could not create the instance again, whose configuration it had taken before";
const NO_STREAM: &str = "has no such stream";

impl Desk {
    /// Serves one call.
    fn serve(&mut self, head: Head, payload: &[u8], reply: &mut Put) -> Result<(), Garbled> {
        let mut take = Take(payload);
        match head.tag {
            Tag::CreateProvider | Tag::CreatePolicy => {
                let (id, config) = (take.u64()?, take.bytes()?);
                let result = self.create(head.tag, config);
                match result {
                    Ok(instance) => {
                        self.kept.insert(id, instance);
                        answer::put(reply, OUTCOME.get(), Ok(()), |_, ()| {});
                    }
                    Err(CreateError::Config(why)) => answer::put_config(reply, OUTCOME.get(), &why),
                    Err(CreateError::Plugin(error)) => {
                        answer::put(reply, OUTCOME.get(), Err::<(), _>(error), |_, ()| {});
                    }
                }
            }
            Tag::Destroy => {
                self.kept.remove(&take.u64()?);
                answer::put(reply, OUTCOME.get(), Ok(()), |_, ()| {});
            }
            Tag::Request => {
                let (id, limit) = (take.u64()?, take.u64()? as usize);
                let ask::Request { input, headers } = ask::take_request(&mut take)?;
                let input = RequestIn { headers: &headers, ..input };
                let Some(provider) = self.provider(id, reply) else { return Ok(()) };
                let limits = Limits { request_body: limit, ..Limits::default() };
                let result = wait(provider.with_limits(limits).request(&input));
                answer::put(reply, OUTCOME.get(), result, |put, request| answer::put_upstream(put, &request));
            }
            Tag::Response => {
                let (id, limit) = (take.u64()?, take.u64()? as usize);
                let (input, headers) = ask::take_head(&mut take)?;
                let (input, body) = (HeadIn { headers: &headers, ..input }, take.bytes()?);
                let Some(provider) = self.provider(id, reply) else { return Ok(()) };
                let limits = Limits { response_body: limit, ..Limits::default() };
                let result = wait(provider.with_limits(limits).response(&input, body));
                answer::put(reply, OUTCOME.get(), result, |put, reply| answer::put_reply(put, &reply));
            }
            Tag::Classify => {
                let id = take.u64()?;
                let (failure, headers, default) = ask::take_failure(&mut take)?;
                let failure = FailureIn { headers: &headers, ..failure };
                let Some(provider) = self.provider(id, reply) else { return Ok(()) };
                let result = wait(provider.classify(&failure, default));
                answer::put(reply, OUTCOME.get(), result, |put, class| answer::put_classified(put, &class));
            }
            Tag::Open => {
                let (id, stream) = (take.u64()?, take.u64()?);
                let (input, headers) = ask::take_head(&mut take)?;
                let input = HeadIn { headers: &headers, ..input };
                let Some(provider) = self.provider(id, reply) else { return Ok(()) };
                let result = wait(provider.open(&input)).map(|open| drop(self.streams.insert(stream, open)));
                answer::put(reply, OUTCOME.get(), result, |_, ()| {});
            }
            Tag::Events => self.events(payload, reply)?,
            Tag::Close => {
                let (stream, why) = (take.u64()?, ask::take_close(&mut take)?);
                if let Some(stream) = self.streams.remove(&stream) {
                    stream.close(why);
                }
                answer::put(reply, OUTCOME.get(), Ok(()), |_, ()| {});
            }
            Tag::Decide | Tag::Pick => {
                let id = take.u64()?;
                let (history, attempts, targets) = ask::take_history(&mut take)?;
                let history = History { attempts: &attempts, targets: &targets, ..history };
                let Some(Kept::Policy(policy)) = self.kept.get(&id) else {
                    answer::put_gone(reply, NO_INSTANCE);
                    return Ok(());
                };
                match head.tag {
                    Tag::Decide => {
                        let result = wait(policy.decide(&history));
                        answer::put(reply, OUTCOME.get(), result, answer::put_action);
                    }
                    _ => {
                        let result = wait(policy.pick(&history));
                        answer::put(reply, OUTCOME.get(), result, answer::put_pick);
                    }
                }
            }
            Tag::Hello | Tag::Log => return Err(Garbled("that was not to be asked")),
        }
        Ok(())
    }

    fn create(&self, tag: Tag, config: &[u8]) -> Result<Kept, CreateError> {
        let config = serde_json::from_slice(config).map_err(|e| CreateError::Config(e.to_string()))?;
        let lacks = || CreateError::Config("the plugin has no such table".to_owned());
        Ok(match tag {
            Tag::CreateProvider => Kept::Provider(self.plugin.provider().ok_or_else(lacks)?.create(&config)?),
            _ => Kept::Policy(self.plugin.policy().ok_or_else(lacks)?.create(&config)?),
        })
    }

    fn provider(&self, id: u64, reply: &mut Put) -> Option<ProviderInstance> {
        match self.kept.get(&id) {
            Some(Kept::Provider(provider)) => Some(provider.clone()),
            _ => {
                answer::put_gone(reply, NO_INSTANCE);
                None
            }
        }
    }

    /// Answers the events of one upstream read, up to the first that ends the matter.
    fn events(&mut self, payload: &[u8], reply: &mut Put) -> Result<(), Garbled> {
        let asked = take_asked(payload)?;
        let Some(stream) = self.streams.get_mut(&asked.stream) else {
            super::protocol::events::put_gone(reply, asked.events.is_empty(), NO_STREAM);
            return Ok(());
        };
        let (out, mut end) = (&mut self.events, asked.end);
        for (name, data, stray) in asked.events {
            OUTCOME.set(Outcome::Ok);
            let mut result = stream.event(name, data, stray, out);
            if reply.0.len() > MAX_ANSWERS {
                out.clear();
                result = Err(PluginError::Limit(self.plugin.whence(Op::StreamEvent)));
            }
            let goes_on = matches!(result, Ok(Answer::Pass | Answer::Done));
            put_event(reply, OUTCOME.get(), result, out);
            if !goes_on {
                return Ok(());
            }
            if out.is_done() {
                end = true;
                break;
            }
        }
        if end {
            OUTCOME.set(Outcome::Ok);
            let result = stream.end(out);
            put_end(reply, OUTCOME.get(), result, out);
        }
        Ok(())
    }
}
