//! Single-operator cases of the ONNX standard, with the operands that have to be constant made so: every case through the float executor,
//! those that integers can compute through the machine as well. Operators of quantized models have to give every bit there; the others are
//! quantized and have to come close.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

use rten_onnx::onnx::{ModelProto, TensorProto};
use rten_onnx::protobuf::{DecodeMessage, ValueReader};
use systole_compiler::graph::{Graph, TensorData};
use systole_compiler::reference::{Value, execute_float};
use systole_compiler::{Context, LowerOptions, import_onnx, lower_in, passes};
use systole_isa::machine::preset;
use systole_testkit::execution::{machine_outputs, reference_outputs};
use systole_testkit::models::models;

fn model_bytes(path: &str) -> Option<Vec<u8>> {
    Some(std::fs::read(models("")?.join(path)).unwrap())
}

fn tensor(case: &str, name: &str) -> Option<TensorProto> {
    let bytes = model_bytes(&format!("onnx_node/{case}/test_data_set_0/{name}.pb"))?;
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

/// Cases in integers, of which every bit counts on the machine.
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

/// The case with all operands but the first bound as constants.
fn bound(bytes: &[u8], case: &str) -> Graph {
    let mut model = ModelProto::parse_buf(bytes).unwrap();
    let graph = model.graph.as_mut().unwrap();
    for (index, input) in graph.input.split_off(1).iter().enumerate() {
        let mut constant = tensor(case, &format!("input_{}", index + 1)).unwrap();
        constant.name.clone_from(&input.name);
        graph.initializer.push(constant);
    }
    let graph = import_onnx(&model.write_buf().unwrap()).unwrap();
    assert_eq!(passes::check_supported(&graph), [], "{case}");
    graph
}

fn inferred(bytes: &[u8], case: &str) -> Graph {
    let mut graph = bound(bytes, case);
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
        let Some(bytes) = model_bytes(&format!("onnx_node/{case}/model.onnx")) else {
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

/// Cases for the float executor alone: sums of 32 bits, scales per index of an activation, a slope per pixel.
const FLOAT_EXECUTOR_ONLY: [&str; 5] = [
    "test_convinteger_with_padding",
    "test_dequantizelinear_axis",
    "test_matmulinteger",
    "test_prelu_example",
    "test_quantizelinear_axis",
];

/// The largest distance of a quantized result, in steps of its scale.
const MOST_STEPS: f32 = 4.0;

#[test]
fn cases_of_the_standard_run_on_the_machine() {
    let machine = preset("edge16x16").unwrap();
    let (mut left, mut n_noticed) = (Vec::new(), 0);
    for case in CASES {
        let Some(bytes) = model_bytes(&format!("onnx_node/{case}/model.onnx")) else {
            return;
        };
        let x = value(case, "input_0").unwrap();
        let sample = x.data.as_f32().map(|x| vec![x.to_vec()]);
        let mut context = Context::new(LowerOptions {
            calibration: sample.clone().into_iter().collect(),
            ..LowerOptions::default()
        });
        let graph = match lower_in(bound(&bytes, case), &mut context) {
            Ok(graph) => graph,
            Err(errors) => {
                println!("{case}: float executor; {}", errors[0]);
                left.push(case);
                continue;
            }
        };
        let input = match &sample {
            Some(sample) => {
                let machine_order = graph.inputs[0].quantize_input(&sample[0]).unwrap();
                graph.inputs[0].integers_from_machine(&machine_order).unwrap()
            }
            None => x.data.to_i32().unwrap(),
        };
        let reversed: Vec<i32> = input.iter().rev().copied().collect();
        let inputs = [vec![input]];
        let found = machine_outputs(&graph, &machine, &inputs);
        assert_eq!(found, reference_outputs(&graph, &inputs), "{case}");
        n_noticed += usize::from(found != reference_outputs(&graph, &[vec![reversed]]));
        let (found, io) = (&found[0][0], &graph.outputs[0]);
        println!("{case}: machine");
        if QUANTIZED.contains(&case) {
            assert_eq!(*found, expected(case), "{case}");
            continue;
        }
        let wanted = value(case, "output_0").unwrap();
        let Some(wanted) = wanted.data.as_f32() else {
            assert_eq!(*found, wanted.data.to_i32().unwrap(), "{case}");
            continue;
        };
        let steps = |(&v, w): (&i32, &f32)| ((v - io.zero_point) as f32 - w / io.scale).abs();
        let most = found.iter().zip(wanted).map(steps).fold(0f32, f32::max);
        assert!(most <= MOST_STEPS, "{case}: {most} steps of {}", io.scale);
    }
    assert_eq!(left, FLOAT_EXECUTOR_ONLY);
    // Another input gives another result, except where all elements are alike.
    assert!(n_noticed >= 34, "{n_noticed}");
}
