//! `sedge masks verify`: whether every stored mask is whole.

use std::path::PathBuf;

use sedge::store::export::verify;
use serde_json::json;

/// Most damaged masks that are named; all are counted.
const NAMED_MAX: usize = 1000;

/// Read every mask and say which ones are damaged
///
/// Exit code 1 where any is.
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
    if args.json {
        let value = json!({
            "folder": args.folder,
            "whole": verified.whole,
            "damaged": verified.damaged,
            "missing": verified.missing,
            "torn_bytes": verified.torn_bytes,
            "problems": problems,
        });
        super::super::print(&format!("{value:#}\n"))?;
    } else {
        let mut text: String = problems.iter().map(|problem| format!("damaged: {problem}\n")).collect();
        let unnamed = verified.damaged - problems.len() as u64;
        if unnamed > 0 {
            text.push_str(&format!("damaged: {unnamed} more\n"));
        }
        if verified.torn_bytes > 0 {
            text.push_str(&format!(
                "{} bytes at the end are no whole mask: a power cut's, or those of a run at work\n",
                verified.torn_bytes
            ));
        }
        if verified.missing > 0 {
            text.push_str(&format!(
                "{} numbers between the first and the last mask are missing\n",
                verified.missing
            ));
        }
        text.push_str(&format!("{} masks in {} are whole\n", verified.whole, args.folder.display()));
        super::super::print(&text)?;
    }
    match verified.damaged {
        0 => Ok(()),
        1 => anyhow::bail!("1 mask in {} is damaged", args.folder.display()),
        damaged => anyhow::bail!("{damaged} masks in {} are damaged", args.folder.display()),
    }
}
