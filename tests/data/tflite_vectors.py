"""Writes tflite_vectors.txt: quantized operations with the results of LiteRT's reference kernels.

    pip install ai-edge-litert numpy flatbuffers
    python tflite_vectors.py > tflite_vectors.txt

Each operation is a model of one operator, built here, with int8 tensors of random scales and zero points. The file holds the inputs, the
fixed-point parameters that the runtime derives from the scales (right shifts counted positive), and the outputs.
"""

import math

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as s
from ai_edge_litert.interpreter import Interpreter, OpResolverType

rng = np.random.default_rng(20)


VERSIONS = {"PRELU": 1, "DEPTHWISE_CONV_2D": 3}


def version(code):
    """The first version of an operator that takes int8."""
    name = next(name for name, value in vars(s.BuiltinOperator).items() if value == code)
    return VERSIONS.get(name, 2)


def tensor(name, shape, kind, scale, zero_point, buffer=0, axis=0):
    t = s.TensorT()
    t.name, t.shape, t.type, t.buffer = name, list(shape), kind, buffer
    t.quantization = s.QuantizationParametersT()
    scales = np.atleast_1d(np.asarray(scale, np.float32))
    t.quantization.scale = scales
    t.quantization.zeroPoint = np.full(len(scales), zero_point, np.int64)
    t.quantization.quantizedDimension = axis
    return t


def run(code, kind, options, inputs, constants, output):
    """inputs: (shape, scale, zero point, values); constants: (shape, type, scale, axis, values); output: (shape, scale, zero point)."""
    model, graph, op = s.ModelT(), s.SubGraphT(), s.OperatorT()
    model.version = 3
    operator_code = s.OperatorCodeT()
    operator_code.builtinCode, operator_code.deprecatedBuiltinCode, operator_code.version = code, min(code, 127), version(code)
    model.operatorCodes = [operator_code]
    model.buffers = [s.BufferT()]
    graph.tensors = []
    for i, (shape, scale, zero, _) in enumerate(inputs):
        graph.tensors.append(tensor(f"x{i}", shape, s.TensorType.INT8, scale, zero))
    for i, (shape, element, scale, zero, axis, values) in enumerate(constants):
        buffer = s.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        model.buffers.append(buffer)
        graph.tensors.append(tensor(f"c{i}", shape, element, scale, zero, len(model.buffers) - 1, axis))
    graph.tensors.append(tensor("y", output[0], s.TensorType.INT8, output[1], output[2]))
    n = len(graph.tensors)
    graph.inputs, graph.outputs, graph.operators = list(range(len(inputs))), [n - 1], [op]
    op.opcodeIndex, op.inputs, op.outputs = 0, list(range(n - 1)), [n - 1]
    op.builtinOptionsType, op.builtinOptions = kind, options
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = Interpreter(
        model_content=bytes(builder.Output()), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()
    for detail, (shape, _, _, values) in zip(details, inputs):
        interpreter.set_tensor(detail["index"], values.reshape(shape))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def multiplier(real):
    """Multiplier and right shift of a positive real number."""
    mantissa, exponent = math.frexp(real)
    fixed = int(math.floor(mantissa * 2**31 + 0.5))
    if fixed == 2**31:
        fixed, exponent = fixed // 2, exponent + 1
    return [fixed, -exponent]


def real(scale):
    return float(np.float32(scale))


def int8(n):
    values = rng.integers(-128, 128, n).astype(np.int8)
    values[:2] = [-128, 127]
    return values


def scale(lo=0.01, hi=0.2):
    return np.float32(rng.uniform(lo, hi))


def zero():
    return int(rng.integers(-40, 40))


def show(op, **lists):
    print(f"[{op}]")
    for name, values in lists.items():
        print(f"{name}:", *np.asarray(values).reshape(-1).tolist())
    print()


def addition():
    n, (sa, sb, sy), (za, zb, zy) = 48, [scale() for _ in range(3)], [zero() for _ in range(3)]
    a, b = int8(n), int8(n)[::-1].copy()
    y = run(s.BuiltinOperator.ADD, s.BuiltinOptions.AddOptions, s.AddOptionsT(), [((1, n), sa, za, a), ((1, n), sb, zb, b)], [], ((1, n), sy, zy))
    twice = 2 * max(real(sa), real(sb))
    par = [20] + multiplier(real(sa) / twice) + multiplier(real(sb) / twice) + multiplier(twice / (2**20 * real(sy)))
    show("add", zero_points=[za, zb, zy], par=par, a=a, b=b, y=y)


def multiplication():
    n, (sa, sb, sy), (za, zb, zy) = 48, [scale() for _ in range(3)], [zero() for _ in range(3)]
    a, b = int8(n), int8(n)[::-1].copy()
    y = run(s.BuiltinOperator.MUL, s.BuiltinOptions.MulOptions, s.MulOptionsT(), [((1, n), sa, za, a), ((1, n), sb, zb, b)], [], ((1, n), sy, zy))
    show("mul", zero_points=[za, zb, zy], par=multiplier(real(sa) * real(sb) / real(sy)), a=a, b=b, y=y)


def prelu():
    m, n, (sx, sa, sy), (zx, za, zy) = 16, 3, [scale() for _ in range(3)], [zero() for _ in range(3)]
    x, alpha = int8(m * n), int8(n)
    constants = [((1, 1, n), s.TensorType.INT8, sa, za, 0, alpha)]
    y = run(s.BuiltinOperator.PRELU, 0, None, [((1, 1, m, n), sx, zx, x)], constants, ((1, 1, m, n), sy, zy))
    positive, negative = multiplier(real(sx) / real(sy)), multiplier(real(sx) * real(sa) / real(sy))
    par = [[0, *positive, int(v) - za, *negative] for v in alpha]
    show("prelu", shape=[m, n], zero_points=[zx, zy], par=par, x=x, y=y)


def average_pool(side, stride, padding):
    h = w = 6
    c, sx, zx = 2, scale(), zero()
    x = int8(h * w * c)
    options = s.Pool2DOptionsT()
    options.filterHeight = options.filterWidth = side
    options.strideH = options.strideW = stride
    options.padding = s.Padding.SAME if padding else s.Padding.VALID
    out = -(-h // stride) if padding else (h - side) // stride + 1
    y = run(s.BuiltinOperator.AVERAGE_POOL_2D, s.BuiltinOptions.Pool2DOptions, options, [((1, h, w, c), sx, zx, x)], [], ((1, out, out, c), sx, zx))
    pad = max((out - 1) * stride + side - h, 0) // 2 if padding else 0
    show("avgpool", shape=[h, w, c, side, stride, pad, out], x=x, y=y)


def depthwise(stride):
    h, w, c, side = 5, 5, 3, 3
    sx, zx, sy, zy = scale(), zero(), scale(0.1, 0.4), zero()
    sw = np.array([scale(0.005, 0.02) for _ in range(c)], np.float32)
    x, weights, bias = int8(h * w * c), int8(side * side * c), rng.integers(-2000, 2000, c).astype(np.int32)
    weights[weights == -128] = -127
    options = s.DepthwiseConv2DOptionsT()
    options.padding, options.strideH, options.strideW, options.depthMultiplier = s.Padding.SAME, stride, stride, 1
    options.dilationHFactor = options.dilationWFactor = 1
    out = -(-h // stride)
    constants = [
        ((1, side, side, c), s.TensorType.INT8, sw, 0, 3, weights),
        ((c,), s.TensorType.INT32, sw * sx, 0, 0, bias),
    ]
    y = run(s.BuiltinOperator.DEPTHWISE_CONV_2D, s.BuiltinOptions.DepthwiseConv2DOptions, options, [((1, h, w, c), sx, zx, x)], constants, ((1, out, out, c), sy, zy))
    par = [[int(bias[i]), *multiplier(real(sx) * real(sw[i]) / real(sy))] for i in range(c)]
    pad = max((out - 1) * stride + side - h, 0) // 2
    show("dwconv", shape=[h, w, c, side, stride, pad, out], zero_points=[zx, zy], par=par, x=x, w=weights, y=y)


def softmax(m, n, sx):
    x, options = int8(m * n), s.SoftmaxOptionsT()
    x[n:] //= 8
    options.beta = 1.0
    y = run(s.BuiltinOperator.SOFTMAX, s.BuiltinOptions.SoftmaxOptions, options, [((m, n), sx, 0, x)], [], ((m, n), 1 / 256, -128))
    table = [round(math.exp(-d * real(sx)) * 2**23) for d in range(256)] + [256]
    show("softmax", shape=[m, n], table=table, x=x, y=y)


if __name__ == "__main__":
    for _ in range(3):
        addition()
        multiplication()
        prelu()
    average_pool(2, 2, False)
    average_pool(3, 1, True)
    average_pool(3, 2, True)
    average_pool(6, 6, False)
    depthwise(1)
    depthwise(2)
    softmax(3, 10, np.float32(0.1))
    softmax(3, 16, np.float32(0.02))
