//! `tidegate plugin`: what authors and operators of plugins use.

pub mod check;
pub mod command;
mod cost;
mod inspect;
mod list;
mod name;
pub mod new;
mod sample;
