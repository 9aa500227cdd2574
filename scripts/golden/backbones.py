"""Writes the tiny models and the golden log-odds of backbone/testdata.

Run from the repository root:  python scripts/golden/backbones.py [--smollm2 FILE.gguf --tokenizer DIR] [--gemma3 FILE.gguf] [--tinystories DIR]

Without an option the goldens of that model are left as they are. Everything is computed by Transformers in float32 with eager attention.
"""

import argparse
import copy
import hashlib
import json
import pathlib
import shutil

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny

OUT = pathlib.Path("backbone/testdata")
LENGTHS = [1, 2, 3, 11, 24, 40, 64]


def write_json(path, value):
    """One line for each sequence, so that differences can be read."""
    sequences = value.pop("sequences")
    head = json.dumps(value, indent=1)[:-2]
    lines = ",\n  ".join(json.dumps(s) for s in sequences)
    path.write_text(f'{head},\n "sequences": [\n  {lines}\n ]\n}}\n')


def log_odds(model, tokens, targets, pairs):
    """[pair][target] of logit(yes) - logit(no) after the token at target."""
    with torch.no_grad():
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0].double()
    return [[round(float(logits[t, y] - logits[t, n]), 7) for t in targets] for y, n in pairs]


def random_sequences(model, pairs, vocab, seed, lengths=LENGTHS):
    rng = np.random.default_rng(seed)
    out = []
    for n in lengths:
        tokens = [int(x) for x in rng.integers(3, vocab, n)]
        targets = sorted({int(x) for x in rng.integers(0, n, 3)} | {n - 1})
        out.append(dict(tokens=tokens, targets=targets, log_odds=log_odds(model, tokens, targets, pairs)))
    return out


def write_tiny():
    for seed, (name, model) in enumerate(tiny.models().items()):
        folder = OUT / name
        shutil.rmtree(folder, ignore_errors=True)
        pairs = [[7, 11], [90, 4]]
        value = dict(made_by="Transformers, float32, eager attention", pairs=pairs,
                     sequences=random_sequences(model, pairs, tiny.VOCAB, seed))
        spread = np.std([v for s in value["sequences"] for row in s["log_odds"] for v in row])
        print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, log-odds spread {spread:.2f}")
        # llama stays float32, so that both types are read. The copy keeps the rotary buffers of the original exact.
        saved = model if name == "llama" else copy.deepcopy(model).to(torch.bfloat16)
        saved.save_pretrained(folder, max_shard_size="20KB" if name == "mistral" else "1GB")
        (folder / "generation_config.json").unlink(missing_ok=True)
        for file in folder.iterdir():
            file.chmod(0o644)
        write_json(folder / "golden.json", value)
        if name in GGUF_TYPES:
            write_gguf(OUT / f"{name}.gguf", model, GGUF_TYPES[name])


# Which models are written as GGUF too, and the type of their matrices.
GGUF_TYPES = {"llama": "F16", "llama3": "BF16", "qwen2": "F32", "qwen3": "F16", "gemma3": "BF16"}

NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
NORMS = {
    False: {"post_attention_layernorm": "ffn_norm"},
    True: {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
           "post_feedforward_layernorm": "post_ffw_norm"},
}


def interleave(w, heads):
    """Row order for rotary embeddings of neighbouring pairs, as llama.cpp's converter writes q and k of Llama models."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def write_gguf(path, model, kind):
    c = model.config
    arch = {"gemma3_text": "gemma3"}.get(c.model_type, c.model_type)
    head_dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    rope = c.rope_parameters
    w = gguf.GGUFWriter(str(path), arch)
    w.add_block_count(c.num_hidden_layers)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(c.num_attention_heads)
    w.add_head_count_kv(c.num_key_value_heads)
    w.add_key_length(head_dim)
    w.add_value_length(head_dim)
    w.add_context_length(c.max_position_embeddings)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    if arch == "llama":
        w.add_rope_dimension_count(head_dim)
        w.add_vocab_size(c.vocab_size)
    if arch == "gemma3":
        w.add_rope_freq_base(rope["full_attention"]["rope_theta"])
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["full_attention"]["factor"])
        w.add_sliding_window(c.sliding_window)
        w.add_sliding_window_pattern([t == "sliding_attention" for t in c.layer_types])
        w.add_final_logit_softcapping(c.final_logit_softcapping)
    else:
        w.add_rope_freq_base(rope["rope_theta"])
    state = {k: v for k, v in model.state_dict().items()}
    if c.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    for name, t in state.items():
        x = t.float().numpy()
        new = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
               "lm_head.weight": "output.weight"}.get(name)
        if new is None:
            _, _, n, rest = name.split(".", 3)
            stem, end = rest.rsplit(".", 1)
            new = f"blk.{n}.{ {**NAMES, **NORMS[arch == 'gemma3']}[stem] }.{end}"
        if arch == "gemma3" and new.endswith("norm.weight"):
            x = x + 1
        if arch == "llama" and ".attn_q." in new:
            x = interleave(x, c.num_attention_heads)
        if arch == "llama" and ".attn_k." in new:
            x = interleave(x, c.num_key_value_heads)
        if x.ndim == 1 or kind == "F32":
            w.add_tensor(new, x.astype(np.float32))
        elif kind == "F16":
            w.add_tensor(new, x.astype(np.float16))
        else:
            q = gguf.quants.quantize(x, gguf.GGMLQuantizationType.BF16)
            w.add_tensor(new, q, raw_dtype=gguf.GGMLQuantizationType.BF16)
    if arch == "llama" and rope["rope_type"] == "llama3":
        # Transformers' own frequencies, as factors of the unscaled ones.
        plain = 1 / rope["rope_theta"] ** (np.arange(0, head_dim, 2) / head_dim)
        w.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq.double().numpy()).astype(np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_quants():
    """Random blocks of every quantized format, and what the gguf package reads them as."""
    rng = np.random.default_rng(0)
    halves = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
              "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
    out = {}
    for name, at in halves.items():
        kind = gguf.GGMLQuantizationType[name]
        block, size = gguf.GGML_QUANT_SIZES[kind]
        raw = rng.integers(0, 256, (2, size), dtype=np.uint8)
        for i in at:  # scales are half floats: finite ones, one of them subnormal
            raw[0, i:i + 2] = np.frombuffer(np.float16(rng.normal()).tobytes(), np.uint8)
            raw[1, i:i + 2] = np.frombuffer(np.float16(3e-6 if i == at[0] else -0.5).tobytes(), np.uint8)
        x = gguf.quants.dequantize(raw.reshape(-1), kind).astype(np.float32).reshape(-1)
        out[name] = dict(raw=raw.tobytes().hex(), float32=x.astype("<f4").tobytes().hex())
    pathlib.Path("internal/gguf/testdata").mkdir(parents=True, exist_ok=True)
    pathlib.Path("internal/gguf/testdata/quants.json").write_text(json.dumps(out, indent=0) + "\n")


TITLES = ["Toy Story (1995)", "Heat (1995)", "GoldenEye (1995)", "Casino (1995)", "Sense and Sensibility (1995)", "Sabrina (1995)",
          "American President, The (1995)", "Babe (1995)", "Clueless (1995)", "Seven (Se7en) (1995)", "Usual Suspects, The (1995)",
          "Cité des enfants perdus, La (1995)", "Twelve Monkeys (1995)", "Postino, Il (1994)", "Mr. Holland's Opus (1995)",
          "Braveheart (1995)", "Taxi Driver (1976)", "Apollo 13 (1995)", "Batman Forever (1995)", "Die Hard: With a Vengeance (1995)"]


def prompts():
    """Twelve prompts, from one word to more than 500 tokens."""
    ask = ("Given the user's preference and unpreference, identify whether the user will like the target movie by answering "
           "\"Yes.\" or \"No.\".")
    out = ["Yes or no?", "The film was wonderful, and I would see it again. Would I recommend it? Answer:",
           "<|im_start|>user\nIs \"Toy Story (1995)\" a film for children? Answer Yes or No.<|im_end|>\n<|im_start|>assistant\n"]
    for n in range(1, 8):
        liked = ", ".join(f'"{t}"' for t in TITLES[:n])
        not_liked = ", ".join(f'"{t}"' for t in TITLES[10:10 + n])
        out.append(f"### Instruction:\n{ask}\n\n### Input:\nUser Preference: {liked}\nUser Unpreference: {not_liked}\n"
                   f'Whether the user will like the target movie "{TITLES[-n]}"?\n\n### Response:\n')
    for n in (20, 45):
        out.append("<|im_start|>system\nA user rates films.<|im_end|>\n<|im_start|>user\n" + "".join(
            f"{TITLES[i % 20]}: {'Yes' if i % 3 else 'No'}\n" for i in range(n)) + "<|im_end|>\n<|im_start|>assistant\n")
    return out


def write_smollm2(path, tokenizer_dir):
    path = pathlib.Path(path)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    tok = AutoTokenizer.from_pretrained(tokenizer_dir)
    one = lambda word: tok.convert_tokens_to_ids(word)  # noqa: E731
    pairs = [[one("Yes"), one("No")], [one("ĠYes"), one("ĠNo")], [one("ĠToy"), one("Ġthe")]]
    sequences = []
    for text in prompts():
        tokens = tok(text, add_special_tokens=False)["input_ids"]
        targets = sorted({len(tokens) // 2, len(tokens) - 1})
        sequences.append(dict(text=text, tokens=tokens, targets=targets, log_odds=log_odds(model, tokens, targets, pairs)))
        print(len(tokens), sequences[-1]["log_odds"][0])
    write_json(OUT / "smollm2.json", dict(
        made_by="Transformers, float32, eager attention", file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        pairs=pairs, sequences=sequences))


def write_tinystories(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    pairs = [[400, 500], [1000, 20]]
    weights = (pathlib.Path(folder) / "model.safetensors").read_bytes()
    write_json(OUT / "tinystories-656k.json", dict(
        made_by="Transformers, float32, eager attention", file="model.safetensors", sha256=hashlib.sha256(weights).hexdigest(),
        pairs=pairs, sequences=random_sequences(model, pairs, model.config.vocab_size, 100)))


def write_gemma3(path):
    """Random tokens: enough of them to pass the sliding window of 512."""
    path = pathlib.Path(path)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    pairs = [[10784, 3771], [236743, 108]]
    write_json(OUT / "gemma-3-270m.json", dict(
        made_by="Transformers, float32, eager attention", file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        pairs=pairs, sequences=random_sequences(model, pairs, 50000, 101, [3, 20, 90, 600])))


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--smollm2")
    p.add_argument("--tinystories")
    p.add_argument("--gemma3", help="Gemma 3 270M as GGUF")
    p.add_argument("--tokenizer", help="directory of SmolLM2's tokenizer.json")
    a = p.parse_args()
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    write_tiny()
    write_quants()
    if a.tinystories:
        write_tinystories(a.tinystories)
    if a.gemma3:
        write_gemma3(a.gemma3)
    if a.smollm2:
        write_smollm2(a.smollm2, a.tokenizer)
