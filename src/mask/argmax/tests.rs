//! Tests of masks from logits: known by hand, and equal to the plain definition.

use super::*;
use proptest::prelude::*;

/// The definition, word by word.
fn plain(logits: Logits, region: Region, width: u32, height: u32) -> Vec<u8> {
    let position = |i: u32, count: u32, size: usize, from: f32, length: f32| {
        let center = f64::from(from) + (f64::from(i) + 0.5) / f64::from(count) * f64::from(length);
        let at = (center * size as f64 - 0.5).clamp(0.0, (size - 1) as f64);
        let low = at.floor() as usize;
        (low, (low + 1).min(size - 1), (at - low as f64) as f32)
    };
    let mix = |a: f32, b: f32, t: f32| if t == 0.0 { a } else { a * (1.0 - t) + b * t };
    let mut ids = Vec::new();
    for y in 0..height {
        let (y0, y1, v) = position(y, height, logits.height, region.y, region.height);
        for x in 0..width {
            let (x0, x1, h) = position(x, width, logits.width, region.x, region.width);
            let value = |class: usize| {
                let at = |y: usize, x: usize| logits.data[(class * logits.height + y) * logits.width + x];
                mix(mix(at(y0, x0), at(y1, x0), v), mix(at(y0, x1), at(y1, x1), v), h)
            };
            if logits.classes == 1 {
                ids.push(u8::from(value(0) > 0.0));
                continue;
            }
            let (mut best, mut id) = (f32::NEG_INFINITY, 0);
            for class in 0..logits.classes {
                if value(class) > best {
                    (best, id) = (value(class), class as u8);
                }
            }
            ids.push(id);
        }
    }
    ids
}

fn masked(logits: Logits, region: Region, width: u32, height: u32) -> Vec<u8> {
    let mut mask = Mask::default();
    Masker::new().mask(logits, region, width, height, &mut mask).unwrap();
    assert_eq!((mask.width, mask.height), (width, height));
    mask.data
}

#[test]
fn masks_known_by_hand() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    // Name, classes, rows, columns, values, width, height, mask.
    type Case = (&'static str, usize, usize, usize, Vec<f32>, u32, u32, Vec<u8>);
    let cases: Vec<Case> = vec![
        ("one sample serves every pixel", 3, 1, 1, vec![0., 2., 1.], 2, 2, vec![1; 4]),
        ("ties go to the lower id", 3, 1, 1, vec![5., 5., 5.], 1, 1, vec![0]),
        ("NaN never wins", 3, 1, 1, vec![nan, 1., nan], 1, 1, vec![1]),
        ("all NaN is class 0", 2, 1, 1, vec![nan, nan], 1, 1, vec![0]),
        ("infinity wins", 2, 1, 1, vec![1., inf], 1, 1, vec![1]),
        ("a single class is a threshold above 0", 1, 1, 3, vec![-1., 0., 1e-30], 3, 1, vec![0, 0, 1]),
        ("two columns meet in the middle", 2, 1, 2, vec![1., 0., 0., 1.], 4, 1, vec![0, 0, 1, 1]),
        ("two rows, an uneven meeting", 2, 2, 1, vec![1., 0., 0., 4.], 1, 4, vec![0, 1, 1, 1]),
        ("a third class wins between two", 3, 1, 2, vec![1., -9., -9., 1., 0.5, 0.5], 4, 1, vec![0, 2, 2, 1]),
        ("same size is a plain argmax", 2, 1, 3, vec![1., 0., inf, 0., 1., inf], 3, 1, vec![0, 1, 0]),
        ("smaller than the logits", 2, 1, 4, vec![1., 1., 0., 0., 0., 0., 1., 1.], 2, 1, vec![0, 1]),
    ];
    let mut wrong = Vec::new();
    for (name, classes, height, width, data, w, h, expected) in cases {
        let logits = Logits { data: &data, classes, height, width, resized: None };
        let (got, defined) = (masked(logits, Region::WHOLE, w, h), plain(logits, Region::WHOLE, w, h));
        if got != expected || defined != expected {
            wrong.push(format!("{name}: {got:?}, by definition {defined:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_region_is_cut_out() {
    // A letterboxed frame: the upper and lower quarter are padding, which the network calls class 2.
    let rows = [2, 0, 1, 2];
    let data: Vec<f32> = (0..3).flat_map(|class| rows.map(|id| f32::from(u8::from(id == class)))).collect();
    let logits = Logits { data: &data, classes: 3, height: 4, width: 1, resized: None };
    let region = Region { x: 0.0, y: 0.25, width: 1.0, height: 0.5 };
    assert_eq!(masked(logits, region, 1, 2), [0, 1]);
}

#[test]
fn almost_ties_are_decided_as_defined() {
    // Neighbouring floats round to a tie between samples: the keys must not call the higher id sure.
    let mut wrong = Vec::new();
    for exponent in [-140, -126, -20, 0, 1, 100] {
        let low = 1.37 * 2.0_f64.powi(exponent) as f32;
        for steps in 0..200 {
            let high = f32::from_bits(low.to_bits() + steps);
            let data = [vec![low; 9], vec![high; 9], vec![low; 9]].concat();
            let logits = Logits { data: &data, classes: 3, height: 3, width: 3, resized: None };
            if masked(logits, Region::WHOLE, 17, 13) != plain(logits, Region::WHOLE, 17, 13) {
                wrong.push((exponent, steps));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let data = vec![0.0; 257];
    let logits = |classes, height, width| Logits { data: &data, classes, height, width, resized: None };
    let whole = Region::WHOLE;
    let outside = Region { x: 0.5, ..whole };
    let nan = Region { width: f32::NAN, ..whole };
    let cases = [
        (logits(257, 1, 1), whole, 1, "the model gives 257 classes"),
        (logits(0, 1, 1), whole, 1, "the model gives 0 classes"),
        (logits(2, 5, 5), whole, 1, "logits [1, 2, 5, 5] do not fit the 257 values"),
        (
            Logits { data: &[], classes: 2, height: 0, width: 5, resized: None },
            whole,
            1,
            "logits [1, 2, 0, 5]",
        ),
        (logits(1, 257, 1), whole, 0, "a mask of 1x0 has no pixels"),
        (logits(1, 257, 1), outside, 1, "the region"),
        (logits(1, 257, 1), nan, 1, "the region"),
    ];
    let mut wrong = Vec::new();
    for (logits, region, height, expected) in cases {
        let result = Masker::new().mask(logits, region, 1, height, &mut Mask::default());
        match result {
            Err(error) if error.to_string().starts_with(expected) => {}
            _ => wrong.push(format!("{expected}: {result:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Values of three kinds: smooth, of few levels (ties), and with the numbers that arithmetic trips over.
fn value(kind: u8) -> BoxedStrategy<f32> {
    match kind {
        0 => (-10.0_f32..10.0).boxed(),
        1 => (-2_i8..3).prop_map(f32::from).boxed(),
        _ => prop_oneof![
            4 => -1.0_f32..1.0,
            1 => Just(f32::NAN),
            1 => Just(f32::INFINITY),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(f32::MAX),
            1 => Just(f32::MIN),
            1 => Just(f32::MIN_POSITIVE),
            1 => Just(-0.0),
        ]
        .boxed(),
    }
}

type Case = (usize, usize, usize, Vec<f32>, u32, u32, Region);

fn case() -> impl Strategy<Value = Case> {
    let classes = prop_oneof![Just(1_usize), Just(2), Just(3), Just(21)];
    (classes, 1..9_usize, 1..9_usize, 0..3_u8).prop_flat_map(|(classes, height, width, kind)| {
        // Whole blocks of one value give cells that are settled without interpolation.
        let data = prop::collection::vec((value(kind), 1..4_usize), classes * height * width).prop_map(
            move |runs| {
                let all = runs.into_iter().flat_map(|(value, times)| std::iter::repeat_n(value, times));
                all.take(classes * height * width).collect::<Vec<f32>>()
            },
        );
        let region = (0.0_f32..0.6, 0.0_f32..0.6, 0.05_f32..0.4, 0.05_f32..0.4)
            .prop_map(|(x, y, width, height)| Region { x, y, width, height });
        let region = prop_oneof![Just(Region::WHOLE), region];
        (Just(classes), Just(height), Just(width), data, 1..24_u32, 1..24_u32, region)
    })
}

proptest! {
    #[test]
    fn the_fast_way_gives_the_defined_mask((classes, height, width, data, w, h, region) in case()) {
        let logits = Logits { data: &data, classes, height, width, resized: None };
        prop_assert_eq!(masked(logits, region, w, h), plain(logits, region, w, h));
    }
}

#[test]
fn smooth_logits_of_many_classes_and_used_buffers() {
    // Blobs of 256 classes, then fewer, through one masker.
    let mut masker = Masker::new();
    let mut mask = Mask::default();
    for (classes, height, width, w, h) in [(256, 17, 23, 64, 48), (21, 9, 9, 9, 9), (2, 30, 40, 13, 7)] {
        let mut data = Vec::new();
        for class in 0..classes {
            let (cx, cy) = ((class * 7 % width) as f32, (class * 5 % height) as f32);
            for y in 0..height {
                for x in 0..width {
                    data.push(-((x as f32 - cx).powi(2) + (y as f32 - cy).powi(2)) / 10.0);
                }
            }
        }
        let logits = Logits { data: &data, classes, height, width, resized: None };
        masker.mask(logits, Region::WHOLE, w, h, &mut mask).unwrap();
        assert_eq!(mask.data, plain(logits, Region::WHOLE, w, h), "{classes} classes");
    }
}
