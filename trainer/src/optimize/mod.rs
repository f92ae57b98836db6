//! Optimizers, schedules of the learning rate, averages of weights.
//!
//! The optimizers are written over tensors, since their state is part of a checkpoint:
//! 1. [`Groups`] gives every variable its factor of the learning rate and says whether it decays.
//! 2. [`Schedule`] gives the learning rate of a step.
//! 3. [`Optimizer::step`] moves the variables along their gradients, clipped by [`Optimizer::clip`].
//! 4. [`Average`] follows the variables; [`Scaler`] keeps half-precision gradients from vanishing.

mod average;
mod groups;
mod method;
mod optimizer;
mod scaler;
mod schedule;

pub use average::Average;
pub use groups::{GroupError, Groups, matches};
pub use method::{Method, MethodError};
pub use optimizer::{Optimizer, Parameter, StateError};
pub use scaler::Scaler;
pub use schedule::{Exact, Plateau, Schedule, ScheduleError, Shape};

#[cfg(test)]
mod tests;
