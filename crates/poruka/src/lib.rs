//! Name a delivery guarantee, get it, prove it: the public library.
