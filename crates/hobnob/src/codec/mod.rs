//! Formats: bytes in, meaning out. No socket, no clock.
