//! Reading and membership under every kind of answer, with a hand-turned clock and no sockets.

mod membership;
mod reading;
