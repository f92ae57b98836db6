//! Class colors blended over a frame, with contours.

use crate::mask::{Class, Mask, class_color};

/// The color that each class id is painted with; `None` leaves the frame as it is.
pub(super) type Paint = [Option<[u8; 3]>; 256];

/// The colors of all ids: those of `classes`, else of the VOC map; nothing for a background at id 0.
pub(super) fn paint(classes: &[Class]) -> Paint {
    let mut paint: Paint = std::array::from_fn(|id| Some(class_color(id as u8)));
    paint[0] = None;
    for class in classes {
        let is_unpainted = class.id == 0 && class.is_background();
        paint[class.id as usize] = (!is_unpainted).then_some(class.color);
    }
    paint
}

/// Paints every pixel: (frame + color + 1) / 2 inside a class, the color itself where one of the four neighbors is
/// of another class. `rgb` begins with the first pixel under the mask; `stride` bytes later comes the one below.
pub(super) fn blend(rgb: &mut [u8], stride: usize, mask: &Mask, paint: &Paint) {
    let width = mask.width as usize;
    let ids = |row: usize| &mask.data[row * width..][..width];
    let rows = mask.data.len() / width;
    for (y, rgb) in rgb.chunks_mut(stride).take(rows).enumerate() {
        let row = ids(y);
        let (above, below) = (ids(y.saturating_sub(1)), ids((y + 1).min(rows - 1)));
        for (x, pixel) in rgb[..3 * width].chunks_exact_mut(3).enumerate() {
            let id = row[x];
            let Some(color) = paint[id as usize] else {
                continue;
            };
            let (left, right) = (row[x.saturating_sub(1)], row[(x + 1).min(width - 1)]);
            if [left, right, above[x], below[x]] == [id; 4] {
                for (value, color) in pixel.iter_mut().zip(color) {
                    *value = (u16::from(*value) + u16::from(color)).div_ceil(2) as u8;
                }
            } else {
                pixel.copy_from_slice(&color);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::classes_from_names;

    /// A picture of grey 100 under the mask, as text: `.` unpainted, `:` blended, `#` contour, `?` anything else.
    fn drawn(rows: &[&str], paint: &Paint) -> Vec<String> {
        let data: Vec<u8> = rows.concat().bytes().map(|digit| digit - b'0').collect();
        let width = rows[0].len();
        let mask = Mask { width: width as u32, height: rows.len() as u32, data };
        // One more pixel right of the mask and a row below, which stay as they are.
        let stride = 3 * (width + 1);
        let mut rgb = vec![100; stride * (rows.len() + 1)];
        blend(&mut rgb, stride, &mask, paint);
        assert!(rgb[stride * rows.len()..].iter().all(|&value| value == 100));
        let inside = |row: &[u8]| {
            assert_eq!(row[3 * width..], [100; 3]);
            row[..3 * width].to_vec()
        };
        let rgb: Vec<u8> = rgb.chunks_exact(stride).take(rows.len()).flat_map(inside).collect();
        let sign = |(pixel, &id): (&[u8], &u8)| {
            let color = paint[id as usize].unwrap_or_default();
            let half = color.map(|value| (100 + u16::from(value)).div_ceil(2) as u8);
            match pixel {
                [100, 100, 100] => '.',
                _ if pixel == color => '#',
                _ if pixel == half => ':',
                _ => '?',
            }
        };
        let signs: Vec<char> = rgb.chunks_exact(3).zip(&mask.data).map(sign).collect();
        signs.chunks(width).map(|row| row.iter().collect()).collect()
    }

    #[test]
    fn classes_are_blended_with_contours() {
        let background = paint(&classes_from_names(&["background", "cat"]));
        let road = paint(&classes_from_names(&["road", "car"]));
        type Case<'a> = (&'a str, &'a Paint, &'a [&'a str], &'a [&'a str]);
        let cases: [Case; 4] = [
            (
                "an object on the background",
                &background,
                &["000000", "011110", "011110", "011110", "000000"],
                &["......", ".####.", ".#::#.", ".####.", "......"],
            ),
            ("the picture's edge is no contour", &background, &["111", "111"], &[":::", ":::"]),
            ("neighbors both have one", &background, &["1122", "1122"], &[":##:", ":##:"]),
            ("class 0 is painted where it is no background", &road, &["0001"], &["::##"]),
        ];
        let mut wrong = Vec::new();
        for (name, paint, mask, expected) in cases {
            let got = drawn(mask, paint);
            if got != expected {
                wrong.push(format!("{name}:\n{}", got.join("\n")));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
