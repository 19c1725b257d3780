//! Everything a maintainer runs.

fn main() {}
