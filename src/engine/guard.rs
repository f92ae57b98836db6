//! Calls into tract, where a panic is an error like any other: tract may panic on graphs that contradict themselves in
//! ways that Sedge's own check does not know.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_core::prelude::TractResult;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Makes programs say nothing of panics inside the engine, which are errors to its callers; all others are reported as before. To be
/// called once, at the start.
pub fn silence_guarded_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !INSIDE.get() {
            report(panic);
        }
    }));
}

/// What `call` gives, or why it failed. Nothing of what a panic leaves behind is used afterwards.
pub(super) fn guarded<T>(call: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    INSIDE.set(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(false);
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{error:#}").replace('\n', " ")),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            Err(format!("the inference engine gave up on the graph ({})", said.replace('\n', " ")))
        }
    }
}
