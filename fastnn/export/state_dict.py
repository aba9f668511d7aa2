"""Write the state_dict of the PyTorch module of a network, without PyTorch."""

from ..core.errors import DataError, Wording
from ..estimators.sequential import modules_of
from ..files import json_values, safetensors
from ..network import Network
from .export_model import to_export_model

ONNX = Wording("fastnn.export.onnx", "--onnx")


def write_state_dict(model, path):
    """Write a model as a state_dict. See `fastnn.export.torch`."""
    net, classes = _network_and_classes(model)
    modules = modules_of(net)
    arrays = {}
    for i, module in enumerate(modules):
        if module.W is not None:
            arrays[f"{i}.weight"] = module.W.T
        if module.b is not None:
            arrays[f"{i}.bias"] = module.b
    lines = "".join(f"\n    {module}," for module in modules)
    metadata = {"format": "pt", "module": f"Sequential({lines}\n)"}
    if classes is not None:
        metadata["classes"] = json_values.to_text(json_values.describe_classes(classes)["classes"])
    safetensors.write(path, arrays, metadata)


def _network_and_classes(model):
    description = to_export_model(model)  # refuses models that are not fitted, or not of fastnn
    if isinstance(model, Network):
        return model, None
    if description.features is not None:
        raise DataError(
            "a state_dict has no encoding of columns, but a {model} needs it.",
            "Export to ONNX: {onnx}.",
            model=type(model).__name__,
            onnx=ONNX,
        )
    if len(model.networks_) > 1:
        raise DataError(
            "a state_dict is of one network, but this ensemble has {n}.",
            "Export {each}the ensemble to ONNX: {onnx}.",
            n=len(model.networks_),
            each=Wording("each of networks_, or export ", ""),
            onnx=ONNX,
        )
    return model.networks_[0], description.classes
