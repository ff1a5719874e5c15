//! Single-operator cases of the ONNX standard, with the operands that have to be constant made so.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use rten_onnx::onnx::{ModelProto, TensorProto};
use rten_onnx::protobuf::{DecodeMessage, ValueReader};
use systole_compiler::reference::execute;
use systole_compiler::{import_onnx, lower};

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

#[test]
fn quantized_operators_follow_the_standard() {
    for case in [
        "test_qlinearconv",
        "test_qlinearmatmul_2D_uint8_float32",
        "test_qlinearmatmul_2D_int8_float32",
    ] {
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
