//! The panic shield around every entry.
//!
//! A plugin has its own copy of std and so its own panic hook: the host's never sees its panics. Ours captures a
//! shielded call's panic instead of printing it; any other panic goes to the hook that was there before.

use core::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use tidegate_plugin_abi::{Status, status};

use crate::{Host, Level};

static HOOK: Once = Once::new();

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static CAPTURED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs one call of a plugin. A panic is logged with its place, and becomes `E_PANIC`.
pub(super) fn shield(host: Host, call: &str, body: impl FnOnce() -> Status) -> Status {
    HOOK.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if DEPTH.try_with(Cell::get).unwrap_or(0) > 0 {
                capture(info);
            } else {
                previous(info);
            }
        }));
    });
    enter(1);
    let outcome = catch_unwind(AssertUnwindSafe(body));
    enter(-1);
    match outcome {
        Ok(answer) => answer,
        Err(payload) => {
            // Dropping a payload runs the author's code, which may panic again.
            core::mem::forget(payload);
            let what = CAPTURED
                .try_with(|slot| slot.try_borrow_mut().ok().and_then(|mut said| said.take()))
                .ok()
                .flatten();
            let what = what.unwrap_or_else(|| "no message".to_owned());
            host.log(Level::Error, &format!("panic in {call}: {what}"));
            status::E_PANIC
        }
    }
}

fn enter(by: i32) {
    // The thread's own storage may be gone already: then the panic is printed instead of logged.
    let _ = DEPTH.try_with(|depth| depth.set(depth.get().saturating_add_signed(by)));
}

fn capture(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("(not text)");
    let said = match info.location() {
        Some(place) => format!("{message} at {}:{}", place.file(), place.line()),
        None => message.to_owned(),
    };
    let _ = CAPTURED.try_with(|slot| {
        if let Ok(mut slot) = slot.try_borrow_mut() {
            *slot = Some(said);
        }
    });
}
