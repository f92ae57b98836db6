//! From a [`Model`] to an ONNX file: the same model gives the same bytes.

use std::io::Error;
use std::path::Path;

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;

use super::{Attribute, Dim, Graph, Model, Node, OnnxError, Tensor, ValueInfo};

impl Model {
    /// The model as an ONNX file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_proto().encode_to_vec()
    }

    /// Writes the model to `path`, whole or not at all: first beside it, then renamed. Through a link the file that it
    /// leads to is replaced.
    ///
    /// # Errors
    /// When the file cannot be written, or `path` is something else than a file.
    pub fn write(&self, path: &Path) -> Result<(), OnnxError> {
        let failed = |reason| OnnxError::File { path: path.to_path_buf(), reason };
        let target = match path.canonicalize() {
            Ok(target) if !target.is_file() => {
                return Err(failed(Error::other("is not a file; give another name")));
            }
            Ok(target) => target,
            Err(_) => path.to_path_buf(),
        };
        let mut part = target.clone().into_os_string();
        part.push(".part");
        let part = Path::new(&part);
        std::fs::write(part, self.to_bytes()).and_then(|()| std::fs::rename(part, &target)).map_err(
            |reason| {
                // The part file may not exist; the first error is the one to report.
                let _ = std::fs::remove_file(part);
                failed(reason)
            },
        )
    }

    /// The model as a protocol buffer message.
    pub(crate) fn to_proto(&self) -> pb::ModelProto {
        pb::ModelProto {
            ir_version: self.ir_version,
            opset_import: self
                .opsets
                .iter()
                .map(|(domain, &version)| pb::OperatorSetIdProto { domain: domain.clone(), version })
                .collect(),
            producer_name: self.producer.clone(),
            metadata_props: self
                .metadata
                .iter()
                .map(|(key, value)| pb::StringStringEntryProto { key: key.clone(), value: value.clone() })
                .collect(),
            graph: Some(graph(&self.graph)),
            ..pb::ModelProto::default()
        }
    }
}

fn graph(graph: &Graph) -> pb::GraphProto {
    pb::GraphProto {
        name: if graph.name.is_empty() { "graph".to_string() } else { graph.name.clone() },
        node: graph.nodes.iter().map(node).collect(),
        initializer: graph.initializers.iter().map(|(name, value)| tensor(name, value)).collect(),
        input: graph.inputs.iter().map(value_info).collect(),
        output: graph.outputs.iter().map(value_info).collect(),
        ..pb::GraphProto::default()
    }
}

fn node(node: &Node) -> pb::NodeProto {
    pb::NodeProto {
        input: node.inputs.clone(),
        output: node.outputs.clone(),
        name: node.name.clone(),
        op_type: node.op.clone(),
        domain: node.domain.clone(),
        attribute: node.attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
        ..pb::NodeProto::default()
    }
}

fn attribute(name: &str, value: &Attribute) -> pb::AttributeProto {
    let mut proto = pb::AttributeProto { name: name.to_string(), ..pb::AttributeProto::default() };
    let kind = match value {
        Attribute::Float(v) => {
            proto.f = *v;
            AttributeType::Float
        }
        Attribute::Int(v) => {
            proto.i = *v;
            AttributeType::Int
        }
        Attribute::String(v) => {
            proto.s = v.clone();
            AttributeType::String
        }
        Attribute::Tensor(v) => {
            proto.t = Some(tensor("", v));
            AttributeType::Tensor
        }
        Attribute::Floats(v) => {
            proto.floats = v.clone();
            AttributeType::Floats
        }
        Attribute::Ints(v) => {
            proto.ints = v.clone();
            AttributeType::Ints
        }
        Attribute::Strings(v) => {
            proto.strings = v.clone();
            AttributeType::Strings
        }
    };
    proto.r#type = kind as i32;
    proto
}

fn tensor(name: &str, tensor: &Tensor) -> pb::TensorProto {
    pb::TensorProto {
        name: name.to_string(),
        dims: tensor.shape.iter().map(|&size| size as i64).collect(),
        data_type: tensor.data_type().code(),
        raw_data: tensor.to_le_bytes(),
        ..pb::TensorProto::default()
    }
}

fn value_info(info: &ValueInfo) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension};
    let dimension = |dim: &Dim| Dimension {
        value: match dim {
            Dim::Fixed(size) => Some(dimension::Value::DimValue(*size as i64)),
            Dim::Symbol(name) if name.is_empty() => None,
            Dim::Symbol(name) => Some(dimension::Value::DimParam(name.clone())),
        },
        ..Dimension::default()
    };
    let shape =
        info.shape.as_ref().map(|dims| pb::TensorShapeProto { dim: dims.iter().map(dimension).collect() });
    pb::ValueInfoProto {
        name: info.name.clone(),
        r#type: Some(pb::TypeProto {
            denotation: String::new(),
            value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                elem_type: info.data_type.code(),
                shape,
            })),
        }),
        doc_string: String::new(),
    }
}
