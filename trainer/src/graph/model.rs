//! Variables as values: written back into the ONNX model, and loaded by name.

use sedge::onnx::{Model, Tensor as Stored};
use tch::{Tensor, no_grad};

use super::GraphError;
use super::network::Network;
use super::plan::at;
use super::tensors::floats;

impl Network {
    /// The ONNX model with the variables' present values. What a QDQ model stores as integers is quantized anew on its
    /// old scales.
    ///
    /// # Errors
    /// When libtorch cannot hand out a value.
    pub fn model(&self) -> Result<Model, GraphError> {
        let mut model = self.model.clone();
        for (variable, grid) in self.variables.iter().zip(&self.grids) {
            let values = floats(&variable.tensor)?;
            let shape: Vec<usize> = variable.tensor.size().iter().map(|&size| size as usize).collect();
            let stored = match grid {
                None => Stored::f32(&shape, values),
                Some(grid) => grid
                    .quantize(&shape, &values)
                    .map_err(|fault| at(&self.model, &format!("initializer {}", variable.name), fault))?,
            };
            model.graph.initializers.insert(variable.name.clone(), stored);
        }
        Ok(model)
    }

    /// Sets variables to `values`, by name; those that are not named keep their values.
    ///
    /// # Errors
    /// When there is no variable of a name, or its shape is another; nothing is changed then.
    pub fn load(&mut self, values: &[(String, Tensor)]) -> Result<(), GraphError> {
        let mut pairs = Vec::with_capacity(values.len());
        for (name, value) in values {
            let index = self
                .variables
                .binary_search_by(|variable| variable.name.cmp(name))
                .map_err(|_| GraphError::Tensor { model: self.model.origin.clone(), name: name.clone() })?;
            let (found, expected) = (value.size(), self.variables[index].tensor.size());
            if found != expected {
                return Err(GraphError::Shape { name: name.clone(), found, expected });
            }
            pairs.push((index, value));
        }
        for (index, value) in pairs {
            no_grad(|| self.variables[index].tensor.f_copy_(value))?;
        }
        Ok(())
    }
}
