"""Recorded vectors of the autoencoder: shared/detection/src/detectors/autoencoder/vectors.json.

The network of random weights runs in ONNX Runtime, by its own implementation of LSTM. Recorded with Python 3.11 and
these versions:

    pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 && python tools/vectors/autoencoder.py
"""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import vectors
from shape import usage

HOURS, HIDDEN = 24, 16
# The gates of PyTorch (input, forget, cell, output) in the order of ONNX (input, output, forget, cell).
ORDER = (0, 3, 1, 2)


def layer(numbers, width: int) -> dict:
    return {"input": numbers.normal(0, 0.5, (4 * HIDDEN, width)), "recurrent": numbers.normal(0, 0.4, (4 * HIDDEN, HIDDEN)),
            "bias": numbers.normal(0, 0.3, 4 * HIDDEN)}


def gates(matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([np.split(matrix, 4)[gate] for gate in ORDER])


def constants(prefix: str, weights: dict):
    bias = np.concatenate([gates(weights["bias"]), np.zeros(4 * HIDDEN)])
    for name, array in (("W", gates(weights["input"])), ("R", gates(weights["recurrent"])), ("B", bias)):
        yield numpy_helper.from_array(array[np.newaxis].astype(np.float32), prefix + name)


def model(encoder: dict, decoder: dict, output: np.ndarray, bias: float) -> bytes:
    nodes = [
        helper.make_node("LSTM", ["day", "eW", "eR", "eB"], ["", "read"], hidden_size=HIDDEN),
        helper.make_node("Expand", ["read", "hours"], ["repeated"]),
        helper.make_node("LSTM", ["repeated", "dW", "dR", "dB"], ["told"], hidden_size=HIDDEN),
        helper.make_node("MatMul", ["told", "output"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["again"]),
    ]
    fixed = [*constants("e", encoder), *constants("d", decoder),
             numpy_helper.from_array(np.array([HOURS, 1, HIDDEN]), "hours"),
             numpy_helper.from_array(output.reshape(HIDDEN, 1).astype(np.float32), "output"),
             numpy_helper.from_array(np.array([bias], np.float32), "bias")]
    day = helper.make_tensor_value_info("day", TensorProto.FLOAT, [HOURS, 1, 1])
    again = helper.make_tensor_value_info("again", TensorProto.FLOAT, [HOURS, 1, 1, 1])
    graph = helper.make_graph(nodes, "autoencoder", [day], [again], fixed)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def main() -> None:
    numbers = np.random.default_rng(11)
    encoder, decoder = layer(numbers, 1), layer(numbers, HIDDEN)
    output, bias = numbers.normal(0, 0.5, HIDDEN), 0.7
    session = onnxruntime.InferenceSession(model(encoder, decoder, output, bias))
    days = [np.sqrt(usage(seed, 40.0, 1) / 40.0) for seed in range(3)] + [np.zeros(HOURS), numbers.normal(0, 3, HOURS)]
    cases = []
    for day in days:
        day = day.astype(np.float32)
        again = session.run(None, {"day": day.reshape(HOURS, 1, 1)})[0].ravel()
        cases.append({"day": day.tolist(), "again": again.tolist(), "error": float(np.mean((day.astype(float) - again) ** 2))})
    rounded = {name: {part: np.float32(array).tolist() for part, array in weights.items()}
               for name, weights in (("encoder", encoder), ("decoder", decoder))}
    weights = {"version": 1, **rounded, "output": np.float32(output).tolist(), "output_bias": bias,
               "error_mean": -2.0, "error_spread": 0.5}
    vectors.write("autoencoder", {"weights": weights, "cases": cases})


if __name__ == "__main__":
    main()
