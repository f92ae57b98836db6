//! Rows of 8-bit pixels: color, the two directions of a resize, tables.

use crate::kernels::{LookUp, PackedWindows, PixelRow, Q, Windows};

// BT.601, limited range (Y 16..235, U and V 16..240), to full-range RGB, coefficients times 2^16, rounded:
//   R = 255/219 (Y-16)                                    + 255/224 * 1.402 (V-128)
//   G = 255/219 (Y-16) - 255/224 * 0.344136 (U-128)       - 255/224 * 0.714136 (V-128)
//   B = 255/219 (Y-16) + 255/224 * 1.772 (U-128)
// The sum is at most 255 * (76309 + 132201) < 2^26, so i32 holds it; one rounding (half up) comes at the end,
// which keeps the result within 1 of the exact formula.
/// Of Y, to each channel.
pub const Y_GAIN: i32 = 76_309;
/// Of V, to red.
pub const V_TO_R: i32 = 104_597;
/// Of U, from green.
pub const U_TO_G: i32 = 25_675;
/// Of V, from green.
pub const V_TO_G: i32 = 53_279;
/// Of U, to blue.
pub const U_TO_B: i32 = 132_201;
const HALF: i32 = 1 << 15;

// Y begins at 16, chroma at 128.
/// What is added to the products for red.
pub const R_OFFSET: i32 = HALF - 16 * Y_GAIN - 128 * V_TO_R;
/// What is added to the products for green.
pub const G_OFFSET: i32 = HALF - 16 * Y_GAIN + 128 * (U_TO_G + V_TO_G);
/// What is added to the products for blue.
pub const B_OFFSET: i32 = HALF - 16 * Y_GAIN - 128 * U_TO_B;

#[inline(always)]
fn to_byte(scaled: i32) -> u8 {
    (scaled >> 16).clamp(0, 255) as u8
}

/// What a pair of chroma samples adds to R, G and B, times 2^16, offsets included.
#[inline(always)]
fn chroma(u: u8, v: u8) -> [i32; 3] {
    let (u, v) = (i32::from(u), i32::from(v));
    [V_TO_R * v + R_OFFSET, G_OFFSET - U_TO_G * u - V_TO_G * v, U_TO_B * u + B_OFFSET]
}

/// One pixel of a Y and what chroma adds.
#[inline(always)]
fn write_pixel(y: u8, add: [i32; 3], rgb: &mut [u8]) {
    let y = Y_GAIN * i32::from(y);
    rgb[0] = to_byte(y + add[0]);
    rgb[1] = to_byte(y + add[1]);
    rgb[2] = to_byte(y + add[2]);
}

/// Pixels with a chroma sample for every two: `pair` gives Y, Y, U, V of pixels `2 * i` and `2 * i + 1`, and `last` Y, U, V
/// of the last pixel of an odd row.
#[inline(always)]
fn write_pairs(rgb: &mut [u8], pair: impl Fn(usize) -> [u8; 4], last: impl Fn() -> [u8; 3]) {
    let (pairs, odd) = rgb.as_chunks_mut::<6>();
    for (i, rgb) in pairs.iter_mut().enumerate() {
        let [first, second, u, v] = pair(i);
        let add = chroma(u, v);
        write_pixel(first, add, &mut rgb[..3]);
        write_pixel(second, add, &mut rgb[3..]);
    }
    if odd.len() == 3 {
        let [y, u, v] = last();
        write_pixel(y, chroma(u, v), odd);
    }
}

/// Full-range gray of a limited-range Y.
#[inline(always)]
fn luma_to_gray(y: u8) -> u8 {
    to_byte(Y_GAIN * (i32::from(y) - 16) + HALF)
}

/// BT.601 luminance, weights times 2^16 (19595 + 38470 + 7471 = 2^16), rounded half up.
#[inline(always)]
fn rgb_to_gray(r: u8, g: u8, b: u8) -> u8 {
    let [r, g, b] = [r, g, b].map(u32::from);
    ((19_595 * r + 38_470 * g + 7_471 * b + (1 << 15)) >> 16) as u8
}

/// See [`crate::kernels::Pixels::rgb_row`].
#[inline(always)]
pub fn rgb_row(row: PixelRow, rgb: &mut [u8]) {
    let width = rgb.len() / 3;
    assert!(row.holds(width), "a row has {width} pixels");
    let pairs = width / 2;
    match row {
        PixelRow::Rgb(pixels) => rgb.copy_from_slice(&pixels[..rgb.len()]),
        PixelRow::Bgr(pixels) => {
            for (rgb, bgr) in rgb.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
                rgb.copy_from_slice(&[bgr[2], bgr[1], bgr[0]]);
            }
        }
        PixelRow::Gray(pixels) => {
            for (rgb, &gray) in rgb.chunks_exact_mut(3).zip(pixels) {
                rgb.fill(gray);
            }
        }
        PixelRow::Yuyv(groups) => {
            let groups = groups.as_chunks::<4>().0;
            let (whole, last) = (&groups[..pairs], || [groups[pairs][0], groups[pairs][1], groups[pairs][3]]);
            write_pairs(rgb, |i| [whole[i][0], whole[i][2], whole[i][1], whole[i][3]], last);
        }
        PixelRow::Uyvy(groups) => {
            let groups = groups.as_chunks::<4>().0;
            let (whole, last) = (&groups[..pairs], || [groups[pairs][1], groups[pairs][0], groups[pairs][2]]);
            write_pairs(rgb, |i| [whole[i][1], whole[i][3], whole[i][0], whole[i][2]], last);
        }
        PixelRow::Pairs { y, uv } => {
            let (ys, uvs) = (&y.as_chunks::<2>().0[..pairs], &uv.as_chunks::<2>().0[..pairs]);
            let last = || [y[2 * pairs], uv[2 * pairs], uv[2 * pairs + 1]];
            write_pairs(rgb, |i| [ys[i][0], ys[i][1], uvs[i][0], uvs[i][1]], last);
        }
        PixelRow::Halved { y, u, v } => {
            let (ys, us, vs) = (&y.as_chunks::<2>().0[..pairs], &u[..pairs], &v[..pairs]);
            write_pairs(rgb, |i| [ys[i][0], ys[i][1], us[i], vs[i]], || [y[2 * pairs], u[pairs], v[pairs]]);
        }
        PixelRow::Full { y, u, v } => {
            for (((rgb, &y), &u), &v) in rgb.chunks_exact_mut(3).zip(y).zip(u).zip(v) {
                write_pixel(y, chroma(u, v), rgb);
            }
        }
    }
}

/// See [`crate::kernels::Pixels::gray_row`].
#[inline(always)]
pub fn gray_row(row: PixelRow, gray: &mut [u8]) {
    assert!(row.holds(gray.len()), "a row has {} pixels", gray.len());
    match row {
        PixelRow::Rgb(pixels) => {
            for (gray, rgb) in gray.iter_mut().zip(pixels.chunks_exact(3)) {
                *gray = rgb_to_gray(rgb[0], rgb[1], rgb[2]);
            }
        }
        PixelRow::Bgr(pixels) => {
            for (gray, bgr) in gray.iter_mut().zip(pixels.chunks_exact(3)) {
                *gray = rgb_to_gray(bgr[2], bgr[1], bgr[0]);
            }
        }
        PixelRow::Gray(pixels) => gray.copy_from_slice(&pixels[..gray.len()]),
        PixelRow::Yuyv(groups) => {
            for (gray, pair) in gray.iter_mut().zip(groups.chunks_exact(2)) {
                *gray = luma_to_gray(pair[0]);
            }
        }
        PixelRow::Uyvy(groups) => {
            for (gray, pair) in gray.iter_mut().zip(groups.chunks_exact(2)) {
                *gray = luma_to_gray(pair[1]);
            }
        }
        PixelRow::Pairs { y, .. } | PixelRow::Halved { y, .. } | PixelRow::Full { y, .. } => {
            for (gray, &y) in gray.iter_mut().zip(y) {
                *gray = luma_to_gray(y);
            }
        }
    }
}

/// A weighted sum, which began with half of the last place, as a byte.
#[inline(always)]
fn narrow(sum: i32, precision: u32) -> u8 {
    (sum >> precision).clamp(0, 255) as u8
}

/// Bytes whose sums are kept at once.
const BLOCK: usize = 32;

/// See [`crate::kernels::Pixels::mix_rows`].
#[inline(always)]
pub fn mix_rows(data: &[u8], rows: &[usize], weights: &[i16], precision: u32, out: &mut [u8]) {
    assert_eq!(rows.len(), weights.len(), "one weight a row");
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let mut sums = [1 << (precision - 1); BLOCK];
        for (&row, &weight) in rows.iter().zip(weights) {
            let bytes = &data[row + block * BLOCK..][..out.len()];
            for (sum, &byte) in sums.iter_mut().zip(bytes) {
                *sum += i32::from(weight) * i32::from(byte);
            }
        }
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = narrow(sum, precision);
        }
    }
}

/// See [`crate::kernels::Pixels::mix_columns`].
#[inline(always)]
pub fn mix_columns(row: &[u8], windows: &PackedWindows, out: &mut [u8]) {
    let outputs = windows.windows.starts.len();
    assert_eq!(out.len(), outputs * windows.channels, "one pixel an output");
    match windows.channels {
        1 => mix_columns_from::<1>(row, &windows.windows, 0, out),
        3 => mix_columns_from::<3>(row, &windows.windows, 0, out),
        channels => panic!("rows of {channels} channels are not resized"),
    }
}

/// The outputs from `first` on, as many as `out` has room for.
#[inline(always)]
pub fn mix_columns_from<const CHANNELS: usize>(row: &[u8], windows: &Windows, first: usize, out: &mut [u8]) {
    for (output, out) in (first..).zip(out.chunks_exact_mut(CHANNELS)) {
        let (start, weights) = windows.window(output);
        let mut sums = [1 << (windows.precision - 1); CHANNELS];
        let pixels = row[CHANNELS * start..].chunks_exact(CHANNELS);
        for (&weight, pixel) in weights.iter().zip(pixels) {
            for (sum, &byte) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(weight) * i32::from(byte);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = narrow(sum, windows.precision);
        }
    }
}

/// See [`crate::kernels::Pixels::look_up`].
#[inline(always)]
pub fn look_up(pixels: &[u8], look_up: &LookUp, out: &mut [Q]) {
    let (channels, outputs) = (look_up.channels(), look_up.order().len());
    assert_eq!(pixels.len() / channels, out.len() / outputs, "as many pixels");
    let (pixels, out) = (pixels.chunks_exact(channels), out.chunks_exact_mut(outputs));
    match (look_up.tables(), look_up.order(), channels) {
        ([a, b, c], &[x, y, z], 3) => {
            for (pixel, out) in pixels.zip(out) {
                let [first, second, third] = [pixel[x], pixel[y], pixel[z]].map(usize::from);
                (out[0], out[1], out[2]) = (a[first], b[second], c[third]);
            }
        }
        ([a, b, c], _, 1) => {
            for (pixel, out) in pixels.zip(out) {
                let pixel = usize::from(pixel[0]);
                (out[0], out[1], out[2]) = (a[pixel], b[pixel], c[pixel]);
            }
        }
        (tables, order, _) => {
            for (pixel, out) in pixels.zip(out) {
                for ((out, table), &channel) in out.iter_mut().zip(tables).zip(order) {
                    *out = table[usize::from(pixel[channel])];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula of BT.601 in floating point.
    fn exact(y: u8, u: u8, v: u8) -> [f64; 3] {
        let y = (f64::from(y) - 16.0) * 255.0 / 219.0;
        let (u, v) = ((f64::from(u) - 128.0) * 255.0 / 224.0, (f64::from(v) - 128.0) * 255.0 / 224.0);
        let (kr, kb) = (0.299, 0.114);
        let kg = 1.0 - kr - kb;
        let (r, b) = (y + 2.0 * (1.0 - kr) * v, y + 2.0 * (1.0 - kb) * u);
        let g = y - 2.0 * kb * (1.0 - kb) / kg * u - 2.0 * kr * (1.0 - kr) / kg * v;
        [r, g, b].map(|value| value.clamp(0.0, 255.0))
    }

    #[test]
    fn integers_meet_the_formula_within_one() {
        let samples: Vec<u8> = (0..=255).step_by(5).collect();
        let mut wrong = Vec::new();
        for &y in &samples {
            for &u in &samples {
                for &v in &samples {
                    let mut rgb = [0; 3];
                    rgb_row(PixelRow::Full { y: &[y], u: &[u], v: &[v] }, &mut rgb);
                    let far = rgb
                        .iter()
                        .zip(exact(y, u, v))
                        .any(|(&got, want)| (f64::from(got) - want).abs() > 1.0);
                    if far {
                        wrong.push(((y, u, v), rgb, exact(y, u, v)));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} differ, first {:?}", wrong.len(), wrong[0]);
    }
}
