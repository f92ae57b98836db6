//! Optimizers, schedules of the learning rate, averages of weights.
