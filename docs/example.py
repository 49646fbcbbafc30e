import weighin

report = weighin.compare("glyphs", variants=["nano"], runtimes=["torch", "onnx:int8"])  # trains, exports, weighs
print(weighin.pick(report, best="latency_p50_ms", limits=["top1>=0.9"]).sentence)
read = weighin.load("glyphs/nano", runtime="onnx:int8")  # a callable: list of glyphs -> list of readings
print(len(weighin.variants("glyphs")), "variants,", report.candidates[1].get("size_mb").value, "MB")
