"""ONNX Runtime in bench/compare.py: inference only, a session of Gemm and activations."""

import numpy as np
import onnx
import onnxruntime
from onnx import helper


class Onnx:
    def __init__(self, threads):
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads, self.options.inter_op_num_threads = threads, 1

    def inference(self, task, variant):
        nodes, arrays, A = [], [], "X"
        for i, (W, b) in enumerate(zip(task.net.weights, task.net.biases)):
            arrays += [onnx.numpy_helper.from_array(np.ascontiguousarray(W), f"W{i}"), onnx.numpy_helper.from_array(b, f"b{i}")]
            last = i == len(task.sizes) - 2
            activation = "Relu" if not last else "Sigmoid" if task.binary else "Softmax"
            nodes += [helper.make_node("Gemm", [A, f"W{i}", f"b{i}"], [f"Z{i}"]), helper.make_node(activation, [f"Z{i}"], [f"A{i}"])]
            A = f"A{i}"
        enters, leaves = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, k])
                          for name, k in (("X", task.sizes[0]), (A, task.sizes[-1])))  # fmt: skip
        graph = helper.make_graph(nodes, "mlp", [enters], [leaves], arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        session = onnxruntime.InferenceSession(model.SerializeToString(), self.options, providers=["CPUExecutionProvider"])
        return lambda X: session.run(None, {"X": X})[0]
