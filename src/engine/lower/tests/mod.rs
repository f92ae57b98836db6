//! Small graphs and what becomes of them.

mod files;
