//! The vocabulary: three dials, seven names, ten anomalies and the contract table. Pure data.
