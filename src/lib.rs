//! **Sedge**, segmentation at the edge: a mask on disk for every frame that a small board's camera sees.
//!
//! # A frame's way
//!
//! 1. A [`camera::Source`] gives [`frame::Frame`]s, each with its number and its time.
//! 2. [`frame::Preparer`] turns the frame into the network's input: resize, colour order, normalisation.
//! 3. [`engine::Session`] runs the ONNX model and gives logits `[1, classes, height, width]`.
//! 4. [`mask::Masker`] upsamples the logits to the frame and takes the best class of each pixel.
//! 5. [`store::MaskFolder`] writes the mask as an indexed PNG and lists it, or [`store::SegmentStore`] keeps it safe from power
//!    cuts; [`overlay`] draws it over the frame.
//!
//! [`pipeline`] is these five steps in three threads, with their times.
//!
//! # A model's way
//!
//! 1. [`onnx::Model`] is read from a float ONNX file and checked.
//! 2. `quantize::fold` folds constants and batch norms into the convolutions.
//! 3. `quantize::observe` runs a calibration folder through the float graph and watches every activation.
//! 4. `quantize::calibrate` chooses scales and zero points from what was seen.
//! 5. `quantize::export` writes the static int8 QDQ graph, standard ONNX with a [`onnx::Card`].
//!
//! ONNX is the only form in which a network exists.
//!
//! # Example
//!
//! ```
//! use sedge::camera;
//! use sedge::mask::Mask;
//! use sedge::onnx::{Card, Model};
//! use sedge::pipeline::{MaskSize, Segmenter};
//!
//! let model = Model::read("models/deeplabv3_mnv2_dm05_voc21_257.int8.onnx".as_ref())?;
//! let mut segmenter = Segmenter::new(&model, &Card::of(&model)?, MaskSize::Frame)?;
//! let mut source = camera::open("synthetic:320x240@5:2")?;
//! let mut mask = Mask::default();
//! while let Some(frame) = source.next_frame() {
//!     segmenter.segment(&frame?, &mut mask)?;
//!     assert_eq!((mask.width, mask.height), (320, 240));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod camera;
pub mod clock;
#[cfg(feature = "device")]
pub mod config;
pub mod dataset;
pub mod display;
pub mod engine;
pub mod evaluate;
pub mod frame;
pub mod governor;
pub mod kernels;
pub mod mask;
pub mod metrics;
pub mod onnx;
pub mod overlay;
pub mod pipeline;
#[cfg(feature = "host")]
pub mod quantize;
pub mod status;
pub mod store;
#[cfg(feature = "host")]
pub mod zoo;
