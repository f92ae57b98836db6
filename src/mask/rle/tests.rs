use super::*;
use crate::mask::Mask;
use proptest::prelude::*;

/// Class ids as digits, row by row.
fn mask(rows: &[&str]) -> Mask {
    let data: Vec<u8> = rows.concat().bytes().map(|digit| digit - b'0').collect();
    Mask { width: rows[0].len() as u32, height: rows.len() as u32, data }
}

fn picture(name: &str) -> Mask {
    match name {
        "one pixel" => mask(&["1"]),
        "two pixels" => mask(&["01"]),
        "a block" => mask(&["0110", "0110", "0000"]),
        "a checkerboard" => mask(&["0101", "1010", "0101"]),
        "three classes" => mask(&["001122", "011222", "111220"]),
        "over the columns' ends" => mask(&["010", "000", "100"]),
        "long runs" => {
            let rows: Vec<&str> =
                (0..5000).map(|y| if (1200..4700).contains(&y) { "11" } else { "02" }).collect();
            mask(&rows)
        }
        other => panic!("no picture is called {other:?}"),
    }
}

type Golden = (&'static str, u8, &'static str, u64, [u32; 4], &'static str);

/// Picture, class, COCO's string, area, bounding box, CVAT's counts; made by `python tests/reference/run_lengths.py`
/// with pycocotools 2.0.11 and cvat_sdk 2.80.0.
const GOLDEN: &[Golden] = &[
    ("one pixel", 1, r"01", 1, [0, 0, 1, 1], "0, 1"),
    ("two pixels", 0, r"011", 1, [0, 0, 1, 1], "0, 1"),
    ("two pixels", 1, r"11", 1, [1, 0, 1, 1], "0, 1"),
    ("a block", 0, r"032N03", 8, [0, 0, 4, 3], "0, 1, 2, 2, 2, 5"),
    ("a block", 1, r"32103", 4, [1, 0, 2, 2], "0, 4"),
    ("a checkerboard", 0, r"0110000000000", 6, [0, 0, 4, 3], "0, 1, 1, 1, 2, 1, 1, 2, 1, 1, 1"),
    ("a checkerboard", 1, r"111000000000", 6, [0, 0, 4, 3], "1, 1, 1, 2, 1, 1, 2, 1, 1, 1"),
    ("three classes", 0, r"021O<0", 4, [0, 0, 6, 3], "0, 2, 4, 1, 10, 1"),
    ("three classes", 1, r"21157", 7, [0, 0, 4, 3], "2, 2, 1, 2, 1, 3, 1"),
    ("three classes", 2, r":71", 7, [3, 0, 3, 3], "1, 7, 1"),
    ("over the columns' ends", 0, r"0223", 7, [0, 0, 3, 3], "0, 1, 1, 4, 1, 2"),
    ("over the columns' ends", 1, r"225", 2, [0, 0, 2, 3], "1, 1, 2, 1, 1"),
    ("long runs", 0, r"0`U1\]3lSOl^1", 1500, [0, 0, 1, 5000], "0, 1200, 3500, 300"),
    ("long runs", 1, r"`U1\]3l^10`jN", 7000, [0, 1200, 2, 3500], "0, 7000"),
    ("long runs", 2, r"Xl4`U1\]3lSO", 1500, [1, 0, 1, 5000], "0, 1200, 3500, 300"),
];

#[test]
fn run_lengths_are_those_of_pycocotools_and_cvat() {
    let mut wrong = Vec::new();
    for &(name, class, text, area, bounding_box, cvat) in GOLDEN {
        let mask = picture(name);
        let rle = CocoRle::of_class(&mask, class);
        let read = CocoRle::parse(mask.width, mask.height, text);
        let box_of_cvat = CvatRle::of_classes(&mask).into_iter().find(|&(id, _)| id == class);
        let got = (rle.compressed(), rle.area(), rle.bounding_box(), read.as_ref() == Ok(&rle));
        if got != (text.to_owned(), area, bounding_box, true) {
            wrong.push(format!("{name}, class {class}: {got:?}"));
        }
        match box_of_cvat {
            Some((_, c)) if c.text() == cvat && [c.left, c.top, c.width, c.height] == bounding_box => {}
            other => wrong.push(format!("{name}, class {class}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_class_that_does_not_occur_is_one_count() {
    let rle = CocoRle::of_class(&picture("a block"), 9);
    assert_eq!((rle.counts.as_slice(), rle.area(), rle.bounding_box()), (&[12][..], 0, [0; 4]));
    assert_eq!(CvatRle::of_classes(&Mask::default()), []);
    assert_eq!(CocoRle::of_classes(&Mask::default()), []);
}

#[test]
fn damaged_strings_are_refused() {
    let size = |found| RleError::Size { width: 4, height: 3, expected: 12, found };
    let cases = [
        ("32103", None),
        ("", Some(size(0))),
        ("3210", Some(size(8))),
        ("321034", Some(size(18))),
        ("32 03", Some(RleError::Character { at: 2, found: ' ' })),
        ("3210é", Some(RleError::Character { at: 4, found: 'é' })),
        ("3210o", Some(RleError::Count { count: 4 })),
        ("O", Some(RleError::Count { count: 0 })),
        ("oooooooooo0", Some(RleError::Count { count: 0 })),
        ("ooooooo7", Some(RleError::Count { count: 0 })),
    ];
    let wrong: Vec<String> = cases
        .into_iter()
        .map(|(text, error)| (text, CocoRle::parse(4, 3, text).err(), error))
        .filter(|(_, got, want)| got != want)
        .map(|(text, got, want)| format!("{text:?}: {got:?} instead of {want:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_mask_of_another_size_is_not_painted() {
    let rle = CocoRle::of_class(&picture("a block"), 1);
    let mut other = picture("three classes");
    assert!(rle.paint(&mut other, 7).is_err());
    assert_eq!(other, picture("three classes"));
}

/// The mask that CVAT's counts of every class make.
fn painted_by_cvat(mask: &Mask) -> Mask {
    let mut painted = Mask { data: vec![255; mask.data.len()], ..mask.clone() };
    for (id, rle) in CvatRle::of_classes(mask) {
        let inside = rle.counts.iter().enumerate().flat_map(|(n, &c)| vec![n % 2 == 1; c as usize]);
        for (at, _) in inside.enumerate().filter(|(_, inside)| *inside) {
            let (x, y) = (rle.left + at as u32 % rle.width, rle.top + at as u32 / rle.width);
            painted.data[(y * mask.width + x) as usize] = id;
        }
    }
    painted
}

proptest! {
    #[test]
    fn masks_come_back(
        (width, height, data) in (1_usize..40, 1_usize..40, 1_u8..6).prop_flat_map(|(w, h, classes)| {
            (Just(w), Just(h), proptest::collection::vec(0..classes, w * h))
        }),
        // Long runs too: each row of blocks repeats its ids.
        block in 1_usize..9,
    ) {
        let id = |at: usize| data[(at / width / block * block) * width + at % width / block * block];
        let data: Vec<u8> = (0..width * height).map(id).collect();
        let mask = Mask { width: width as u32, height: height as u32, data };
        let mut painted = Mask { data: vec![255; mask.data.len()], ..mask.clone() };
        for (id, rle) in CocoRle::of_classes(&mask) {
            prop_assert_eq!(&rle, &CocoRle::of_class(&mask, id));
            let read = CocoRle::parse(mask.width, mask.height, &rle.compressed());
            prop_assert_eq!(read.as_ref(), Ok(&rle));
            rle.paint(&mut painted, id).unwrap();
            prop_assert_eq!(rle.area(), mask.histogram()[usize::from(id)]);
        }
        prop_assert_eq!(&painted, &mask);
        prop_assert_eq!(painted_by_cvat(&mask), mask);
    }

    #[test]
    fn strings_never_panic(text in ".{0,40}", width in 0_u32..9, height in 0_u32..9) {
        if let Ok(rle) = CocoRle::parse(width, height, &text) {
            rle.bounding_box();
        }
    }
}
