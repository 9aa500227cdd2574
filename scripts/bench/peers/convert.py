"""Writes a GGUF model as safetensors for the peers, so that they do not dequantize at every start: python convert.py FILE.gguf DIR"""

import os
import pathlib
import shutil
import sys

import torch
from transformers import AutoModelForCausalLM

source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
model = AutoModelForCausalLM.from_pretrained(str(source.parent), gguf_file=source.name, dtype=torch.float32, local_files_only=True)
model.hf_quantizer = None  # read, the weights are ordinary ones
for owner in (model, model.config):
    for name in ("is_quantized", "quantization_method", "quantization_config"):
        if name in vars(owner):
            delattr(owner, name)
scratch = target.with_name(target.name + ".tmp")
shutil.rmtree(scratch, ignore_errors=True)
model.save_pretrained(scratch)
os.replace(scratch, target)
