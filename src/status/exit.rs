//! The program's exit codes.

use std::process::ExitCode;

/// How the program ended. A unit file restarts it always but for [`Exit::Usage`]
/// (`RestartPreventExitStatus=2`): what is wrong in a configuration stays wrong.
///
/// | code | meaning | what a service manager should do |
/// |---|---|---|
/// | 0 | done: the source ended, or a signal asked for it | nothing |
/// | 1 | failed: the message on standard error says at what | restart |
/// | 2 | wrong usage or configuration | not restart |
/// | 3 | a thread was stuck | restart |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The work is done.
    Done = 0,
    /// Something failed that the program does not go on after.
    Failed = 1,
    /// Options or the configuration say something that cannot be done.
    Usage = 2,
    /// A thread of the pipeline was stuck.
    Stuck = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
