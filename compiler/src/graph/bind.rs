//! Inputs of a graph that become constants.

use super::{DType, Graph, TensorData, element_count};
use crate::error::{CompileError, CompileErrorKind, Subject};

impl Graph {
    /// Makes the input of this name a constant with the elements of a row-major array of `shape`, which are converted to the input's type.
    ///
    /// # Errors
    /// If there is no such input, the array has another number of elements, or one of them does not exist in the input's type.
    pub fn bind_input(&mut self, name: &str, shape: &[usize], values: &TensorData) -> Result<(), CompileError> {
        let error = |found: String, expected: String| {
            let help = "give `--bind NAME=X.npy` an input of the model and an array of its shape and type";
            CompileError::new(CompileErrorKind::Binding, Subject::tensor(name), found, expected, help)
        };
        let Some(position) = self.inputs.iter().position(|io| io.name == name) else {
            let names: Vec<&str> = self.inputs.iter().map(|io| io.name.as_str()).collect();
            return Err(error(
                "no input of this name".into(),
                format!("one of {}", names.join(", ")),
            ));
        };
        let id = self.inputs[position].tensor;
        let tensor = self.tensor_mut(id);
        let (n, stated) = (values.len(), tensor.shape.clone());
        let expected = stated.as_deref().unwrap_or(shape);
        if element_count(expected) != Some(n) || element_count(shape) != Some(n) {
            return Err(error(
                format!("an array of shape {shape:?} with {n} elements"),
                format!("the shape {expected:?}"),
            ));
        }
        let dtype = tensor.dtype.unwrap_or(values.dtype());
        let Some(data) = converted(values, dtype) else {
            return Err(error(
                format!("elements of {}", values.dtype()),
                format!("numbers that exist in {dtype}"),
            ));
        };
        tensor.shape = Some(expected.to_vec());
        (tensor.dtype, tensor.data) = (Some(dtype), Some(data));
        self.inputs.remove(position);
        Ok(())
    }
}

/// The elements in another type; `None` if one of them does not exist there.
fn converted(values: &TensorData, dtype: DType) -> Option<TensorData> {
    if values.dtype() == dtype {
        return Some(values.clone());
    }
    let integers: Vec<i64> = match values {
        TensorData::F32(floats) => {
            let is_integer = |v: &f32| v.fract() == 0.0 && v.abs() < 9e18;
            floats
                .iter()
                .map(|v| is_integer(v).then_some(*v as i64))
                .collect::<Option<_>>()?
        }
        TensorData::Bool(flags) => flags.iter().map(|&flag| flag.into()).collect(),
        other => match other.to_i32() {
            Some(integers) => integers.into_iter().map(i64::from).collect(),
            None => other.to_i64()?,
        },
    };
    match dtype {
        DType::F32 => Some(TensorData::F32(integers.iter().map(|&v| v as f32).collect())),
        DType::I64 => Some(TensorData::I64(integers)),
        DType::Bool => {
            let flag = |v: &i64| matches!(v, 0 | 1).then_some(*v == 1);
            Some(TensorData::Bool(integers.iter().map(flag).collect::<Option<_>>()?))
        }
        DType::U8 | DType::I8 | DType::U16 | DType::I16 | DType::I32 => {
            let (lo, hi) = dtype.range()?;
            let within = |v: &i64| i32::try_from(*v).ok().filter(|v| (lo..=hi).contains(v));
            TensorData::from_i32(&integers.iter().map(within).collect::<Option<Vec<_>>>()?, dtype)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Tensor;

    fn graph(dtype: DType) -> Graph {
        let mut graph = Graph::default();
        for name in ["x", "w"] {
            let id = graph.add_tensor(Tensor::value(name, dtype, vec![2, 2]));
            graph.add_input(id);
        }
        graph
    }

    #[test]
    fn a_bound_input_is_a_constant_of_its_type() {
        let mut bound = graph(DType::I8);
        let values = TensorData::I64(vec![1, -128, 127, 0]);
        bound.bind_input("w", &[2, 2], &values).unwrap();
        assert_eq!(bound.inputs.len(), 1);
        assert_eq!(bound.tensors[1].data, Some(TensorData::I8(vec![1, -128, 127, 0])));
        let floats = TensorData::F32(vec![1.0, 0.0, 1.0, 0.0]);
        let mut bound = graph(DType::Bool);
        bound.bind_input("x", &[4], &floats).unwrap();
        assert_eq!(bound.tensors[0].shape, Some(vec![2, 2]));
        assert_eq!(
            bound.tensors[0].data,
            Some(TensorData::Bool(vec![true, false, true, false]))
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (dtype, name, shape, values) in [
            (DType::F32, "y", vec![2, 2], TensorData::F32(vec![0.0; 4])),
            (DType::F32, "x", vec![3], TensorData::F32(vec![0.0; 3])),
            (DType::I8, "x", vec![2, 2], TensorData::I64(vec![128; 4])),
            (DType::I64, "x", vec![2, 2], TensorData::F32(vec![0.5; 4])),
            (DType::Bool, "x", vec![2, 2], TensorData::I64(vec![2; 4])),
        ] {
            let mut graph = graph(dtype);
            let before = graph.clone();
            let error = graph.bind_input(name, &shape, &values).unwrap_err();
            assert_eq!(error.kind, CompileErrorKind::Binding, "{error}");
            assert_eq!(graph, before);
        }
    }
}
