//! The poruka binary.

fn main() {}
