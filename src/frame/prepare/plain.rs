//! Tests of preparing in one pass against its plain definition: the whole frame to RGB, cut, resized by another library's
//! 8-bit convolution, and looked up.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use proptest::prelude::*;

use super::*;
use crate::kernels::available;
use std::time::Duration;

#[derive(Clone, Debug)]
struct Case {
    format: PixelFormat,
    /// Of the frame.
    size: (u32, u32),
    crop: Option<Crop>,
    /// Of the input.
    input: (u32, u32),
    color: ColorOrder,
    resize: ResizeRule,
    /// Whether all channels have the same table.
    one_table: bool,
    seed: u32,
}

impl Case {
    fn new(format: PixelFormat, size: (u32, u32), input: (u32, u32)) -> Case {
        let (color, resize) = (ColorOrder::Rgb, ResizeRule::Stretch);
        Case { format, size, crop: None, input, color, resize, one_table: false, seed: 1 }
    }

    fn frame(&self) -> Frame {
        let (width, height) = self.size;
        let data = bytes(self.seed).take(self.format.frame_bytes(width, height)).collect();
        Frame { number: 0, time: Duration::ZERO, width, height, format: self.format, data, name: None }
    }

    fn preparer(&self, kernels: &'static dyn Kernels) -> Preparer {
        let (channels, (width, height)) = (self.color.channels(), self.input);
        let (mean, std) = ([0.1, 0.2, 0.3][..channels].to_vec(), [0.4, 0.5, 0.6][..channels].to_vec());
        let rule = InputRule { color: self.color, mean, std, resize: self.resize };
        let mut preparer = Preparer::with_kernels(rule, width, height, kernels).unwrap();
        preparer.set_crop(self.crop);
        preparer
    }

    /// Tables in which every pixel value has another stored value.
    fn tables(&self) -> Vec<[Q; 256]> {
        let odd = |channel: usize| if self.one_table { 5 } else { 2 * channel + 3 };
        let table = |channel| std::array::from_fn(|pixel| (pixel * odd(channel) + channel) as u8 as Q);
        (0..self.color.channels()).map(|channel| table(if self.one_table { 0 } else { channel })).collect()
    }
}

/// Noise, with runs of 0 and 255 in it.
fn bytes(seed: u32) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        Some(match state >> 28 {
            0 => 0,
            1 => 255,
            _ => (state >> 8) as u8,
        })
    })
}

/// The frame's crop at its size in the input, in as many channels as are said.
fn resized(case: &Case, place: Placement) -> (Vec<u8>, usize) {
    let frame = case.frame();
    let channels = if case.format == PixelFormat::Gray8 { 1 } else { case.color.channels() };
    let mut whole = Vec::new();
    if channels == 1 { frame.write_gray(&mut whole) } else { frame.write_rgb(&mut whole) }.unwrap();
    let crop = case.crop.unwrap_or(Crop::whole(frame.width, frame.height));
    let pitch = frame.width as usize * channels;
    let (left, length) = (crop.x as usize * channels, crop.width as usize * channels);
    let rows = whole.chunks_exact(pitch).skip(crop.y as usize).take(crop.height as usize);
    let cut: Vec<u8> = rows.flat_map(|row| &row[left..left + length]).copied().collect();
    let mut out = vec![0; place.width as usize * place.height as usize * channels];
    match channels {
        1 => resize::<U8>(&cut, crop, &mut out, place),
        _ => resize::<U8x3>(&cut, crop, &mut out, place),
    }
    (out, channels)
}

fn resize<P: PixelTrait>(pixels: &[u8], crop: Crop, out: &mut [u8], place: Placement) {
    let source = TypedImageRef::<P>::from_buffer(crop.width, crop.height, pixels).unwrap();
    let mut target = TypedImage::<P>::from_buffer(place.width, place.height, out).unwrap();
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize_typed(&source, &mut target, &options).unwrap();
}

/// What the definition gives for stored values, `[height][width][channels]`.
fn expected(case: &Case, place: Placement) -> Vec<Q> {
    let (pixels, channels) = resized(case, place);
    let (width, height) = case.input;
    let tables = case.tables();
    let mut input = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let inside = (place.x..place.x + place.width).contains(&x)
                && (place.y..place.y + place.height).contains(&y);
            for (channel, table) in tables.iter().enumerate() {
                let source = match (channels, case.color) {
                    (1, _) => 0,
                    (_, ColorOrder::Bgr) => 2 - channel,
                    (_, _) => channel,
                };
                let at = || ((y - place.y) * place.width + x - place.x) as usize * channels + source;
                input.push(table[usize::from(if inside { pixels[at()] } else { PADDING })]);
            }
        }
    }
    input
}

fn check(case: &Case) -> Result<(), String> {
    let frame = case.frame();
    for kernels in available() {
        let name = kernels.isa().name();
        let mut preparer = case.preparer(kernels);
        let mut stored = vec![0; preparer.input_len()];
        let mut reals = vec![f32::NAN; preparer.input_len()];
        let place =
            preparer.prepare_pixels(&frame, &case.tables(), &mut stored).map_err(|e| e.to_string())?;
        preparer.prepare(&frame, &mut reals).map_err(|e| e.to_string())?;
        let expected = expected(case, place);
        if let Some(at) = stored.iter().zip(&expected).position(|(found, expected)| found != expected) {
            let (found, expected) = (stored[at], expected[at]);
            return Err(format!("{name}: value {at} is {found}, not {expected} in {case:?}"));
        }
        // Real numbers are those of the same pixel values: each stored value stands for one.
        let (tables, channels) = (case.tables(), preparer.tables.len());
        let plane = stored.len() / channels;
        for (at, &value) in stored.iter().enumerate() {
            let (pixel, channel) = (at / channels, at % channels);
            let of_value = tables[channel].iter().position(|&entry| entry == value).unwrap();
            if reals[channel * plane + pixel] != preparer.tables[channel][of_value] {
                return Err(format!("{name}: f32 of pixel {pixel} channel {channel} in {case:?}"));
            }
        }
    }
    Ok(())
}

#[track_caller]
fn assert_all(cases: impl IntoIterator<Item = Case>) {
    let failures: Vec<String> = cases.into_iter().filter_map(|case| check(&case).err()).collect();
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_format_color_and_rule() {
    let mut cases = Vec::new();
    for format in PixelFormat::ALL {
        for (size, input) in [((50, 39), (17, 17)), ((9, 7), (21, 22)), ((33, 12), (33, 12))] {
            for color in [ColorOrder::Rgb, ColorOrder::Bgr, ColorOrder::Gray] {
                for resize in [ResizeRule::Stretch, ResizeRule::Letterbox] {
                    for one_table in [false, true] {
                        cases.push(Case { color, resize, one_table, ..Case::new(format, size, input) });
                    }
                }
            }
        }
    }
    assert_all(cases);
}

#[test]
fn sizes_around_vectors_and_single_pixels() {
    let mut cases = Vec::new();
    for width in [1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 64] {
        for height in [1, 2, 5] {
            for input in [(1, 1), (7, 1), (8, 3), (9, 9), (24, 2), (25, 5), (40, 11)] {
                cases.push(Case::new(PixelFormat::Yuyv, (width, height), input));
            }
        }
    }
    assert_all(cases);
}

#[test]
fn sizes_of_cameras_and_networks() {
    use PixelFormat::*;
    let cases = [
        (Yuyv, (640, 480), (257, 257)),
        (Uyvy, (640, 480), (256, 256)),
        (Nv12, (1280, 720), (257, 257)),
        (I420, (1280, 720), (128, 128)),
        (Bgr8, (320, 240), (321, 241)),
        (Rgb8, (640, 480), (224, 224)),
        (Nv12, (1920, 1080), (33, 1)),
        (Gray8, (640, 480), (257, 257)),
        (Yuyv, (3000, 4), (1, 2)),
        (Yuyv, (4, 3000), (2, 1)),
    ];
    assert_all(cases.map(|(format, size, input)| Case::new(format, size, input)));
}

#[test]
fn crops_of_every_parity() {
    let mut cases = Vec::new();
    for format in PixelFormat::ALL {
        for (x, y) in [(0, 0), (1, 0), (0, 1), (3, 5), (2, 2)] {
            for (width, height) in [(1, 1), (2, 3), (17, 9), (34, 20), (35, 21)] {
                for color in [ColorOrder::Rgb, ColorOrder::Gray] {
                    let crop = Some(Crop { x, y, width, height });
                    cases.push(Case { crop, color, ..Case::new(format, (39, 27), (17, 9)) });
                }
            }
        }
    }
    assert_all(cases);
}

#[test]
fn crops_outside_the_frame_are_refused() {
    let case = Case::new(PixelFormat::Yuyv, (8, 6), (2, 2));
    let crops = [
        (0, 0, 9, 6),
        (0, 0, 8, 7),
        (8, 0, 1, 1),
        (0, 6, 1, 1),
        (0, 0, 0, 1),
        (2, 2, 1, 0),
        (u32::MAX, 0, 2, 2),
    ];
    for (x, y, width, height) in crops {
        let crop = Some(Crop { x, y, width, height });
        let case = Case { crop, ..case.clone() };
        let error = check(&case).unwrap_err();
        assert!(error.starts_with("frame 0 has 8x6 pixels, which do not hold the crop of"), "{error}");
    }
}

#[test]
fn one_preparer_takes_frames_of_changing_sizes_formats_and_crops() {
    let crop = Some(Crop { x: 5, y: 3, width: 30, height: 20 });
    let base = Case::new(PixelFormat::Yuyv, (64, 48), (24, 20));
    let cases = [
        base.clone(),
        Case { format: PixelFormat::Gray8, ..base.clone() },
        Case { size: (100, 9), ..base.clone() },
        Case { crop, ..base.clone() },
        Case { format: PixelFormat::Nv12, ..base.clone() },
        Case { size: (24, 20), ..base.clone() },
        base,
    ];
    for kernels in available() {
        let mut preparer = cases[0].preparer(kernels);
        let mut input = vec![0; preparer.input_len()];
        for case in &cases {
            preparer.set_crop(case.crop);
            let place = preparer.prepare_pixels(&case.frame(), &case.tables(), &mut input).unwrap();
            assert!(input == expected(case, place), "{} {case:?}", kernels.isa());
        }
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let format = prop::sample::select(PixelFormat::ALL.to_vec());
    let color = prop::sample::select(vec![ColorOrder::Rgb, ColorOrder::Bgr, ColorOrder::Gray]);
    let resize = prop::sample::select(vec![ResizeRule::Stretch, ResizeRule::Letterbox]);
    let crop = prop::option::of((0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0));
    let sizes = ((1u32..120, 1u32..90), (1u32..70, 1u32..70));
    (format, color, resize, crop, sizes, any::<bool>(), any::<u32>()).prop_map(
        |(format, color, resize, crop, (size, input), one_table, seed)| {
            let part = |first: f64, length: f64, whole: u32| {
                let first = (first * f64::from(whole)) as u32;
                (first, 1 + (length * f64::from(whole - first)) as u32)
            };
            let crop = crop.map(|(x, y, width, height)| {
                let ((x, width), (y, height)) = (part(x, width, size.0), part(y, height, size.1));
                Crop { x, y, width: width.min(size.0 - x), height: height.min(size.1 - y) }
            });
            Case { format, size, crop, input, color, resize, one_table, seed }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_frame(case in any_case()) {
        check(&case).map_err(TestCaseError::fail)?;
    }
}
