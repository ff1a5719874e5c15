//! A TensorFlow Lite file as plain data: what its tables say, before anything is made of it.

use super::flat::{Result, Table};
use crate::graph::{DType, TensorData};

/// A tensor.
#[derive(Debug)]
pub(super) struct TensorInfo<'a> {
    pub(super) name: String,
    pub(super) shape: Vec<i32>,
    /// The number of the type in the format.
    pub(super) type_number: i8,
    /// Bytes of a constant; activations have none.
    pub(super) bytes: &'a [u8],
    pub(super) scales: Vec<f32>,
    pub(super) zero_points: Vec<i64>,
    pub(super) quantized_axis: i32,
}

/// An operator.
#[derive(Debug)]
pub(super) struct OperatorInfo<'a> {
    /// The number of the operator in the format.
    pub(super) builtin: i32,
    /// Its name, if it is none of the format.
    pub(super) custom: Option<String>,
    /// Tensors by index; -1 where an optional operand is left out.
    pub(super) inputs: Vec<i32>,
    pub(super) outputs: Vec<i32>,
    pub(super) options: Option<Table<'a>>,
}

/// A model: its first subgraph.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub(super) name: String,
    pub(super) n_subgraphs: usize,
    pub(super) tensors: Vec<TensorInfo<'a>>,
    pub(super) operators: Vec<OperatorInfo<'a>>,
    pub(super) inputs: Vec<i32>,
    pub(super) outputs: Vec<i32>,
}

/// Operators are told apart by a byte in older files and by a number in newer ones; the larger one holds.
struct Code {
    builtin: i32,
    custom: Option<String>,
}

fn code(table: &Table<'_>) -> Result<Code> {
    let old: i8 = table.scalar(0, 0)?;
    Ok(Code {
        builtin: table.scalar(3, 0i32)?.max(old.into()),
        custom: table.string(1)?,
    })
}

fn tensor<'a>(table: &Table<'a>, buffers: &[&'a [u8]]) -> Result<TensorInfo<'a>> {
    let quantization = table.table(4)?;
    let of = |number| quantization.map_or(Ok(Vec::new()), |q| q.scalars(number));
    let zero_points = quantization.map_or(Ok(Vec::new()), |q| q.scalars(3))?;
    Ok(TensorInfo {
        name: table.string(3)?.unwrap_or_default(),
        shape: table.scalars(0)?,
        type_number: table.scalar(1, 0)?,
        bytes: buffers
            .get(table.scalar(2, 0u32)? as usize)
            .copied()
            .unwrap_or_default(),
        scales: of(2)?,
        zero_points,
        quantized_axis: quantization.map_or(Ok(0), |q| q.scalar(6, 0))?,
    })
}

/// Reads all tables that the compiler is interested in.
pub(super) fn read<'a>(root: &Table<'a>) -> Result<Model<'a>> {
    let codes: Vec<Code> = root.tables(1)?.iter().map(code).collect::<Result<_>>()?;
    let buffers = root.tables(4)?;
    let buffers: Vec<&[u8]> = buffers
        .iter()
        .map(|buffer| Ok(buffer.bytes(0)?.unwrap_or_default()))
        .collect::<Result<_>>()?;
    let subgraphs = root.tables(2)?;
    let mut model = Model {
        name: String::new(),
        n_subgraphs: subgraphs.len(),
        tensors: Vec::new(),
        operators: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
    };
    let Some(graph) = subgraphs.first() else {
        return Ok(model);
    };
    model.name = graph.string(4)?.unwrap_or_default();
    model.inputs = graph.scalars(1)?;
    model.outputs = graph.scalars(2)?;
    model.tensors = graph
        .tables(0)?
        .iter()
        .map(|table| tensor(table, &buffers))
        .collect::<Result<_>>()?;
    for table in graph.tables(3)? {
        let code = codes.get(table.scalar(0, 0u32)? as usize);
        model.operators.push(OperatorInfo {
            builtin: code.map_or(-1, |code| code.builtin),
            custom: code.and_then(|code| code.custom.clone()),
            inputs: table.scalars(1)?,
            outputs: table.scalars(2)?,
            options: table.table(4)?,
        });
    }
    Ok(model)
}

/// The element type of a number of the format; `None` if the compiler does not know it.
pub(super) const fn dtype(type_number: i8) -> Option<DType> {
    match type_number {
        0 => Some(DType::F32),
        2 => Some(DType::I32),
        3 => Some(DType::U8),
        4 => Some(DType::I64),
        6 => Some(DType::Bool),
        7 => Some(DType::I16),
        9 => Some(DType::I8),
        16 => Some(DType::U16),
        _ => None,
    }
}

/// The elements of a constant; `None` if the number of bytes is not that of `n` elements.
pub(super) fn data(bytes: &[u8], dtype: DType, n: usize) -> Option<TensorData> {
    macro_rules! numbers {
        ($variant:ident, $number:ty) => {{
            let elements = bytes.chunks_exact(size_of::<$number>());
            let is_whole = elements.remainder().is_empty();
            let numbers = elements.map(<$number as super::flat::Scalar>::from_le).collect();
            is_whole.then(|| TensorData::$variant(numbers))
        }};
    }
    let data = match dtype {
        DType::F32 => numbers!(F32, f32),
        DType::U8 => numbers!(U8, u8),
        DType::I8 => numbers!(I8, i8),
        DType::U16 => numbers!(U16, u16),
        DType::I16 => numbers!(I16, i16),
        DType::I32 => numbers!(I32, i32),
        DType::I64 => numbers!(I64, i64),
        DType::Bool => Some(TensorData::Bool(bytes.iter().map(|&byte| byte != 0).collect())),
    };
    data.filter(|data| data.len() == n)
}

/// Names of the operators by their number in the format, for messages.
const NAMES: &str = "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED \
    HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 \
    RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD \
    UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE \
    BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 \
    GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW \
    ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE \
    FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE \
    RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH";

/// The name of an operator.
pub(super) fn name(operator: &OperatorInfo<'_>) -> String {
    let known = usize::try_from(operator.builtin)
        .ok()
        .and_then(|number| NAMES.split_whitespace().nth(number));
    match (&operator.custom, known) {
        (Some(custom), _) => custom.clone(),
        (None, Some(name)) => name.into(),
        (None, None) => format!("operator number {}", operator.builtin),
    }
}
