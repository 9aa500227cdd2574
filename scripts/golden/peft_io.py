"""Golden files for the adapter package, and checks of what it writes, with Hugging Face's PEFT.

    peft_io.py make DIR         write small PEFT directories and a GGUF adapter of a tiny Llama, and golden.json with what PEFT makes of them
    peft_io.py load DIR...      load each PEFT directory onto the tiny Llama; print what PEFT found as a JSON list
    peft_io.py gguf FILE        read a GGUF adapter with the gguf package; print it as JSON

The tiny Llama has 4 layers; q and o are [16, 16], k and v [8, 16], gate and up [24, 16], down [16, 24] ([out, in]).
Versions are pinned in requirements.txt. `make` is run by hand; `load` and `gguf` by the tests where LSAT_GOLDEN_PYTHON names a Python
that has the packages.
"""

import json
import os
import shutil
import sys
import warnings

HEADS, KV_HEADS = 4, 2
GGUF_NAMES = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
    "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
}


def tiny_llama():
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=4,
            num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=4, max_position_embeddings=32,
        )
    )


def lora_layers(model):
    """Every adapted module by its path in the base model."""
    from peft.tuners.lora import LoraLayer

    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            yield name.removeprefix("base_model.model."), module


def updates(model, adapter):
    """The updates that PEFT itself would merge, as nested lists [out][in]."""
    return {
        name: module.get_delta_weight(adapter).float().tolist()
        for name, module in lora_layers(model)
        if adapter in module.lora_A
    }


def probes(model, adapter):
    """The updates times the vector (1, 1/2, 1/3, ...): what tells one update from another in a sixteenth of the space."""
    return {
        name: [sum(v / (j + 1) for j, v in enumerate(row)) for row in rows] for name, rows in updates(model, adapter).items()
    }


def factors(model, adapter):
    return {
        name: {
            "A": module.lora_A[adapter].weight.tolist(),
            "B": module.lora_B[adapter].weight.tolist(),
            "scale": module.scaling[adapter],
        }
        for name, module in lora_layers(model)
        if adapter in module.lora_A
    }


def fill(model, adapter, seed):
    """Give both factors numbers with few digits, so that the golden file stays small and every storage type holds them."""
    import torch

    gen = torch.Generator().manual_seed(seed)
    for _, module in lora_layers(model):
        if adapter not in module.lora_A:
            continue
        for part in (module.lora_A, module.lora_B):
            w = part[adapter].weight
            w.data = torch.randint(-64, 65, w.shape, generator=gen).to(w.dtype) / 64


def write_gguf(path, tensors, alpha):
    """An adapter in llama.cpp's format, with the gguf package's writer.

    llama.cpp's own converter reorders each head of Llama's q and k from (half, element) to (element, half); so does this.
    """
    import numpy as np
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, f in tensors.items():
        layer, module = name.split(".")[2], name.split(".")[-1]
        a, b = np.array(f["A"], dtype=np.float32), np.array(f["B"], dtype=np.float32)
        heads = {"q_proj": HEADS, "k_proj": KV_HEADS}.get(module)
        if heads:
            b = np.ascontiguousarray(np.moveaxis(b.reshape(heads, 2, -1, b.shape[1]), 1, 2)).reshape(b.shape)
        base = f"blk.{layer}.{GGUF_NAMES[module]}.weight"
        writer.add_tensor(base + ".lora_a", a)
        writer.add_tensor(base + ".lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make(out):
    import torch
    from peft import LoraConfig, get_peft_model

    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    common = {"task_type": "CAUSAL_LM", "init_lora_weights": True, "layers_to_transform": [0, 3]}
    golden = {"dirs": {}, "linear": [], "svd": []}

    configs = {
        "plain": (torch.float32, LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj", "v_proj"], lora_dropout=0.25, **common)),
        "rslora-f16": (torch.float16, LoraConfig(r=2, lora_alpha=4, target_modules=["down_proj"], use_rslora=True, **common)),
        "patterns-bf16": (
            torch.bfloat16,
            LoraConfig(
                r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "up_proj"],
                rank_pattern={"layers.3.self_attn.q_proj": 2, "k_proj": 1},
                alpha_pattern={r"layers\.\d+\.mlp\.up_proj": 1, "q_proj": 16}, **common,
            ),
        ),
        "all-linear": (torch.float32, LoraConfig(r=1, lora_alpha=1, target_modules="all-linear", task_type="CAUSAL_LM")),
    }
    for i, (name, (dtype, config)) in enumerate(configs.items()):
        model = get_peft_model(tiny_llama().to(dtype), config, autocast_adapter_dtype=False)
        fill(model, "default", i)
        path = os.path.join(out, name)
        model.save_pretrained(path)
        for extra in os.listdir(path):
            if extra not in ("adapter_config.json", "adapter_model.safetensors"):
                os.remove(os.path.join(path, extra))
        with open(os.path.join(path, "adapter_config.json"), "r+") as f:  # PEFT writes a set, in another order every time
            saved = json.load(f)
            saved["target_modules"].sort()
            f.seek(0)
            json.dump(saved, f, indent=2, sort_keys=True)
            f.truncate()
            f.write("\n")
        model = model.float()  # so that the golden updates are those of the stored factors, without rounding of their products
        golden["dirs"][name] = probes(model, "default")
        if name == "all-linear":
            write_gguf(os.path.join(out, name + ".gguf"), factors(model, "default"), config.lora_alpha)

    # Combinations: three adapters on the q projection of two layers; their factors, and what PEFT's merges give.
    one = {"task_type": "CAUSAL_LM", "r": 2, "target_modules": ["v_proj"]}
    model = get_peft_model(tiny_llama(), LoraConfig(lora_alpha=4, layers_to_transform=[0, 1], **one), adapter_name="one")
    model.add_adapter("two", LoraConfig(lora_alpha=3, layers_to_transform=[0, 1], **one))
    model.add_adapter("three", LoraConfig(lora_alpha=2, layers_to_transform=[1], **one))
    parts = ["one", "two", "three"]
    for i, name in enumerate(parts):
        fill(model, name, 10 + i)
    golden["parts"] = {name: factors(model, name) for name in parts}
    for i, (n, weights) in enumerate(
        [(2, [0.3, 0.7]), (2, [1.0, 0.0]), (2, [0.0, 1.0]), (2, [0.5, -0.25]), (3, [0.5, 0.25, 0.25])]
    ):
        name = f"linear{i}"
        model.base_model.add_weighted_adapter(parts[:n], weights, name, combination_type="linear")
        golden["linear"].append({"adapters": parts[:n], "weights": weights, "result": factors(model, name)})
    for i, (n, weights, rank) in enumerate([(2, [0.3, 0.7], 4), (2, [0.3, 0.7], 2), (2, [0.5, 0.5], 1)]):
        name = f"svd{i}"
        model.base_model.add_weighted_adapter(parts[:n], weights, name, combination_type="svd", svd_rank=rank)
        golden["svd"].append({"adapters": parts[:n], "weights": weights, "rank": rank, "updates": updates(model, name)})

    with open(os.path.join(out, "golden.json"), "w") as f:
        json.dump(golden, f, separators=(",", ":"), sort_keys=True)
        f.write("\n")


def load(path):
    from peft import PeftConfig, PeftModel

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config = PeftConfig.from_pretrained(path)
        model = PeftModel.from_pretrained(tiny_llama(), path)
        result = model.load_adapter(path, "again")
    said = [str(w.message) for w in caught if "adapter" in str(w.message).lower() or "key" in str(w.message).lower()]
    return {
        "missing": list(result.missing_keys), "unexpected": list(result.unexpected_keys), "warnings": said,
        "rank": config.r, "alpha": config.lora_alpha, "dropout": config.lora_dropout, "rslora": config.use_rslora,
        "base": config.base_model_name_or_path, "updates": updates(model, "default"),
    }


def gguf(path):
    from gguf import GGUFReader

    reader = GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    tensors = {
        t.name: {"type": t.tensor_type.name, "shape": [int(n) for n in t.shape], "data": t.data.reshape(-1).tolist()} for t in reader.tensors
    }
    json.dump({"fields": fields, "tensors": tensors}, sys.stdout)


if __name__ == "__main__":
    command, paths = sys.argv[1], sys.argv[2:]
    if command == "load":
        json.dump([load(path) for path in paths], sys.stdout)
    else:
        {"make": make, "gguf": gguf}[command](paths[0])
