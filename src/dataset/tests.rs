//! Tests of data sets in fresh folders.

use super::*;

fn write(root: &Path, files: &[(&str, &[u8])]) {
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn mask(ids: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mask = Mask { width: ids.len() as u32, height: 1, data: ids.to_vec() };
    png::write(&mut bytes, &mask, &[]).unwrap();
    bytes
}

const META: &[u8] = br#"{"classes": ["background", "cat"], "license": "CC0", "size": [4, 1], "tags": [1]}"#;

#[test]
fn samples_come_in_natural_order_with_their_masks() {
    let root = tempfile::tempdir().unwrap();
    let masks = mask(&[0, 1, 255]);
    let files: &[(&str, &[u8])] = &[
        ("META.json", META),
        ("test/images/a10.jpg", b""),
        ("test/images/a9.JPEG", b""),
        ("test/images/b.c.png", b""),
        ("test/images/.hidden.png", b""),
        ("test/images/notes.txt", b""),
        ("test/masks/a9.png", &masks),
        ("test/masks/a10.png", &masks),
        ("test/masks/b.c.png", &masks),
        ("test/masks/no picture.png", &masks),
    ];
    write(root.path(), files);
    let data = Dataset::open(root.path()).unwrap();
    assert_eq!(
        (data.meta().ignore, data.meta().licence.as_deref(), data.meta().size),
        (255, Some("CC0"), Some([4, 1]))
    );
    let samples = data.split("test").unwrap();
    let files = |path: fn(&Sample) -> &PathBuf| -> Vec<String> {
        samples
            .iter()
            .map(|sample| path(sample).file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(files(|sample| &sample.image), ["a9.JPEG", "a10.jpg", "b.c.png"]);
    assert_eq!(files(|sample| &sample.mask), ["a9.png", "a10.png", "b.c.png"]);
    assert_eq!(data.read_mask(&samples[0]).unwrap().data, [0, 1, 255]);
}

#[test]
fn what_is_missing_is_named() {
    let (good, strange) = (mask(&[0, 1]), mask(&[0, 7]));
    // Files, and how the message ends after the folder's own name.
    type Files<'a> = Vec<(&'a str, &'a [u8])>;
    let cases: Vec<(Files, &str)> = vec![
        (vec![], " has no META.json: a data set holds META.json"),
        (vec![("META.json", b"{")], "/META.json: EOF while parsing"),
        (vec![("META.json", b"{}")], "/META.json: missing field `classes`"),
        (vec![("META.json", br#"{"classes": []}"#)], "/META.json: \"classes\" has 0 names"),
        (vec![("META.json", META)], "/test/images: No such file"),
        (vec![("META.json", META), ("test/images/x.txt", b"")], "/test/images holds no pictures"),
        (
            vec![("META.json", META), ("test/images/1.jpg", b""), ("test/masks/2.png", &good)],
            "/test/images/1.jpg has no mask: ",
        ),
        (
            vec![("META.json", META), ("test/images/1.jpg", b""), ("test/masks/1.png", b"no")],
            "/test/masks/1.png: the mask is not a whole PNG",
        ),
        (
            vec![("META.json", META), ("test/images/1.jpg", b""), ("test/masks/1.png", &strange)],
            "/test/masks/1.png holds class id 7, but META.json names 2 classes and ignores 255",
        ),
    ];
    let mut wrong = Vec::new();
    for (files, expected) in cases {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &files);
        let all = || {
            let data = Dataset::open(root.path())?;
            data.split("test")?.iter().map(|sample| data.read_mask(sample)).collect::<Result<Vec<_>, _>>()
        };
        match all() {
            Err(error) if error.to_string().contains(&format!("{}{expected}", root.path().display())) => {}
            other => wrong.push(format!("{expected}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn class_folders_are_listed() {
    let root = tempfile::tempdir().unwrap();
    let empty = ClassificationFolder::open(root.path()).unwrap_err().to_string();
    assert!(empty.contains("holds no pictures"), "{empty}");
    let files: &[(&str, &[u8])] = &[
        ("dog/1.png", b""),
        ("cat/10.jpg", b""),
        ("cat/9.jpg", b""),
        ("emu/x.txt", b""),
        (".git/a.png", b""),
    ];
    write(root.path(), files);
    let folder = ClassificationFolder::open(root.path()).unwrap();
    assert_eq!(folder.classes, ["cat", "dog", "emu"]);
    let expected = [("cat/9.jpg", 0), ("cat/10.jpg", 0), ("dog/1.png", 1)];
    assert_eq!(folder.samples, expected.map(|(file, class)| (root.path().join(file), class)));
    assert_eq!(folder.counts(), [("cat", 2), ("dog", 1), ("emu", 0)].into());
}
