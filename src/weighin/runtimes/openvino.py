"""OpenVINO on the CPU, in float32, bf16 and in int8 quantised by NNCF."""

import contextlib
import importlib.util
import io
import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighin.core.errors import ExportError, InputError, RunError
from weighin.core.family import Bound, Part
from weighin.core.program import cause, example, hushed, trace
from weighin.core.runtime import Inputs, Runtime

# OpenVINO and NNCF send no telemetry when this package cannot be imported. Otherwise ``import openvino`` alone, wherever
# it stands, reports to Google Analytics, unless a file in the user's home says no.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]


class OpenVino(Runtime):
    """``openvino`` (float32 throughout), ``openvino:bf16``, ``openvino:int8``. A ``.xml`` with its ``.bin`` beside it.

    Precision is always asked for: left alone, OpenVINO computes in bf16 on CPUs that have it. int8 is NNCF's
    post-training quantisation on the tape, with its transformer scheme (smooth quantisation) where there is attention.
    """

    name = "openvino"
    precisions = ("", "bf16", "int8")
    default = ("", "bf16", "int8")
    suffix = ".xml"
    order = 30
    imports = ("openvino",)
    libraries = ("openvino", "nncf")

    def why_not(self) -> str | None:
        """Packages, and for bf16 the CPU: OpenVINO would otherwise compute in float32 and say nothing."""
        needed = ("openvino", "nncf") if self.precision == "int8" else ("openvino",)
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            return f"{', '.join(missing)} is not installed; pip install {' '.join(missing)}"
        if self.precision == "bf16" and "BF16" not in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            return "this CPU has no bf16 (avx512_bf16 or amx_bf16); use openvino or openvino:int8"
        return None

    def save(self, part: Part, tape: Sequence[Inputs], path: Path) -> None:
        """Writes ``path`` (.xml) and the weights beside it (.bin; half precision for bf16). Raises ExportError."""
        ov = _openvino()
        program, shapes = trace(part, tape), _shapes(part, example(part, tape))
        try:
            with hushed("torch", "onnxscript", "root"):
                model = _converted(program)
                arguments = list(program.graph_signature.user_inputs)
                used = [arguments.index(op.get_friendly_name()) for op in model.get_parameters()]  # it drops the rest
                model.set_rt_info(",".join(map(str, used)), "weighin_inputs")
                model.reshape({i: ov.PartialShape(shapes[k]) for i, k in enumerate(used)})  # it frees every axis
                names = (*(part.inputs[k] for k in used), *part.outputs)
                for port, name in zip((*model.inputs, *model.outputs), names):
                    port.get_tensor().set_names({name})
                model = _quantised(model, tape, used) if self.precision == "int8" else model
                ov.save_model(model, path, compress_to_fp16=self.precision == "bf16")
            self.load(path, 1)
        except OSError:
            raise
        except Exception as error:  # OpenVINO raises RuntimeError, NNCF its own and anybody's
            raise ExportError(f"{self.full_name} cannot hold the part: {cause(error)}") from error

    def load(self, path: Path, threads: int) -> Bound:
        """Raises RunError when a file is damaged. No cache of compiled models, one stream, threads not pinned to cores."""
        ov = _openvino()
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads}
        settings["INFERENCE_PRECISION_HINT"] = "bf16" if self.precision == "bf16" else "f32"
        settings["ENABLE_CPU_PINNING"] = False  # torch and ONNX Runtime do not pin either, and the machine is shared
        try:
            model = ov.Core().read_model(path)
            used = [int(k) for k in str(model.get_rt_info("weighin_inputs").value).split(",")]
            compiled = ov.Core().compile_model(model, "CPU", settings)
        except (RuntimeError, ValueError) as error:
            raise RunError(f"{path} cannot be loaded: {cause(error)}", hint="Export the run again") from error
        request, busy = compiled.create_infer_request(), threading.Lock()
        outputs = range(len(compiled.outputs))

        def call(*inputs: Tensor) -> tuple[Tensor, ...]:
            arrays = [inputs[k].detach().contiguous().numpy() for k in used]
            if not all(array.size for array in arrays):
                raise InputError("OpenVINO got an empty tensor", "OpenVINO 2026.4 corrupts memory on one", "Return early")
            with busy:  # one request, one answer at a time; setting tensors costs half of what calling the model does
                for index, array in enumerate(arrays):
                    request.set_input_tensor(index, ov.Tensor(array, shared_memory=True))
                request.infer()
                return tuple(torch.from_numpy(request.get_output_tensor(index).data.copy()) for index in outputs)

        return call


def _openvino() -> Any:
    """OpenVINO, imported late: it takes a second."""
    import openvino

    return openvino


def _converted(program: Any) -> Any:
    """The program as an OpenVINO model with its inputs named as the program names them.

    OpenVINO 2026 knows LSTM and GRU in TorchScript and ONNX only; an exported program it unrolls to the length of the tracing
    input. So a recurrent one goes through ONNX.
    """
    ov = _openvino()
    if not any(str(node.target).startswith(("aten.lstm", "aten.gru")) for node in program.graph.nodes):
        return ov.convert_model(program)
    names = list(program.graph_signature.user_inputs)
    made = torch.onnx.export(program, dynamo=True, external_data=False, verbose=False, input_names=names)
    assert made is not None
    return ov.Core().read_model(made.model_proto.SerializeToString())


def _shapes(part: Part, inputs: Inputs) -> list[list[int]]:
    """Lengths of every input's axes, -1 where the part leaves them free."""
    free = (part.axes.get(name, {}) for name in part.inputs)
    return [[-1 if axis in axes else size for axis, size in enumerate(x.shape)] for x, axes in zip(inputs, free)]


def _quantised(model: Any, tape: Sequence[Inputs], used: Sequence[int]) -> Any:
    """The model in int8, all of the tape its calibration data."""
    before = logging.getLoggerClass()
    import nncf

    logging.setLoggerClass(before)  # NNCF makes its own the class of every logger to come
    nncf.set_log_level(logging.ERROR)
    data = nncf.Dataset([[inputs[k].numpy() for k in used] for inputs in tape])
    # NNCF averages the extremes of each call by default, which clips when calls hold one example: errors of a tenth to
    # a third of the largest output fell to a fiftieth with the true extremes. Bias correction brought nothing or harm.
    ranges = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
    careful = nncf.AdvancedQuantizationParameters(activations_range_estimator_params=ranges, disable_bias_correction=True)
    scheme = nncf.ModelType.TRANSFORMER if _attends(model) else None
    settings = {"subset_size": len(tape), "model_type": scheme, "target_device": nncf.TargetDevice.CPU}
    with contextlib.redirect_stdout(io.StringIO()):  # progress bars
        return nncf.quantize(model, data, advanced_parameters=careful, **settings)


def _attends(model: Any) -> bool:
    """Whether the graph holds attention: as one operator, or as a softmax that feeds a matrix product."""
    kinds = {op.get_type_name() for op in model.get_ops()}
    softmaxes = [op for op in model.get_ops() if op.get_type_name() == "Softmax"]
    fed = {to.get_node().get_type_name() for op in softmaxes for to in op.output(0).get_target_inputs()}
    return "ScaledDotProductAttention" in kinds or "MatMul" in fed
