//! The members.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Inline, Made, Member, When};

use Inline::{Dies, LosesThread, NeverStarts, Survives, Undefined};
use Made::{C, File, Macros, Rust};
use When::{Checked, Created, Decided, Failed, Loaded, Never, Picked, Streamed, Whole};

const fn m(name: &'static str, does: &'static str, made: Made, when: When, inline: Inline) -> Member {
    Member { name, does, made, when, inline }
}

/// All of them, in the order in which the page lists them.
#[rustfmt::skip]
pub const MEMBERS: &[Member] = &[
    m("well", "nothing wrong", C("NOWHERE", "NOTHING"), Never, Survives),
    m("newer-minor", "speaks a later minor of the ABI", Macros(&["MINOR=99"]), Never, Survives),

    // Panics.
    m("panics-in-create", "panics in `create`", Rust("create"), Created, Survives),
    m("panics-in-request", "panics in `request`", Rust("request"), Streamed, Survives),
    m("panics-in-open", "panics in `stream_open`", Rust("open"), Streamed, Survives),
    m("panics-in-event", "panics in `stream_event`", Rust("event"), Streamed, Survives),
    m("panics-in-end", "panics in `stream_end`", Rust("end"), Streamed, Survives),
    m("panics-in-close", "panics in `stream_close`", Rust("close"), Streamed, Survives),
    m("panics-in-response", "panics in `response`", Rust("response"), Whole, Survives),
    m("panics-in-classify", "panics in `classify`", Rust("classify"), Failed, Survives),
    m("panics-in-decide", "a policy that panics in `decide`", Rust("decide"), Decided, Survives),
    m("panics-in-pick", "a policy that panics in `pick`", Rust("pick"), Picked, Survives),

    // Calls that do not return.
    m("spins-in-constructor", "spins as it is loaded", C("CONSTRUCTOR", "SPIN"), Loaded, NeverStarts),
    m("spins-in-entry", "spins in its entry function", C("DESCRIBING", "SPIN"), Loaded, NeverStarts),
    m("spins-in-create", "spins in `create`", C("CREATE", "SPIN"), Created, NeverStarts),
    m("spins-in-request", "spins in `request`", C("REQUEST", "SPIN"), Streamed, LosesThread),
    m("spins-in-open", "spins in `stream_open`", C("OPEN", "SPIN"), Streamed, LosesThread),
    m("spins-in-event", "spins in `stream_event`", C("EVENT", "SPIN"), Streamed, LosesThread),
    m("spins-in-end", "spins in `stream_end`", C("END", "SPIN"), Streamed, LosesThread),
    m("spins-in-close", "spins in `stream_close`", C("CLOSE", "SPIN"), Streamed, LosesThread),
    m("spins-in-response", "spins in `response`", C("RESPONSE", "SPIN"), Whole, LosesThread),
    m("spins-in-classify", "spins in `classify`", C("FAILURE", "SPIN"), Failed, LosesThread),
    m("spins-in-decide", "a policy that spins in `decide`", C("DECIDE", "SPIN"), Decided, LosesThread),
    m("spins-in-pick", "a policy that spins in `pick`", C("PICK", "SPIN"), Picked, LosesThread),
    m("sleeps", "sleeps for ever in `stream_event`", C("EVENT", "SLEEP"), Streamed, LosesThread),

    // Crashes.
    m("crashes-in-constructor", "crashes as it is loaded", C("CONSTRUCTOR", "SEGFAULT"), Loaded, NeverStarts),
    m("crashes-in-create", "crashes in `create`", C("CREATE", "SEGFAULT"), Created, NeverStarts),
    m("segfaults", "writes through a bad pointer in `stream_event`", C("EVENT", "SEGFAULT"), Streamed, Dies),
    m("segfaults-in-close", "writes through a bad pointer in `stream_close`", C("CLOSE", "SEGFAULT"), Streamed, Dies),
    m("aborts", "calls `abort` in `stream_event`", C("EVENT", "ABORT"), Streamed, Dies),
    m("exits", "calls `exit` in `request`", C("REQUEST", "EXIT"), Streamed, Dies),
    m("overflows-its-stack", "recurses without end in `stream_event`", C("EVENT", "STACK"), Streamed, Dies),
    m("allocates-without-end", "allocates without end in `stream_event`", C("EVENT", "HOG"), Streamed, Dies),
    m("frees-twice", "frees the same memory twice in `stream_event`", C("EVENT", "DOUBLE_FREE"), Streamed, Dies),
    m("writes-past-a-buffer", "writes past the end of the event that it was lent", C("EVENT", "OVERRUN"), Streamed, Dies),
    m("segfaults-in-decide", "a policy that crashes in `decide`", C("DECIDE", "SEGFAULT"), Decided, Dies),
    m("segfaults-in-pick", "a policy that crashes in `pick`", C("PICK", "SEGFAULT"), Picked, Dies),

    // Breaches of the contract that need no crash.
    m("scribbles", "changes the event that it was lent, and passes it", C("EVENT", "SCRIBBLE"), Streamed, Survives),
    m("keeps-the-sink", "calls its sink after the call that lent it", C("CLOSE", "LATE"), Streamed, Undefined),
    m("tries-the-system", "opens a file and a socket and starts a process", C("EVENT", "TRY"), Streamed, Survives),
    m("leaves-a-thread", "leaves a thread behind", C("EVENT", "THREAD"), Streamed, Survives),
    m("leaves-a-busy-thread", "leaves a thread behind that spins", C("EVENT", "BUSY_THREAD"), Streamed, Survives),
    m("leaks-streams", "never frees a stream", C("CLOSE", "NEVER_FREE"), Streamed, Survives),
    m("never-writes", "takes every event and writes none", C("EVENT", "SILENT"), Streamed, Survives),
    m("writes-too-much", "writes on after its sink has refused", C("EVENT", "FLOOD"), Streamed, Survives),
    m("writes-too-much-at-the-end", "the same in `stream_end`", C("END", "FLOOD"), Streamed, Survives),
    m("writes-a-long-body", "the same in `response`", C("RESPONSE", "FLOOD"), Whole, Survives),
    m("writes-a-long-request", "the same in `request`", C("REQUEST", "FLOOD"), Streamed, Survives),
    m("writes-a-long-message", "the same in `classify`", C("FAILURE", "FLOOD"), Failed, Survives),
    m("not-utf8", "writes an event that is not UTF-8", C("EVENT", "NOT_UTF8"), Streamed, Survives),
    m("not-utf8-body", "writes a body that is not UTF-8", C("RESPONSE", "NOT_UTF8"), Whole, Survives),
    m("not-utf8-message", "words a failure with what is not UTF-8", C("FAILURE", "NOT_UTF8"), Failed, Survives),
    m("not-json", "writes an event that is not JSON", C("EVENT", "NOT_JSON"), Streamed, Survives),
    m("not-json-body", "writes a body that is not JSON", C("RESPONSE", "NOT_JSON"), Whole, Survives),
    m("no-body", "writes no body", C("RESPONSE", "NO_BODY"), Whole, Survives),
    m("passes-and-writes", "writes an event and says that it passed its input", C("EVENT", "PASS_AND_WRITE"), Streamed, Survives),
    m("passes-and-writes-a-body", "the same in `response`", C("RESPONSE", "PASS_AND_WRITE"), Whole, Survives),
    m("done-too-early", "says that the answer is over in the middle of it", C("EVENT", "EARLY_DONE"), Streamed, Survives),
    m("null-stream", "opens a stream and gives NULL for it", C("OPEN", "NO_BODY"), Streamed, Survives),
    m("no-target", "makes a request without an address", C("REQUEST", "NO_TARGET"), Streamed, Survives),
    m("splits-a-header", "puts a line break into a header", C("REQUEST", "SPLIT_HEADER"), Streamed, Survives),
    m("odd-status-of-request", "answers `request` with a status that there is not", C("REQUEST", "ODD"), Streamed, Survives),
    m("odd-status-of-open", "the same in `stream_open`", C("OPEN", "ODD"), Streamed, Survives),
    m("odd-status-of-event", "the same in `stream_event`", C("EVENT", "ODD"), Streamed, Survives),
    m("odd-status-of-end", "the same in `stream_end`", C("END", "ODD"), Streamed, Survives),
    m("odd-status-of-response", "the same in `response`", C("RESPONSE", "ODD"), Whole, Survives),
    m("odd-status-of-classify", "the same in `classify`", C("FAILURE", "ODD"), Failed, Survives),
    m("calls-failure-success", "classifies a failure as HTTP 200", C("FAILURE", "FINE"), Failed, Survives),
    m("unknown-class", "classifies a failure with numbers that there are not", C("FAILURE", "BEYOND"), Failed, Survives),
    m("odd-status-of-create", "answers `create` with a status that there is not", C("CREATE", "ODD"), Created, Survives),
    m("odd-status-of-decide", "a policy that answers `decide` so", C("DECIDE", "ODD"), Decided, Survives),
    m("odd-status-of-pick", "a policy that answers `pick` so", C("PICK", "ODD"), Picked, Survives),
    m("no-such-target", "a policy that decides for a target that there is not", C("DECIDE", "BEYOND"), Decided, Survives),
    m("no-such-action", "a policy that decides for an action that there is not", C("DECIDE", "FINE"), Decided, Survives),
    m("picks-no-such-target", "a policy that picks a target that there is not", C("PICK", "BEYOND"), Picked, Survives),

    // What is not loaded.
    m("other-major", "exports the entry symbol of another major", Macros(&["ENTRY=tidegate_plugin_entry_v2"]), Checked, Survives),
    m("no-entry", "exports no entry symbol", Macros(&["ENTRY=something_else"]), Checked, Survives),
    m("says-another-major", "says another major in its descriptor", Macros(&["MAJOR=2"]), Checked, Survives),
    m("missing-symbol", "needs a symbol that no library has", Macros(&["NEEDS_A_SYMBOL"]), Checked, Survives),
    m("null-descriptor", "has no descriptor", Macros(&["RETURNS_NULL"]), Checked, Survives),
    m("missing-function", "has a table without `classify`", Macros(&["CLASSIFY=0"]), Checked, Survives),
    m("short-table", "has a table that says it is 16 bytes long", Macros(&["TABLE_SIZE=16"]), Checked, Survives),
    m("huge-table", "has a table that says it is 4 GiB long", Macros(&["TABLE_SIZE=0xffffffffu"]), Checked, Survives),
    m("short-descriptor", "has a descriptor that says it is 8 bytes long", Macros(&["PLUGIN_SIZE=8"]), Checked, Survives),
    m("bad-name", "has a name with a space and capitals", Macros(&["SAYS_ITS_NAME_IS=\"Bad Name\""]), Checked, Survives),
    m("bad-manifest", "has a manifest that is not JSON", Macros(&["MANIFEST=\"{\""]), Checked, Survives),
    m("truncated", "is the first half of a library", File(truncated), Checked, Survives),
    m("text", "is a text", File(text), Checked, Survives),
    m("empty", "is empty", File(empty), Checked, Survives),
    m("zeros", "is a page of zeros", File(zeros), Checked, Survives),
    m("other-architecture", "is a library for another machine", File(other_architecture), Checked, Survives),
    m("folder", "is a folder", File(folder), Checked, Survives),
    m("fifo", "is a FIFO that nobody writes to", File(fifo), Checked, Survives),
];

fn write(file: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(file, bytes).expect("the file can be written");
}

fn well(file: &Path) -> Vec<u8> {
    super::compile(&MEMBERS[0], &[], file);
    fs::read(file).expect("the library that was just made")
}

fn truncated(file: &Path) {
    let library = well(file);
    write(file, &library[..library.len() / 2]);
}

fn text(file: &Path) {
    write(file, "not a library\n");
}

fn empty(file: &Path) {
    write(file, "");
}

fn zeros(file: &Path) {
    write(file, [0; 4096]);
}

/// The machine's number is at 18 in an ELF file: s390, whose bytes are the other way round, is none that Tidegate runs on.
fn other_architecture(file: &Path) {
    let mut library = well(file);
    library[18..20].copy_from_slice(&[22, 0]);
    write(file, library);
}

fn folder(file: &Path) {
    fs::create_dir(file).expect("a folder");
}

fn fifo(file: &Path) {
    let made = Command::new("mkfifo").arg(file).status().expect("mkfifo can be started");
    assert!(made.success(), "no FIFO");
}
