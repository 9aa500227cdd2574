"""The workers in PyTorch: PEFT and Transformers at their best, and TALLRec's training as published.

  python torch_peer.py train      PEFT: only the two answers' logits, sorted by length, no padding mask
  python torch_peer.py score      Transformers: the same for scoring, the adapter merged into the weights
  python torch_peer.py score-int8 the same in 8-bit integers, by PyTorch's dynamic quantization of all linear layers
  python torch_peer.py published  TALLRec's released training: loss over all tokens, full head, random order, accumulated gradients

Sequences are padded on the right and attention is causal, so that no token sees padding and no mask is needed: scaled_dot_product_attention
then takes its fastest path.
"""

import os
import random
import sys
import time

import torch
import wire
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, get_linear_schedule_with_warmup

if not torch.cuda.is_available():
    # Transformers asks this of CUDA in every forward pass. The index's torch is built with CUDA, of which cpu_torch.py leaves nothing to ask.
    torch.cuda.is_current_stream_capturing = lambda: False


class Peer:
    def __init__(self, kind):
        self.kind = kind
        self.scores = kind in ("score", "score-int8")

    def load(self, request):
        start = time.perf_counter()
        torch.set_num_threads(request["threads"])
        torch.manual_seed(1)
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[request["dtype"]]
        if self.kind == "score-int8":
            dtype = torch.float32  # what its quantization takes
        self.device = torch.device("cuda" if request.get("device") == "xla:cuda" else "cpu")
        model = AutoModelForCausalLM.from_pretrained(request["model"], dtype=dtype, attn_implementation="sdpa", local_files_only=True).to(self.device)
        model.config.use_cache = False
        self.answers, self.sequences = wire.sequences(request["prompts"])
        self.eos = model.config.eos_token_id
        if isinstance(self.eos, list):
            self.eos = self.eos[0]
        if self.scores:
            if request.get("adapters"):
                model = PeftModel.from_pretrained(model, request["adapters"][0]).merge_and_unload()
            model.eval()
            self.inner, self.causal = model.model, model
            if self.kind == "score-int8":
                self.inner = torch.ao.quantization.quantize_dynamic(model.model, {torch.nn.Linear}, dtype=torch.qint8)
        else:
            layers, top = model.config.num_hidden_layers, request.get("top_layers") or 0
            upper = list(range(layers - top, layers)) if top else None
            lora = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.05, target_modules=["q_proj", "v_proj"], layers_to_transform=upper, bias="none", task_type="CAUSAL_LM")
            model = get_peft_model(model, lora, autocast_adapter_dtype=False)
            model.train()
            self.inner, self.causal = model.base_model.model.model, model
        if request.get("compile"):
            self.inner.compile(dynamic=True)  # batches differ in length: one program for all lengths
        self.model = model
        head = (model if self.scores else model.base_model.model).lm_head.weight
        self.direction = (head[self.answers["Yes"]].float() - head[self.answers["No"]].float()).detach()
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-3, weight_decay=0.0) if not self.scores else None
        return {"seconds": time.perf_counter() - start, "pid": os.getpid(), "version": versions()}

    def batches(self, indices, size):
        """Batches of at most size sequences, the longest first, so that the first one takes the most memory."""
        order = sorted(indices, key=lambda i: -len(self.sequences[i]["Tokens"]))
        for k in range(0, len(order), size):
            members = order[k : k + size]
            width = max(len(self.sequences[i]["Tokens"]) for i in members)
            ids = torch.zeros(len(members), width, dtype=torch.long)
            for row, i in enumerate(members):
                tokens = self.sequences[i]["Tokens"]
                ids[row, : len(tokens)] = torch.tensor(tokens)
            last = torch.tensor([self.sequences[i]["Targets"][0]["Position"] for i in members])
            labels = torch.tensor([float(self.sequences[i]["Targets"][0]["Label"]) for i in members])
            yield members, ids.to(self.device), last.to(self.device), labels.to(self.device)

    def log_odds(self, ids, last):
        hidden = self.inner(input_ids=ids, use_cache=False).last_hidden_state
        return hidden[torch.arange(len(last), device=self.device), last].float() @ self.direction

    def run(self, request):
        start = time.perf_counter()
        indices, size = request["indices"], request["batch"]
        answer = {"batch": size}
        if self.scores:
            odds = dict.fromkeys(indices)
            with torch.inference_mode():
                batches = [(members, self.log_odds(ids, last)) for members, ids, last, _ in self.batches(indices, size)]
            for members, values in batches:  # only now, so that a GPU is never waited for before it has all its work
                odds.update(zip(members, values.tolist()))
            answer["log_odds"] = [odds[i] for i in indices]
        elif self.kind == "train":
            answer["loss"] = self.step(indices, size)
        else:
            answer["loss"] = self.published_step(indices, size)
        answer["seconds"] = time.perf_counter() - start
        return answer

    def step(self, indices, size):
        """One optimizer step on all of the samples, in batches of size."""
        total = 0.0
        for _, ids, last, labels in self.batches(indices, size):
            odds = self.log_odds(ids, last)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(odds, labels, reduction="sum") / len(indices)
            loss.backward()
            total += loss.detach()
        self.finish_step()
        return float(total)

    def published_step(self, indices, size):
        """One optimizer step as the released code makes it: random order, padding to the batch's longest (a multiple of 8), the whole head, the
        loss over all tokens of the prompt and the answer."""
        order, total = list(indices), 0.0
        random.Random(1).shuffle(order)
        for k in range(0, len(order), size):
            rows = []
            for i in order[k : k + size]:
                s = self.sequences[i]
                word = self.answers["Yes" if s["Targets"][0]["Label"] else "No"]
                rows.append(s["Tokens"] + [word, self.eos])
            width = (max(map(len, rows)) + 7) // 8 * 8
            ids = torch.tensor([r + [0] * (width - len(r)) for r in rows], device=self.device)
            labels = torch.tensor([r + [-100] * (width - len(r)) for r in rows], device=self.device)
            mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r in rows], device=self.device)
            loss = self.causal(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss * len(rows) / len(order)
            loss.backward()
            total += loss.detach()
        self.finish_step()
        return float(total)

    def finish_step(self):
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def fit(self, request):
        """One epoch over the samples in random order, from a fresh adapter, which is written as a PEFT directory."""
        start = time.perf_counter()
        order = list(request["indices"])
        random.Random(request["seed"]).shuffle(order)
        steps = [order[k : k + request["step"]] for k in range(0, len(order), request["step"])]
        schedule = get_linear_schedule_with_warmup(self.optimizer, 0, len(steps))
        losses = []
        for step in steps:
            losses.append(self.step(step, request["batch"]))
            schedule.step()
        self.model.save_pretrained(request["out"])
        return {"seconds": time.perf_counter() - start, "loss": losses[-1]}


def versions():
    import peft
    import transformers

    return f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"


peer = Peer(sys.argv[1])
wire.serve({"load": peer.load, "run": peer.run, "fit": peer.fit})
