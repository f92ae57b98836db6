use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::camera;
use crate::clock::{Clock, ManualClock};
use crate::frame::Frame;
use crate::mask::{Mask, classes_from_names, png};
use crate::store::segments::{StoreOptions, Sync};
use crate::store::{Existing, MaskFolder, Record, RecordMeta, SegmentStore, Verified, read_index, verify};

fn mask(rows: &[&str]) -> Mask {
    let data = rows.concat().bytes().map(|digit| digit - b'0').collect();
    Mask { width: rows[0].len() as u32, height: rows.len() as u32, data }
}

fn pictures() -> [Mask; 4] {
    [
        mask(&["0011", "0011", "2000"]),
        mask(&["0000", "0000", "0000"]),
        mask(&["2222", "2112", "2222"]),
        mask(&["0000", "0900", "0000"]),
    ]
}

/// A folder with a store `masks` of four masks; the third frame has a name.
fn store() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masks");
    let classes = classes_from_names(&["background", "cat", "R&D, \"dog\""]);
    let mut store = MaskFolder::create(&path, &classes, Existing::Refuse).unwrap();
    for (number, mask) in pictures().iter().enumerate() {
        let name = (number == 2).then_some("a b");
        let time = Duration::from_millis(number as u64 * 500);
        store.put(Record { frame: number as u64, time, name, overlay: None }, mask).unwrap();
    }
    store.finish().unwrap();
    (folder, path)
}

fn run(path: &Path, format: Format, out: &Path, options: Options) -> Result<Summary, String> {
    let base = path.parent().unwrap().display().to_string();
    let run = || export(Masks::open(path)?, format, out, options, &mut |_| {});
    run().map_err(|error: ExportError| error.to_string().replace(&base, "DIR"))
}

fn chosen(names: &[&str]) -> Options {
    Options { classes: Some(names.iter().map(|name| name.to_string()).collect()), ..Options::default() }
}

/// Every text format, whole; the strings of run-lengths are those of the golden values in `mask::rle`'s way.
#[test]
fn texts_are_what_the_formats_say() {
    let coco = r##"{
"info": {"description":"Masks of classes, exported by sedge","version":"VERSION"},
"licenses": [],
"images": [
{"file_name":"000000.png","frame":0,"height":3,"id":0,"time_s":0.0,"width":4},
{"file_name":"000001.png","frame":1,"height":3,"id":1,"time_s":0.5,"width":4},
{"file_name":"a_b.png","frame":2,"height":3,"id":2,"time_s":1.0,"width":4},
{"file_name":"000003.png","frame":3,"height":3,"id":3,"time_s":1.5,"width":4}
],
"annotations": [
{"area":4,"bbox":[2,0,2,2],"category_id":1,"id":1,"image_id":0,"iscrowd":0,"segmentation":{"counts":"62100","size":[3,4]}},
{"area":1,"bbox":[0,2,1,1],"category_id":2,"id":2,"image_id":0,"iscrowd":0,"segmentation":{"counts":"219","size":[3,4]}},
{"area":2,"bbox":[1,1,2,1],"category_id":1,"id":3,"image_id":2,"iscrowd":0,"segmentation":{"counts":"41202","size":[3,4]}},
{"area":10,"bbox":[0,0,4,3],"category_id":2,"id":4,"image_id":2,"iscrowd":0,"segmentation":{"counts":"041N02","size":[3,4]}},
{"area":1,"bbox":[1,1,1,1],"category_id":9,"id":5,"image_id":3,"iscrowd":0,"segmentation":{"counts":"417","size":[3,4]}}
],
"categories": [
{"color":[128,0,0],"id":1,"name":"cat","supercategory":""},
{"color":[0,128,0],"id":2,"name":"R&D, \"dog\"","supercategory":""},
{"color":[192,0,0],"id":9,"name":"class 9","supercategory":""}
]
}
"##
    .replace("VERSION", env!("CARGO_PKG_VERSION"));
    let cvat = r##"<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <size>2</size>
      <mode>annotation</mode>
      <labels>
        <label>
          <name>R&amp;D, &quot;dog&quot;</name>
          <color>#008000</color>
          <type>mask</type>
          <attributes>
          </attributes>
        </label>
      </labels>
    </task>
  </meta>
  <image id="1" name="000001.png" width="4" height="3">
  </image>
  <image id="2" name="a_b.png" width="4" height="3">
    <mask label="R&amp;D, &quot;dog&quot;" source="auto" occluded="0" rle="0, 5, 2, 5" left="0" top="0" width="4" height="3" z_order="0">
    </mask>
  </image>
</annotations>
"##;
    let csv = "sequence,frame,time_s,monotonic_s,captured_utc,background,cat,\"R&D, \"\"dog\"\"\",(no class)\n\
               0,0,0.000000,,,0.583333,0.333333,0.083333,0.000000\n\
               1,1,0.500000,,,1.000000,0.000000,0.000000,0.000000\n\
               2,2,1.000000,,,0.000000,0.166667,0.833333,0.000000\n\
               3,3,1.500000,,,0.916667,0.000000,0.000000,0.083333\n";
    let one = "sequence,frame,time_s,monotonic_s,captured_utc,cat\n0,0,0.000000,,,0.333333\n";
    let dogs = Options { from: Some(1), to: Some(2), ..chosen(&["R&D, \"dog\""]) };
    let cases: [(&str, Format, Options, &str); 4] = [
        ("COCO", Format::Coco, Options::default(), &coco),
        ("CVAT, a range, one class", Format::Cvat, dogs, cvat),
        ("CSV", Format::Csv, Options::default(), csv),
        ("CSV, a range, one class", Format::Csv, Options { to: Some(0), ..chosen(&["cat"]) }, one),
    ];
    let (folder, path) = store();
    let out = folder.path().join("out");
    let mut wrong = Vec::new();
    for (name, format, options, want) in cases {
        let options = Options { overwrite: true, ..options };
        let summary = run(&path, format, &out, options).map(|summary| summary.bytes);
        let got = fs::read_to_string(&out).unwrap_or_default();
        if summary != Ok(want.len() as u64) || got != want {
            wrong.push(format!("{name}: {summary:?}\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_folder_of_pictures_is_a_store() {
    let (folder, path) = store();
    let out = folder.path().join("out");
    let summary = run(&path, Format::Png, &out, chosen(&["cat"])).unwrap();
    assert_eq!((summary.masks, summary.damaged, summary.range), (4, 0, Some((0, 3))));
    let only_cats = pictures().map(|mask| {
        let data = mask.data.iter().map(|&id| if id == 1 { 1 } else { 0 }).collect();
        Mask { data, ..mask }
    });
    let masks: Vec<StoredMask> = Masks::open(&out).unwrap().map(Result::unwrap).collect();
    assert!(masks.iter().map(|stored| &stored.mask).eq(&only_cats));
    let files: Vec<String> = read_index(&out).unwrap().into_iter().map(|entry| entry.file).collect();
    assert_eq!(files, ["000000.png", "000001.png", "a_b.png", "000003.png"]);
    let times: Vec<Duration> = masks.iter().map(|stored| stored.meta.time).collect();
    assert_eq!(times, [0, 500, 1000, 1500].map(Duration::from_millis));
}

#[test]
fn videos_hold_masks_or_frames_with_masks() {
    let (folder, path) = store();
    let out = folder.path().join("out.y4m");
    let read = || -> Vec<Frame> {
        let mut source = camera::open(&out.display().to_string()).unwrap();
        std::iter::from_fn(|| source.next_frame()).map(Result::unwrap).collect()
    };
    run(&path, Format::Y4m, &out, Options { fps: Some(2.0), ..Options::default() }).unwrap();
    let frames = read();
    let sizes: Vec<(u32, u32, u128)> =
        frames.iter().map(|frame| (frame.width, frame.height, frame.time.as_millis())).collect();
    assert_eq!(sizes, [0, 500, 1000, 1500].map(|time_ms| (4, 3, time_ms)));
    // Nothing but background is black.
    assert!(frames[1].data[..12].iter().all(|&y| y == 16));

    // The frame's size and rate, and its pixels where there is nothing to paint.
    let feed = || Some(FrameFeed::new(|| camera::open("synthetic:64x48@5:4")));
    let options = Options { frames: feed(), overwrite: true, ..Options::default() };
    run(&path, Format::Y4m, &out, options).unwrap();
    let frames = read();
    assert_eq!((frames[1].width, frames[1].height, frames[1].time.as_millis()), (64, 48, 200));
    let mut source = camera::open("synthetic:64x48@5:4").unwrap();
    let (mut got, mut want) = (Vec::new(), Vec::new());
    frames[1].write_rgb(&mut got).unwrap();
    source.next_frame().unwrap().unwrap();
    source.next_frame().unwrap().unwrap().write_rgb(&mut want).unwrap();
    let difference: u64 = got.iter().zip(&want).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(difference < 8 * got.len() as u64, "{difference} over {} values", got.len());
}

#[test]
fn a_sheet_shows_masks_in_their_colors() {
    let (folder, path) = store();
    let out = folder.path().join("sheet.png");
    run(&path, Format::Sheet, &out, Options::default()).unwrap();
    let sheet = image::open(&out).unwrap().to_rgb8();
    // Two rows of two pictures of 200x150 with text below.
    assert_eq!(sheet.dimensions(), (8 + 2 * 208, 8 + 2 * 180));
    let pixel = |x, y| sheet.get_pixel(x, y).0;
    assert_eq!(
        [pixel(8, 8), pixel(8 + 199, 8), pixel(8, 8 + 149), pixel(0, 0)],
        [[0, 0, 0], [128, 0, 0], [0, 128, 0], [40; 3]]
    );
    let text = (8..208).flat_map(|x| (158..180).map(move |y| (x, y)));
    assert!(text.filter(|&(x, y)| pixel(x, y) == [255; 3]).count() > 100);
}

/// No export of any format may lie in the folder that it is made of.
#[test]
fn the_stores_own_folder_is_refused() {
    let (folder, path) = store();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    fs::create_dir(path.join("inside")).unwrap();
    let place = |place: &str| folder.path().join(place);
    let refused = [
        "masks",
        "masks/out",
        "masks/inside/out",
        "masks/new/out",
        "link/out",
        "none/../masks/out",
        "masks/index.jsonl",
    ];
    let fine = ["out", "masks-2/out", "masks/../out2", "new/out"];
    let formats = [Format::Png, Format::Coco, Format::Cvat, Format::Csv, Format::Sheet, Format::Y4m];
    let mut wrong = Vec::new();
    for format in formats {
        for overwrite in [false, true] {
            for out in refused {
                let masks = Masks::open(&path).unwrap();
                let options = Options { overwrite, ..Options::default() };
                let result = export(masks, format, &place(out), options, &mut |_| ());
                if !matches!(result, Err(ExportError::OwnStore { .. })) {
                    wrong.push(format!("{format:?} into {out}: {result:?}"));
                }
            }
        }
        for out in fine {
            let result =
                export(Masks::open(&path).unwrap(), format, &place(out), Options::default(), &mut |_| ());
            if matches!(result, Err(ExportError::OwnStore { .. })) {
                wrong.push(format!("{format:?} into {out}: {result:?}"));
            }
        }
    }
    let names = fs::read_dir(&path).unwrap().count();
    // Four masks, the index, the classes and the folder made here.
    assert_eq!((names, wrong.join("\n")), (7, String::new()));
}

#[test]
fn damaged_masks_are_told_and_passed_over() {
    let (folder, path) = store();
    let out = folder.path().join("out.csv");
    fs::remove_file(path.join("000000.png")).unwrap();
    fs::write(path.join("000001.png"), b"torn").unwrap();
    let mut other = Vec::new();
    png::write(&mut other, &mask(&["0000", "0001", "0000"]), &[]).unwrap();
    fs::write(path.join("a_b.png"), &other).unwrap();
    let mut told = Vec::new();
    let mut tell = |error: &ReadError| {
        told.push(error.to_string().replace(&path.display().to_string(), "MASKS"));
    };
    assert_eq!(
        verify(&path, &mut tell).unwrap(),
        Verified {
            listed: 4,
            whole: 1,
            unreadable: 1,
            different: 1,
            missing: 1,
            damaged: 3,
            sequences: Some((3, 3)),
            ..Verified::default()
        }
    );
    assert_eq!(
        told,
        [
            "mask 0 (MASKS/000000.png): No such file or directory (os error 2)",
            "mask 1 (MASKS/000001.png): the mask is not a whole PNG: Invalid PNG signature.",
            "mask 2 (MASKS/a_b.png): its classes have other numbers of pixels than the index says",
        ]
    );
    let mut events = Vec::new();
    let summary = export(Masks::open(&path).unwrap(), Format::Csv, &out, Options::default(), &mut |event| {
        events.push(matches!(event, Event::Exported))
    })
    .unwrap();
    assert_eq!((summary.masks, summary.damaged, summary.range), (1, 3, Some((3, 3))));
    assert_eq!(events, [false, false, false, true]);
}

#[test]
fn what_cannot_be_exported_is_told() {
    let (folder, path) = store();
    let base = folder.path();
    for (name, bytes) in [("file", "x"), ("there.csv", "old"), ("damaged/classes.json", "[")] {
        fs::create_dir_all(base.join("damaged")).unwrap();
        fs::write(base.join(name), bytes).unwrap();
    }
    fs::create_dir(base.join("empty")).unwrap();
    fs::create_dir(base.join("new")).unwrap();
    MaskFolder::create(&base.join("none"), &[], Existing::Refuse).unwrap().finish().unwrap();
    let from = |from, to| Options { from, to, ..Options::default() };
    let again = || Options { overwrite: true, ..Options::default() };
    let short =
        Options { frames: Some(FrameFeed::new(|| camera::open("synthetic:8x8@5:2"))), ..Options::default() };
    let give = "give the folder that `sedge run --out` wrote";
    let cases = [
        ("nowhere", "o", Format::Csv, Options::default(), format!("DIR/nowhere does not exist; {give}")),
        (
            "file",
            "o",
            Format::Csv,
            Options::default(),
            format!("DIR/file is a file, not a folder of masks; {give}"),
        ),
        (
            "empty",
            "o",
            Format::Csv,
            Options::default(),
            format!("DIR/empty holds no store of masks; {give} or [store] path names"),
        ),
        (
            "damaged",
            "o",
            Format::Csv,
            Options::default(),
            "DIR/damaged/classes.json: the list of classes is damaged (EOF while parsing a list at line 1 column 1); put \
             that of another run with the same model there"
                .into(),
        ),
        (
            "none",
            "o",
            Format::Csv,
            Options::default(),
            "DIR/none holds no whole mask, so there is nothing to export".into(),
        ),
        (
            "masks",
            "o",
            Format::Png,
            from(Some(4), None),
            "DIR/masks holds no whole mask from 4 on, so there is nothing to export".into(),
        ),
        (
            "masks",
            "o",
            Format::Csv,
            from(Some(3), Some(2)),
            "DIR/masks holds no whole mask from 3 to 2, so there is nothing to export".into(),
        ),
        (
            "masks",
            "there.csv",
            Format::Csv,
            Options::default(),
            "DIR/there.csv exists; use --overwrite to replace it, or another -o".into(),
        ),
        (
            "masks",
            "none",
            Format::Png,
            Options::default(),
            "DIR/none exists; use --overwrite to replace it, or another -o".into(),
        ),
        (
            "masks",
            "new",
            Format::Csv,
            Options::default(),
            "DIR/new is a folder; give the name of a file, such as DIR/new/shares.csv".into(),
        ),
        (
            "masks",
            "masks",
            Format::Png,
            again(),
            "DIR/masks belongs to the store that is exported; give another -o".into(),
        ),
        (
            "masks",
            "masks/index.jsonl",
            Format::Csv,
            again(),
            "DIR/masks/index.jsonl belongs to the store that is exported; give another -o".into(),
        ),
        (
            "masks",
            "o",
            Format::Coco,
            chosen(&["cow"]),
            "the store has no class \"cow\"; it has background, cat, R&D, \"dog\"".into(),
        ),
        (
            "masks",
            "o",
            Format::Y4m,
            short,
            "synthetic:8x8@5:2 has no frame 2; give --frames the source that the masks were made from".into(),
        ),
    ];
    let before = |name: &str| fs::read(base.join(name)).unwrap();
    let (index, there) = (before("masks/index.jsonl"), before("there.csv"));
    let mut wrong = Vec::new();
    for (store, out, format, options, want) in cases {
        let got = run(&base.join(store), format, &base.join(out), options);
        if got.as_ref() != Err(&want) {
            wrong.push(format!("{store} as {out}: {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((index, there), (before("masks/index.jsonl"), before("there.csv")));
    let left = fs::read_dir(base).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.contains(".part") || name == "o").collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(run(&path, Format::Csv, &base.join("there.csv"), again()).unwrap().masks, 4);
}

/// A store that grows while it is read, and one that is replaced.
#[test]
fn a_growing_store_is_followed() {
    let (_folder, path) = store();
    let classes = Masks::open(&path).unwrap().classes().to_vec();
    let mut masks = Masks::open(&path).unwrap();
    let frames = |masks: &mut Masks| -> Vec<(u64, u64)> {
        masks.map(Result::unwrap).map(|stored| (stored.sequence, stored.meta.frame)).collect()
    };
    masks.skip_to_last(2).unwrap();
    assert_eq!(frames(&mut masks), [(2, 2), (3, 3)]);
    let put = |existing, frame| {
        let mut store = MaskFolder::create(&path, &classes, existing).unwrap();
        let record = Record { frame, time: Duration::ZERO, name: None, overlay: None };
        store.put(record, &pictures()[0]).unwrap();
    };
    put(Existing::Append, 7);
    masks.follow().unwrap();
    assert_eq!(frames(&mut masks), [(4, 7)]);
    // Half a line is no mask yet.
    let index = path.join("index.jsonl");
    let whole = fs::read(&index).unwrap();
    let line = whole.split_inclusive(|&byte| byte == b'\n').next_back().unwrap();
    fs::write(&index, [&whole[..], &line[..9]].concat()).unwrap();
    masks.follow().unwrap();
    assert_eq!(frames(&mut masks), []);
    fs::write(&index, [&whole[..], line].concat()).unwrap();
    assert_eq!(frames(&mut masks), [(5, 7)]);
    put(Existing::Overwrite, 1);
    masks.follow().unwrap();
    assert_eq!(frames(&mut masks), [(0, 1)]);
}

/// A store of segments with masks of 4x3 pixels whose upper left one is of class 1 in every third, 1 s apart.
fn segments(path: &Path, classes: &[&str], masks: u64) {
    let clock = ManualClock::new(Duration::from_secs(100), 1_780_219_613_000_000);
    let options = StoreOptions { sync: Sync::Record, segment_bytes: 4096, ..StoreOptions::default() };
    let classes = classes_from_names(classes);
    let (mut store, _) = SegmentStore::open(path, &classes, options, Box::new(clock.clone())).unwrap();
    for frame in 0..masks {
        let (monotonic, wall_us) = (clock.monotonic(), clock.wall_us());
        let time = Duration::from_secs(frame);
        let meta = RecordMeta { frame, time, monotonic, wall_us, ..RecordMeta::default() };
        let upper = if frame % 3 == 0 { "1000" } else { "0000" };
        store.put(&meta, &mask(&[upper, "0000", "0000"])).unwrap();
        clock.advance(Duration::from_secs(1));
    }
    store.close().unwrap();
}

#[test]
fn segments_are_exported_verified_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("store"), folder.path().join("out"));
    segments(&path, &["background", "cat"], 300);
    assert!(fs::read_dir(&path).unwrap().count() > 4, "several segments");
    let options = |from, to| Options { from, to, overwrite: true, ..Options::default() };
    run(&path, Format::Csv, &out, options(Some(299), None)).unwrap();
    let head = "sequence,frame,time_s,monotonic_s,captured_utc,background,cat,(no class)\n";
    assert_eq!(
        fs::read_to_string(&out).unwrap(),
        format!(
            "{head}299,299,299.000000,399.000000,2026-05-31T09:31:52.000000Z,1.000000,0.000000,0.000000\n"
        )
    );
    run(&path, Format::Coco, &out, options(Some(150), Some(152))).unwrap();
    let coco: serde_json::Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(coco["images"][0]["date_captured"], "2026-05-31T09:29:23.000000Z");
    assert_eq!(
        (coco["images"].as_array().unwrap().len(), &coco["annotations"][1]),
        (3, &serde_json::Value::Null)
    );

    let sequences = |masks: &mut Masks| masks.map(|stored| stored.unwrap().sequence).collect::<Vec<u64>>();
    let mut wrong = Vec::new();
    for count in [0, 1, 2, 7, 299, 300, 1000] {
        let mut masks = Masks::open(&path).unwrap();
        masks.skip_to_last(count).unwrap();
        let got = sequences(&mut masks);
        if got != (300 - count.min(300) as u64..300).collect::<Vec<u64>>() {
            wrong.push(format!("the last {count}: {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut masks = Masks::open(&path).unwrap();
    masks.skip_to_last(1).unwrap();
    assert_eq!(sequences(&mut masks), [299]);
    segments(&path, &["background", "cat"], 2);
    masks.follow().unwrap();
    assert_eq!(sequences(&mut masks), [300, 301]);

    // Another model goes on in the same store.
    segments(&path, &["background", "dog"], 3);
    assert_eq!(
        run(&path, Format::Csv, &out, options(Some(300), None)),
        Err("mask 302 is of a model with other classes than those before; export the two apart, with --to 301 and \
             --from 302"
            .into())
    );
    for (from, to, masks) in [(None, Some(301), 302), (Some(302), None, 3)] {
        let summary = run(&path, Format::Csv, &out, options(from, to)).unwrap();
        assert_eq!(summary.masks, masks, "from {from:?} to {to:?}");
    }
    assert!(
        fs::read_to_string(&out)
            .unwrap()
            .starts_with("sequence,frame,time_s,monotonic_s,captured_utc,background,dog")
    );

    let mut told = 0;
    let verified = verify(&path, &mut |_| told += 1).unwrap();
    let sequences = Some((0, 304));
    assert_eq!(verified, Verified { listed: 305, whole: 305, sequences, ..Verified::default() });
    let mut segments: Vec<PathBuf> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|ending| ending == "seg"));
    segments.sort();
    let mut bytes = fs::read(&segments[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segments[1], bytes).unwrap();
    let verified = verify(&path, &mut |_| told += 1).unwrap();
    assert_eq!((verified.listed, verified.whole, verified.unreadable, told), (305, 304, 1, 1));
    let summary = run(&path, Format::Csv, &out, options(None, Some(301))).unwrap();
    assert_eq!((summary.masks, summary.damaged), (301, 1));
}
