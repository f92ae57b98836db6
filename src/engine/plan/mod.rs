//! From a program to steps: what is fused, where every tensor lies, how much memory it takes. All is decided here, before
//! the first frame.
//!
//! 1. `group` joins operators into [`Step`]s: an addition goes into the epilogue of the convolution before it, a table
//!    is applied to rows just written, and operators on images whose only reader is the next one become a [`Chain`] that
//!    runs band by band, so that what lies between them never leaves the cache.
//! 2. `arena` gives every tensor a place in one block of memory, shared by tensors that never live at the same time.
//!    What a concatenation joins is written into its output at once.
//! 3. `build` makes the stages of each chain: packs the weights and computes where every row is read and written.

mod arena;
mod build;
mod group;
mod report;
mod stage;

use crate::engine::program::{Id, Kind, Program};
use crate::kernels::{Kernels, Lines, Q};

pub use report::StepReport;
pub use stage::{Compute, Phase, Stage};

/// A program laid out for one set of kernels.
pub struct Plan {
    /// What is laid out; constants of what the steps hold in their own form are gone.
    pub program: Program,
    /// The kernels that the weights are packed for.
    pub kernels: &'static dyn Kernels,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Stored form of the table that writes each tensor, empty for tensors of other operators.
    tables: Vec<Vec<Q>>,
    /// Where each tensor lies; `None` for those that only live inside a chain.
    pub places: Vec<Option<Place>>,
    /// Values in the arena.
    pub arena_len: usize,
    /// Values that the bands of one thread take.
    pub bands_len: usize,
    /// Bytes of scratch that the kernels take on one thread.
    pub scratch_bytes: usize,
}

impl Plan {
    /// Lays `program` out.
    pub fn new(program: &Program, kernels: &'static dyn Kernels) -> Plan {
        let groups = group::group(program);
        let layout = arena::lay_out(program, &groups);
        let mut steps = Vec::with_capacity(groups.len());
        for group in &groups {
            steps.push(match group {
                group::Group::Chain(links) => {
                    Step::Chain(build::chain(program, group.ops(), links, &layout.places, kernels))
                }
                group::Group::Whole(op) => Step::Whole(*op),
            });
        }
        let chains = || steps.iter().filter_map(Step::chain);
        let bands_len = chains().map(|chain| chain.bands_len).max().unwrap_or(0);
        let stages = chains().flat_map(|chain| &chain.stages);
        let scratch_bytes = stages.map(|stage| stage.scratch_bytes(kernels)).max().unwrap_or(0);
        let mut tables = vec![Vec::new(); program.tensors.len()];
        for op in &program.ops {
            if let Kind::Table { tables: entries } = &op.kind {
                tables[op.output] = build::tables_stored(entries);
            }
        }
        let mut program = program.clone();
        for op in &mut program.ops {
            if let Kind::Conv { weights, .. } | Kind::ConvTranspose { weights, .. } = &mut op.kind {
                weights.values = Vec::new();
            }
        }
        Plan {
            program,
            kernels,
            steps,
            tables,
            places: layout.places,
            arena_len: layout.len,
            bands_len,
            scratch_bytes,
        }
    }

    /// Where tensor `id` lies.
    ///
    /// # Panics
    /// When the tensor only lives inside a chain.
    pub fn place(&self, id: Id) -> Place {
        self.places[id].unwrap_or_else(|| panic!("tensor {} has no place", self.program.tensors[id].name))
    }

    /// Stored form of the table that writes tensor `id`.
    pub fn tables(&self, id: Id) -> &[Q] {
        &self.tables[id]
    }

    /// Stages of the longest chain.
    pub fn stages_max(&self) -> usize {
        self.steps.iter().filter_map(Step::chain).map(|chain| chain.stages.len()).max().unwrap_or(0)
    }

    /// Taps of the largest phase of a transposed convolution.
    pub fn taps_max(&self) -> usize {
        let stages = self.steps.iter().filter_map(Step::chain).flat_map(|chain| &chain.stages);
        stages.map(Stage::phase_taps_max).max().unwrap_or(0)
    }

    /// Bytes that activations take, those in threads left out.
    pub fn arena_bytes(&self) -> usize {
        Lines::zeros_len(self.arena_len)
    }

    /// Bytes of bands and scratch that each thread takes.
    pub fn thread_bytes(&self) -> usize {
        Lines::zeros_len(self.bands_len) + Lines::zeros_len(self.scratch_bytes)
    }

    /// Bytes of weights in the order of the kernels.
    pub fn weight_bytes(&self) -> usize {
        self.steps
            .iter()
            .filter_map(Step::chain)
            .flat_map(|chain| &chain.stages)
            .map(Stage::weight_bytes)
            .sum()
    }
}

/// A part of a buffer of the arena: pixel `p`, channel `c` of a tensor lie at `offset + p * stride + c`, where a pixel is an
/// index of all dims but the last and the channels are the last dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// First value of the buffer in the arena.
    pub start: usize,
    /// Values of the buffer.
    pub len: usize,
    /// First value of the tensor in the buffer.
    pub offset: usize,
    /// Values from a pixel to the next.
    pub stride: usize,
}

/// One step of an inference; all its threads finish before the next begins.
pub enum Step {
    /// Operators on images, fused.
    Chain(Chain),
    /// One other operator, by its index in the program.
    Whole(usize),
}

impl Step {
    /// The chain, if it is one.
    pub fn chain(&self) -> Option<&Chain> {
        match self {
            Step::Chain(chain) => Some(chain),
            Step::Whole(_) => None,
        }
    }
}

/// Operators on images that run one after the other on bands of rows.
pub struct Chain {
    /// Its operators in the program, those in epilogues among them.
    pub ops: Vec<usize>,
    /// Tensor read by the first stage.
    pub input: Id,
    /// Tensor written by the last stage.
    pub output: Id,
    /// Tensor added in the epilogue of the last stage.
    pub residual: Option<Id>,
    /// Images.
    pub batch: usize,
    /// The stages.
    pub stages: Vec<Stage>,
    /// Rows of output computed at a time.
    pub band_rows: usize,
    /// Threads take rows in multiples of this.
    pub rows_unit: usize,
    /// Values that all bands of one thread take.
    pub bands_len: usize,
    /// Whether a thread takes output channels instead of rows: the output has one pixel.
    pub by_channels: bool,
}
