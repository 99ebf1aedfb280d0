//! Clients that stall, leave or ask for odd things.
