//! The five steps of a frame in a loop, with the time of each.
