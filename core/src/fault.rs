//! Faults that a request asks for, so that tests can put them where the network would: in the task of one stream. In no
//! build but those with the feature `fault-hooks`.

use std::task::Context;

use http::HeaderMap;

/// `x-tidegate-fault: spin-wake` makes a stream wake itself for ever after its first content, and move nothing.
const HEADER: &str = "x-tidegate-fault";

/// What a request asked for.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    spin_wake: bool,
}

impl Fault {
    /// From the request's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        Self { spin_wake: headers.get(HEADER).is_some_and(|value| value == "spin-wake") }
    }

    /// Whether this poll of the stream is taken by the fault.
    pub fn takes(self, cx: &Context<'_>) -> bool {
        if self.spin_wake {
            cx.waker().wake_by_ref();
        }
        self.spin_wake
    }
}
