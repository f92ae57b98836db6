//! `sedge masks verify`: whether every stored mask is whole.

use std::path::PathBuf;

use sedge::store::{Verified, verify};
use serde_json::json;

/// Most damaged places that are named; all are counted.
const NAMED_MAX: usize = 1000;

/// Read every mask and say which ones are damaged or missing
///
/// Exit code 1 where any is, and where something in the folder belongs to no store that can be read.
#[derive(clap::Args)]
pub struct Args {
    /// The folder that a run wrote
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let mut problems = Vec::new();
    let verified = verify(&args.folder, &mut |error| {
        if problems.len() < NAMED_MAX {
            problems.push(error.to_string());
        }
    })?;
    let text = if args.json {
        format!("{:#}\n", json_report(&args, &verified, &problems))
    } else {
        text_report(&args, &verified, &problems)
    };
    super::super::print(&text)?;
    match verified.is_whole() {
        true => Ok(()),
        false => anyhow::bail!("{}: {verified}", args.folder.display()),
    }
}

fn json_report(args: &Args, verified: &Verified, problems: &[String]) -> serde_json::Value {
    json!({
        "folder": args.folder,
        "is_whole": verified.is_whole(),
        "listed": verified.listed,
        "whole": verified.whole,
        "unreadable": verified.unreadable,
        "different": verified.different,
        "missing": verified.missing,
        "skipped": verified.skipped,
        "damaged": verified.damaged,
        "foreign_segments": verified.foreign,
        "torn_bytes": verified.torn_bytes,
        "problems": problems,
    })
}

fn text_report(args: &Args, verified: &Verified, problems: &[String]) -> String {
    let mut text: String = problems.iter().map(|problem| format!("damaged: {problem}\n")).collect();
    let unnamed = verified.damaged - problems.len() as u64;
    if unnamed > 0 {
        text += &format!("damaged: {unnamed} more\n");
    }
    if verified.torn_bytes > 0 {
        text += &format!(
            "{} bytes at the end are no whole mask: a power cut's, or those of a run at work\n",
            verified.torn_bytes
        );
    }
    if verified.skipped > 0 {
        text += &format!(
            "{} numbers are not used: those of masks that a power cut took before they were safe, or of another card\n",
            verified.skipped
        );
    }
    text + &format!("{} masks in {} are whole\n", verified.whole, args.folder.display())
}
