//! Tests of the mask folder, on a real disk and on one that fills up and fails.

use super::*;
use crate::mask::classes_from_names;
use crate::store::disk::memory::MemoryDisk;
use crate::store::read_index;
use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;

fn classes() -> Vec<Class> {
    classes_from_names(&["background", "cat"])
}

fn mask(seed: u8) -> Mask {
    let data = (0..48_u32).map(|i| u8::from((i * u32::from(seed) / 7) % 3 == 0)).collect();
    Mask { width: 8, height: 6, data }
}

fn record(frame: u64, name: Option<&str>) -> Record<'_> {
    Record { frame, time: Duration::from_millis(40 * frame), name, overlay: None }
}

fn files(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_run_is_stored_and_listed() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("deep/masks");
    let mut store = MaskFolder::create(&folder, &classes(), Existing::Refuse).unwrap();
    assert_eq!(store.path(), folder);
    let picture = Picture { extension: "jpg", bytes: b"a picture" };
    let first = Record { overlay: Some(picture), ..record(0, None) };
    let bytes = store.put(first, &mask(1)).unwrap();
    store.put(record(2, Some("in/a cat")), &mask(2)).unwrap();
    store.finish().unwrap();

    let expected = set(&["000000-overlay.jpg", "000000.png", "a_cat.png", "classes.json", "index.jsonl"]);
    assert_eq!(files(&folder), expected);
    let entries = read_index(&folder).unwrap();
    let histogram = mask(1).histogram();
    assert_eq!(
        entries[0],
        Entry {
            frame: 0,
            time_s: 0.0,
            file: "000000.png".into(),
            width: 8,
            height: 6,
            name: None,
            overlay: Some("000000-overlay.jpg".into()),
            pixels: [("background".to_owned(), histogram[0]), ("cat".to_owned(), histogram[1])].into(),
        }
    );
    assert_eq!((entries[1].frame, entries[1].time_s, entries[1].file.as_str()), (2, 0.08, "a_cat.png"));
    let first_line =
        fs::read_to_string(folder.join("index.jsonl")).unwrap().lines().next().unwrap().len() + 1;
    let size = |name: &str| fs::metadata(folder.join(name)).unwrap().len();
    assert_eq!(bytes, size("000000.png") + size("000000-overlay.jpg") + first_line as u64);
    let read: Vec<Class> = serde_json::from_slice(&fs::read(folder.join("classes.json")).unwrap()).unwrap();
    assert_eq!(read, classes());
    for (entry, seed) in entries.iter().zip([1, 2]) {
        let file = fs::read(folder.join(&entry.file)).unwrap();
        assert_eq!(png::read(Cursor::new(file)).unwrap(), mask(seed));
    }
}

#[test]
fn an_earlier_run_is_refused_replaced_or_continued() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("masks");
    let run = |existing, frames: &[u64]| -> Result<(), StoreError> {
        let mut store = MaskFolder::create(&folder, &classes(), existing)?;
        for &frame in frames {
            store.put(record(frame, None), &mask(1))?;
        }
        store.finish()
    };
    run(Existing::Refuse, &[0, 1, 2]).unwrap();
    fs::write(folder.join("mine.png"), b"foreign").unwrap();

    let refused = run(Existing::Refuse, &[0]).unwrap_err().to_string();
    for part in
        ["masks holds the masks of an earlier run", "--overwrite", "--append", "--out", "masks-2 is free"]
    {
        assert!(refused.contains(part), "{refused}");
    }
    assert_eq!(free_name(&folder), root.path().join("masks-2"));
    assert_eq!(free_name(&root.path().join("other")), root.path().join("other"));

    run(Existing::Append, &[0, 2]).unwrap();
    let listed: Vec<_> = read_index(&folder).unwrap().into_iter().map(|e| (e.frame, e.file)).collect();
    let expected = [(0, "000000"), (1, "000001"), (2, "000002"), (0, "000003"), (2, "000005")];
    assert_eq!(listed, expected.map(|(frame, stem)| (frame, format!("{stem}.png"))));

    run(Existing::Overwrite, &[7]).unwrap();
    assert_eq!(files(&folder), set(&["000007.png", "classes.json", "index.jsonl", "mine.png"]));

    let others = classes_from_names(&["background", "dog"]);
    let other = MaskFolder::create(&folder, &others, Existing::Append).err().unwrap().to_string();
    assert!(other.contains("classes.json lists other classes"), "{other}");
}

#[test]
fn files_that_are_there_are_never_written_over() {
    let root = tempfile::tempdir().unwrap();
    for name in ["000000.png", "000001.png", "cat.png"] {
        fs::write(root.path().join(name), b"foreign").unwrap();
    }
    let mut store = MaskFolder::create(root.path(), &classes(), Existing::Refuse).unwrap();
    for (frame, name) in [(0, None), (1, Some("cat")), (2, Some("sub/cat")), (3, Some("../.."))] {
        store.put(record(frame, name), &mask(1)).unwrap();
    }
    let listed: Vec<_> = read_index(root.path()).unwrap().into_iter().map(|entry| entry.file).collect();
    assert_eq!(listed, ["000002.png", "cat-000003.png", "cat-000004.png", "000005.png"]);
    assert_eq!(fs::read(root.path().join("cat.png")).unwrap(), b"foreign");
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let root = tempfile::tempdir().unwrap();
    let first = MaskFolder::create(root.path(), &classes(), Existing::Refuse).unwrap();
    for existing in [Existing::Refuse, Existing::Overwrite, Existing::Append] {
        let second = MaskFolder::create(root.path(), &classes(), existing).err().unwrap().to_string();
        assert!(second.contains("in use by another run"), "{second}");
    }
    drop(first);
    MaskFolder::create(root.path(), &classes(), Existing::Append).unwrap();
}

#[test]
fn a_torn_index_is_repaired() {
    let root = tempfile::tempdir().unwrap();
    let mut store = MaskFolder::create(root.path(), &classes(), Existing::Refuse).unwrap();
    store.put(record(0, None), &mask(1)).unwrap();
    let index = root.path().join("index.jsonl");
    drop(store);
    let whole = fs::read(&index).unwrap();
    fs::write(&index, [whole.as_slice(), b"{\"frame\":1,\"ti"].concat()).unwrap();
    let mut store = MaskFolder::create(root.path(), &classes(), Existing::Append).unwrap();
    store.put(record(1, None), &mask(2)).unwrap();
    let frames: Vec<_> = read_index(root.path()).unwrap().into_iter().map(|entry| entry.frame).collect();
    assert_eq!(frames, [0, 1]);
}

#[test]
fn an_index_cannot_reach_out_of_its_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("masks");
    fs::create_dir(&folder).unwrap();
    fs::write(root.path().join("precious.png"), b"foreign").unwrap();
    let line = r#"{"frame":0,"time_s":0,"file":"../precious.png","width":1,"height":1,"pixels":{}}"#;
    fs::write(folder.join("index.jsonl"), format!("{line}\n")).unwrap();
    MaskFolder::create(&folder, &classes(), Existing::Overwrite).unwrap();
    assert!(root.path().join("precious.png").exists());
}

#[test]
fn names_become_safe_stems() {
    let cases = [
        ("a", Some("a")),
        ("dir/sub/my photo (1)", Some("my_photo__1_")),
        ("C:\\pictures\\x", Some("x")),
        ("2026-01-01_12.30.45", Some("2026-01-01_12.30.45")),
        (".hidden", Some("hidden")),
        ("Käse", Some("Käse")),
        ("..", None),
        ("***", None),
        ("", None),
    ];
    let mut wrong = Vec::new();
    for (name, expected) in cases {
        if safe_stem(name).as_deref() != expected {
            wrong.push(format!("{name}: {:?}", safe_stem(name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(safe_stem(&"x".repeat(500)).unwrap().len(), STEM_CHARS_MAX);
}

#[test]
fn classes_of_one_name_are_told_apart() {
    let names = unique_names(&classes_from_names(&["car", "road", "car"]));
    assert_eq!(names[..4], ["car (0)", "road", "car (2)", "3"]);
}

/// Every listed file is there and whole, and nothing temporary is left over.
fn check_listed(disk: &MemoryDisk, folder: &Path, allow_leftovers: bool) -> Result<Vec<u64>, String> {
    let state = disk.0.borrow();
    let index = state.files.get(&folder.join(INDEX)).ok_or("no index")?;
    let (entries, whole) = index::parse(index, folder).map_err(|error| error.to_string())?;
    if whole != index.len() as u64 && !allow_leftovers {
        return Err("a torn line is left".into());
    }
    let mut expected: BTreeSet<PathBuf> = [INDEX, CLASSES].map(|name| folder.join(name)).into();
    for entry in &entries {
        let path = folder.join(&entry.file);
        let bytes = state.files.get(&path).ok_or(format!("{} is missing", entry.file))?;
        let read = png::read(Cursor::new(bytes)).map_err(|error| format!("{}: {error}", entry.file))?;
        if read != mask(entry.frame as u8) {
            return Err(format!("{} is another mask", entry.file));
        }
        expected.insert(path);
        if let Some(overlay) = &entry.overlay {
            let path = folder.join(overlay);
            if state.files.get(&path).map(Vec::len) != Some(200) {
                return Err(format!("{overlay} is not whole"));
            }
            expected.insert(path);
        }
    }
    let found: BTreeSet<PathBuf> = state.files.keys().cloned().collect();
    if found != expected && !allow_leftovers {
        return Err(format!("left over: {:?}", found.difference(&expected)));
    }
    Ok(entries.iter().map(|entry| entry.frame).collect())
}

#[test]
fn a_full_disk_loses_only_the_frames_that_did_not_fit() {
    let folder = Path::new("masks");
    let mut wrong = Vec::new();
    // Every capacity from where the classes fit to where all frames do, so that each kind of write runs out.
    for capacity in 250..2200 {
        let disk = MemoryDisk::new(capacity);
        let mut store = match MaskFolder::create_on(disk.clone(), folder, &classes(), Existing::Refuse) {
            Ok(store) => store,
            Err(error) if error.is_disk_full() => continue,
            Err(error) => panic!("{error}"),
        };
        let mut stored = Vec::new();
        for frame in 0..4 {
            let overlay = (frame % 2 == 0).then_some(Picture { extension: "jpg", bytes: &[7; 200] });
            match store.put(Record { overlay, ..record(frame, None) }, &mask(frame as u8)) {
                Ok(_) => stored.push(frame),
                Err(error) if error.is_disk_full() => {
                    let message = error.to_string();
                    if !message.starts_with("cannot write masks/")
                        || !message
                            .ends_with("no space left on the disk; free some space or choose another --out")
                    {
                        wrong.push(message);
                    }
                }
                Err(error) => wrong.push(error.to_string()),
            }
        }
        match check_listed(&disk, folder, false) {
            Ok(listed) if listed == stored => {}
            other => wrong.push(format!("capacity {capacity}: {other:?}, stored {stored:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} cases, first {}", wrong.len(), wrong[0]);
}

#[test]
fn a_disk_that_dies_at_any_step_leaves_only_whole_masks_listed() {
    let folder = Path::new("masks");
    let mut wrong = Vec::new();
    for steps in 0..30 {
        let disk = MemoryDisk::new(1 << 20);
        let mut store = MaskFolder::create_on(disk.clone(), folder, &classes(), Existing::Refuse).unwrap();
        disk.0.borrow_mut().fails_in = Some(steps);
        let mut stored = Vec::new();
        for frame in 0..4 {
            let overlay = (frame % 2 == 0).then_some(Picture { extension: "jpg", bytes: &[7; 200] });
            if store.put(Record { overlay, ..record(frame, None) }, &mask(frame as u8)).is_ok() {
                stored.push(frame);
            }
        }
        let before = check_listed(&disk, folder, true);
        // The next run finds a working disk again.
        disk.0.borrow_mut().fails_in = None;
        let mut store = MaskFolder::create_on(disk.clone(), folder, &classes(), Existing::Append).unwrap();
        store.put(record(9, None), &mask(9)).unwrap();
        store.finish().unwrap();
        let after = check_listed(&disk, folder, true);
        let with_last: Vec<u64> = stored.iter().copied().chain([9]).collect();
        if before.as_ref() != Ok(&stored) || after.as_ref() != Ok(&with_last) {
            wrong.push(format!("after {steps} steps: {before:?}, then {after:?}, stored {stored:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
