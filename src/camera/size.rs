//! How large a picture may be, so that no header can ask for more memory than a picture is worth.

/// Longest side, in pixels.
pub(super) const SIDE_MAX_PX: u32 = 16384;

/// Most bytes of decoded pixels in one frame.
pub(super) const FRAME_MAX_BYTES: u64 = 256 << 20;

/// Checks a width and height in pixels, at three bytes a pixel; the error says which bound is passed.
pub(super) fn check_size(width: u64, height: u64) -> Result<(u32, u32), String> {
    if width == 0 || height == 0 {
        return Err(format!("a picture of {width}x{height} has no pixels"));
    }
    let side_max = u64::from(SIDE_MAX_PX);
    if width > side_max || height > side_max {
        return Err(format!(
            "a picture of {width}x{height} is too large; {SIDE_MAX_PX} pixels a side is the most"
        ));
    }
    if 3 * width * height > FRAME_MAX_BYTES {
        let most = FRAME_MAX_BYTES >> 20;
        return Err(format!(
            "a picture of {width}x{height} is too large; its pixels would take more than {most} MiB"
        ));
    }
    Ok((width as u32, height as u32))
}

#[cfg(test)]
mod tests {
    use super::check_size;
    use crate::camera::testing::report;

    #[test]
    fn sizes_are_bounded() {
        let cases: &[(u64, u64, bool)] = &[
            (1, 1, true),
            (640, 480, true),
            (16384, 5461, true),
            (16384, 5462, false),
            (16385, 1, false),
            (1, 16385, false),
            (0, 7, false),
            (7, 0, false),
            (u64::MAX, u64::MAX, false),
        ];
        report(cases.iter().filter_map(|&(width, height, fits)| {
            let got = check_size(width, height);
            (got.is_ok() != fits).then(|| format!("{width}x{height}: {got:?}"))
        }));
    }
}
