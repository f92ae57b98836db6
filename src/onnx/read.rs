//! From an ONNX file to a checked [`Model`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;

use super::{Attribute, DataType, Dim, Graph, Model, Node, OnnxError, Tensor, TensorData, ValueInfo, check};

impl Model {
    /// No ONNX file is longer, in bytes: Protocol Buffers end at 2 GiB.
    pub const BYTES_MAX: u64 = 1 << 31;

    /// Reads and checks the ONNX file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is not a whole ONNX model, contradicts itself, or needs a part of ONNX that
    /// Sedge leaves out (subgraphs, functions, sparse tensors, weights in other files).
    pub fn read(path: &Path) -> Result<Model, OnnxError> {
        let bytes = Model::read_bytes(path)?;
        Model::from_bytes(&path.display().to_string(), &bytes)
    }

    /// The bytes of a file that may be a model, not looked at.
    ///
    /// # Errors
    /// [`OnnxError::File`] when it cannot be read, is a device (which could be read for ever), or has more than
    /// [`Model::BYTES_MAX`].
    pub fn read_bytes(path: &Path) -> Result<Vec<u8>, OnnxError> {
        let read = || {
            let file = File::open(path)?;
            let kind = file.metadata()?.file_type();
            if kind.is_char_device() || kind.is_block_device() {
                return Err(io::Error::other("it is a device, no file"));
            }
            let mut bytes = Vec::new();
            file.take(Model::BYTES_MAX + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > Model::BYTES_MAX {
                return Err(io::Error::other("it has more than 2 GiB, which no ONNX file has"));
            }
            Ok(bytes)
        };
        read().map_err(|reason| OnnxError::File { path: path.to_path_buf(), reason })
    }

    /// Reads and checks an ONNX model in memory; `origin` is what messages call it.
    ///
    /// # Errors
    /// As [`Model::read`].
    pub fn from_bytes(origin: &str, bytes: &[u8]) -> Result<Model, OnnxError> {
        let not_onnx = |reason: String| OnnxError::NotOnnx { model: origin.to_string(), reason };
        if bytes.is_empty() {
            return Err(not_onnx("the file is empty".to_string()));
        }
        let proto = pb::ModelProto::decode(bytes).map_err(|error| not_onnx(error.to_string()))?;
        let reader = Reader { origin };
        let mut model = reader.model(proto)?;
        check::check(&mut model)?;
        Ok(model)
    }
}

struct Reader<'a> {
    origin: &'a str,
}

impl Reader<'_> {
    fn unsupported(&self, place: String, what: &str, advice: &'static str) -> OnnxError {
        OnnxError::Unsupported { model: self.origin.to_string(), place, what: what.to_string(), advice }
    }

    fn invalid(&self, place: String, reason: impl Into<String>) -> OnnxError {
        OnnxError::Invalid { model: self.origin.to_string(), place, reason: reason.into() }
    }

    fn model(&self, proto: pb::ModelProto) -> Result<Model, OnnxError> {
        let graph = proto.graph.ok_or_else(|| OnnxError::NotOnnx {
            model: self.origin.to_string(),
            reason: "it holds no graph".to_string(),
        })?;
        if let Some(function) = proto.functions.first() {
            let place = format!("function {}", function.name.as_deref().unwrap_or_default());
            return Err(self.unsupported(place, "model-local functions", "inline them when exporting"));
        }
        let mut opsets = BTreeMap::new();
        for opset in proto.opset_import {
            let domain = if opset.domain == "ai.onnx" { String::new() } else { opset.domain };
            opsets.insert(domain, opset.version);
        }
        Ok(Model {
            origin: self.origin.to_string(),
            ir_version: proto.ir_version,
            opsets,
            producer: proto.producer_name,
            metadata: proto.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect(),
            graph: self.graph(graph)?,
        })
    }

    fn graph(&self, proto: pb::GraphProto) -> Result<Graph, OnnxError> {
        if !proto.sparse_initializer.is_empty() {
            return Err(self.unsupported(
                format!("graph {}", proto.name),
                "sparse weights",
                "export dense weights",
            ));
        }
        let mut initializers = BTreeMap::new();
        for tensor in proto.initializer {
            let name = tensor.name.clone();
            let tensor = self.tensor(&format!("tensor {name}"), tensor)?;
            if initializers.insert(name.clone(), tensor).is_some() {
                return Err(self.invalid(format!("tensor {name}"), "is stored twice"));
            }
        }
        let mut inputs = Vec::new();
        for input in proto.input {
            if !initializers.contains_key(&input.name) {
                inputs.push(self.value_info(input)?);
            }
        }
        Ok(Graph {
            name: proto.name,
            nodes: proto.node.into_iter().map(|node| self.node(node)).collect::<Result<_, _>>()?,
            initializers,
            inputs,
            outputs: proto
                .output
                .into_iter()
                .map(|output| self.value_info(output))
                .collect::<Result<_, _>>()?,
        })
    }

    fn value_info(&self, proto: pb::ValueInfoProto) -> Result<ValueInfo, OnnxError> {
        let place = || format!("tensor {}", proto.name);
        let mut info = ValueInfo { name: proto.name.clone(), data_type: DataType::Other(0), shape: None };
        if let Some(pb::type_proto::Value::TensorType(tensor)) =
            proto.r#type.as_ref().and_then(|t| t.value.as_ref())
        {
            info.data_type = DataType::from_code(tensor.elem_type);
            if let Some(shape) = &tensor.shape {
                let dims = shape.dim.iter().map(|dim| match &dim.value {
                    Some(pb::tensor_shape_proto::dimension::Value::DimValue(size)) if *size > 0 => {
                        Ok(Dim::Fixed(*size as usize))
                    }
                    Some(pb::tensor_shape_proto::dimension::Value::DimValue(0 | -1)) | None => {
                        Ok(Dim::Symbol(String::new()))
                    }
                    Some(pb::tensor_shape_proto::dimension::Value::DimValue(size)) => {
                        Err(self.invalid(place(), format!("has a dimension of size {size}")))
                    }
                    Some(pb::tensor_shape_proto::dimension::Value::DimParam(name)) => {
                        Ok(Dim::Symbol(name.clone()))
                    }
                });
                info.shape = Some(dims.collect::<Result<_, _>>()?);
            }
        }
        Ok(info)
    }

    fn node(&self, proto: pb::NodeProto) -> Result<Node, OnnxError> {
        let name = if proto.name.is_empty() { proto.output.first() } else { Some(&proto.name) };
        let place = format!("node {} ({})", name.map_or("", String::as_str), proto.op_type);
        let mut attributes = BTreeMap::new();
        for attribute in proto.attribute {
            let name = attribute.name.clone();
            attributes.insert(name, self.attribute(&place, attribute)?);
        }
        let domain = if proto.domain == "ai.onnx" { String::new() } else { proto.domain };
        Ok(Node {
            name: proto.name,
            op: proto.op_type,
            domain,
            inputs: proto.input,
            outputs: proto.output,
            attributes,
        })
    }

    fn attribute(&self, place: &str, proto: pb::AttributeProto) -> Result<Attribute, OnnxError> {
        let place = || format!("{place}, attribute {}", proto.name);
        Ok(match AttributeType::try_from(proto.r#type) {
            Ok(AttributeType::Float) => Attribute::Float(proto.f),
            Ok(AttributeType::Int) => Attribute::Int(proto.i),
            Ok(AttributeType::String) => Attribute::String(proto.s),
            Ok(AttributeType::Floats) => Attribute::Floats(proto.floats),
            Ok(AttributeType::Ints) => Attribute::Ints(proto.ints),
            Ok(AttributeType::Strings) => Attribute::Strings(proto.strings),
            Ok(AttributeType::Tensor) => {
                let tensor = proto.t.clone().ok_or_else(|| self.invalid(place(), "holds no tensor"))?;
                Attribute::Tensor(self.tensor(&place(), tensor)?)
            }
            Ok(AttributeType::Graph | AttributeType::Graphs) => {
                return Err(self.unsupported(
                    place(),
                    "a subgraph",
                    "export the model without control flow (If, Loop, Scan)",
                ));
            }
            _ => {
                return Err(self.unsupported(
                    place(),
                    &format!("attribute type {}", proto.r#type),
                    "export it with standard ONNX operators",
                ));
            }
        })
    }

    fn tensor(&self, place: &str, proto: pb::TensorProto) -> Result<Tensor, OnnxError> {
        if proto.data_location == Some(1) || !proto.external_data.is_empty() {
            return Err(self.unsupported(
                place.to_string(),
                "weights in another file",
                "save the model as one file (onnx.save_model with save_as_external_data=False)",
            ));
        }
        let invalid = |reason: String| self.invalid(place.to_string(), reason);
        let shape = proto
            .dims
            .iter()
            .map(|&size| {
                usize::try_from(size).map_err(|_| invalid(format!("has a dimension of size {size}")))
            })
            .collect::<Result<Vec<usize>, _>>()?;
        let elements = shape
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size))
            .ok_or_else(|| invalid(format!("has the impossible shape {shape:?}")))?;
        let data_type = DataType::from_code(proto.data_type);
        if data_type.size_bytes().is_none() {
            return Err(self.unsupported(place.to_string(), &data_type.to_string(), "export it in float32"));
        }
        let wrong_size = || invalid(format!("does not hold the {elements} elements of its shape {shape:?}"));
        if !proto.raw_data.is_empty() || elements == 0 {
            return Tensor::from_le_bytes(data_type, &shape, &proto.raw_data).ok_or_else(wrong_size);
        }
        let ints = &proto.int32_data;
        let data = match data_type {
            DataType::F32 => TensorData::F32(proto.float_data),
            DataType::F64 => TensorData::F64(proto.double_data),
            DataType::I64 => TensorData::I64(proto.int64_data),
            DataType::I32 => TensorData::I32(proto.int32_data),
            DataType::U8 => TensorData::U8(ints.iter().map(|&v| v as u8).collect()),
            DataType::I8 => TensorData::I8(ints.iter().map(|&v| v as i8).collect()),
            DataType::Bool => TensorData::Bool(ints.iter().map(|&v| v as u8).collect()),
            DataType::Other(12 | 13) => {
                return Err(self.unsupported(
                    place.to_string(),
                    &data_type.to_string(),
                    "export it as int64",
                ));
            }
            DataType::Other(code) => {
                TensorData::Other(code, ints.iter().flat_map(|&v| (v as u16).to_le_bytes()).collect())
            }
        };
        let held = match &data {
            TensorData::F32(v) => v.len(),
            TensorData::F64(v) => v.len(),
            TensorData::I64(v) => v.len(),
            TensorData::I32(v) => v.len(),
            TensorData::I8(v) => v.len(),
            TensorData::U8(v) | TensorData::Bool(v) => v.len(),
            TensorData::Other(_, bytes) => bytes.len() / 2,
        };
        if held != elements {
            return Err(wrong_size());
        }
        Ok(Tensor { shape, data })
    }
}
