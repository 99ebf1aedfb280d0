//! Each rule of the policy, case by case.

mod config;
mod continuation;
mod cooldown;
mod fallbacks;
mod policies;
mod pure;
mod retry;
mod special;
mod story;
mod strategies;
