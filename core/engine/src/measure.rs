//! The ranking measure that makes every request end.

/// How much can still happen to a request. Ordered lexicographically; every legal step lowers it, and there are
/// finitely many below any value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Measure {
    /// Upstream calls that are left.
    pub attempts_left: u32,
    /// What is left of the present one: 0 when the request is finished.
    pub phase: u8,
}
