//! Workloads, faults, histories, checkers and reports: the proof that a guarantee was kept.
