"""Graph: build an ONNX model node by node."""

import numpy as np

from ..config import __version__

#: Version of the operators, of the file format, and of the operators of ai.onnx.ml: those of ONNX 1.12.
OPSET, IR_VERSION, ML_OPSET = 17, 8, 3
ML = "ai.onnx.ml"
MAX_BYTES = 2**31 - 1  # of a file: protobuf reads no more


def import_onnx():
    """Return the package onnx, or raise an ImportError that says how to get it."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise ImportError(
            'fastnn.export.onnx needs the package onnx. Run: pip install "fastnn-mlp[onnx]"'
        ) from None
    return onnx


class Graph:
    """A graph that grows by one node for each `add`. Values are known by their names.

    Parameters
    ----------
    reserved : collection of str
        Names that no value in the graph gets: those of inputs and outputs.
    """

    def __init__(self, reserved=()):
        self.onnx = import_onnx()
        self.nodes: list = []
        self.inputs: list = []
        self.outputs: list = []
        self.constants: dict = {}  # name by (dtype, shape, bytes)
        self.tensors: list = []
        self.names = set(reserved)

    def input(self, name, dtype, width):
        """Declare an input (n, width), and return its name."""
        self.inputs.append(self._value(name, dtype, ["n", width]))
        return name

    def output(self, name, value, dtype, *width):
        """Declare an output (n,) or (n, width), with this value."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))
        self.outputs.append(self._value(name, dtype, ["n", *width]))

    def add(self, op, *inputs, domain="", **attributes):
        """Add a node, and return the name of its output. inputs : names, or arrays of constants."""
        return self.add_outputs(op, 1, *inputs, domain=domain, **attributes)[0]

    def add_outputs(self, op, n, *inputs, domain="", **attributes):
        """Add a node with n outputs, and return the names of them."""
        names = [self.constant(x) if isinstance(x, np.ndarray) else x for x in inputs]
        out = [self._new_name(op) for _ in range(n)]
        self.nodes.append(self.onnx.helper.make_node(op, names, out, domain=domain, **attributes))
        return out

    def constant(self, array):
        """Return the name of a constant. Equal arrays are stored once."""
        array = np.asarray(array)
        content = tuple(array.ravel().tolist()) if array.dtype == object else array.tobytes()
        key = array.dtype.str, array.shape, content
        if key not in self.constants:
            name = self._new_name("constant")
            self.constants[key] = name
            self.tensors.append(self.onnx.numpy_helper.from_array(array, name))
        return self.constants[key]

    def cast(self, x, dtype):
        return self.add("Cast", x, to=self._type(dtype))

    def find(self, x, numbers):
        """Return the position of each x (n, 1) among numbers, -1 if it is not there."""
        equal = self.cast(self.add("Equal", x, numbers), np.int64)
        place = self.add("Mul", equal, np.arange(1, len(numbers) + 1))
        place = self.add("ReduceSum", place, np.array([1]), keepdims=1)
        return self.add("Sub", place, scalar(1, np.int64))

    def find_text(self, x, texts, codes):
        """Return the code of each text x (n, 1) among texts, -1 if it is not there."""
        return self.add(
            "LabelEncoder", x, domain=ML, keys_strings=texts, values_int64s=codes, default_int64=-1
        )

    def to_bytes(self, title):
        """Return the checked model as the content of a file."""
        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, "fastnn", self.inputs, self.outputs, self.tensors)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="fastnn",
            producer_version=__version__,
            doc_string=title,
        )
        n_bytes = model.ByteSize()
        if n_bytes > MAX_BYTES:
            raise ValueError(
                f"the model has {n_bytes / 1e9:.1f} GB, but an ONNX file has at most 2 GB. Train fewer "
                "or smaller networks."
            )
        self.onnx.checker.check_model(model)
        return model.SerializeToString()

    def _new_name(self, base):
        name, k = base, len(self.names)
        while name in self.names:
            name, k = f"{base}_{k}", k + 1
        self.names.add(name)
        return name

    def _type(self, dtype):
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def _value(self, name, dtype, shape):
        return self.onnx.helper.make_tensor_value_info(name, self._type(dtype), shape)


def scalar(x, dtype=np.float32):
    """Return a number as a constant."""
    return np.array(x, dtype)
