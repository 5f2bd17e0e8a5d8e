"""Field numbers and enumerations of the .tflite schema (version 3), as far as ecgdeploy reads it.

A test compares what is read with them against the schema that ai-edge-litert ships.
"""

from __future__ import annotations

DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16",
    8: "complex64", 9: "int8", 10: "float64", 11: "complex128", 12: "uint64", 13: "resource", 14: "variant",
    15: "uint32", 16: "uint16", 17: "int4", 18: "bfloat16", 19: "int2", 20: "uint4",
}  # fmt: skip

PADDINGS = {0: "SAME", 1: "VALID"}
ACTIVATIONS = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH", 5: "SIGN_BIT"}

# table of options -> (number in the BuiltinOptions union, {option: (slot, struct code, default)})
OPTIONS: dict[str, tuple[int, dict[str, tuple[int, str, float]]]] = {
    "Conv2DOptions": (1, {
        "padding": (0, "b", 0), "stride_w": (1, "i", 0), "stride_h": (2, "i", 0), "activation": (3, "b", 0),
        "dilation_w": (4, "i", 1), "dilation_h": (5, "i", 1)}),
    "DepthwiseConv2DOptions": (2, {
        "padding": (0, "b", 0), "stride_w": (1, "i", 0), "stride_h": (2, "i", 0), "depth_multiplier": (3, "i", 0),
        "activation": (4, "b", 0), "dilation_w": (5, "i", 1), "dilation_h": (6, "i", 1)}),
    "Pool2DOptions": (5, {
        "padding": (0, "b", 0), "stride_w": (1, "i", 0), "stride_h": (2, "i", 0), "filter_w": (3, "i", 0),
        "filter_h": (4, "i", 0), "activation": (5, "b", 0)}),
    "FullyConnectedOptions": (8, {
        "activation": (0, "b", 0), "weights_format": (1, "b", 0), "keep_num_dims": (2, "B", 0),
        "asymmetric_inputs": (3, "B", 0)}),
    "SoftmaxOptions": (9, {"beta": (0, "f", 0.0)}),
    "ConcatenationOptions": (10, {"axis": (0, "i", 0), "activation": (1, "b", 0)}),
    "AddOptions": (11, {"activation": (0, "b", 0), "pot_scale_int16": (1, "B", 1)}),
    "ReshapeOptions": (17, {}),
    "MulOptions": (21, {"activation": (0, "b", 0)}),
    "PadOptions": (22, {}),
    "GatherOptions": (23, {"axis": (0, "i", 0), "batch_dims": (1, "i", 0)}),
    "TransposeOptions": (26, {}),
    "ReducerOptions": (27, {"keep_dims": (0, "B", 0)}),
    "SubOptions": (28, {"activation": (0, "b", 0), "pot_scale_int16": (1, "B", 1)}),
    "DivOptions": (29, {"activation": (0, "b", 0)}),
    "SqueezeOptions": (30, {}),
    "StridedSliceOptions": (32, {
        "begin_mask": (0, "i", 0), "end_mask": (1, "i", 0), "ellipsis_mask": (2, "i", 0), "new_axis_mask": (3, "i", 0),
        "shrink_axis_mask": (4, "i", 0), "offset": (5, "B", 0)}),
    "SplitOptions": (35, {"num_splits": (0, "i", 0)}),
    "DequantizeOptions": (38, {}),
    "MaximumMinimumOptions": (39, {}),
    "SliceOptions": (48, {}),
    "ExpandDimsOptions": (52, {}),
    "ShapeOptions": (55, {}),
    "PackOptions": (59, {"values_count": (0, "i", 0), "axis": (1, "i", 0)}),
    "TransposeConvOptions": (49, {
        "padding": (0, "b", 0), "stride_w": (1, "i", 0), "stride_h": (2, "i", 0), "activation": (3, "b", 0)}),
    "UnpackOptions": (64, {"num": (0, "i", 0), "axis": (1, "i", 0)}),
    "UnidirectionalSequenceLSTMOptions": (71, {
        "activation": (0, "b", 0), "cell_clip": (1, "f", 0.0), "proj_clip": (2, "f", 0.0), "time_major": (3, "B", 0),
        "asymmetric_inputs": (4, "B", 0), "diagonal": (5, "B", 0)}),
    "LeakyReluOptions": (75, {"alpha": (0, "f", 0.0)}),
    "SquaredDifferenceOptions": (76, {}),
    "QuantizeOptions": (89, {}),
    "HardSwishOptions": (91, {}),
    "ResizeNearestNeighborOptions": (74, {"align_corners": (0, "B", 0), "half_pixel": (1, "B", 0)}),
    "GeluOptions": (116, {"approximate": (0, "B", 0)}),
    "BatchMatMulOptions": (101, {"adj_x": (0, "B", 0), "adj_y": (1, "B", 0), "asymmetric_inputs": (2, "B", 0)}),
}  # fmt: skip

# operator -> (number in BuiltinOperator, its table of options or "" for none)
BUILTINS: dict[str, tuple[int, str]] = {
    "ADD": (0, "AddOptions"), "AVERAGE_POOL_2D": (1, "Pool2DOptions"), "CONCATENATION": (2, "ConcatenationOptions"),
    "CONV_2D": (3, "Conv2DOptions"), "DEPTHWISE_CONV_2D": (4, "DepthwiseConv2DOptions"), "DEQUANTIZE": (6, ""),
    "FULLY_CONNECTED": (9, "FullyConnectedOptions"), "LOGISTIC": (14, ""), "MAX_POOL_2D": (17, "Pool2DOptions"),
    "MUL": (18, "MulOptions"), "RELU": (19, ""), "RELU6": (21, ""), "RESHAPE": (22, ""),
    "SOFTMAX": (25, "SoftmaxOptions"), "TANH": (28, ""), "PAD": (34, ""), "GATHER": (36, "GatherOptions"),
    "TRANSPOSE": (39, ""), "MEAN": (40, "ReducerOptions"), "SUB": (41, "SubOptions"), "DIV": (42, "DivOptions"),
    "SQUEEZE": (43, ""), "UNIDIRECTIONAL_SEQUENCE_LSTM": (44, "UnidirectionalSequenceLSTMOptions"),
    "STRIDED_SLICE": (45, "StridedSliceOptions"), "EXP": (47, ""), "SPLIT": (49, "SplitOptions"), "CAST": (53, ""),
    "MAXIMUM": (55, ""), "MINIMUM": (57, ""), "NEG": (59, ""), "PADV2": (60, ""), "SLICE": (65, ""),
    "EXPAND_DIMS": (70, ""), "SUM": (74, "ReducerOptions"), "SQRT": (75, ""), "RSQRT": (76, ""), "SHAPE": (77, ""),
    "REDUCE_MAX": (82, "ReducerOptions"), "PACK": (83, "PackOptions"), "LEAKY_RELU": (98, "LeakyReluOptions"),
    "SQUARED_DIFFERENCE": (99, ""), "SPLIT_V": (102, ""), "QUANTIZE": (114, ""), "HARD_SWISH": (117, ""),
    "PRELU": (54, ""), "TRANSPOSE_CONV": (67, "TransposeConvOptions"), "TILE": (69, ""),
    "UNPACK": (88, "UnpackOptions"), "SQUARE": (92, ""), "ABS": (101, ""), "ELU": (111, ""),
    "SPACE_TO_BATCH_ND": (38, ""), "BATCH_TO_SPACE_ND": (37, ""), "REVERSE_V2": (105, ""),
    "BATCH_MATMUL": (126, "BatchMatMulOptions"), "GELU": (150, "GeluOptions"), "REDUCE_PROD": (81, "ReducerOptions"),
    "FILL": (94, ""), "RESIZE_NEAREST_NEIGHBOR": (97, "ResizeNearestNeighborOptions"),
}  # fmt: skip
KIND_OF_CODE = {code: kind for kind, (code, _) in BUILTINS.items()}

# slots of the structural tables
MODEL_VERSION, MODEL_OPERATOR_CODES, MODEL_SUBGRAPHS, MODEL_BUFFERS, MODEL_SIGNATURES = 0, 1, 2, 4, 7
CODE_DEPRECATED, CODE_CUSTOM, CODE_BUILTIN = 0, 1, 3
SUBGRAPH_TENSORS, SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS, SUBGRAPH_OPERATORS = 0, 1, 2, 3
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME, TENSOR_QUANTIZATION = 0, 1, 2, 3, 4
TENSOR_VARIABLE, TENSOR_SPARSITY, TENSOR_SIGNATURE = 5, 6, 7
QUANTIZATION_SCALE, QUANTIZATION_ZERO_POINT, QUANTIZATION_DETAILS, QUANTIZATION_AXIS = 2, 3, 4, 6
BUFFER_DATA, BUFFER_OFFSET = 0, 1
OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS, OPERATOR_OPTIONS_TYPE, OPERATOR_OPTIONS = 0, 1, 2, 3, 4
SIGNATURE_OUTPUTS = 1
SIGNATURE_MAP_NAME, SIGNATURE_MAP_TENSOR = 0, 1


def builtin_name(code: int) -> str:
    """Name of a builtin operator, also of those ecgdeploy does not know."""
    if code in KIND_OF_CODE:
        return KIND_OF_CODE[code]
    from ai_edge_litert import schema_py_generated as generated

    for name, value in vars(generated.BuiltinOperator).items():
        if value == code and name.isupper():
            return name
    return f"operator code {code}"
