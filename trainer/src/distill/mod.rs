//! Training a student on a teacher's logits, with its control beside it.
//!
//! 1. [`Distillation`] says what the teacher is and how its word counts; as a [`Recipe`](crate::fit::Recipe) it makes the
//!    objective of a run.
//! 2. The teacher sees each batch under its own input rule, channels and size, augmented as the student's ([`Teacher`]),
//!    or its logits come from the disk (`cache`), where images do not move.
//! 3. The loss is `alpha * CE + (1 - alpha) * T^2 * KL(softmax(teacher / T) || softmax(student / T))`, a mean over the pixels
//!    that count, and squared distances between matched features.
//! 4. [`distill`] trains the student, then the same student with the same seed and budget without the teacher, and writes
//!    both with the teacher's scores into `result.json`.

mod cache;
mod features;
mod objective;
mod run;
mod teacher;

pub use features::Match;
pub use objective::{Distillation, distillation_loss};
pub use run::{Comparison, TeacherScores, distill};
pub use teacher::Teacher;
