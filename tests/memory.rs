//! The memory of the integer engine, counted by the allocator: what `inspect` says is exact, and a frame allocates nothing.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sedge::camera;
use sedge::engine::lower::lower;
use sedge::engine::plan::Plan;
use sedge::engine::{Options, Runner};
use sedge::kernels;
use sedge::mask::Mask;
use sedge::onnx::{Card, Model};
use sedge::pipeline::{MaskSize, Segmenter, without_last_resize};

/// Counts allocations, and the bytes in those that begin on a cache line: activations, bands, scratch and weights.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LINE_BYTES: AtomicUsize = AtomicUsize::new(0);

const LINE: usize = 64;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        if layout.align() == LINE {
            LINE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: the caller's promise about `layout` is the one that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if layout.align() == LINE {
            LINE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: `pointer` came from the system's allocator with this `layout`: `alloc` gives nothing else.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Tests count in the same counters.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn model() -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/deeplabv3_mnv2_dm05_voc21_257.int8.onnx");
    Model::read(&path).expect("it ships")
}

#[test]
fn memory_is_what_the_plan_says() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (model, _) = without_last_resize(&model()).expect("it ends with a resize");
    let lowered = lower(&model).expect("it is quantized");
    let program = lowered.whole().expect("all of it");
    for kernels in kernels::available() {
        let before = LINE_BYTES.load(Ordering::Relaxed);
        let plan = Arc::new(Plan::new(program, kernels));
        let planned = LINE_BYTES.load(Ordering::Relaxed);
        assert_eq!(planned - before, plan.weight_bytes(), "{}: weights", kernels.isa());
        for threads in [1, 2, 4] {
            let runner = Runner::new(plan.clone(), threads).expect("threads");
            let counted = LINE_BYTES.load(Ordering::Relaxed) - planned;
            assert_eq!(counted, runner.memory_bytes(), "{}: {threads} threads", kernels.isa());
            assert_eq!(counted, plan.arena_bytes() + threads * plan.thread_bytes(), "{}", kernels.isa());
        }
    }
}

#[test]
fn a_frame_allocates_nothing() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let model = model();
    let card = Card::of(&model).expect("it has a card");
    // The first frames bring buffers to their sizes. Of the size of the input: the resize, which is a library, makes its tables anew for every frame.
    let mut source = camera::open("synthetic:257x257@30:8").expect("a pattern");
    let frames: Vec<_> =
        std::iter::from_fn(|| source.next_frame()).map(|frame| frame.expect("whole")).collect();
    for threads in [1, 2] {
        let options = Options { threads, ..Options::default() };
        let mut segmenter =
            Segmenter::with_options(&model, &card, MaskSize::Frame, &options).expect("it fits");
        let mut mask = Mask::default();
        let mut counts = Vec::new();
        for frame in &frames {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            segmenter.segment(frame, &mut mask).expect("it runs");
            counts.push(ALLOCATIONS.load(Ordering::Relaxed) - before);
        }
        assert!(
            counts[4..].iter().all(|&count| count == 0),
            "{threads} threads: allocations of each frame {counts:?}"
        );
    }
}
