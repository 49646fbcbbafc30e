"""Trained adapters for other programs: alone in peft's format, or added to their base in the hub's."""

from typing import Any

from pydantic import Field

from weighin.core.config import Settings
from weighin.core.errors import ConfigError
from weighin.core.tool import Tool, ToolCall, Tools
from weighin.families.ocr import lora
from weighin.families.ocr.lora import Vlm


class Adapter(Settings):
    """What is written."""

    merge: bool = Field(default=True, description="the base with the adapter added to it; false: the adapter alone")


def _adapter(call: ToolCall) -> dict[str, Any]:
    """Writes ``merged/`` or ``adapter/``; ``changed`` is what merging did to a layer's output, a share of its largest."""
    model = call.models[0]
    if not isinstance(model.module, Vlm):
        came = f"{model.name} has no adapter"
        raise ConfigError(came, "This tool takes runs on a vision-language base", "weighin variants ocr names them")
    folder = call.out / ("merged" if call.dials.merge else "adapter")
    summary: dict[str, Any] = {"model": model.name, "folder": str(folder)}
    if not call.dials.merge:
        lora.save_adapter(model.module, folder)
        return summary
    summary["changed"] = lora.save_merged(model.module.float(), folder)
    for path in sorted((model.folder / lora.KEPT).iterdir()):
        if not (folder / path.name).exists():
            (folder / path.name).write_bytes(path.read_bytes())
    return summary


TOOLS: Tools = {"adapter": Tool("a trained adapter for other programs, alone or merged into its base", Adapter, _adapter)}
