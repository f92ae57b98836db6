//! An emulated ARM board: boots it, runs commands and the program on it, and cuts its power.

use std::collections::VecDeque;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::disk::Disk;

/// What a failing step says.
pub type Failure = String;

/// The longest that a boot, a command or a line of the program may take, in emulation on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What `scripts/rig.sh` made, and the program for it.
#[derive(Clone)]
pub struct Rig {
    /// Holds `vmlinuz` and `initramfs`.
    folder: PathBuf,
    /// The ARM program.
    program: PathBuf,
    /// A small network, so that a frame is quick in emulation.
    network: PathBuf,
}

impl Rig {
    /// The rig that the environment names, with a network of the tests; `None` where a part is missing.
    pub fn from_environment(network: &Path) -> Option<Rig> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        Some(Rig { folder: path("SEDGE_RIG")?, program: path("SEDGE_DEVICE")?, network: network.into() })
    }

    /// A number that changes with the program.
    pub fn program_hash(&self) -> Result<u64, Failure> {
        let mut hasher = DefaultHasher::new();
        let bytes =
            fs::read(&self.program).map_err(|error| format!("{}: {error}", self.program.display()))?;
        bytes.hash(&mut hasher);
        Ok(hasher.finish())
    }

    /// Boots a board with this processor and disk. The program is at `/share/sedge`, the network at
    /// `/share/tiny.onnx`; `/share` is a folder that both machines see.
    pub fn boot(&self, processor: &str, disk: &Disk) -> Result<Board, Failure> {
        disk.prepare()?;
        let share = tempfile::tempdir().map_err(|error| error.to_string())?;
        for (from, name) in [(&self.program, "sedge"), (&self.network, "tiny.onnx")] {
            fs::copy(from, share.path().join(name))
                .map_err(|error| format!("{}: {error}", from.display()))?;
        }
        Board::start(self, processor, disk, share)
    }
}

/// A running board; dropping it cuts its power.
pub struct Board {
    qemu: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
    lines: Receiver<String>,
    seen: VecDeque<String>,
    share: TempDir,
    asked: u32,
}

impl Board {
    fn start(rig: &Rig, processor: &str, disk: &Disk, share: TempDir) -> Result<Board, Failure> {
        // The program's own console is a socket, so that its lines do not mix with the answers to commands.
        let socket = share.path().join("program.socket");
        let listener =
            UnixListener::bind(&socket).map_err(|error| format!("{}: {error}", socket.display()))?;
        let mut command = Command::new("qemu-system-aarch64");
        command
            .args(["-M", "virt", "-cpu", processor, "-smp", "2", "-m", "1024"])
            .args([
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
                "-global",
                "virtio-mmio.force-legacy=false",
            ])
            .arg("-kernel")
            .arg(rig.folder.join("vmlinuz"))
            .arg("-initrd")
            .arg(rig.folder.join("initramfs"))
            .args(["-append", "console=ttyAMA0 quiet panic=-1 vt.global_cursor_default=0"])
            .args(["-serial", &format!("file:{}/kernel.log", share.path().display())])
            .args(["-device", "virtio-serial-device"])
            .args(["-chardev", "stdio,id=console,signal=off", "-device", "virtconsole,chardev=console"])
            .args(["-chardev", &format!("socket,id=program,path={}", socket.display())])
            .args(["-device", "virtconsole,chardev=program"])
            .args(["-device", "virtio-gpu-device,xres=640,yres=480"])
            .args(disk.qemu_arguments())
            .args([
                "-fsdev",
                &format!("local,id=share,path={},security_model=none", share.path().display()),
                "-device",
                "virtio-9p-device,fsdev=share,mount_tag=share",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut qemu = command.spawn().map_err(|error| format!("qemu-system-aarch64: {error}"))?;
        let commands = qemu.stdin.take().expect("standard input is piped");
        let answers = lines_of(qemu.stdout.take().expect("standard output is piped"));
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                forward_lines(stream, &send);
            }
        });
        let mut board = Board { qemu, commands, answers, lines, seen: VecDeque::new(), share, asked: 0 };
        board.answer_until(|line| line == "rig: ready").map_err(|failure| format!("the boot: {failure}"))?;
        Ok(board)
    }

    /// The folder that the board sees as `/share`.
    pub fn share(&self) -> &Path {
        self.share.path()
    }

    /// Runs a shell command to its end: its exit code and all that it printed, less line ends at its end.
    pub fn run(&mut self, command: &str) -> Result<(i32, String), Failure> {
        self.asked += 1;
        let mark = format!("rig: {} ended with ", self.asked);
        let line = format!("{{ {command}\n}} </dev/null 2>&1; code=$?; echo; echo \"{mark}$code\"\n");
        self.commands.write_all(line.as_bytes()).map_err(|error| self.failure(&error.to_string()))?;
        let (text, last) = self
            .answer_until(|line| line.starts_with(&mark))
            .map_err(|failure| format!("{command}: {failure}"))?;
        let code = last[mark.len()..].parse().map_err(|_| format!("{command}: {last:?} is no exit code"))?;
        Ok((code, text.trim_end().to_string()))
    }

    /// What a shell command printed; an error where its exit code is not 0.
    pub fn sh(&mut self, command: &str) -> Result<String, Failure> {
        match self.run(command)? {
            (0, text) => Ok(text),
            (code, text) => Err(self.failure(&format!("{command}: exit code {code}\n{text}"))),
        }
    }

    /// Starts the program in the background; its lines come from [`Board::line`], its end as `rig: ended with CODE`.
    pub fn start_program(&mut self, arguments: &str) -> Result<(), Failure> {
        let program = format!("sh -c 'echo $$ >/run/sedge.pid; exec /share/sedge {arguments}'");
        self.sh(&format!("{{ {program}; echo \"rig: ended with $?\"; }} >/dev/hvc1 2>&1 &"))?;
        Ok(())
    }

    /// The next line of the program, or `None` where none comes in time.
    pub fn line(&mut self, within: Duration) -> Option<String> {
        let line = self.lines.recv_timeout(within).ok()?;
        if self.seen.len() == 12 {
            self.seen.pop_front();
        }
        self.seen.push_back(line.clone());
        Some(line)
    }

    /// Waits for a line of the program; `what` is what the line tells.
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> Result<String, Failure> {
        let end = Instant::now() + PATIENCE;
        while let Some(line) = self.line(end.saturating_duration_since(Instant::now())) {
            if is_it(&line) {
                return Ok(line);
            }
            if line.starts_with("rig: ended with ") {
                return Err(self.failure(&format!("waited for {what}, but the program ended")));
            }
        }
        Err(self.failure(&format!("waited {PATIENCE:?} for {what} in vain")))
    }

    /// Waits until the program has ended: its exit code.
    pub fn wait_for_end(&mut self) -> Result<i32, Failure> {
        let end = Instant::now() + PATIENCE;
        while let Some(line) = self.line(end.saturating_duration_since(Instant::now())) {
            if let Some(code) = line.strip_prefix("rig: ended with ") {
                return code.parse().map_err(|_| format!("{line:?} holds no exit code"));
            }
        }
        Err(self.failure("the program does not end"))
    }

    /// Ends the emulator at once, as a power cut does: what the board has not sent to its disk by then is lost.
    pub fn cut_power(mut self) {
        self.stop();
    }

    /// Switches the board off in order.
    pub fn switch_off(mut self) -> Result<(), Failure> {
        self.commands.write_all(b"exit\n").map_err(|error| error.to_string())?;
        // The console's reader ends with qemu.
        let end = Instant::now() + PATIENCE;
        loop {
            match self.answers.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => return Err(self.failure("the board does not switch off")),
            }
        }
    }

    /// A failure, with what the program and the board's kernel said last.
    pub fn failure(&self, what: &str) -> Failure {
        let kernel = fs::read(self.share.path().join("kernel.log")).unwrap_or_default();
        let kernel = String::from_utf8_lossy(&kernel);
        let lines: Vec<&str> = kernel.lines().collect();
        let kernel = &lines[lines.len().saturating_sub(15)..];
        let program: Vec<&str> = self.seen.iter().map(String::as_str).collect();
        format!(
            "{what}\n-- the program's last lines:\n{}\n-- the kernel's:\n{}",
            program.join("\n"),
            kernel.join("\n")
        )
    }

    /// The lines of the console up to the one that `is_last` accepts, and that one.
    fn answer_until(&mut self, is_last: impl Fn(&str) -> bool) -> Result<(String, String), Failure> {
        let end = Instant::now() + PATIENCE;
        let mut text = String::new();
        loop {
            match self.answers.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if is_last(&line) => return Ok((text, line)),
                Ok(line) => text = text + &line + "\n",
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.failure(&format!("no answer in {PATIENCE:?} after\n{text}")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.failure(&format!("the board went off after\n{text}")));
                }
            }
        }
    }

    fn stop(&mut self) {
        // Errors mean that qemu has ended already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || forward_lines(stream, &send));
    lines
}

/// Sends each whole line until the stream ends or nobody listens.
fn forward_lines(stream: impl Read, send: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        // A line without its end was cut off by the power.
        if line.pop() != Some(b'\n') || send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
            return;
        }
        line.clear();
    }
}
