//! How fast frames may be taken, so that the board never gets so warm that it throttles itself.
//!
//! A throttled processor is slower than one that is given less to do, and takes the camera's clock with it. So the
//! [`Governor`] lowers the frame rate before the board does anything. [`Sensors`] says how warm the board is;
//! [`SysSensors`] reads it from the kernel.
//!
//! # The rule
//!
//! Between [`BAND_C`] below the limit and the limit, the rate falls in a straight line from the highest to `fps_min`
//! (a proportional controller: on a board, whose temperature follows its power with a delay, it settles without
//! swinging). The rate falls by up to a tenth of the whole range a second and rises by a two-hundredth. When the board
//! says that it throttles, the rate is halved at once, and rises again only some time after the board has stopped
//! saying so; that time doubles each time, from half a minute to an hour. A board that throttles below the limit
//! teaches the governor a lower limit, which it forgets by one degree an hour.

mod pace;
mod sensors;
mod sysfs;
#[cfg(test)]
mod tests;

pub use pace::{BAND_C, Governor, Limits, Note};
pub use sensors::{Frequency, Readings, Sensors, SetSensors};
pub use sysfs::SysSensors;
