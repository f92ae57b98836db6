//! Runs a plan: the memory of its tensors and threads, and the loop over its steps. Nothing here allocates after [`Runner::new`].

mod chain;
mod pool;
#[cfg(test)]
mod tests;
mod whole;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use pool::Pool;

use crate::engine::plan::{Place, Plan, Step};
use crate::engine::program::{Element, Id, Port, Tensor};
use crate::kernels::{Lines, Output, Q, Q_OFFSET, Quantization, Scratch, stored};

/// Most threads of a runner.
pub const THREADS_MAX: usize = 64;

/// A plan with its memory, ready to run.
pub struct Runner {
    plan: Arc<Plan>,
    arena: Lines,
    pool: Pool,
    workers: Vec<Mutex<Worker>>,
    times: Option<Vec<Duration>>,
}

/// Memory of one thread.
struct Worker {
    bands: Lines,
    scratch: Scratch,
    /// Rows that each band holds.
    held: Vec<Range<isize>>,
    /// Rows that each band has to hold.
    needed: Vec<Range<isize>>,
    /// Room for the taps of a transposed convolution's phase.
    taps: Vec<usize>,
}

impl Runner {
    /// Gives `plan` its memory and `threads` threads (at least 1, at most [`THREADS_MAX`]).
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn new(plan: Arc<Plan>, threads: usize) -> std::io::Result<Runner> {
        let pool = Pool::new(threads.clamp(1, THREADS_MAX))?;
        let mut arena = Lines::zeros(plan.arena_len);
        for (id, tensor) in plan.program.tensors.iter().enumerate() {
            if let Some(values) = &tensor.constant {
                let place = plan.place(id);
                for (slot, &value) in arena.values_mut()[place.start..][..place.len].iter_mut().zip(values) {
                    *slot = stored(value);
                }
            }
        }
        let workers = (0..pool.threads())
            .map(|_| {
                Mutex::new(Worker {
                    bands: Lines::zeros(plan.bands_len),
                    scratch: Scratch::with_bytes(plan.scratch_bytes),
                    held: Vec::with_capacity(plan.stages_max()),
                    needed: Vec::with_capacity(plan.stages_max()),
                    taps: Vec::with_capacity(plan.taps_max()),
                })
            })
            .collect();
        Ok(Runner { plan, arena, pool, workers, times: None })
    }

    /// What is run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Threads, the caller's counted.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Bytes that an inference works in: activations, bands and scratch of all threads; weights left out.
    pub fn memory_bytes(&self) -> usize {
        let worker = |worker: &Mutex<Worker>| {
            let worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
            worker.bands.len() + worker.scratch.lines.len()
        };
        self.arena.len() + self.workers.iter().map(worker).sum::<usize>()
    }

    /// From now on measures the time of each step, or no longer.
    pub fn measure_steps(&mut self, measure: bool) {
        self.times = measure.then(|| vec![Duration::ZERO; self.plan.steps.len()]);
    }

    /// Time that each step took in the last run, if it is measured.
    pub fn step_times(&self) -> Option<&[Duration]> {
        self.times.as_deref()
    }

    /// The stored values of input `index` in the order of memory, to be written before [`Runner::run`].
    pub fn input_mut(&mut self, index: usize) -> &mut [Q] {
        let place = self.plan.place(self.plan.program.inputs[index].tensor);
        &mut self.arena.values_mut()[place.start + place.offset..][..place.len]
    }

    /// The tensor behind input `index`.
    pub fn input_tensor(&self, index: usize) -> &Tensor {
        &self.plan.program.tensors[self.plan.program.inputs[index].tensor]
    }

    /// The tensor behind output `index`.
    pub fn output_tensor(&self, index: usize) -> &Tensor {
        &self.plan.program.tensors[self.plan.program.outputs[index].tensor]
    }

    /// The stored values of output `index` in the order of memory, valid after [`Runner::run`].
    pub fn output(&self, index: usize) -> &[Q] {
        let tensor = self.plan.program.outputs[index].tensor;
        let place = self.plan.place(tensor);
        &self.arena.values()[place.start + place.offset..][..self.plan.program.tensors[tensor].elements()]
    }

    /// Writes input `index` from real numbers in the order of the ONNX axes.
    ///
    /// # Panics
    /// When `values` has another length.
    pub fn set_input_f32(&mut self, index: usize, values: &[f32]) {
        let plan = self.plan.clone();
        let tensor = &plan.program.tensors[plan.program.inputs[index].tensor];
        assert_eq!(values.len(), tensor.elements(), "an input has as many elements as its tensor");
        let zero = i32::from(tensor.zero_point) + Q_OFFSET;
        let quantization = Quantization { scale: tensor.scale, zero };
        let out = self.input_mut(index);
        match image_of(tensor) {
            Some([images, pixels, channels]) => {
                let size = pixels * channels;
                for image in 0..images {
                    let (values, data) = (&values[image * size..][..size], &mut out[image * size..][..size]);
                    let mut out = Output { data, step: channels, row_step: size, width: pixels };
                    plan.kernels.quantize_image(values, pixels, 0..pixels, &quantization, &mut out);
                }
            }
            None => in_onnx_order(tensor, |memory, onnx| {
                plan.kernels.quantize(&values[onnx..=onnx], &quantization, &mut out[memory..=memory]);
            }),
        }
    }

    /// Writes input `index` from the values of `u8` or (with 128 added by the caller) `i8` tensors, in the order of the ONNX axes.
    ///
    /// # Panics
    /// When `values` has another length.
    pub fn set_input_u8(&mut self, index: usize, values: &[u8]) {
        let plan = self.plan.clone();
        let tensor = &plan.program.tensors[plan.program.inputs[index].tensor];
        assert_eq!(values.len(), tensor.elements(), "an input has as many elements as its tensor");
        let out = self.input_mut(index);
        in_onnx_order(tensor, |memory, onnx| out[memory] = stored(values[onnx]));
    }

    /// Output `index` as real numbers in the order of the ONNX axes.
    ///
    /// # Panics
    /// When `values` has another length than the tensor.
    pub fn output_f32(&self, index: usize, values: &mut [f32]) {
        let tensor = self.output_tensor(index);
        assert_eq!(values.len(), tensor.elements(), "an output has as many elements as its tensor");
        let zero = i32::from(tensor.zero_point) + Q_OFFSET;
        let quantization = Quantization { scale: tensor.scale, zero };
        let data = self.output(index);
        match image_of(tensor) {
            Some([images, pixels, channels]) => {
                let size = pixels * channels;
                for image in 0..images {
                    let (data, values) = (&data[image * size..][..size], &mut values[image * size..][..size]);
                    self.plan.kernels.dequantize_image(data, channels, 0..channels, &quantization, values);
                }
            }
            None => in_onnx_order(tensor, |memory, onnx| {
                self.plan.kernels.dequantize(&data[memory..=memory], &quantization, &mut values[onnx..=onnx]);
            }),
        }
    }

    /// Output `index` as unsigned values in the order of the ONNX axes.
    pub fn output_u8(&self, index: usize) -> Vec<u8> {
        let tensor = self.output_tensor(index);
        let mut values = vec![0; tensor.elements()];
        let data = self.output(index);
        in_onnx_order(tensor, |memory, onnx| values[onnx] = crate::kernels::unsigned(data[memory]));
        values
    }

    /// Class numbers of output `index`, in the order of the ONNX axes.
    pub fn output_classes(&self, index: usize) -> Vec<u8> {
        let tensor = self.output_tensor(index);
        let mut values = vec![0; tensor.elements()];
        let data = self.output(index);
        in_onnx_order(tensor, |memory, onnx| values[onnx] = data[memory] as u8);
        values
    }

    /// Ports of the program's outputs.
    pub fn outputs(&self) -> &[Port] {
        &self.plan.program.outputs
    }

    /// Element type of input `index` outside.
    pub fn input_element(&self, index: usize) -> Element {
        self.plan.program.inputs[index].element
    }

    /// One inference.
    pub fn run(&mut self) {
        let Runner { plan, arena, pool, workers, times } = self;
        for (index, step) in plan.steps.iter().enumerate() {
            let start = times.is_some().then(Instant::now);
            match step {
                Step::Chain(chain) => chain::run(plan, chain, arena.values_mut(), pool, workers),
                Step::Whole(op) => whole::run(plan, *op, arena.values_mut(), pool),
            }
            if let (Some(times), Some(start)) = (times.as_mut(), start) {
                times[index] = start.elapsed();
            }
        }
    }
}

/// Images, pixels and channels, if the tensor is `[n, h, w, c]` in memory and `[n, c, h, w]` outside.
fn image_of(tensor: &Tensor) -> Option<[usize; 3]> {
    match (tensor.axes.as_slice(), tensor.dims.as_slice()) {
        (&[0, 2, 3, 1], &[n, h, w, c]) => Some([n, h * w, c]),
        (axes, dims) if axes.iter().enumerate().all(|(index, &axis)| index == axis) => {
            Some([1, dims.iter().product(), 1])
        }
        _ => None,
    }
}

/// Calls `pair(memory, onnx)` with the two indices of each element.
fn in_onnx_order(tensor: &Tensor, mut pair: impl FnMut(usize, usize)) {
    let shape = tensor.onnx_shape();
    let onnx_stride = |axis: usize| shape[axis + 1..].iter().product::<usize>();
    for memory in 0..tensor.elements() {
        let (mut rest, mut onnx) = (memory, 0);
        for (&axis, &size) in tensor.axes.iter().zip(&tensor.dims).rev() {
            onnx += rest % size * onnx_stride(axis);
            rest /= size;
        }
        pair(memory, onnx);
    }
}

/// The arena while one buffer of it is written.
struct Split<'a> {
    before: &'a [Q],
    after: &'a [Q],
    end: usize,
}

impl<'a> Split<'a> {
    /// The buffer of `out`, and the rest to read from.
    fn new(arena: &'a mut [Q], out: Place) -> (Split<'a>, &'a mut [Q]) {
        let (before, rest) = arena.split_at_mut(out.start);
        let (buffer, after) = rest.split_at_mut(out.len);
        (Split { before, after, end: out.start + out.len }, buffer)
    }

    /// The values of the tensor at `place`, from its first to the end of its buffer.
    fn read(&self, place: Place) -> &'a [Q] {
        let (from, to) = (place.start + place.offset, place.start + place.len);
        if place.start < self.end {
            &self.before[from..to]
        } else {
            &self.after[from - self.end..to - self.end]
        }
    }
}

/// Part `index` of `0..len` cut into `parts` nearly equal ones, in multiples of `unit`.
fn part(len: usize, parts: usize, index: usize, unit: usize) -> Range<usize> {
    let units = len.div_ceil(unit);
    let at = |index: usize| (units * index / parts * unit).min(len);
    at(index)..at(index + 1)
}

/// Gives part `index` of `buffer`, cut at `bounds(index)`, to thread `index`, and calls `work(index, part)` there.
fn scatter<'a>(
    pool: &mut Pool,
    buffer: &'a mut [Q],
    bounds: impl Fn(usize) -> Range<usize>,
    work: &(dyn Fn(usize, &mut [Q]) + Sync),
) {
    let threads = pool.threads();
    if threads == 1 {
        return work(0, &mut buffer[bounds(0)]);
    }
    let slots: [Mutex<Option<&'a mut [Q]>>; THREADS_MAX] = std::array::from_fn(|_| Mutex::new(None));
    let (mut rest, mut at) = (buffer, 0);
    for (thread, slot) in slots.iter().enumerate().take(threads) {
        let bounds = bounds(thread);
        let (_, tail) = rest.split_at_mut(bounds.start - at);
        let (mine, tail) = tail.split_at_mut(bounds.end - bounds.start);
        (rest, at) = (tail, bounds.end);
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(mine);
    }
    pool.run(&|thread| {
        let mine = slots[thread].lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mine) = mine {
            work(thread, mine);
        }
    });
}

/// The dims of tensor `id`.
fn dims(plan: &Plan, id: Id) -> &[usize] {
    &plan.program.tensors[id].dims
}
