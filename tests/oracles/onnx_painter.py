"""A network of conditional instance normalization as an ONNX graph, written node by node and run by onnxruntime."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def graph(
    random: np.random.Generator,
    styles: int,
    filters: tuple[int, int, int],
    blocks: int,
    expand: tuple[int, int],
    bias: bool = False,
) -> bytes:
    """Picture (1, 3, H, W) and style weights (S) to a picture; weights are random."""
    nodes, constants = [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    axis = constant("axis", np.array([1], np.int64))
    first, plane = constant("first", np.array([0], np.int64)), constant("plane", np.array([1, -1, 1, 1], np.int64))
    epsilon = constant("epsilon", np.float32(1e-5))
    column = node("Unsqueeze", ["style_weights", axis], "column")

    def layer(x: str, name: str, before: int, after: int, size: int, stride: int = 1) -> str:
        pads = constant(f"{name}.pads", np.array([0, 0, size // 2, size // 2] * 2, np.int64))
        x = node("Pad", [x, pads], f"{name}.padded", mode="reflect")
        kernel = constant(f"{name}.w", random.normal(0, 0.3, (after, before, size, size)).astype(np.float32))
        inputs = [x, kernel] + [constant(f"{name}.b", np.ones(after, np.float32))] * bias
        x = node("Conv", inputs, f"{name}.convolved", strides=[stride, stride])
        mean = node("ReduceMean", [x], f"{name}.mean", axes=[2, 3])
        centered = node("Sub", [x, mean], f"{name}.centered")
        square = node("Mul", [centered, centered], f"{name}.square")
        variance = node("ReduceMean", [square], f"{name}.variance", axes=[2, 3])
        root = node("Sqrt", [node("Add", [variance, epsilon], f"{name}.above")], f"{name}.root")
        x = node("Div", [centered, root], f"{name}.normalized")
        for part, kind in (("gamma", "Mul"), ("beta", "Add")):
            table = constant(f"{name}.{part}", random.normal(0.5, 0.4, (styles, after)).astype(np.float32))
            blend = node(
                "ReduceSum", [node("Mul", [column, table], f"{name}.{part}.each"), first], f"{name}.{part}.sum"
            )
            x = node(kind, [x, node("Reshape", [blend, plane], f"{name}.{part}.plane")], f"{name}.{part}.done")
        return x

    x, before = "image", 3
    for step, after in enumerate(filters):
        x = node("Relu", [layer(x, f"contract{step}", before, after, 3 if step else 9, 2 if step else 1)], f"c{step}")
        before = after
    for block in range(blocks):
        y = node("Relu", [layer(x, f"block{block}a", before, before, 3)], f"r{block}")
        x = node("Add", [x, layer(y, f"block{block}b", before, before, 3)], f"sum{block}")
    scales = constant("scales", np.array([1, 1, 2, 2], np.float32))
    for step, after in enumerate(expand):
        x = node(
            "Resize",
            [x, "", scales],
            f"large{step}",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        x = node("Relu", [layer(x, f"expand{step}", before, after, 3)], f"e{step}")
        before = after
    node("Sigmoid", [layer(x, "last", before, 3, 9)], "painted")
    made = helper.make_graph(
        nodes,
        "painter",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"]),
            helper.make_tensor_value_info("style_weights", TensorProto.FLOAT, [styles]),
        ],
        [helper.make_tensor_value_info("painted", TensorProto.FLOAT, [1, 3, "h", "w"])],
        constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()
