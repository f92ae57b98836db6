//! `sedge cameras`: the cameras of this machine, and what each offers.

use std::fmt::Write;

use sedge::camera::v4l::{CameraInfo, Control, ControlKind, Encoding, Intervals, Mode, Steps, cameras};
use serde_json::{Value, json};

/// List the cameras with their formats, sizes, frame rates and controls
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let cameras = cameras()?;
    if args.json {
        let cameras: Vec<Value> = cameras.iter().map(camera_json).collect();
        return super::print(&format!("{:#}\n", Value::from(cameras)));
    }
    if cameras.is_empty() {
        return super::print("no camera: no device /dev/video* captures frames\n");
    }
    let mut text = String::new();
    for camera in &cameras {
        camera_text(&mut text, camera)?;
    }
    super::print(&text)
}

fn camera_text(text: &mut String, camera: &CameraInfo) -> std::fmt::Result {
    let CameraInfo { path, stable_path, driver, card, bus, modes, controls, problem } = camera;
    writeln!(text, "{}", path.display())?;
    if let Some(stable) = stable_path {
        writeln!(text, "  stable path  {}", stable.display())?;
    }
    for (name, value) in [("card", card), ("driver", driver), ("bus", bus)] {
        if !value.is_empty() {
            writeln!(text, "  {name:<11}  {value}")?;
        }
    }
    if let Some(problem) = problem {
        writeln!(text, "  problem      {problem}")?;
    }
    for encoding in Encoding::ALL {
        for mode in modes.iter().filter(|mode| Encoding::of(mode.format) == Some(encoding)) {
            writeln!(text, "  {encoding:<11}  {mode}")?;
        }
    }
    let mut others: Vec<String> = Vec::new();
    for mode in modes.iter().filter(|mode| Encoding::of(mode.format).is_none()) {
        let code = mode.format.to_string();
        if !others.contains(&code) {
            others.push(code);
        }
    }
    if !others.is_empty() {
        writeln!(text, "  not read     {}", others.join(", "))?;
    }
    if !controls.is_empty() {
        writeln!(text, "  controls")?;
    }
    for control in controls {
        let Control { name, kind, min, max, step, default, value, items, read_only, inactive, .. } = control;
        write!(text, "    {name:<32}  ")?;
        match kind {
            ControlKind::Boolean => write!(text, "true or false, default {}", *default != 0)?,
            ControlKind::Integer if *step > 1 => {
                write!(text, "{min} to {max} in steps of {step}, default {default}")?;
            }
            ControlKind::Integer => write!(text, "{min} to {max}, default {default}")?,
            ControlKind::Menu => {
                let items: Vec<String> =
                    items.iter().map(|(number, item)| format!("{number} {item}")).collect();
                write!(text, "{}; default {default}", items.join(", "))?;
            }
            ControlKind::Button => write!(text, "button")?,
            ControlKind::Bitmask => write!(text, "bits, default {default}")?,
            ControlKind::Other => write!(text, "cannot be set here")?,
        }
        if let Some(value) = value {
            write!(text, ", now {value}")?;
        }
        let marks = [(*read_only, ", read only"), (*inactive, ", switched off by another control")];
        for (_, mark) in marks.into_iter().filter(|(set, _)| *set) {
            text.push_str(mark);
        }
        writeln!(text)?;
    }
    Ok(())
}

fn camera_json(camera: &CameraInfo) -> Value {
    json!({
        "path": camera.path,
        "stable_path": camera.stable_path,
        "driver": camera.driver,
        "card": camera.card,
        "bus": camera.bus,
        "formats": camera.modes.iter().map(mode_json).collect::<Vec<Value>>(),
        "controls": camera.controls.iter().map(control_json).collect::<Vec<Value>>(),
        "problem": camera.problem,
    })
}

/// Sides are numbers where there is one size, and minimum, maximum and step where there is a range.
fn mode_json(mode: &Mode) -> Value {
    let side = |steps: Steps| match steps.min == steps.max {
        true => json!(steps.min),
        false => json!({ "min": steps.min, "max": steps.max, "step": steps.step.max(1) }),
    };
    let fps = match &mode.intervals {
        Intervals::Unknown => Value::Null,
        Intervals::Listed(list) => list.iter().map(|interval| interval.fps()).collect(),
        Intervals::Between { shortest, longest } => json!({ "min": longest.fps(), "max": shortest.fps() }),
    };
    json!({
        "format": mode.format.to_string(),
        "read": Encoding::of(mode.format).is_some(),
        "width": side(mode.width),
        "height": side(mode.height),
        "fps": fps,
    })
}

fn control_json(control: &Control) -> Value {
    let kind = match control.kind {
        ControlKind::Integer => "integer",
        ControlKind::Boolean => "boolean",
        ControlKind::Menu => "menu",
        ControlKind::Button => "button",
        ControlKind::Bitmask => "bitmask",
        ControlKind::Other => "other",
    };
    let items: Vec<Value> =
        control.items.iter().map(|(number, name)| json!({ "value": number, "name": name })).collect();
    json!({
        "name": control.name,
        "kind": kind,
        "min": control.min,
        "max": control.max,
        "step": control.step,
        "default": control.default,
        "value": control.value,
        "items": items,
        "read_only": control.read_only,
        "inactive": control.inactive,
    })
}
