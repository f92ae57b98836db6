//! `sedge zoo`: the networks that `sedge new` writes, and what they cost.

use sedge::zoo::{Blueprint, NETWORKS, Settings};
use serde_json::json;

/// List the networks of the zoo with what they cost at their usual size
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for network in NETWORKS {
        rows.push((network, Blueprint::of(network, &Settings::default())?));
    }
    if args.json {
        let networks: Vec<serde_json::Value> = rows
            .iter()
            .map(|(network, blueprint)| {
                let settings: Vec<&str> = network.settings.iter().map(|setting| setting.name()).collect();
                json!({
                    "name": network.name,
                    "summary": network.summary,
                    "task": network.task,
                    "input": blueprint.input_shape(),
                    "size_min": network.sizes.min,
                    "size_multiple": network.sizes.multiple,
                    "classes": network.usual_classes,
                    "parameters": blueprint.trained(),
                    "statistics": blueprint.statistics(),
                    "macs": blueprint.macs(),
                    "int8_bytes": blueprint.int8_bytes(),
                    "activation_bytes": blueprint.activation_bytes(),
                    "settings": settings,
                })
            })
            .collect();
        return super::print(&format!("{:#}\n", serde_json::Value::from(networks)));
    }
    let mut text = format!(
        "{:<19} {:>9} {:>7} {:>11} {:>9} {:>9} {:>11}  network\n",
        "name", "input", "classes", "parameters", "MMACs", "int8 MB", "activ. MB"
    );
    for (network, blueprint) in rows {
        let (height, width) = network.usual_size;
        text.push_str(&format!(
            "{:<19} {:>9} {:>7} {:>11} {:>9.1} {:>9.2} {:>11.2}  {}\n",
            network.name,
            format!("{height}x{width}"),
            network.usual_classes,
            grouped(blueprint.trained()),
            blueprint.macs() as f64 / 1e6,
            blueprint.int8_bytes() as f64 / 1e6,
            blueprint.activation_bytes() as f64 / 1e6,
            network.summary
        ));
    }
    text.push_str(
        "int8 and activation megabytes are estimates: weights with biases and scales, and the most activations at once\n",
    );
    super::print(&text)
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
