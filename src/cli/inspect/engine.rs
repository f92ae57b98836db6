//! What of a model runs in integers and why the rest does not, step by step.

use std::fmt::Write;

use sedge::engine::lower::{Kept, lower};
use sedge::engine::plan::Plan;
use sedge::kernels;
use sedge::onnx::{Card, Model, Task};
use sedge::pipeline::without_last_resize;
use serde_json::json;

/// A model as the engine sees it.
pub struct View {
    isa: &'static str,
    programs: Vec<Plan>,
    kept: Vec<Kept>,
    whole: bool,
    /// Size of the logits that a linear resize at the end would make, which is left to the mask.
    resized: Option<(usize, usize)>,
}

/// Lowers and lays out `model`, as running it would.
pub fn look(model: &Model, card: &Card) -> anyhow::Result<View> {
    let kernels = kernels::best()?;
    let without = without_last_resize(model).filter(|_| card.task != Some(Task::Classification));
    let resized = without.as_ref().map(|(_, resized)| (resized.height, resized.width));
    let lowered = lower(without.as_ref().map_or(model, |(model, _)| model))?;
    let whole = lowered.whole().is_some();
    let programs = lowered.programs.iter().map(|program| Plan::new(program, kernels)).collect();
    Ok(View { isa: kernels.isa().name(), programs, kept: lowered.kept, whole, resized })
}

impl View {
    /// A few lines, or with `list` one for each step.
    pub fn write(&self, text: &mut String, list: bool) -> std::fmt::Result {
        let what = match (self.programs.len(), self.whole) {
            (0, _) => "in floats: nothing in it is quantized".to_string(),
            (_, true) => format!("all in integers ({})", self.isa),
            (1, false) => format!("one part in integers ({}), the rest in floats", self.isa),
            (count, false) => format!("{count} parts in integers ({}), the rest in floats", self.isa),
        };
        writeln!(text, "  runs       {what}")?;
        for plan in &self.programs {
            let report = plan.report();
            let macs: u64 = report.iter().map(|(_, step)| step.macs).sum();
            writeln!(
                text,
                "    {} steps, {:.1} million multiply-accumulates; weights {} bytes, activations {} bytes, and {} bytes a thread",
                report.len(),
                macs as f64 / 1e6,
                plan.weight_bytes(),
                plan.arena_bytes(),
                plan.thread_bytes(),
            )?;
            for (_, step) in report.iter().filter(|_| list) {
                let macs =
                    if step.macs > 0 { format!("{:.3} M", step.macs as f64 / 1e6) } else { String::new() };
                writeln!(
                    text,
                    "    int8  {macs:>10}  {} -> {:?} ({})",
                    step.operators, step.dims, step.node
                )?;
            }
        }
        if let Some((height, width)) = self.resized {
            writeln!(text, "    the last Resize, to {height}x{width}, is done with the mask")?;
        }
        if !self.programs.is_empty() {
            for kept in &self.kept {
                writeln!(text, "    float {} {}: {}", kept.operator, kept.node, kept.reason)?;
            }
        }
        Ok(())
    }

    pub fn json(&self) -> serde_json::Value {
        let programs: Vec<serde_json::Value> = self
            .programs
            .iter()
            .map(|plan| {
                let steps: Vec<serde_json::Value> = plan
                    .report()
                    .into_iter()
                    .map(|(_, step)| {
                        json!({ "operators": step.operators, "node": step.node, "dims": step.dims, "macs": step.macs })
                    })
                    .collect();
                json!({
                    "weight_bytes": plan.weight_bytes(),
                    "activation_bytes": plan.arena_bytes(),
                    "bytes_a_thread": plan.thread_bytes(),
                    "steps": steps,
                })
            })
            .collect();
        let kept: Vec<serde_json::Value> = self
            .kept
            .iter()
            .map(|kept| json!({ "node": kept.node, "operator": kept.operator, "reason": kept.reason }))
            .collect();
        json!({
            "isa": self.isa,
            "whole": self.whole,
            "programs": programs,
            "floats": kept,
            "resize_done_with_mask": self.resized.map(|(height, width)| json!({ "height": height, "width": width })),
        })
    }
}
