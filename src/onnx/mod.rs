//! Models as standard ONNX: reading and checking, writing, shapes, and the model card.
