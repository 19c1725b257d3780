//! The producer state machine under every kind of answer.
