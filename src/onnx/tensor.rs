//! Constant tensors and element types.

/// Element type of a tensor, numbered as in ONNX's `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 8-bit unsigned integer.
    U8,
    /// 8-bit signed integer.
    I8,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// Truth value, one byte.
    Bool,
    /// Any other type, by ONNX's number.
    Other(i32),
}

impl DataType {
    /// ONNX's number.
    pub fn code(self) -> i32 {
        match self {
            DataType::F32 => 1,
            DataType::U8 => 2,
            DataType::I8 => 3,
            DataType::I32 => 6,
            DataType::I64 => 7,
            DataType::Bool => 9,
            DataType::F64 => 11,
            DataType::Other(code) => code,
        }
    }

    /// The type with ONNX's number `code`.
    pub fn from_code(code: i32) -> DataType {
        match code {
            1 => DataType::F32,
            2 => DataType::U8,
            3 => DataType::I8,
            6 => DataType::I32,
            7 => DataType::I64,
            9 => DataType::Bool,
            11 => DataType::F64,
            other => DataType::Other(other),
        }
    }

    /// Bytes of one element, for the types that Sedge reads.
    pub fn size_bytes(self) -> Option<usize> {
        match self {
            DataType::U8 | DataType::I8 | DataType::Bool => Some(1),
            DataType::F32 | DataType::I32 => Some(4),
            DataType::F64 | DataType::I64 => Some(8),
            DataType::Other(4 | 5 | 10 | 16) => Some(2),
            DataType::Other(12) => Some(4),
            DataType::Other(13) => Some(8),
            DataType::Other(_) => None,
        }
    }
}

impl std::fmt::Display for DataType {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let name = match self {
            DataType::F32 => "f32",
            DataType::F64 => "f64",
            DataType::U8 => "u8",
            DataType::I8 => "i8",
            DataType::I32 => "i32",
            DataType::I64 => "i64",
            DataType::Bool => "bool",
            DataType::Other(10) => "f16",
            DataType::Other(16) => "bf16",
            DataType::Other(code) => return write!(f, "ONNX type {code}"),
        };
        f.write_str(name)
    }
}

/// Elements of a tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 8-bit unsigned integers.
    U8(Vec<u8>),
    /// 8-bit signed integers.
    I8(Vec<i8>),
    /// 32-bit signed integers.
    I32(Vec<i32>),
    /// 64-bit signed integers.
    I64(Vec<i64>),
    /// Truth values, one byte each.
    Bool(Vec<u8>),
    /// Little-endian bytes of a type that Sedge passes on without looking inside.
    Other(i32, Vec<u8>),
}

/// A constant: shape and elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes of the dimensions; empty for a scalar.
    pub shape: Vec<usize>,
    /// As many elements as the product of `shape`.
    pub data: TensorData,
}

impl Tensor {
    /// A float tensor.
    pub fn f32(shape: &[usize], data: Vec<f32>) -> Tensor {
        Tensor { shape: shape.to_vec(), data: TensorData::F32(data) }
    }

    /// A signed 8-bit tensor.
    pub fn i8(shape: &[usize], data: Vec<i8>) -> Tensor {
        Tensor { shape: shape.to_vec(), data: TensorData::I8(data) }
    }

    /// An unsigned 8-bit tensor.
    pub fn u8(shape: &[usize], data: Vec<u8>) -> Tensor {
        Tensor { shape: shape.to_vec(), data: TensorData::U8(data) }
    }

    /// A 32-bit integer tensor.
    pub fn i32(shape: &[usize], data: Vec<i32>) -> Tensor {
        Tensor { shape: shape.to_vec(), data: TensorData::I32(data) }
    }

    /// A 64-bit integer tensor.
    pub fn i64(shape: &[usize], data: Vec<i64>) -> Tensor {
        Tensor { shape: shape.to_vec(), data: TensorData::I64(data) }
    }

    /// Element type.
    pub fn data_type(&self) -> DataType {
        match self.data {
            TensorData::F32(_) => DataType::F32,
            TensorData::F64(_) => DataType::F64,
            TensorData::U8(_) => DataType::U8,
            TensorData::I8(_) => DataType::I8,
            TensorData::I32(_) => DataType::I32,
            TensorData::I64(_) => DataType::I64,
            TensorData::Bool(_) => DataType::Bool,
            TensorData::Other(code, _) => DataType::Other(code),
        }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes that the elements take.
    pub fn size_bytes(&self) -> usize {
        self.elements() * self.data_type().size_bytes().unwrap_or(0)
    }

    /// The elements, if they are 32-bit floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            TensorData::F32(data) => Some(data),
            _ => None,
        }
    }

    /// The elements, if they are 64-bit integers.
    pub fn as_i64(&self) -> Option<&[i64]> {
        match &self.data {
            TensorData::I64(data) => Some(data),
            _ => None,
        }
    }

    /// The elements as little-endian bytes.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        match &self.data {
            TensorData::F32(data) => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            TensorData::F64(data) => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            TensorData::I8(data) => data.iter().map(|&v| v as u8).collect(),
            TensorData::I32(data) => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            TensorData::I64(data) => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            TensorData::U8(data) | TensorData::Bool(data) | TensorData::Other(_, data) => data.clone(),
        }
    }

    /// A tensor from little-endian bytes; `None` when their number does not fit shape and type.
    pub fn from_le_bytes(data_type: DataType, shape: &[usize], bytes: &[u8]) -> Option<Tensor> {
        fn parse<const N: usize, T>(bytes: &[u8], convert: fn([u8; N]) -> T) -> Vec<T> {
            let (whole, _) = bytes.as_chunks::<N>();
            whole.iter().map(|&chunk| convert(chunk)).collect()
        }
        let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))?;
        if elements.checked_mul(data_type.size_bytes()?)? != bytes.len() {
            return None;
        }
        let data = match data_type {
            DataType::F32 => TensorData::F32(parse(bytes, f32::from_le_bytes)),
            DataType::F64 => TensorData::F64(parse(bytes, f64::from_le_bytes)),
            DataType::U8 => TensorData::U8(bytes.to_vec()),
            DataType::I8 => TensorData::I8(bytes.iter().map(|&v| v as i8).collect()),
            DataType::I32 => TensorData::I32(parse(bytes, i32::from_le_bytes)),
            DataType::I64 => TensorData::I64(parse(bytes, i64::from_le_bytes)),
            DataType::Bool => TensorData::Bool(bytes.to_vec()),
            DataType::Other(code) => TensorData::Other(code, bytes.to_vec()),
        };
        Some(Tensor { shape: shape.to_vec(), data })
    }
}
