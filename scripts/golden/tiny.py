"""Tiny random models, one of each family, for golden files.

Every weight is a multiple of 1/64 below 2: such numbers are exact in float16, bfloat16 and float32, so that one model has equal
weights whatever a file stores. Norms and biases are random too, so that leaving one out shows.
"""

import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCAB = 96

SIZES = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=48,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
    attn_implementation="eager",
)


def build(config_class, model_class, seed, **more):
    config = config_class(**{**SIZES, **more})
    torch.manual_seed(seed)
    model = model_class(config).float().eval()
    gen = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if p.dim() == 1 and "norm" in name:
            center = 0.0 if "gemma" in config.model_type else 1.0
            std = 0.25
        elif p.dim() == 1:
            center, std = 0.0, 0.3
        else:
            center, std = 0.0, 0.35 if ("q_proj" in name or "k_proj" in name or "embed" in name) else 0.2
        w = center + std * torch.randn(p.shape, generator=gen)
        p.data = (w * 64).round().clamp(-127, 127) / 64
    if config.tie_word_embeddings:
        model.tie_weights()
    return model


def models():
    """name -> model. Sliding windows are shorter than the test sequences; llama3 and yarn change some frequencies and not others."""
    return {
        "llama": build(LlamaConfig, LlamaForCausalLM, 1, num_hidden_layers=2),
        "llama3": build(
            LlamaConfig, LlamaForCausalLM, 2, num_hidden_layers=2, tie_word_embeddings=True, head_dim=16, attention_bias=True,
            mlp_bias=True,
            rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                 original_max_position_embeddings=32),
        ),
        "mistral": build(MistralConfig, MistralForCausalLM, 3, num_hidden_layers=2, sliding_window=7, rms_norm_eps=1e-5),
        "qwen2": build(Qwen2Config, Qwen2ForCausalLM, 4, num_hidden_layers=3, tie_word_embeddings=True),
        "qwen2-yarn": build(
            Qwen2Config, Qwen2ForCausalLM, 5, num_hidden_layers=2, use_sliding_window=True, sliding_window=9, max_window_layers=1,
            rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64,
                                 beta_fast=4.0, beta_slow=1.0),
        ),
        "qwen3": build(Qwen3Config, Qwen3ForCausalLM, 6, num_hidden_layers=2, head_dim=12),
        "gemma3": build(
            Gemma3TextConfig, Gemma3ForCausalLM, 7, num_hidden_layers=4, head_dim=16, query_pre_attn_scalar=20, sliding_window=6,
            layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
            final_logit_softcapping=20.0,
            rope_parameters=dict(
                full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1000000.0),
                sliding_attention=dict(rope_type="default", rope_theta=10000.0),
            ),
        ),
    }
