"""The worker with vLLM's offline engine: scores prompts whose answer is one token, on a GPU. python vllm_peer.py

A request to vLLM is a prompt of token ids, one token to generate, and the log-probabilities of the two answers, whose difference is the log-odds: both
come from one log_softmax over raw logits in float32. Every step is prefill, so CUDA graphs are captured for whole steps. The prefix cache works
within a run, and is emptied after each.
"""

import json
import os
import pathlib
import time

# Read when vLLM is imported.
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # all in this process
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import vllm
import wire
from vllm.lora.request import LoRARequest

STEP_TOKENS, STEP_PROMPTS = 16384, 512
GRAPHS = [256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384]
MEMORY = 0.3  # of the GPU's, for weights and the cache of keys and values: the other contestants stay loaded beside it


class Peer:
    def load(self, request):
        start = time.perf_counter()
        answers, sequences = wire.sequences(request["prompts"])
        self.yes, self.no = answers["Yes"], answers["No"]
        self.prompts = [{"prompt_token_ids": s["Tokens"][: s["Targets"][0]["Position"] + 1]} for s in sequences]
        adapters = [pathlib.Path(a).resolve() for a in request.get("adapters") or []]
        configs = [json.loads((a / "adapter_config.json").read_text()) for a in adapters]
        options = {}
        if adapters:
            options = dict(
                enable_lora=True,
                max_loras=1,
                max_cpu_loras=len(adapters),
                max_lora_rank=max(c["r"] for c in configs),
                lora_target_modules=sorted({m for c in configs for m in c["target_modules"]}),  # no LoRA kernels elsewhere
            )
        self.loras = [LoRARequest(a.name, k + 1, str(a)) for k, a in enumerate(adapters)] or [None]
        self.llm = vllm.LLM(
            model=request["model"],
            dtype={"bf16": "bfloat16", "f32": "float32"}[request["dtype"]],
            skip_tokenizer_init=True,
            generation_config="vllm",
            max_model_len=1024,
            max_num_batched_tokens=STEP_TOKENS,
            max_num_seqs=STEP_PROMPTS,
            gpu_memory_utilization=MEMORY,
            enable_prefix_caching=True,
            enable_chunked_prefill=True,
            async_scheduling=True,
            attention_backend="FLASH_ATTN",
            logprobs_mode="raw_logprobs",
            disable_log_stats=True,
            seed=1,
            hf_overrides={"head_dtype": "float32"},  # as lsat and Transformers have it: bfloat16 would round the log-odds
            compilation_config={"cudagraph_mode": "PIECEWISE", "cudagraph_capture_sizes": GRAPHS, "max_cudagraph_capture_size": STEP_TOKENS},
            **options,
        )
        self.params = vllm.SamplingParams(
            max_tokens=1, temperature=0.0, logprob_token_ids=[self.yes, self.no], detokenize=False, ignore_eos=True, skip_clone=True
        )
        for _ in range(2):  # Triton's kernels are compiled when they are first called
            for lora in self.loras:
                self.score(range(min(STEP_PROMPTS, len(self.prompts))), lora)
            self.forget()
        version = f"vllm {vllm.__version__}, torch {torch.__version__}"
        return {"seconds": time.perf_counter() - start, "pid": os.getpid(), "version": version}

    def score(self, indices, lora):
        outputs = self.llm.generate([self.prompts[i] for i in indices], self.params, use_tqdm=False, lora_request=lora)
        found = [o.outputs[0].logprobs[0] for o in outputs]
        return [f[self.yes].logprob - f[self.no].logprob for f in found]

    def forget(self):
        """Empties the prefix cache, so that no run finds what an earlier one left. That is not the run's time."""
        for _ in range(4):
            if self.llm.reset_prefix_cache():
                return
            self.llm.llm_engine.step()  # a step in flight may still hold blocks
        raise RuntimeError("the prefix cache could not be emptied")

    def run(self, request):
        start = time.perf_counter()
        odds = [self.score(request["indices"], lora) for lora in self.loras[: max(1, request.get("passes") or 1)]]
        seconds = time.perf_counter() - start
        self.forget()
        return {"seconds": seconds, "log_odds": odds[0]}


if __name__ == "__main__":
    peer = Peer()
    wire.serve({"load": peer.load, "run": peer.run})
