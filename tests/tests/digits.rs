use std::sync::Arc;
use systole_compiler as compiler;
use systole_isa::machine::preset;
use systole_simulator::host::{HostValues, read_output, read_stored, write_input};
use systole_simulator::{Machine, Mode};

#[test]
fn smoke() {
    let bytes = include_bytes!("../../programs/digits/digits_int8_qdq.onnx");
    let graph = compiler::import_onnx(bytes).unwrap();
    let quantized = compiler::lower(graph).unwrap();
    for name in ["tiny4x4", "edge16x16", "mid32x32", "big128x128"] {
        let description = preset(name).unwrap();
        let program = Arc::new(compiler::codegen::generate(&quantized, &description, Default::default()).unwrap());
        let mut machine = Machine::new(program.clone(), Arc::new(description), Mode::Full).unwrap();
        let image = vec![0.5f32; 784];
        write_input(&mut machine, &program.inputs[0], &HostValues::F32(image)).unwrap();
        let status = machine.run(1 << 40, &mut ()).clone();
        println!("{name}: {status:?} {} cycles, {} instructions, {:?}", machine.now(), program.code.len(), read_stored(&machine, &program.outputs[0]));
        println!("{:?}", read_output(&machine, &program.outputs[0]));
        println!("{:?}", machine.counts());
    }
}
