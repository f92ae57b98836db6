//! `sedge masks export`: stored masks as files that other tools read.

use std::path::PathBuf;

use sedge::camera::{self, SourceError};
use sedge::store::export::{Event, Format, FrameFeed, Masks, Options, export};
use serde_json::json;

use super::super::progress::Progress;

/// Write masks as files that other tools read
#[derive(clap::Args)]
pub struct Args {
    /// The folder that a run wrote
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// What they become
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    format: As,
    /// The file to write; for png, the folder
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// Replace what is at OUT
    #[arg(long)]
    overwrite: bool,
    /// Only these classes, by name, separated by commas; the others become background
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    classes: Option<Vec<String>>,
    /// The first mask, by its number in the store
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// The last mask, by its number in the store
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
    /// For y4m: draw the masks over the frames of this source, which is the one that they were made from
    #[arg(long, value_name = "SOURCE")]
    frames: Option<String>,
    /// For y4m: frames a second; without it those of --frames, or 10
    #[arg(long)]
    fps: Option<f64>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum As {
    /// A folder of indexed PNG
    Png,
    /// COCO JSON with run-lengths
    Coco,
    /// annotations.xml of CVAT for images 1.1
    Cvat,
    /// The share of each class in each mask, as comma-separated values
    Csv,
    /// A contact sheet, one PNG
    Sheet,
    /// An uncompressed video
    Y4m,
}

impl As {
    fn format(self) -> Format {
        match self {
            As::Png => Format::Png,
            As::Coco => Format::Coco,
            As::Cvat => Format::Cvat,
            As::Csv => Format::Csv,
            As::Sheet => Format::Sheet,
            As::Y4m => Format::Y4m,
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if args.format != As::Y4m && (args.frames.is_some() || args.fps.is_some()) {
        return Err(super::super::usage("--frames and --fps are for --as y4m"));
    }
    if args.fps.is_some_and(|fps| !(fps > 0.0 && fps <= 1000.0)) {
        return Err(super::super::usage("--fps is more than 0 and at most 1000"));
    }
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(super::super::usage("--from lies behind --to"));
    }
    let masks = Masks::open(&args.folder)?;
    let options = Options {
        classes: args.classes,
        from: args.from,
        to: args.to,
        overwrite: args.overwrite,
        frames: args.frames.map(feed),
        fps: args.fps,
    };
    let progress = Progress::new("exporting", "masks", None);
    let exported = export(masks, args.format.format(), &args.out, options, &mut |event| match event {
        Event::Exported => progress.step(&String::new),
        Event::Damaged(error) => progress.say(&format!("skipped: {error}")),
    });
    progress.finish();
    let summary = exported?;
    let range = summary.range.unwrap_or_default();
    if args.json {
        let value = json!({
            "masks": summary.masks,
            "damaged": summary.damaged,
            "first": range.0,
            "last": range.1,
            "bytes": summary.bytes,
            "out": args.out,
        });
        return super::super::print(&format!("{value:#}\n"));
    }
    let damaged = match summary.damaged {
        0 => String::new(),
        damaged => format!(", {damaged} damaged and skipped"),
    };
    super::super::print(&format!(
        "{} masks ({} to {}){damaged}, {} bytes written to {}\n",
        summary.masks,
        range.0,
        range.1,
        summary.bytes,
        args.out.display()
    ))
}

/// The frames of a source, which is opened again where several runs over it are in one store.
fn feed(source: String) -> FrameFeed {
    let mut opened = false;
    FrameFeed::new(move || {
        if source == "-" && opened {
            let reason =
                "a pipe can be read once, but the store holds several runs; give a file, or --from and --to";
            return Err(SourceError::Unsupported { name: "standard input".into(), reason: reason.into() });
        }
        opened = true;
        camera::open(&source)
    })
}
