//! ONNX graphs executed by libtorch, with gradients.
