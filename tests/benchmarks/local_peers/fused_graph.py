"""BERT as onnxruntime runs it fastest on a CPU: whole attention, norms and GELU as one node each.

These are the nodes that onnxruntime's own transformer optimiser puts in where it recognises an
export; it does not recognise the attention of the file that LOCAL reads.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ellmental_embeddings_local.bert import Bert, Norm
    from ellmental_embeddings_local.linear import Linear

__all__ = ["fused_graph"]

_OWN = "com.microsoft"


class _Graph:
    """Nodes and weights, as they are put down."""

    def __init__(self) -> None:
        self._onnx = import_module("onnx")
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: list[str], *, domain: str = _OWN, **facts: Any) -> str:
        """Add a node; returns the name of its (first) output."""
        output = f"{kind}_{len(self.nodes)}"
        outputs = [output, f"{output}_b"] if kind == "EmbedLayerNormalization" else [output]
        make = self._onnx.helper.make_node
        self.nodes.append(make(kind, inputs, outputs, domain=domain, **facts))
        return output

    def weight(self, values: NDArray[np.float32]) -> str:
        """Add a weight; returns its name."""
        name = f"w{len(self.weights)}"
        array = self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), name)
        self.weights.append(array)
        return name

    def norm(self, rows: str, added: str, norm: Norm, bias: Linear, epsilon: float) -> str:
        """Layer norm of ``rows`` + bias + ``added``."""
        facts = [norm.gain, norm.bias, bias.bias]
        inputs = [rows, added, *map(self.weight, facts)]
        return self.node("SkipLayerNormalization", inputs, epsilon=epsilon)

    def product(self, rows: str, linear: Linear) -> str:
        """A matrix product, without its bias."""
        return self.node("MatMul", [rows, self.weight(linear.weight)], domain="")

    def model(self, last: str, width: int) -> bytes:
        """The file."""
        helper, types = self._onnx.helper, self._onnx.TensorProto
        info, sides = helper.make_tensor_value_info, ["texts", "pieces"]
        self.nodes.append(helper.make_node("Identity", [last], ["last_hidden_state"]))
        graph = helper.make_graph(
            self.nodes,
            "minilm",
            [info(name, types.INT64, sides) for name in ("input_ids", "attention_mask")],
            [info("last_hidden_state", types.FLOAT, [*sides, width])],
            self.weights,
        )
        versions = [helper.make_opsetid("", 17), helper.make_opsetid(_OWN, 1)]
        model = helper.make_model(graph, opset_imports=versions, ir_version=9)
        return bytes(model.SerializeToString())


def fused_graph(model: Bert) -> bytes:
    """An ONNX file: ``input_ids`` and ``attention_mask`` to ``last_hidden_state``."""
    graph, epsilon = _Graph(), model.shape.epsilon
    whole = import_module("onnx").TensorProto.INT32
    ids, mask = (
        graph.node("Cast", [name], domain="", to=whole) for name in ("input_ids", "attention_mask")
    )
    words = model.words.rows(np.arange(len(model.words.values)))  # type: ignore[union-attr]
    tables = (words, model.positions)
    norm = (model.norm.gain, model.norm.bias)
    inputs = [ids, "", *map(graph.weight, tables), "", *map(graph.weight, norm), mask]
    rows = graph.node("EmbedLayerNormalization", inputs, epsilon=epsilon)
    lengths = f"{rows}_b"  # its second output: pieces of each text
    for layer in model.layers:
        weight, bias = layer.qkv.weight.copy(), layer.qkv.bias.copy()
        scale = np.float32((model.width // model.shape.heads) ** 0.5)
        weight[:, : model.width] *= scale  # the node scales the queries itself
        bias[: model.width] *= scale
        inputs = [rows, graph.weight(weight), graph.weight(bias), lengths]
        attended = graph.node("Attention", inputs, num_heads=model.shape.heads)
        between = graph.norm(
            graph.product(attended, layer.output), rows, layer.output_norm, layer.output, epsilon
        )
        inputs = [graph.product(between, layer.up), graph.weight(layer.up.bias)]
        inner = graph.node("BiasGelu", inputs)
        rows = graph.norm(
            graph.product(inner, layer.down), between, layer.down_norm, layer.down, epsilon
        )
    return graph.model(rows, model.width)
