//! Grids of runs: here, n at a time, or on a cluster.
