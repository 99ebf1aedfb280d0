//! A plugin made with today's SDK on hosts of older minors, and of later ones: it reads what the host's sizes cover, takes
//! the rest as not said, and writes no further than it may.
//!
//! An older host is made of its released sizes: what it lends ends there, and garbage follows.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]
#![allow(unsafe_code, reason = "it is the host")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::null;

use tidegate_plugin_abi::{
    ABI_MINOR, ActionV1, AttemptV1, ClassV1, FailureInV1, HistoryInV1, RequestInV1, RequestOutV1, Status,
    Str, TargetV1, attempt, history, status, target,
};
use tidegate_plugin_sdk::__private::{policy_table, provider_table};
use tidegate_plugin_sdk::{
    Action, Class, Config, Dialect, End, EventIn, FailureIn, Fault, Flow, Framing, HeadIn, History, Host,
    Policy, Provider, RequestIn, RequestOut, Stream, StreamOut, TextOut,
};

const GARBAGE: u8 = 0xA5;

/// The sizes that a released minor's structs have.
fn sizes(minor: u32) -> BTreeMap<String, usize> {
    let path = format!("{}/../abi/tests/golden/v1.{minor}.numbers", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let sizes = text.lines().filter_map(|line| line.split_once(' ')).filter(|(name, _)| !name.contains('.'));
    sizes.filter_map(|(name, size)| Some((name.to_owned(), size.parse().ok()?))).collect()
}

/// The first `size` bytes of each value one after the other, `stride` bytes apart, and garbage everywhere else. `u64`s, for
/// the alignment.
fn laid_out<T>(values: &[T], size: usize, stride: usize) -> Vec<u64> {
    let mut bytes = vec![u64::from_ne_bytes([GARBAGE; 8]); (values.len() * stride + 512).div_ceil(8)];
    for (at, value) in values.iter().enumerate() {
        let count = size.min(size_of::<T>());
        // SAFETY: both have room for so many bytes; the structs are plain data.
        unsafe {
            let to = bytes.as_mut_ptr().cast::<u8>().add(at * stride);
            std::ptr::copy_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), to, count);
        }
    }
    bytes
}

/// Says what it was told.
struct Parrot;

thread_local! {
    static TOLD: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

impl Policy for Parrot {
    const PICKS: bool = true;

    fn create(_: &str, _: Host) -> Result<Self, String> {
        Ok(Parrot)
    }

    fn decide(&self, history: &History<'_>) -> Action {
        TOLD.set(format!("{history:?}"));
        Action::retry(1, 2).cooldown(3).reason(4)
    }
}

/// What the policy was told by a host with structs of these sizes, and its answer.
fn ask(flags: u32, target_flags: u32, sizes: &BTreeMap<String, usize>) -> (String, ActionV1) {
    ask_claiming(sizes["tg_history_in_v1"], flags, target_flags, sizes)
}

/// The same of a host that claims another size of the history than it fills.
fn ask_claiming(
    claimed: usize,
    flags: u32,
    target_flags: u32,
    sizes: &BTreeMap<String, usize>,
) -> (String, ActionV1) {
    let table = policy_table::<Parrot>();
    let mut inst = std::ptr::null_mut();
    // SAFETY: the SDK's table; a host that hears nothing and a sink that is not there are allowed.
    let created = unsafe { table.create.unwrap()(null(), Str::lend(b"{}"), null(), &raw mut inst) };
    assert_eq!(created, status::OK);
    let (of_attempt, of_target) = (sizes["tg_attempt_v1"], sizes["tg_target_v1"]);
    let attempts = laid_out(&[an_attempt(); 2], of_attempt, of_attempt);
    let targets = laid_out(&[a_target(target_flags); 2], of_target, of_target);
    let input = HistoryInV1 {
        size: claimed as u32,
        flags,
        now_ms: 1,
        deadline_ms: 2,
        seed: 3,
        attempts_left: 4,
        retry_tokens: 5,
        group: Str::lend(b"g"),
        options: Str::EMPTY,
        attempts: attempts.as_ptr().cast(),
        n_attempts: 2,
        attempt_stride: of_attempt,
        targets: targets.as_ptr().cast(),
        n_targets: 2,
        target_stride: of_target,
        prompt_tokens: 6,
    };
    let input = laid_out(&[input], sizes["tg_history_in_v1"], 512);
    let size = sizes["tg_action_v1"] as u32;
    let mut out = ActionV1 { size, action: 0, target: 0, reason: 0, delay_ms: 0, cooldown_ms: 0 };
    // SAFETY: all that is lent is as long as it says, and lives through the call.
    let answer = unsafe { table.decide.unwrap()(inst, input.as_ptr().cast(), &raw mut out) };
    assert_eq!(answer, status::OK);
    // SAFETY: made by `create`, destroyed once.
    unsafe { table.destroy.unwrap()(inst) };
    (TOLD.take(), out)
}

fn an_attempt() -> AttemptV1 {
    AttemptV1 {
        target: 1,
        error: 1,
        http_status: 429,
        flags: attempt::HAS_RETRY_AFTER,
        started_ms: 2,
        ended_ms: 3,
        retry_after_ms: 4,
        bytes_to_client: 5,
    }
}

fn a_target(flags: u32) -> TargetV1 {
    TargetV1 {
        id: Str::lend(b"id"),
        group: Str::lend(b"g"),
        weight: 1,
        order: 2,
        flags,
        inflight: 3,
        fails_minute: 4,
        oks_minute: 5,
        cooldown_ms: 6,
        latency_us: 7,
        fails_recent: 8,
        requests_minute: 9,
        tokens_minute: 10,
        answer_us: 11,
        input_cost: 12,
        output_cost: 13,
        total_us: 14,
    }
}

/// What a policy is to be told by a host of this minor.
fn expected(minor: u32) -> Vec<String> {
    let one =
        |since: u32, said: &str, not: &str| if minor >= since { said.to_owned() } else { not.to_owned() };
    vec![
        "now_ms: 1, deadline_ms: 2".to_owned(),
        "latency_us: 7,".to_owned(),
        one(
            1,
            "fails_recent: 8, requests_minute: 9, tokens_minute: 10, answer_us: 11",
            "fails_recent: 0, requests_minute: 0, tokens_minute: 0, answer_us: 0",
        ),
        one(
            2,
            "input_cost: Some(12), output_cost: Some(13), total_us: 14",
            "input_cost: None, output_cost: None, total_us: 0",
        ),
        one(2, "stream: Some(false), prompt_tokens: 6", "stream: None, prompt_tokens: 0"),
    ]
}

/// The flags of the history and of a target, as a host of this minor sets them.
fn flags(minor: u32) -> (u32, u32) {
    let known = target::HAS_INPUT_COST | target::HAS_OUTPUT_COST;
    if minor >= 2 { (history::WHOLE, target::UNAVAILABLE | known) } else { (0, target::UNAVAILABLE) }
}

#[test]
fn a_host_of_an_older_minor_says_less() {
    for minor in 0..=ABI_MINOR {
        let (of_history, of_target) = flags(minor);
        let (told, answer) = ask(of_history, of_target, &sizes(minor));
        for part in expected(minor) {
            assert!(told.contains(&part), "1.{minor}: no {part:?} in {told}");
        }
        assert_eq!((answer.action, answer.target, answer.delay_ms, answer.cooldown_ms), (1, 1, 2, 3));
    }
}

/// A host that claims more than it fills is believed: then the garbage is seen, so the test above would see it.
#[test]
fn what_lies_behind_a_size_is_garbage_here() {
    let (of_history, of_target) = flags(0);
    let (told, _) = ask_claiming(size_of::<HistoryInV1>(), of_history, of_target, &sizes(0));
    let garbage = u64::from_ne_bytes([GARBAGE; 8]);
    assert!(told.contains(&format!("prompt_tokens: {garbage}")), "{told}");
}

/// A host of a later minor has more, in each struct and between the elements of an array.
#[test]
fn a_host_of_a_later_minor_says_more_than_is_read() {
    let longer = sizes(ABI_MINOR).into_iter().map(|(name, size)| (name, size + 40)).collect();
    let (of_history, of_target) = flags(ABI_MINOR);
    let (told, answer) = ask(of_history | 1 << 31, of_target | 1 << 31, &longer);
    for part in expected(ABI_MINOR) {
        assert!(told.contains(&part), "no {part:?} in {told}");
    }
    assert_eq!(answer.size as usize, longer["tg_action_v1"], "the host's size is the host's");
}

impl Provider for Parrot {
    type Stream = Parrot;

    fn create(_: Config, _: Host) -> Result<Self, String> {
        Ok(Parrot)
    }

    fn request(&self, _: &RequestIn<'_>, out: &mut RequestOut<'_>) -> Result<(), Fault> {
        out.target("POST", "http://h")?;
        out.response(Dialect::OpenAiChat, Framing::Sse)
    }

    fn open(&self, _: &HeadIn<'_>) -> Result<Parrot, Fault> {
        Ok(Parrot)
    }

    fn response(&self, _: &HeadIn<'_>, _: &[u8], _: &mut TextOut<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Pass)
    }

    fn classify(&self, _: &FailureIn<'_>, class: &mut Class) {
        class.http_status = 429;
        class.retry_after_ms = Some(u64::MAX);
    }
}

impl Stream for Parrot {
    fn event(&mut self, _: &EventIn<'_>, _: &mut StreamOut<'_>) -> Result<Flow, Fault> {
        Ok(Flow::Pass)
    }

    fn end(&mut self, _: &mut StreamOut<'_>) -> Result<End, Fault> {
        Ok(End::Done)
    }
}

fn a_provider() -> *mut c_void {
    let config = br#"{"provider": "p", "model": "m", "params": {}, "secrets": []}"#;
    let mut inst = std::ptr::null_mut();
    // SAFETY: as in `ask`.
    let created = unsafe {
        provider_table::<Parrot>().create.unwrap()(null(), Str::lend(config), null(), &raw mut inst)
    };
    assert_eq!(created, status::OK);
    inst
}

unsafe extern "C" fn taken(_: *mut c_void, _: Str, _: Str) -> Status {
    status::OK
}

/// A sink that ends before a function is the refusal of it, not a call of whatever stands behind.
#[test]
fn a_function_that_the_host_does_not_have_is_not_called() {
    let (table, inst) = (provider_table::<Parrot>(), a_provider());
    let input = RequestInV1 {
        size: size_of::<RequestInV1>() as u32,
        flags: 0,
        dialect: 1,
        reserved: 0,
        model: Str::EMPTY,
        body: Str::EMPTY,
        model_at: 0,
        model_len: 0,
        headers: null(),
        n_headers: 0,
    };
    let size = std::mem::offset_of!(RequestOutV1, response);
    let sink = RequestOutV1 {
        size: size as u32,
        reserved: 0,
        ctx: std::ptr::null_mut(),
        target: Some(taken),
        header: Some(taken),
        auth: None,
        response: None,
        body: None,
    };
    let sink = laid_out(&[sink], size, 512);
    // SAFETY: all that is lent is as long as it says, and lives through the call.
    let answer = unsafe { table.request.unwrap()(inst, &raw const input, sink.as_ptr().cast(), null()) };
    assert_eq!(answer, status::E_UNSUPPORTED);
    // SAFETY: made by `create`, destroyed once.
    unsafe { table.destroy.unwrap()(inst) };
}

/// Nothing is written behind the host's size, and an answer that is shorter than minor 0's is none.
#[test]
fn an_answer_is_written_as_far_as_the_host_has_room() {
    let (table, inst) = (provider_table::<Parrot>(), a_provider());
    let failure = FailureInV1 {
        size: size_of::<FailureInV1>() as u32,
        phase: 1,
        http_status: 500,
        reserved: 0,
        headers: null(),
        n_headers: 0,
        event: Str::EMPTY,
        body: Str::EMPTY,
        unix_ms: 0,
        bytes_to_client: 0,
    };
    let said = tidegate_plugin_abi::ClassOutV1 {
        size: size_of::<tidegate_plugin_abi::ClassOutV1>() as u32,
        reserved: 0,
        ctx: std::ptr::null_mut(),
        message: None,
        code: None,
    };
    for (size, status) in
        [(24_usize, status::OK), (64, status::OK), (23, status::E_INVALID), (4, status::E_INVALID)]
    {
        let class = ClassV1 { size: size as u32, flags: 0, error: 9, http_status: 500, retry_after_ms: 0 };
        let mut out = laid_out(&[class], 24, 512);
        // SAFETY: `out` has room for more than it says.
        let answer = unsafe {
            table.classify.unwrap()(inst, &raw const failure, out.as_mut_ptr().cast(), &raw const said)
        };
        assert_eq!(answer, status, "{size}");
        assert_eq!(out[0] as u32, size as u32, "the host's size is the host's");
        assert_eq!(out[2] == u64::MAX, status == self::status::OK, "{size}");
        assert!(
            out[3..].iter().all(|word| *word == u64::from_ne_bytes([GARBAGE; 8])),
            "{size}: written too far"
        );
    }
    // SAFETY: made by `create`, destroyed once.
    unsafe { table.destroy.unwrap()(inst) };
}
