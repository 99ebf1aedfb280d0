//! What is bounded stays bounded: time, parallel calls, the watchdog's patience.
