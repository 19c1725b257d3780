//! The storage engine: journal, segments, memory logs, recovery, producer state. Knows nothing of sockets.
