//! What an open stream costs. A measurement, not a test: it is ignored unless asked for.
