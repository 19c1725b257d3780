//! Time, randomness, disk, network and tasks behind one seam: the real one and the simulated one.
