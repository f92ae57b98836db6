//! What the service manager is told, behind a trait.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Something to tell the service manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// The program has begun to work (camera and disk may come later), or a reload is done.
    Ready,
    /// The configuration is read anew; [`Notification::Ready`] follows.
    Reloading,
    /// The program ends.
    Stopping,
    /// The program is alive.
    Watchdog,
    /// One line for people.
    Status(String),
}

/// Who is told.
pub trait Notify: Send {
    /// Tells it; quick, and never waits.
    ///
    /// # Errors
    /// When the service manager cannot be reached.
    fn notify(&self, notification: Notification) -> io::Result<()>;
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Notify for Silent {
    fn notify(&self, _: Notification) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what it is told, for tests; clones share it.
#[derive(Clone, Debug, Default)]
pub struct NotifyLog(Arc<Mutex<Vec<Notification>>>);

impl NotifyLog {
    /// What it was told since the last call.
    pub fn take(&self) -> Vec<Notification> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Notify for NotifyLog {
    fn notify(&self, notification: Notification) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(notification);
        Ok(())
    }
}

/// systemd, through the socket that it names in `NOTIFY_SOCKET`; without one nobody is told.
#[cfg(feature = "device")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Systemd;

#[cfg(feature = "device")]
impl Notify for Systemd {
    fn notify(&self, notification: Notification) -> io::Result<()> {
        use sd_notify::NotifyState;
        match notification {
            Notification::Ready => sd_notify::notify(&[NotifyState::Ready]),
            Notification::Reloading => {
                // From version 253 on, systemd takes a reload for failed that does not say when it began.
                sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
            }
            Notification::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
            Notification::Watchdog => sd_notify::notify(&[NotifyState::Watchdog]),
            // A line's end would begin another message.
            Notification::Status(text) => {
                sd_notify::notify(&[NotifyState::Status(&text.replace(['\n', '\r'], " "))])
            }
        }
    }
}

/// After how long without a sign of life systemd ends this process (`WATCHDOG_USEC` and `WATCHDOG_PID`), if it watches.
#[cfg(feature = "device")]
pub fn watchdog_timeout() -> Option<std::time::Duration> {
    sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero())
}

#[cfg(all(test, feature = "device"))]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    /// What the child below tells.
    fn tell() -> io::Result<()> {
        Systemd.notify(Notification::Ready)?;
        Systemd.notify(Notification::Reloading)?;
        Systemd.notify(Notification::Status(format!("two\nlines, {:?}", watchdog_timeout())))?;
        Systemd.notify(Notification::Watchdog)?;
        Systemd.notify(Notification::Stopping)
    }

    /// Without a service manager nobody is told; run by the test below, systemd's socket is.
    #[test]
    fn tells_whoever_listens() {
        assert!(tell().is_ok());
    }

    #[test]
    fn systemd_is_told_over_its_socket() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        // The environment belongs to the whole process, so another one tells.
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "status::notify::tests::tells_whoever_listens"])
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "30000000")
            .env_remove("WATCHDOG_PID")
            .output()
            .expect("a child");
        assert!(child.status.success(), "{child:?}");
        let wanted = [
            "READY=1\n",
            "RELOADING=1\nMONOTONIC_USEC=",
            "STATUS=two lines, Some(30s)\n",
            "WATCHDOG=1\n",
            "STOPPING=1\n",
        ];
        let failures: Vec<String> = wanted
            .iter()
            .map(|wanted| {
                let mut message = [0; 200];
                let length = socket.recv(&mut message).unwrap_or(0);
                (String::from_utf8_lossy(&message[..length]).into_owned(), wanted)
            })
            .filter(|(message, wanted)| !message.starts_with(**wanted))
            .map(|(message, wanted)| format!("{message:?}, not {wanted:?}"))
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
    }
}
