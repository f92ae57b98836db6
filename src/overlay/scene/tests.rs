//! Scenes as ASCII pictures on the mock display, whose letters are colors: K black, R, G, B, C, M, Y, W white.

use embedded_graphics::mock_display::{ColorMapping, MockDisplay};
use embedded_graphics::pixelcolor::{Bgr888, Gray4, Gray8, Rgb565};

use super::*;
use crate::mask::classes_from_names;

const NOTHING: Parts = Parts { overlay: false, legend: false, statistics: false };
const OVERLAY: Parts = Parts { overlay: true, ..NOTHING };

/// Bytes of a picture of letters.
fn rgb(rows: &[&str]) -> Vec<u8> {
    let pixel = |letter: char| {
        let color: Rgb888 = ColorMapping::char_to_color(letter);
        [color.r(), color.g(), color.b()]
    };
    rows.concat().chars().flat_map(pixel).collect()
}

/// Class ids of a picture of digits.
fn mask(rows: &[&str]) -> Mask {
    let data: Vec<u8> = rows.concat().bytes().map(|digit| digit - b'0').collect();
    Mask { width: rows[0].len() as u32, height: rows.len() as u32, data }
}

/// Background, and a red and a green class.
fn classes() -> Vec<Class> {
    let mut classes = classes_from_names(&["background", "fox", "fern"]);
    (classes[1].color, classes[2].color) = ([255, 0, 0], [0, 255, 0]);
    classes
}

fn compose(scene: &mut Scene, frame: &[&str], mask: &Mask, size: Size) -> Result<(), OverlayError> {
    let (rgb, classes) = (rgb(frame), classes());
    let (width, height) = (frame[0].len() as u32, frame.len() as u32);
    let view = View { rgb: &rgb, width, height, mask, classes: &classes, statistics: Statistics::default() };
    scene.compose(&view, size)
}

/// The scene on a mock display of another kind of color, compared with a picture in that color's letters.
fn differs<C>(scene: &Scene, expected: &[&str]) -> Option<String>
where
    C: PixelColor + From<Rgb888> + ColorMapping,
{
    let mut display = MockDisplay::<C>::new();
    // The mock display panics where a pixel is drawn twice or outside, so every pixel is sent once.
    scene.send(&mut display).unwrap();
    (!display.eq(&MockDisplay::from_pattern(expected))).then(|| format!("{display:?}"))
}

#[test]
fn frames_and_masks_are_scaled_into_the_middle() {
    let plain = &["RGB", "CMY"][..];
    let white = &["WWWW", "WWWW"][..];
    let none = mask(&["0"]);
    type Case<'a> = (&'a str, Parts, &'a [&'a str], Mask, (u32, u32), &'a [&'a str]);
    let cases: [Case; 13] = [
        ("the same size", NOTHING, plain, none.clone(), (3, 2), &["RGB", "CMY"]),
        ("twice as large", NOTHING, plain, none.clone(), (6, 4), &["RRGGBB", "RRGGBB", "CCMMYY", "CCMMYY"]),
        ("a wide display", NOTHING, plain, none.clone(), (7, 2), &["KKRGBKK", "KKCMYKK"]),
        ("a high display", NOTHING, plain, none.clone(), (3, 5), &["KKK", "RGB", "CMY", "KKK", "KKK"]),
        ("a smaller one", NOTHING, &["RRGGBB", "RRGGBB", "CCMMYY", "CCMMYY"], none.clone(), (3, 2), plain),
        ("half a pixel is none less", NOTHING, &["RGBCMYWK"], none.clone(), (4, 1), &["GCYK"]),
        ("one pixel of a line", NOTHING, &["RRRRRRRRRRRR"], none.clone(), (1, 3), &["K", "R", "K"]),
        ("a mask of the frame's size", OVERLAY, white, mask(&["0100", "0020"]), (4, 2), &["WRWW", "WWGW"]),
        ("a smaller mask", OVERLAY, white, mask(&["12"]), (4, 2), &["0RG0", "0RG0"]),
        ("a larger mask", OVERLAY, &["WW"], mask(&["0011", "0011"]), (2, 1), &["WR"]),
        ("contours grow with the frame", OVERLAY, &["WWW"], mask(&["100"]), (6, 2), &["RRWWWW", "RRWWWW"]),
        ("both in the middle", OVERLAY, white, mask(&["0100", "0020"]), (6, 2), &["KWRWWK", "KWWGWK"]),
        ("hidden", NOTHING, white, mask(&["0100", "0020"]), (4, 2), white),
    ];
    let mut wrong = Vec::new();
    for (name, parts, frame, mask, (width, height), expected) in cases {
        let mut scene = Scene::new(parts);
        compose(&mut scene, frame, &mask, Size::new(width, height)).unwrap();
        // A blended pixel is half white, half its class: the mock display has no letter for it, `0` stands in.
        let letters: Vec<String> = scene
            .rgb()
            .chunks_exact(3 * width as usize)
            .map(|row| {
                let letter = |rgb: &[u8]| match rgb {
                    [255, 128, 128] | [128, 255, 128] => '0',
                    _ => ColorMapping::color_to_char(Rgb888::new(rgb[0], rgb[1], rgb[2])),
                };
                row.chunks_exact(3).map(letter).collect()
            })
            .collect();
        if letters != expected {
            wrong.push(format!("{name}:\n{}", letters.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn displays_of_every_color_show_the_scene() {
    let mut scene = Scene::new(OVERLAY);
    compose(&mut scene, &["WKRGBCMY", "YMCBGRKW"], &mask(&["01000000", "00002000"]), Size::new(10, 2))
        .unwrap();
    let colors = &["KWRRGBCMYK", "KYMCBGRKWK"];
    let luma = &["0F5592A6D0", "0D6A2950F0"];
    // Of the 256 levels of Gray8 the mock display has letters for sixteen, two of which are a color's.
    let mut black_and_white = Scene::new(NOTHING);
    compose(&mut black_and_white, &["WK", "KK"], &mask(&["0"]), Size::new(4, 2)).unwrap();
    let wrong: Vec<(&str, String)> = [
        ("Rgb888", differs::<Rgb888>(&scene, colors)),
        ("Bgr888", differs::<Bgr888>(&scene, colors)),
        ("Rgb565", differs::<Rgb565>(&scene, colors)),
        ("Gray4", differs::<Gray4>(&scene, luma)),
        ("Gray8", differs::<Gray8>(&black_and_white, &["0F00", "0000"])),
    ]
    .into_iter()
    .filter_map(|(name, picture)| Some((name, picture?)))
    .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_of_earlier_pictures_remains() {
    let mut scene = Scene::new(Parts::default());
    compose(&mut scene, &["RR", "RR"], &mask(&["1"]), Size::new(40, 60)).unwrap();
    scene.set_parts(NOTHING);
    for (size, expected) in [((6, 2), &["KKWWKK", "KKWWKK"]), ((2, 2), &["WW", "WW"])] {
        compose(&mut scene, &["WW", "WW"], &mask(&["1"]), Size::new(size.0, size.1)).unwrap();
        assert_eq!(differs::<Rgb888>(&scene, expected), None);
    }
}

#[test]
fn panels_have_their_corners() {
    let (legend, statistics) = (Parts { legend: true, ..NOTHING }, Parts { statistics: true, ..NOTHING });
    // What lies in the sixth column of each row: `.` a panel's shade, `#` its text or swatch, space the frame.
    let column = |parts, height| {
        let mut scene = Scene::new(parts);
        let frame = vec!["W".repeat(64); height];
        let frame: Vec<&str> = frame.iter().map(String::as_str).collect();
        compose(&mut scene, &frame, &mask(&["12"]), Size::new(64, height as u32)).unwrap();
        let sixth = |row: &[u8]| match row[15..18] {
            [255, 255, 255] => ' ',
            [63, 63, 63] => '.',
            _ => '#',
        };
        scene.rgb().chunks_exact(3 * 64).map(sixth).collect::<String>()
    };
    let shaded = |parts, height| {
        let column = column(parts, height);
        let panels: Vec<(usize, usize)> = column
            .split(' ')
            .filter(|panel| !panel.is_empty())
            .map(|panel| (panel.as_ptr() as usize - column.as_ptr() as usize, panel.len()))
            .collect();
        panels
    };
    // A panel is 6 pixels and 11 a line high: the legend has two lines, or one where there is no more room, the statistics three.
    let cases = [
        ("neither", NOTHING, 64, vec![]),
        ("legend", legend, 64, vec![(3, 28)]),
        ("statistics", statistics, 64, vec![(22, 39)]),
        ("both", Parts { overlay: false, ..Parts::default() }, 66, vec![(3, 17), (24, 39)]),
        ("the statistics leave no room", Parts { overlay: false, ..Parts::default() }, 50, vec![(8, 39)]),
    ];
    for (name, parts, height, expected) in cases {
        assert_eq!(shaded(parts, height), expected, "{name}: {:?}", column(parts, height));
    }
}

#[test]
fn views_that_contradict_themselves_are_refused() {
    let classes = classes();
    let mask = mask(&["00"]);
    let none = Mask { data: Vec::new(), ..mask };
    let cases = [
        (12, &mask, (2, 2), None),
        (11, &mask, (2, 2), Some("a picture of 2x2 takes 12 bytes of RGB, but there are 11")),
        (12, &mask, (0, 2), Some("a picture of 0x2 takes 0 bytes of RGB, but there are 0")),
        (12, &none, (2, 2), Some("the mask is 2x1 but the picture 2x2: make the mask at that size")),
    ];
    for (bytes, mask, (width, height), expected) in cases {
        let rgb = vec![0; bytes];
        let statistics = Statistics::default();
        let view = View { rgb: &rgb, width: 2, height: 2, mask, classes: &classes, statistics };
        let result = Scene::new(OVERLAY).compose(&view, Size::new(width, height));
        assert_eq!(result.err().map(|error| error.to_string()).as_deref(), expected);
    }
}
