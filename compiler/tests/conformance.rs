//! Single-operator cases of the ONNX standard, with the operands that have to be constant made so: every case through the float
//! executor, the quantized ones through all passes and the integer executor as well.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use rten_onnx::onnx::{ModelProto, TensorProto};
use rten_onnx::protobuf::{DecodeMessage, ValueReader};
use systole_compiler::graph::{Graph, TensorData};
use systole_compiler::reference::{Value, execute, execute_float};
use systole_compiler::{import_onnx, lower, passes};

fn tensor(case: &str, name: &str) -> Option<TensorProto> {
    let bytes = support::model_bytes(&format!("onnx_node/{case}/test_data_set_0/{name}.pb"))?;
    Some(TensorProto::decode(ValueReader::from_buf(bytes)).unwrap())
}

fn bytes_of(tensor: &TensorProto) -> Vec<i32> {
    use rten_onnx::onnx::DataType;
    let raw = tensor.raw_data.as_ref().unwrap().borrow();
    let is_signed = tensor.data_type == Some(DataType::INT8);
    raw.iter()
        .map(|&b| if is_signed { i32::from(b as i8) } else { i32::from(b) })
        .collect()
}

/// The stored result. In one element of one case the file has -236 wrapped to 8 bits, 20, where the standard demands
/// saturation; ONNX Runtime gives -128 as well.
fn expected(case: &str) -> Vec<i32> {
    let mut expected = bytes_of(&tensor(case, "output_0").unwrap());
    if case == "test_qlinearmatmul_2D_int8_float32" {
        assert_eq!(
            expected[5],
            i32::from(-236_i32 as i8),
            "the stored result has been corrected"
        );
        expected[5] = -128;
    }
    expected
}

/// The cases by family.
const CASES: [&str; 41] = [
    "test_add",
    "test_add_bcast",
    "test_averagepool_2d_default",
    "test_averagepool_2d_pads",
    "test_averagepool_2d_pads_count_include_pad",
    "test_basic_conv_with_padding",
    "test_batchnorm_example",
    "test_clip",
    "test_concat_2d_axis_1",
    "test_conv_with_autopad_same",
    "test_conv_with_strides_and_asymmetric_padding",
    "test_conv_with_strides_no_padding",
    "test_conv_with_strides_padding",
    "test_convinteger_with_padding",
    "test_dequantizelinear",
    "test_dequantizelinear_axis",
    "test_flatten_axis1",
    "test_gemm_all_attributes",
    "test_gemm_default_vector_bias",
    "test_gemm_transposeB",
    "test_globalaveragepool",
    "test_hardswish",
    "test_leakyrelu",
    "test_lrn",
    "test_matmul_2d",
    "test_matmulinteger",
    "test_maxpool_2d_default",
    "test_maxpool_2d_pads",
    "test_maxpool_2d_strides",
    "test_mul",
    "test_prelu_example",
    "test_qlinearconv",
    "test_qlinearmatmul_2D_int8_float32",
    "test_qlinearmatmul_2D_uint8_float32",
    "test_quantizelinear",
    "test_quantizelinear_axis",
    "test_relu",
    "test_sigmoid",
    "test_softmax_axis_1",
    "test_tanh",
    "test_transpose_default",
];

/// Cases that the compiler runs in integers as well.
const QUANTIZED: [&str; 3] = [
    "test_qlinearconv",
    "test_qlinearmatmul_2D_uint8_float32",
    "test_qlinearmatmul_2D_int8_float32",
];

fn value(case: &str, name: &str) -> Option<Value> {
    use rten_onnx::onnx::DataType;
    let proto = tensor(case, name)?;
    let raw = match &proto.raw_data {
        Some(raw) => raw.borrow().clone(),
        None => proto.float_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    let words = || raw.as_chunks::<4>().0.iter();
    let data = match proto.data_type.unwrap() {
        DataType::FLOAT => TensorData::F32(words().map(|&w| f32::from_le_bytes(w)).collect()),
        DataType::INT32 => TensorData::I32(words().map(|&w| i32::from_le_bytes(w)).collect()),
        DataType::UINT8 => TensorData::U8(raw),
        DataType::INT8 => TensorData::I8(raw.iter().map(|&b| b as i8).collect()),
        DataType::UINT16 => {
            let halves = raw.as_chunks::<2>().0.iter();
            TensorData::U16(halves.map(|&h| u16::from_le_bytes(h)).collect())
        }
        other => panic!("{case}: {name} of {other}"),
    };
    let shape = proto.dims.iter().map(|&d| d as usize).collect();
    Some(Value { shape, data })
}

/// The case with all operands but the first bound as constants, after shape inference.
fn inferred(bytes: &[u8], case: &str) -> Graph {
    let mut model = ModelProto::parse_buf(bytes).unwrap();
    let graph = model.graph.as_mut().unwrap();
    for (index, input) in graph.input.split_off(1).iter().enumerate() {
        let mut constant = tensor(case, &format!("input_{}", index + 1)).unwrap();
        constant.name.clone_from(&input.name);
        graph.initializer.push(constant);
    }
    let mut graph = import_onnx(&model.write_buf().unwrap()).unwrap();
    assert_eq!(passes::check_supported(&graph), [], "{case}");
    passes::find_pass("infer-shapes").unwrap().run(&mut graph).unwrap();
    graph
}

/// Where two results differ: anywhere for integers, by more than 1e-5 for floats.
fn difference(found: &TensorData, wanted: &TensorData) -> Option<usize> {
    match (found, wanted) {
        (TensorData::F32(found), TensorData::F32(wanted)) if found.len() == wanted.len() => found
            .iter()
            .zip(wanted)
            .position(|(f, w)| f.is_nan() != w.is_nan() || (f - w).abs() > 1e-5 * w.abs().max(1.0)),
        _ => (found != wanted).then_some(0),
    }
}

#[test]
fn all_cases_of_the_standard_pass_in_the_float_executor() {
    for case in CASES {
        let Some(bytes) = support::model_bytes(&format!("onnx_node/{case}/model.onnx")) else {
            return;
        };
        let graph = inferred(&bytes, case);
        let values = execute_float(&graph, &[value(case, "input_0").unwrap()]).unwrap();
        let found = values.of(graph.outputs[0].tensor).unwrap();
        let mut wanted = value(case, "output_0").unwrap();
        if QUANTIZED.contains(&case) {
            wanted.data = TensorData::from_i32(&expected(case), wanted.data.dtype()).unwrap();
        }
        assert_eq!(found.shape, wanted.shape, "{case}");
        assert_eq!(
            difference(found.data, &wanted.data),
            None,
            "{case}: {found:?} for {wanted:?}"
        );
        let and_integers = if QUANTIZED.contains(&case) {
            " and the integer executor"
        } else {
            ""
        };
        println!("{case}: float executor{and_integers}");
        // The comparison sees a single element that is off.
        let last = wanted.data.len() - 1;
        match &mut wanted.data {
            TensorData::F32(values) => values[last] += 2e-5 * values[last].abs().max(1.0),
            other => {
                let mut values = other.to_i32().unwrap();
                values[last] += if values[last] > 0 { -1 } else { 1 };
                *other = TensorData::from_i32(&values, other.dtype()).unwrap();
            }
        }
        assert!(
            difference(found.data, &wanted.data).is_some(),
            "{case}: a change went unnoticed"
        );
    }
}

#[test]
fn quantized_operators_follow_the_standard() {
    for case in QUANTIZED {
        let Some(bytes) = support::model_bytes(&format!("onnx_node/{case}/model.onnx")) else {
            return;
        };
        let mut model = ModelProto::parse_buf(&bytes).unwrap();
        let graph = model.graph.as_mut().unwrap();
        let constants = graph.input.split_off(1);
        for (index, input) in constants.iter().enumerate() {
            let mut constant = tensor(case, &format!("input_{}", index + 1)).unwrap();
            constant.name.clone_from(&input.name);
            graph.initializer.push(constant);
        }
        let graph = lower(import_onnx(&model.write_buf().unwrap()).unwrap()).unwrap();
        let x = bytes_of(&tensor(case, "input_0").unwrap());
        let (input, output) = (&graph.inputs[0], &graph.outputs[0]);
        let values = execute(&graph, &[input.integers_to_machine(&x).unwrap()]).unwrap();
        let y = output.integers_from_machine(values.of(output.tensor)).unwrap();
        assert_eq!(y, expected(case), "{case}");
    }
}
