"""Writes train/testdata/peft20: what PEFT makes of an adapter in twenty AdamW steps.

Run from the repository root, after backbones.py:  python scripts/golden/train.py [--smollm2 FILE.gguf]

The loss of a target is the binary cross-entropy of its log-odds logit(yes) - logit(no); the loss of a step is the mean over the
step's targets; with accumulation, over the targets of both micro-batches (each has as many). The optimizer is torch.optim.AdamW with betas .9
and .999 and epsilon 1e-8; the learning rate of step i (from 0) of n is 1e-3 * (n - i) / n. Sequences are padded on the right,
with an attention mask. No dropout.
"""

import argparse
import copy
import hashlib
import json
import math
import pathlib
import shutil

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, get_linear_schedule_with_warmup

import tiny

OUT = pathlib.Path("train/testdata/peft20")
STEPS, RATE = 20, 1e-3
YES, NO = 7, 11

VARIANTS = {
    "plain": dict(weight_decay=0.0, clip=None, accumulate=1),
    "clip": dict(weight_decay=0.01, clip=1.0, accumulate=1),
    "accumulate": dict(weight_decay=0.0, clip=None, accumulate=2),
}


def add_lora(model, name):
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], lora_dropout=0.0, bias="none", task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    model.peft_config["default"].base_model_name_or_path = name
    return model


def save(model, folder):
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    for file in folder.iterdir():
        file.chmod(0o644)


def random_batches(count, seqs, vocab, seed):
    """Each batch has the same number of targets: one to three a sequence, together 2*seqs."""
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(count):
        batch = []
        for i in range(seqs):
            n = int(rng.integers(6, 28))
            targets = sorted(int(x) for x in rng.choice(n, 1 + i % 3 if seqs % 3 == 0 else 2, replace=False))
            tokens = [int(x) for x in rng.integers(3, vocab, n)]
            # A rule that can be learnt: the label follows from the token at the target.
            labels = [int(tokens[t] % 2) for t in targets]
            batch.append(dict(tokens=tokens, targets=targets, labels=labels))
        batches.append(batch)
    return batches


def batch_loss(model, batch, yes, no):
    """Summed loss and number of targets."""
    width = max(len(s["tokens"]) for s in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros(len(batch), width, dtype=torch.long)
    rows, cols, labels = [], [], []
    for i, s in enumerate(batch):
        ids[i, : len(s["tokens"])] = torch.tensor(s["tokens"])
        mask[i, : len(s["tokens"])] = 1
        for t, y in zip(s["targets"], s["labels"]):
            rows.append(i), cols.append(t), labels.append(float(y))
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[rows, cols]
    odds = logits[:, yes] - logits[:, no]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(odds, torch.tensor(labels), reduction="sum")
    return loss, len(labels)


def train(model, batches, yes, no, weight_decay, clip, accumulate):
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)
    sched = get_linear_schedule_with_warmup(opt, 0, STEPS)
    losses, norms = [], []
    for step in range(STEPS):
        micro = [batches[(step * accumulate + k) % len(batches)] for k in range(accumulate)]
        total = sum(len(s["targets"]) for b in micro for s in b)
        value = 0.0
        for b in micro:
            loss, _ = batch_loss(model, b, yes, no)
            (loss / total).backward()
            value += float(loss.detach().double()) / total
        norm = math.sqrt(sum(float(p.grad.double().pow(2).sum()) for p in params))
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(params, clip)
        opt.step(), sched.step(), opt.zero_grad()
        losses.append(value)
        norms.append(norm)
    return losses, norms


def write_run(path, head, batches, losses, norms):
    lines = ",\n  ".join(json.dumps(b) for b in batches)
    head = json.dumps({**head, "losses": losses, "gradient_norms": norms})[:-1]
    path.write_text(f'{head},\n "batches": [\n  {lines}\n ]\n}}\n')


def write_tiny(name, random_b):
    base = tiny.models()[name]
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(11)
    start = add_lora(base, name)
    if random_b:
        for key, p in start.named_parameters():
            if "lora_B" in key:
                p.data.normal_(0, 0.05)
    save(start, folder / "initial")
    state = copy.deepcopy(start.state_dict())
    for variant, how in VARIANTS.items():
        start.load_state_dict(state)
        batches = random_batches(5 * how["accumulate"], 6, tiny.VOCAB, 21)
        losses, norms = train(start, batches, YES, NO, **how)
        print(f"{name} {variant}: loss {losses[0]:.4f} -> {losses[-1]:.4f}, gradient norms {min(norms):.3f} to {max(norms):.3f}")
        save(start, folder / f"final-{variant}")
        head = dict(backbone=name, steps=STEPS, learning_rate=RATE, yes=YES, no=NO, **how)
        write_run(folder / f"{variant}.json", head, batches, losses, norms)


def formula_a(layer, module, rank, width):
    """A[i, j] = sin(1 + 31 layer + 17 module + 7 i j + 3 i + j) / sqrt(width), module 0 for q_proj and 1 for v_proj, in float64, then rounded."""
    i, j = np.arange(rank)[:, None].astype(np.float64), np.arange(width)[None, :].astype(np.float64)
    return (np.sin(1 + 31 * layer + 17 * module + 7 * i * j + 3 * i + j) / math.sqrt(width)).astype(np.float32)


def write_smollm2(path):
    path = pathlib.Path(path)
    base = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager")
    model = add_lora(base.eval(), path.name)
    lora = {}
    for key, p in model.named_parameters():
        if "lora_" not in key:
            continue
        parts = key.split(".")
        layer, module, factor = int(parts[parts.index("layers") + 1]), parts[parts.index("self_attn") + 1], parts[-3]
        lora[f"layers.{layer}.{module}.{factor}"] = p
        if factor == "lora_A":
            p.data = torch.from_numpy(formula_a(layer, ["q_proj", "v_proj"].index(module), *p.shape))
        else:
            p.data.zero_()
    golden = json.loads(pathlib.Path("backbone/testdata/smollm2.json").read_text())
    yes, no = golden["pairs"][0]
    # Real text, cut to about 64 tokens: windows of the longest prompts.
    text = [t for s in golden["sequences"] if len(s["tokens"]) > 150 for t in s["tokens"]]
    rng = np.random.default_rng(31)
    batches = []
    for _ in range(5):
        batch = []
        for _ in range(4):
            n, at = int(rng.integers(48, 72)), int(rng.integers(0, len(text) - 80))
            tokens = text[at:at + n]
            targets = sorted(int(x) for x in rng.choice(np.arange(8, n), 3, replace=False))
            batch.append(dict(tokens=tokens, targets=targets, labels=[int(x) for x in rng.integers(0, 2, 3)]))
        batches.append(batch)
    how = dict(weight_decay=0.01, clip=1.0, accumulate=1)
    losses, norms = train(model, batches, yes, no, **how)
    print(f"smollm2: loss {losses[0]:.4f} -> {losses[-1]:.4f}, gradient norms {min(norms):.3f} to {max(norms):.3f}")
    final = {}
    for key, p in sorted(lora.items()):
        flat = p.detach().double().numpy().reshape(-1)
        final[key] = dict(norm=float(np.linalg.norm(flat)), probe=float(flat @ np.sin(np.arange(1, flat.size + 1, dtype=np.float64))))
    head = dict(
        backbone=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), steps=STEPS, learning_rate=RATE, yes=yes, no=no, **how,
        initial="A[i,j] = sin(1 + 31*layer + 17*module + 7*i*j + 3*i + j)/sqrt(in) with module 0 for q_proj and 1 for v_proj; B = 0",
        probe="sum over k of x[k]*sin(k+1), k counting the row-major elements from 0", final=final)
    write_run(OUT / "smollm2.json", head, batches, losses, norms)


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--smollm2")
    a = p.parse_args()
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    write_tiny("llama", random_b=False)
    write_tiny("qwen3", random_b=True)
    if a.smollm2:
        write_smollm2(a.smollm2)
