//! What the store keeps of a frame beside its mask.

use std::time::Duration;

/// A frame's entry in the store. All times are told by [`crate::clock::Clock`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordMeta {
    /// The frame's number in its source, from 0 in each run.
    pub frame: u64,
    /// Time since the source's first frame.
    pub time: Duration,
    /// Time since the board started, when the frame was captured; never jumps, begins anew with each start.
    pub monotonic: Duration,
    /// Unix time in microseconds when the frame was captured, as the board's clock then said: may jump.
    pub wall_us: i64,
    /// First 8 bytes of the SHA-256 of the model's file.
    pub model: [u8; 8],
    /// How often the model had been tuned on this device.
    pub tune_generation: u32,
    /// From capture to mask.
    pub latency: Duration,
    /// What slowed the board down at that moment.
    pub throttle: Throttle,
    /// What the source calls the frame (a file's name without its ending).
    pub name: Option<String>,
}

/// What slows a board down, as bits: those of the Raspberry Pi's firmware (`get_throttled`, bits 0 to 3), and our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle(pub u16);

impl Throttle {
    /// The supply voltage is too low.
    pub const UNDER_VOLTAGE: Throttle = Throttle(1);
    /// The frequency is capped.
    pub const FREQUENCY_CAPPED: Throttle = Throttle(1 << 1);
    /// The firmware throttles.
    pub const THROTTLED: Throttle = Throttle(1 << 2);
    /// The soft temperature limit is active.
    pub const SOFT_TEMPERATURE_LIMIT: Throttle = Throttle(1 << 3);
    /// Sedge itself has lowered the frame rate.
    pub const GOVERNED: Throttle = Throttle(1 << 8);

    /// Both sets of bits.
    pub fn with(self, other: Throttle) -> Throttle {
        Throttle(self.0 | other.0)
    }

    /// Whether all bits of `other` are set.
    pub fn has(self, other: Throttle) -> bool {
        self.0 & other.0 == other.0
    }
}
