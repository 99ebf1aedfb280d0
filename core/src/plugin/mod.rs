//! `tidegate plugin`: what authors and operators of plugins use.

pub mod command;
mod inspect;
mod list;
mod name;
pub mod new;
