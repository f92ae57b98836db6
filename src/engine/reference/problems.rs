//! Random problems of one operator each: shapes around the widths of vectors, values of every kind.

use super::tests::{program, tensor};
use crate::engine::program::{Between, Bounds, Fill, Kind, Program, Tensor, Window};

/// Random choices from one seed (xorshift64*).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    /// From `low` to `high`, both included.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.next() as usize % (high - low + 1)
    }

    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.within(0, of.len() - 1)]
    }

    /// Channels: few, or about the width of a vector or of a block.
    pub fn channels(&mut self) -> usize {
        match self.within(0, 2) {
            0 => self.within(1, 5),
            1 => self.one_of(&[7, 8, 9, 15, 16, 17, 21, 24, 31, 32, 33, 63, 64, 65]),
            _ => self.within(1, 140),
        }
    }

    pub fn byte(&mut self) -> u8 {
        if self.within(0, 3) == 0 { self.one_of(&[0, 1, 127, 128, 254, 255]) } else { self.next() as u8 }
    }

    /// A factor or scale; products with it often lie halfway between integers.
    pub fn factor(&mut self) -> f32 {
        match self.within(0, 2) {
            0 => self.one_of(&[0.5, 0.25, 1.0, 2.0, 0.125]),
            1 => (1 + self.next() % 4000) as f32 / 1500.0,
            _ => (1 + self.next() % 4000) as f32 * 1e-5,
        }
    }

    pub fn bounds(&mut self) -> Bounds {
        let (a, b) = (self.byte(), self.byte());
        if self.within(0, 1) == 0 { Bounds::ALL } else { Bounds { low: a.min(b), high: a.max(b) } }
    }

    pub fn tensor(&mut self, dims: &[usize]) -> Tensor {
        tensor(dims, self.factor(), self.byte())
    }

    /// Values that often repeat, as pictures do, or that are all over.
    pub fn values(&mut self, count: usize) -> Vec<u8> {
        let (base, spread) = (self.byte(), self.one_of(&[1, 3, 20, 256, 256]));
        (0..count)
            .map(
                |_| if spread == 256 { self.byte() } else { base.wrapping_add((self.next() % spread) as u8) },
            )
            .collect()
    }

    pub fn between(&mut self, size: usize) -> Vec<Between> {
        let count = self.within(1, 40);
        let mut low = self.within(0, size - 1);
        (0..count)
            .map(|_| {
                if self.within(0, 4) == 0 {
                    low = self.within(0, size - 1);
                }
                let fraction = match self.within(0, 3) {
                    0 => self.one_of(&[0.0, 0.5, 0.25, 0.75, 1.0]),
                    _ => (self.next() % 65537) as f32 / 65536.0,
                };
                Between { low, high: (low + 1).min(size - 1), fraction }
            })
            .collect()
    }

    pub fn window(&mut self, height: usize, width: usize) -> Window {
        let kernel = [self.within(1, height.min(3)), self.within(1, width.min(3))];
        Window {
            kernel,
            strides: [self.within(1, 3), self.within(1, 3)],
            pads: [(); 4].map(|()| self.within(0, 1)),
            dilations: [1 + usize::from(height > 4) * self.within(0, 1), 1],
        }
    }
}

/// What a kernel is held against: a program of one operator and values of its inputs.
pub struct Problem {
    /// The program.
    pub program: Program,
    /// Values of its inputs.
    pub inputs: Vec<Vec<u8>>,
}

/// Problems of one operator.
pub type Make = fn(&mut Random) -> (Kind, Vec<Tensor>, Tensor);

fn image(random: &mut Random) -> [usize; 4] {
    [1, random.within(1, 7), random.within(1, 7), random.channels()]
}

fn add(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let factors = [random.factor(), random.factor() * random.one_of(&[1.0, -1.0])];
    let kind = Kind::Add { factors, bounds: random.bounds() };
    pair(random, kind)
}

fn mul(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let kind = Kind::Mul { multiplier: random.factor() * 0.01, bounds: random.bounds() };
    pair(random, kind)
}

fn pair(random: &mut Random, kind: Kind) -> (Kind, Vec<Tensor>, Tensor) {
    let dims = image(random);
    let [_, h, w, c] = dims;
    let b = random.one_of(&[dims, [1, 1, 1, c], [1, h, w, 1], [1, 1, 1, 1]]);
    (kind, vec![random.tensor(&dims), random.tensor(&b)], random.tensor(&dims))
}

fn product(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let (m, k, n) = (random.within(1, 5), random.channels(), random.channels());
    let transposed = random.within(0, 1) == 0;
    let kind = Kind::MatMul { transposed, multiplier: random.factor() * 0.001, bounds: random.bounds() };
    let b = if transposed { [n, k] } else { [k, n] };
    (kind, vec![random.tensor(&[m, k]), random.tensor(&b)], random.tensor(&[m, n]))
}

fn table(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let dims = image(random);
    let count = random.one_of(&[1, dims[3]]);
    let kind = Kind::Table { tables: random.values(256 * count) };
    (kind, vec![random.tensor(&dims)], random.tensor(&dims))
}

fn pool(random: &mut Random, kind: impl Fn(Window, &mut Random) -> Kind) -> (Kind, Vec<Tensor>, Tensor) {
    let [n, h, w, c] = image(random);
    let window = random.window(h, w);
    let extent = |along: usize, size: usize| {
        let padded = size + window.pads[along] + window.pads[along + 2];
        (padded.saturating_sub(window.dilations[along] * (window.kernel[along] - 1) + 1))
            / window.strides[along]
            + 1
    };
    let output = [n, extent(0, h), extent(1, w), c];
    (kind(window, random), vec![random.tensor(&[n, h, w, c])], random.tensor(&output))
}

fn max_pool(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    pool(random, |window, _| Kind::MaxPool { window })
}

fn average_pool(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    pool(random, |window, random| Kind::AveragePool {
        window,
        count_include_pad: random.within(0, 1) == 0,
        bounds: random.bounds(),
    })
}

fn reduce(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let (inner, few, many) = (random.channels(), random.within(1, 40), random.within(250, 600));
    let (inner, reduced) = (random.one_of(&[1, inner]), random.one_of(&[1, few, many]));
    let dims = [random.within(1, 3), reduced, inner];
    let multiplier = random.factor() / reduced as f32;
    let kind = Kind::Reduce { from: 1, to: 2, multiplier, bounds: random.bounds() };
    (kind, vec![random.tensor(&dims)], random.tensor(&[dims[0], 1, inner]))
}

fn nearest(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let [n, h, w, c] = image(random);
    let mut places = |size| (0..random.within(1, 9)).map(|_| random.within(0, size - 1)).collect::<Vec<_>>();
    let (rows, columns) = (places(h), places(w));
    let dims = [n, rows.len(), columns.len(), c];
    (Kind::Nearest { rows, columns }, vec![random.tensor(&[n, h, w, c])], random.tensor(&dims))
}

fn linear(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let [n, h, w, c] = image(random);
    let (rows, columns) = (random.between(h), random.between(w));
    let dims = [n, rows.len(), columns.len(), c];
    let kind = Kind::Linear { rows, columns, multiplier: random.factor() };
    (kind, vec![random.tensor(&[n, h, w, c])], random.tensor(&dims))
}

fn softmax(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let dims = [random.within(1, 5), random.channels()];
    let scale = random.factor();
    let exponentials = (0..256).map(|d| (-f64::from(d) * f64::from(scale)).exp() as f32).collect();
    let output = tensor(&dims, 1.0 / random.one_of(&[255.0, 256.0, 300.0]), random.one_of(&[0, 128]));
    (Kind::Softmax { exponentials }, vec![tensor(&dims, scale, random.byte())], output)
}

fn layer_norm(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let dims = [random.within(1, 5), random.channels()];
    let mut reals = |step: f32| (0..dims[1]).map(|_| (f32::from(random.byte()) - 100.0) * step).collect();
    let (scale, shift) = (reals(0.5), reals(0.3));
    let epsilon = random.one_of(&[0.0, 1e-5, 0.1]);
    (Kind::LayerNorm { scale, shift, epsilon }, vec![random.tensor(&dims)], random.tensor(&dims))
}

fn argmax(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let (pixels, channels) = (random.within(1, 70), random.channels());
    let classes = random.one_of(&[channels, 256]);
    (Kind::ArgMax, vec![random.tensor(&[pixels, classes])], tensor(&[pixels], 1.0, 0))
}

fn resize_argmax(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let [n, h, w, c] = image(random);
    let (rows, columns) = (random.between(h), random.between(w));
    let dims = [n, rows.len(), columns.len()];
    (Kind::ResizeArgMax { rows, columns }, vec![random.tensor(&[n, h, w, c])], tensor(&dims, 1.0, 0))
}

fn permute(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let dims = [random.within(1, 4), random.within(1, 4), random.within(1, 20), random.within(1, 20)];
    let order = random.one_of(&[[0, 3, 1, 2], [3, 2, 1, 0], [0, 2, 1, 3], [1, 0, 3, 2]]);
    let output = order.map(|d| dims[d]);
    (Kind::Permute { order: order.to_vec() }, vec![random.tensor(&dims)], random.tensor(&output))
}

fn slice(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let dims = [random.within(1, 5), random.within(1, 9), random.channels()];
    let starts = dims.map(|dim| random.within(0, dim - 1));
    let steps = [(); 3].map(|()| random.one_of(&[1, 1, 2, 3]));
    let mut output = [0, 1, 2].map(|d| (dims[d] - starts[d]).div_ceil(steps[d]));
    output[1] = random.within(0, output[1]);
    let kind = Kind::Slice { starts: starts.to_vec(), steps: steps.to_vec() };
    (kind, vec![random.tensor(&dims)], random.tensor(&output))
}

fn pad(random: &mut Random) -> (Kind, Vec<Tensor>, Tensor) {
    let dims = [random.within(1, 3), random.within(1, 5), random.within(1, 20)];
    let before = dims.map(|dim| random.within(0, dim));
    let after = dims.map(|dim| random.within(0, dim));
    let output = [0, 1, 2].map(|d| dims[d] + before[d] + after[d]);
    let value = random.byte();
    let fill = random.one_of(&[Fill::Constant(value), Fill::Edge, Fill::Reflect]);
    (Kind::Pad { before: before.to_vec(), fill }, vec![random.tensor(&dims)], random.tensor(&output))
}

pub const ALL: [(&str, Make); 16] = [
    ("add", add),
    ("mul", mul),
    ("product", product),
    ("table", table),
    ("max_pool", max_pool),
    ("average_pool", average_pool),
    ("reduce", reduce),
    ("nearest", nearest),
    ("linear", linear),
    ("softmax", softmax),
    ("layer_norm", layer_norm),
    ("argmax", argmax),
    ("resize_argmax", resize_argmax),
    ("permute", permute),
    ("slice", slice),
    ("pad", pad),
];

pub fn problem(make: Make, random: &mut Random) -> Problem {
    let (kind, tensors, output) = make(random);
    let inputs = tensors.iter().map(|tensor| random.values(tensor.elements())).collect();
    Problem { program: program(kind, &tensors, output), inputs }
}
