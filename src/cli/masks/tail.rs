//! `sedge masks tail`: a line for every mask that a run stores, as it does.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec};
use sedge::store::StoredMask;
use sedge::store::export::{Masks, ReadError, utc};
use serde_json::{Map, Value, json};

/// Time between two looks at the store.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Print a line for each of the last masks, and for every new one
///
/// Goes on until Ctrl-C.
#[derive(clap::Args)]
pub struct Args {
    /// The folder that a run writes
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How many of the masks that are there to begin with
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    count: usize,
    /// Print a line of JSON for each mask
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second one ends a program that waits for whoever reads its output.
        signal_hook::flag::register_conditional_shutdown(signal, 0, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot listen for Ctrl-C")?;
    }
    let mut masks = Masks::open(&args.folder)?;
    masks.skip_to_last(args.count)?;
    let mut out = std::io::stdout().lock();
    while !stop.load(Ordering::Relaxed) {
        match masks.next() {
            Some(Ok(stored)) => {
                let line = if args.json {
                    json_line(&masks, &stored).to_string()
                } else {
                    text_line(&masks, &stored)
                };
                match writeln!(out, "{line}").and_then(|()| out.flush()) {
                    // Whoever reads has seen enough.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                    written => written?,
                }
            }
            Some(Err(error)) if error.is_damage() => super::super::say(&format!("skipped: {error}")),
            Some(Err(error)) => return Err(error.into()),
            None => {
                if !has_reader_after(LOOK_EVERY)? {
                    return Ok(());
                }
                look(&mut masks)?;
            }
        }
    }
    Ok(())
}

/// Waits, and says whether anybody still reads standard output then; a closed pipe or terminal or a signal ends the wait
/// early.
fn has_reader_after(wait: Duration) -> anyhow::Result<bool> {
    let stdout = std::io::stdout();
    // No event is asked for, so that only the end of the reader is told.
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    let timeout = Timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos() as _ };
    match rustix::event::poll(&mut watched, Some(&timeout)) {
        Ok(_) => Ok(watched[0].revents().is_empty()),
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(error) => Err(error).context("cannot wait for new masks"),
    }
}

/// Looks for new masks; a store whose card is pulled for a while is waited for.
fn look(masks: &mut Masks) -> Result<(), ReadError> {
    match masks.follow() {
        Err(_) if !masks.folder().exists() => Ok(()),
        looked => looked,
    }
}

/// Classes in the mask with their share in percent, the largest first.
fn shares(masks: &Masks, stored: &StoredMask) -> Vec<(String, f64)> {
    let total = stored.mask.data.len().max(1) as f64;
    let mut shares: Vec<(u8, u64)> = (0..=255).zip(stored.mask.histogram()).collect();
    shares.retain(|&(_, count)| count > 0);
    shares.sort_by_key(|&(id, count)| (std::cmp::Reverse(count), id));
    shares.into_iter().map(|(id, count)| (masks.name(id), 100.0 * count as f64 / total)).collect()
}

fn text_line(masks: &Masks, stored: &StoredMask) -> String {
    let meta = &stored.meta;
    let when = match meta.wall_us {
        0 => format!("{:.3} s", meta.time.as_secs_f64()),
        wall_us => utc(wall_us),
    };
    let name = meta.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    let shares: Vec<String> =
        shares(masks, stored).iter().map(|(name, percent)| format!("{name} {percent:.1} %")).collect();
    format!("{} frame {}{name}, {when}: {}", stored.sequence, meta.frame, shares.join(", "))
}

fn json_line(masks: &Masks, stored: &StoredMask) -> Value {
    let meta = &stored.meta;
    let shares: Map<String, Value> =
        shares(masks, stored).into_iter().map(|(name, percent)| (name, json!(percent))).collect();
    let captured = meta.wall_us != 0;
    let model: String = meta.model.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "sequence": stored.sequence,
        "frame": meta.frame,
        "name": meta.name,
        "time_s": meta.time.as_secs_f64(),
        "monotonic_s": captured.then_some(meta.monotonic.as_secs_f64()),
        "captured_utc": captured.then(|| utc(meta.wall_us)),
        "latency_ms": captured.then_some(meta.latency.as_secs_f64() * 1e3),
        "throttle": captured.then_some(meta.throttle.0),
        "model": captured.then_some(model),
        "width": stored.mask.width,
        "height": stored.mask.height,
        "classes_percent": shares,
    })
}
