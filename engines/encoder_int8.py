"""Make an exported fp32 ONNX graph small and fast: int8 MatMul weights, and an int8 table of words.

MatMuls: weights int8 per output channel, activations uint8 with a scale found at run time (ONNX Runtime's dynamic
quantisation). Tables: w[row] = scale[row] * int8[row], scale[row] = max |w[row]| / 127, looked up and multiplied in
fp32 with standard operators. Large tensors lie in a file of their own, which ONNX Runtime maps into memory: of the
table (four fifths of the model) only the rows of words that were really met become resident.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.encoder import WEIGHTS

# Position and token-type tables are small and stay as they are.
_TABLE_ELEMENTS = 1_000_000
_ROWS_AT_ONCE = 16_384


def quantize(source: Path, target: Path, reduce_range: bool = False) -> None:
    """Read `source` (fp32, weights in an external file), write `target` and its large tensors beside it.

    `reduce_range` spends 7 bits on weights: CPUs without VNNI add pairs of products in 16 bits, which overflow at 8.
    """
    import onnx
    from onnx import external_data_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(str(source), load_external_data=False)
    # The quantiser copies what it is given several times: it gets one row of each table, the rest is put in after it.
    tables = _replace_tables(model, source.parent)
    external_data_helper.load_external_data_for_model(model, str(source.parent))
    # The quantiser turns Gemm into MatMul, which the shapes noted by the exporter contradict; it infers them anew.
    del model.graph.value_info[:]
    quantize_dynamic(
        model, str(target), op_types_to_quantize=["MatMul"], per_channel=True, reduce_range=reduce_range,
        weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True},
    )  # fmt: skip
    del model
    small = onnx.load(str(target))
    _fill_tables(small, tables)
    (target.parent / WEIGHTS).unlink(missing_ok=True)
    onnx.save(small, str(target), save_as_external_data=True, location=WEIGHTS, size_threshold=_TABLE_ELEMENTS)


def _replace_tables(model: Any, folder: Path) -> dict[str, NDArray[Any]]:
    """Exchange every large table for an int8 one of a single row; the whole int8 tables by name."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    tables: dict[str, NDArray[Any]] = {}
    for node in list(model.graph.node):
        tensor = weights.get(node.input[0]) if node.op_type == "Gather" else None
        if tensor is not None and len(tensor.dims) == 2 and tensor.dims[0] * tensor.dims[1] >= _TABLE_ELEMENTS:
            values, scales = rows_to_int8(_external(tensor, folder))
            _replace_lookup(model.graph, node, values[:1], scales[:1])
            model.graph.initializer.remove(tensor)
            tables |= {f"{tensor.name}_int8": values, f"{tensor.name}_scale": scales}
    return tables


def _fill_tables(model: Any, tables: dict[str, NDArray[Any]]) -> None:
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        if tensor.name in tables:
            tensor.CopyFrom(numpy_helper.from_array(tables.pop(tensor.name), tensor.name))


def _external(tensor: Any, folder: Path) -> NDArray[np.float32]:
    """The values of an fp32 tensor with external data, mapped rather than read."""
    entry = {pair.key: pair.value for pair in tensor.external_data}
    return np.memmap(
        folder / entry["location"], np.float32, "r", offset=int(entry.get("offset", 0)), shape=tuple(tensor.dims)
    )


def rows_to_int8(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 per row: values of the table's shape, and scales of shape (rows, 1)."""
    values = np.empty(table.shape, np.int8)
    scales = np.empty((len(table), 1), np.float32)
    for start in range(0, len(table), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        rows = np.asarray(table[part])
        scales[part] = np.maximum(np.abs(rows).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
        values[part] = np.rint(rows / scales[part])
    return values, scales


def _replace_lookup(graph: Any, node: Any, values: NDArray[np.int8], scales: NDArray[np.float32]) -> None:
    from onnx import TensorProto, helper, numpy_helper

    name, ids, out = node.input[0], node.input[1], node.output[0]
    graph.initializer.append(numpy_helper.from_array(values, f"{name}_int8"))
    graph.initializer.append(numpy_helper.from_array(scales, f"{name}_scale"))
    made = [
        helper.make_node("Gather", [f"{name}_int8", ids], [f"{out}_int8"]),
        helper.make_node("Cast", [f"{out}_int8"], [f"{out}_cast"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}_scale", ids], [f"{out}_scale"]),
        helper.make_node("Mul", [f"{out}_cast", f"{out}_scale"], [out]),
    ]
    at = list(graph.node).index(node)
    graph.node.remove(node)
    for offset, step in enumerate(made):
        graph.node.insert(at + offset, step)
