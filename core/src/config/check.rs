//! `tidegate check FILE`.
