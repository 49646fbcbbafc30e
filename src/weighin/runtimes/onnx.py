"""ONNX Runtime on the CPU, in float32 and in int8 quantised after training."""

import importlib.util
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighin.core.errors import ExportError, RunError
from weighin.core.family import Bound, Part
from weighin.core.program import cause, hushed, trace
from weighin.core.runtime import Inputs, Runtime

# Products with weights. Ranges taken call by call were measured more accurate than fixed ones, and no slower.
_DYNAMIC = ["MatMul", "Gemm", "Gather", "LSTM"]
# Convolutions and what lies between them, so that the chain stays in int8. Normalisation and softmax stay float32.
_STATIC = ["Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "Resize", "Concat", "Add", "Mul"]
_STATIC += ["Relu", "Clip", "LeakyRelu", "Sigmoid", "ReduceMean", "Pad", "Squeeze", "Unsqueeze"]
_LARGEST = 2_000_000_000  # bytes: a model in one file is a protobuf message, which ends at 2 GiB

# Since 1.29 ONNX Runtime uploads telemetry from Linux, too, in a thread of the process being measured. The variable is read
# when the library is loaded, wherever that is; who sets it otherwise gets what they ask for.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


class Onnx(Runtime):
    """``onnx``: torch.onnx from the exported program, one file. ``onnx:int8``: the same, quantised on the tape.

    What int8 does is chosen by what the graph holds. Convolutions get fixed ranges (QDQ, smallest and largest value
    on the tape, weights per channel); matrix products and embeddings get their ranges at run time. Activations are
    uint8: with int8, the quantiser's default, convolutions took 1.6 times as long on a CPU with VNNI.
    """

    name = "onnx"
    precisions = ("", "int8")
    default = ("", "int8")
    suffix = ".onnx"
    order = 20
    imports = ("onnxruntime",)
    libraries = ("onnx", "onnxscript", "onnxruntime")

    def why_not(self) -> str | None:
        """It comes with weighin, but not every platform has wheels."""
        missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
        return f"{', '.join(missing)} is not installed; pip install {' '.join(missing)}" if missing else None

    def save(self, part: Part, tape: Sequence[Inputs], path: Path) -> None:
        """Writes one ``.onnx`` file without external data. Raises ExportError."""
        import onnx

        program = trace(part, tape)
        if sum(t.nbytes for t in (*part.module.parameters(), *part.module.buffers())) > _LARGEST:
            raise ExportError("The part's weights exceed 2 GB", "One ONNX file holds less", "Use torch or openvino")
        names: dict[str, Any] = {"input_names": list(part.inputs), "output_names": list(part.outputs)}
        try:
            with hushed("torch.onnx", "onnxscript", "root"):
                converted = torch.onnx.export(program, dynamo=True, external_data=False, verbose=False, **names)
                model = converted.model_proto if converted else None
                model = _quantised(model, part, tape) if self.precision == "int8" else model
                onnx.save(_tidy(model, part), path)
            self.load(path, 1)
        except (ExportError, OSError):
            raise
        except Exception as error:  # the exporter, the quantiser and the runtime share no class of errors
            raise ExportError(f"{self.full_name} cannot hold the part: {cause(error.__cause__ or error)}") from error

    def load(self, path: Path, threads: int) -> Bound:
        """Raises RunError when the file is damaged or ONNX Runtime knows no kernel for an operator in it."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what fails is raised; stderr belongs to us
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would burn the neighbours' CPU
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # pybind registers a class an error code, without a base of their own
            raise RunError(f"{path} cannot be loaded: {cause(error)}", hint="Export the run again") from error
        names = [node.name for node in session.get_inputs()]

        def call(*inputs: Tensor) -> tuple[Tensor, ...]:
            feeds = {name: x.detach().contiguous().numpy() for name, x in zip(names, inputs, strict=True)}
            return tuple(torch.as_tensor(answer) for answer in session.run(None, feeds))

        return call


def _quantised(model: Any, part: Part, tape: Sequence[Inputs]) -> Any:
    """The model with int8 weights. Raises ExportError when it holds nothing that can be quantised."""
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    kinds = {"per_channel": True, "weight_type": quantization.QuantType.QInt8}
    fixed = {"activation_type": quantization.QuantType.QUInt8, "op_types_to_quantize": _STATIC, **kinds}
    with tempfile.TemporaryDirectory(prefix="weighin-int8-") as name:
        raw, plain, half, done = (str(Path(name) / f"{stage}.onnx") for stage in ("raw", "plain", "half", "done"))
        model.graph.ClearField("value_info")  # torch lists weights there, and the quantiser turns some of them round
        onnx.save(model, raw)
        quant_pre_process(raw, plain, skip_symbolic_shape=True)  # folds and infers shapes, as the quantiser advises
        convolves = any(node.op_type in ("Conv", "ConvTranspose") for node in onnx.load(plain).graph.node)
        if convolves:
            quantization.quantize_static(plain, half, _reader(part, tape), **fixed)
        quantization.quantize_dynamic(half if convolves else plain, done, op_types_to_quantize=_DYNAMIC, **kinds)
        model = onnx.load(done)
    if not any(tensor.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8) for tensor in model.graph.initializer):
        raise ExportError("The part holds no weights that ONNX Runtime quantises", hint="Use onnx")
    return model


def _reader(part: Part, tape: Sequence[Inputs]) -> Any:
    """The tape as ONNX Runtime's calibration data. Its class is only there once the package is imported."""
    from onnxruntime.quantization import CalibrationDataReader

    feeds = ({name: x.numpy() for name, x in zip(part.inputs, inputs)} for inputs in tape)

    class Reader(CalibrationDataReader):
        def get_next(self) -> Any:
            return next(feeds, None)

    return Reader()


def _tidy(model: Any, part: Part) -> Any:
    """Free axes under the part's names; no traces of the author's source, which were a fifth of a small file."""
    values = (*model.graph.input, *model.graph.output, *model.graph.value_info)
    renamed = dict(_symbols(model, part))
    for dim in (dim for value in values for dim in value.type.tensor_type.shape.dim):
        if dim.dim_param in renamed:
            dim.dim_param = renamed[dim.dim_param]
    for item in (model, model.graph, *model.graph.node, *values, *model.functions):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    return model


def _symbols(model: Any, part: Part) -> Mapping[str, str]:
    """torch's symbol of a free axis (``s21``) -> the part's name for it (``batch``)."""
    shapes = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input}
    return {shapes[name][axis].dim_param: free for name in part.inputs for axis, free in part.axes.get(name, {}).items()}
