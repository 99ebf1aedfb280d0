//! Each rule of the policy, case by case.

mod config;
mod cooldown;
mod fallbacks;
mod pure;
mod retry;
mod story;
