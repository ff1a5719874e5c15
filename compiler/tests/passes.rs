//! The pass list, its observer, and the verifier that runs after every pass.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says why it fails or is skipped"
)]

mod support;

use std::ops::ControlFlow;
use systole_compiler::graph::{
    ClipRange, DType, Graph, Layout, Node, Op, Quantization, Tensor, TensorData, TensorId, verify,
};
use systole_compiler::{CompileErrorKind, PASSES, import_onnx, run_passes};

/// `x -> Relu -> y`, valid.
fn relu() -> Graph {
    let mut graph = Graph::default();
    let x = graph.add_tensor(Tensor::value("x", DType::F32, vec![1, 4]));
    let y = graph.add_tensor(Tensor::value("y", DType::F32, vec![1, 4]));
    graph.add_input(x);
    graph.add_node(Node::new("relu", Op::Relu, &[x], y));
    graph.add_output(y);
    graph
}

fn broken(change: impl FnOnce(&mut Graph), wanted: &str) {
    let mut graph = relu();
    assert_eq!(verify(&graph), Ok(()));
    change(&mut graph);
    let errors = verify(&graph).expect_err(wanted);
    assert!(errors.iter().all(|e| e.kind == CompileErrorKind::BrokenGraph));
    assert!(
        errors.iter().any(|e| e.to_string().contains(wanted)),
        "no `{wanted}` in {errors:#?}"
    );
}

#[test]
fn the_verifier_rejects_graphs_that_contradict_themselves() {
    broken(
        |g| g.nodes[0].inputs[0] = Some(TensorId(9)),
        "node `relu`: found tensor %9",
    );
    broken(|g| g.outputs[0].tensor = TensorId(7), "tensor `y`: found tensor %7");
    broken(
        |g| g.tensor_mut(TensorId(1)).shape = Some(vec![1, 5]),
        "expected shape Some([1, 4])",
    );
    broken(
        |g| g.tensor_mut(TensorId(1)).dtype = Some(DType::I8),
        "expected type Some(F32)",
    );
    broken(|g| g.nodes.clear(), "a graph output without a producer");
    broken(|g| g.inputs.clear(), "operand `x` that nothing has produced yet");
    broken(|g| g.nodes[0].outputs.clear(), "no output");
    broken(
        |g| {
            let node = g.nodes[0].clone();
            g.add_node(node);
        },
        "a second producer, node `relu`",
    );
    broken(
        |g| {
            let z = g.add_tensor(Tensor::value("z", DType::F32, vec![1, 4]));
            g.nodes.insert(0, Node::new("early", Op::Relu, &[TensorId(1)], z));
        },
        "node `early`: found operand `y` that nothing has produced yet",
    );
    broken(
        |g| {
            let mut constant = Tensor::constant("c", vec![3], TensorData::I8(vec![1, 2, 3]));
            constant.shape = Some(vec![2]);
            g.add_tensor(constant);
        },
        "3 elements of data for shape Some([2])",
    );
    broken(
        |g| {
            let scales = Quantization::per_axis(vec![1.0; 3], vec![0; 3], 1).unwrap();
            g.tensor_mut(TensorId(0)).quantization = Some(scales);
        },
        "3 scales along axis Some(1)",
    );
    broken(
        |g| {
            let clip = ClipRange { lo: -300, hi: 127 };
            g.tensors.iter_mut().for_each(|t| t.dtype = Some(DType::I8));
            g.nodes[0].op = Op::QRequant { clip };
        },
        "results clipped into -300..=127",
    );
    broken(
        |g| {
            let clip = ClipRange { lo: -128, hi: 127 };
            g.tensors.iter_mut().for_each(|t| t.dtype = Some(DType::I8));
            g.nodes[0].op = Op::QRequant { clip };
            g.tensor_mut(TensorId(1)).layout = Layout::FlattenedNhwc { c: 2, h: 2, w: 1 };
        },
        "node `relu`: found operand in layout Logical",
    );
    broken(
        |g| {
            g.tensor_mut(TensorId(0)).dtype = Some(DType::I8);
            g.tensor_mut(TensorId(0)).quantization = Some(Quantization::per_tensor(1.0, 200));
        },
        "tensor `x`: found zero point 200",
    );
}

#[test]
fn an_observer_sees_every_pass_and_can_stop() {
    let Some(bytes) = support::model_bytes("digits/digits_int8_qdq.onnx") else {
        return;
    };
    let graph = import_onnx(&bytes).unwrap();
    let mut seen = Vec::new();
    let all = run_passes(graph.clone(), &mut |pass, _| {
        seen.push(pass.name);
        ControlFlow::Continue(())
    });
    assert_eq!(seen, PASSES.iter().map(|pass| pass.name).collect::<Vec<_>>());
    assert_eq!(all.unwrap().nodes.len(), 8);
    let mut dump = String::new();
    let stopped = run_passes(graph, &mut |pass, graph| {
        dump = graph.to_string();
        if pass.name == "fuse-qdq" {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!(stopped.unwrap().to_string(), dump);
    for wanted in [
        "= QConv(",
        "= Quantize(",
        "clip -128..=127",
        "q(16 scales along axis 0)",
        "; conv1",
    ] {
        assert!(dump.contains(wanted), "no `{wanted}` in\n{dump}");
    }
}

#[test]
fn layouts_are_those_of_the_machine_after_all_passes() {
    let Some(bytes) = support::model_bytes("digits/digits_int8_qdq.onnx") else {
        return;
    };
    let graph = run_passes(import_onnx(&bytes).unwrap(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    let dump = graph.to_string();
    for wanted in [
        "input `image` f32[1x1x28x28] carried by %0 `image_QuantizeLinear_Output` i8[1x28x28x1] nhwc",
        "`c2w_quantized.kxn` i8[144x32]",
        "`f1w_quantized.kxn.hwc` i8[1568x64]",
        "i8[1x1568] rows of (h7, w7, c32)",
        "output `logits` f32[1x10]",
    ] {
        assert!(dump.contains(wanted), "no `{wanted}` in\n{dump}");
    }
}
