//! Heat maps of a grid of scores.
