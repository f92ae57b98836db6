//! What all lists of annotations say of a mask's picture.

use super::StoredMask;
use crate::store::folder::safe_stem;

/// The name of a mask's picture without its ending: what the source calls the frame, else its place in the store.
pub(super) fn stem(stored: &StoredMask) -> String {
    let own = stored.meta.name.as_deref().and_then(safe_stem);
    own.unwrap_or_else(|| format!("{:06}", stored.sequence))
}

/// The name of a mask's picture, the same in every format.
pub(super) fn file_name(stored: &StoredMask) -> String {
    format!("{}.png", stem(stored))
}

/// When the frame was captured by the board's two clocks, where the store knows it: seconds since the board's start, and
/// ISO 8601. A folder of PNG keeps neither.
pub(super) fn captured(stored: &StoredMask) -> Option<(f64, String)> {
    let (monotonic, wall_us) = (stored.meta.monotonic, stored.meta.wall_us);
    let is_known = wall_us != 0 || !monotonic.is_zero();
    is_known.then(|| (monotonic.as_secs_f64(), super::utc(wall_us)))
}
