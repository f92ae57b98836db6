//! The child processes of this program: none of them outlives it.
//!
//! A child is killed and waited for when its [`Running`] is dropped. The program may also end while a thread still holds
//! one; [`end_children`] is for then. Only where the program itself is killed can nothing be done: a child then
//! ends when it writes its next frame, as nobody reads, or by its own timeout.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// How long a child that was killed may take to go.
const GRACE: Duration = Duration::from_millis(500);
/// How often it is looked whether a child has gone.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The children of this program.
static CHILDREN: Children = Children::new();

/// Children that run and were not waited for, so that their numbers are their own.
struct Children(Mutex<State>);

struct State {
    running: Vec<u32>,
    over: bool,
}

impl Children {
    const fn new() -> Children {
        Children(Mutex::new(State { running: Vec::new(), over: false }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a whole list behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&'static self, command: &mut Command) -> io::Result<Running> {
        let mut state = self.lock();
        if state.over {
            return Err(io::Error::other("the program ends"));
        }
        let child = command.spawn()?;
        state.running.push(child.id());
        drop(state);
        Ok(Running { child, children: self })
    }

    /// Kills all, waits for them a moment, and lets none begin any more.
    fn end(&self) {
        let mut state = self.lock();
        state.over = true;
        let pids = std::mem::take(&mut state.running);
        let pids: Vec<Pid> =
            pids.into_iter().filter_map(|id| Pid::from_raw(i32::try_from(id).ok()?)).collect();
        for pid in &pids {
            // That it has gone is what is wanted.
            let _ = kill_process(*pid, Signal::KILL);
        }
        let since = Instant::now();
        let gone = |pid: &Pid| !matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None));
        for pid in &pids {
            while !gone(pid) && since.elapsed() < GRACE {
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }
}

/// A child that runs.
pub(super) struct Running {
    child: Child,
    children: &'static Children,
}

impl Running {
    /// Starts a child of this program.
    pub(super) fn start(command: &mut Command) -> io::Result<Running> {
        CHILDREN.start(command)
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended; `None` while it runs.
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut state = self.children.lock();
        let status = self.child.try_wait()?;
        if status.is_some() {
            state.running.retain(|id| *id != self.child.id());
        }
        Ok(status)
    }

    /// Waits for its end, and kills it if that does not come within `patience`.
    pub(super) fn wait(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        let since = Instant::now();
        while since.elapsed() < patience {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.kill()
    }

    /// Kills it and waits for its end.
    pub(super) fn kill(&mut self) -> io::Result<ExitStatus> {
        let mut state = self.children.lock();
        let killed = self.child.kill();
        // From here on its number may become another's.
        state.running.retain(|id| *id != self.child.id());
        drop(state);
        killed.and_then(|()| self.child.wait())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It fails only where the child is gone and waited for, which is what is wanted.
        let _ = self.kill();
    }
}

/// Kills all child processes that sources have started, and waits for them a moment; to be called where the program ends
/// and a thread may still hold one. No source starts another after it.
pub fn end_children() {
    CHILDREN.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endless() -> Command {
        let mut command = Command::new("tail");
        command.args(["-f", "/dev/null"]);
        command
    }

    #[test]
    fn no_child_outlives_the_program() {
        static OWN: Children = Children::new();
        let running = || OWN.lock().running.len();
        let mut ended = OWN.start(&mut Command::new("true")).expect("a child");
        assert!(ended.wait(Duration::from_secs(60)).expect("an end").success());
        let mut stubborn = OWN.start(&mut endless()).expect("a child");
        assert!(!stubborn.wait(Duration::ZERO).expect("an end").success());
        drop(OWN.start(&mut endless()).expect("a child"));
        assert_eq!(running(), 0);
        let mut held = OWN.start(&mut endless()).expect("a child");
        assert_eq!(running(), 1);
        OWN.end();
        assert!(held.child.try_wait().is_err(), "it was killed and waited for");
        let late = OWN.start(&mut endless()).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(late, Err("the program ends".into()));
    }
}
