//! `sedge inspect`: what a model is made of and what it costs.

mod engine;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use sedge::onnx::{Card, Model, cost};
use serde_json::json;

/// Show a model's nodes, operators, shapes, costs and card
#[derive(clap::Args)]
pub struct Args {
    /// ONNX model; without it the one inside the program
    model: Option<PathBuf>,
    /// Size of the input where the model leaves it open
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = super::model::size)]
    size: Option<(usize, usize)>,
    /// Also list every node with its output's shape and its multiply-accumulates
    #[arg(long)]
    nodes: bool,
    /// Print JSON, nodes included
    #[arg(long)]
    json: bool,
}

struct NodeCost {
    name: String,
    op: String,
    output: String,
    shape: Option<Vec<usize>>,
    macs: u64,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let mut model = super::model::read(args.model.as_deref())?;
    let card = Card::of(&model)?;
    // Without a size the graph can still be shown; only shapes and costs are then unknown.
    let sized = model.clone().fix_input_shapes(args.size).is_ok();
    let shapes = if sized {
        model.fix_input_shapes(args.size)?;
        model.infer_shapes()?
    } else {
        BTreeMap::new()
    };
    let nodes: Vec<NodeCost> = model
        .graph
        .nodes
        .iter()
        .map(|node| NodeCost {
            name: node.name.clone(),
            op: node.op.clone(),
            output: node.output().to_string(),
            shape: shapes.get(node.output()).cloned(),
            macs: cost::node_macs(node, &shapes),
        })
        .collect();
    let engine = if sized { Some(engine::look(&model, &card)?) } else { None };
    let text = if args.json {
        json(&model, &card, &nodes, engine.as_ref())?
    } else {
        text(&model, &card, &nodes, engine.as_ref(), args.nodes)?
    };
    super::print(&text)
}

fn operators(nodes: &[NodeCost]) -> Vec<(&str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes {
        *counts.entry(&node.op).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|&(op, count)| (std::cmp::Reverse(count), op));
    counts
}

fn text(
    model: &Model,
    card: &Card,
    nodes: &[NodeCost],
    engine: Option<&engine::View>,
    list: bool,
) -> anyhow::Result<String> {
    let (parameters, bytes) = cost::parameters(&model.graph);
    let mut text = String::new();
    writeln!(text, "{}", model.origin)?;
    let producer = if model.producer.is_empty() { "unknown" } else { &model.producer };
    writeln!(
        text,
        "  operator set {}, IR version {}, written by {producer}",
        model.opset(),
        model.ir_version
    )?;
    for (what, infos) in [("input ", &model.graph.inputs), ("output", &model.graph.outputs)] {
        for info in infos {
            let dims: Vec<String> = info.shape.iter().flatten().map(dim).collect();
            writeln!(text, "  {what}  {} {} [{}]", info.name, info.data_type, dims.join(", "))?;
        }
    }
    let macs: u64 = nodes.iter().map(|node| node.macs).sum();
    let cost = if engine.is_some() {
        format!("{:.1} million multiply-accumulates", macs as f64 / 1e6)
    } else {
        "costs unknown without an input size: give --size HEIGHTxWIDTH".to_string()
    };
    writeln!(text, "  {} nodes, {parameters} constants in {bytes} bytes, {cost}", nodes.len())?;
    let operators: Vec<String> = operators(nodes).iter().map(|(op, count)| format!("{op} {count}")).collect();
    writeln!(text, "  operators  {}", operators.join(", "))?;
    if let Some(engine) = engine {
        engine.write(&mut text, list)?;
    }
    card_text(&mut text, card)?;
    if list {
        let width = |length: fn(&NodeCost) -> usize| nodes.iter().map(length).max().unwrap_or(0);
        let (op_width, name_width) = (width(|node| node.op.len()), width(|node| node.name.len()));
        for node in nodes {
            let shape = node.shape.as_ref().map_or("?".to_string(), |shape| format!("{shape:?}"));
            let macs = if node.macs > 0 { format!("{:.3} M", node.macs as f64 / 1e6) } else { String::new() };
            let line =
                format!("  {:<op_width$}  {:<name_width$}  {shape:<20} {macs:>10}", node.op, node.name);
            writeln!(text, "{}", line.trim_end())?;
        }
    }
    Ok(text)
}

fn dim(dim: &sedge::onnx::Dim) -> String {
    match dim {
        sedge::onnx::Dim::Fixed(size) => size.to_string(),
        sedge::onnx::Dim::Symbol(name) if name.is_empty() => "?".to_string(),
        sedge::onnx::Dim::Symbol(name) => name.clone(),
    }
}

/// A number where the dimension is known, else its name.
fn json_dim(dim: &sedge::onnx::Dim) -> serde_json::Value {
    match dim {
        sedge::onnx::Dim::Fixed(size) => json!(size),
        sedge::onnx::Dim::Symbol(name) => json!(name),
    }
}

fn card_text(text: &mut String, card: &Card) -> anyhow::Result<()> {
    if *card == Card::default() {
        writeln!(text, "  no card")?;
        return Ok(());
    }
    writeln!(text, "  card")?;
    if let Some(task) = card.task {
        writeln!(text, "    task          {}", serde_json::to_string(&task)?.replace('"', ""))?;
    }
    if !card.classes.is_empty() {
        let names: Vec<&str> = card.classes.iter().map(|class| class.name.as_str()).collect();
        writeln!(text, "    {:<13} {}", format!("{} classes", names.len()), names.join(", "))?;
    }
    if let Some(input) = &card.input {
        writeln!(text, "    input         {}", serde_json::to_string(input)?)?;
    }
    if let Some(provenance) = &card.provenance {
        writeln!(text, "    provenance    {}", serde_json::to_string(provenance)?)?;
    }
    if let Some(quantization) = &card.quantization {
        writeln!(text, "    quantization  {}", serde_json::to_string(quantization)?)?;
    }
    Ok(())
}

fn json(
    model: &Model,
    card: &Card,
    nodes: &[NodeCost],
    engine: Option<&engine::View>,
) -> anyhow::Result<String> {
    let (parameters, bytes) = cost::parameters(&model.graph);
    let values = |infos: &[sedge::onnx::ValueInfo]| -> Vec<serde_json::Value> {
        let one = |info: &sedge::onnx::ValueInfo| {
            let dims: Vec<serde_json::Value> = info.shape.iter().flatten().map(json_dim).collect();
            json!({ "name": info.name, "type": info.data_type.to_string(), "shape": dims })
        };
        infos.iter().map(one).collect()
    };
    let listed: Vec<serde_json::Value> = nodes
        .iter()
        .map(|node| {
            json!({ "name": node.name, "op": node.op, "output": node.output, "shape": node.shape, "macs": node.macs })
        })
        .collect();
    let value = json!({
        "model": model.origin,
        "opset": model.opset(),
        "ir_version": model.ir_version,
        "producer": model.producer,
        "inputs": values(&model.graph.inputs),
        "outputs": values(&model.graph.outputs),
        "parameters": parameters,
        "parameter_bytes": bytes,
        "macs": nodes.iter().map(|node| node.macs).sum::<u64>(),
        "operators": operators(nodes).into_iter().collect::<BTreeMap<_, _>>(),
        "engine": engine.map(engine::View::json),
        "card": card,
        "nodes": listed,
    });
    Ok(format!("{value:#}\n"))
}
