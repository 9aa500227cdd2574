package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shape is a model of the Llama family as its config.json tells it.
type shape struct {
	Architectures []string `json:"architectures"`
	ModelType     string   `json:"model_type"`
	Hidden        int      `json:"hidden_size"`
	FFN           int      `json:"intermediate_size"`
	Layers        int      `json:"num_hidden_layers"`
	Heads         int      `json:"num_attention_heads"`
	KVHeads       int      `json:"num_key_value_heads"`
	Vocab         int      `json:"vocab_size"`
	MaxPosition   int      `json:"max_position_embeddings"`
	NormEps       float64  `json:"rms_norm_eps"`
	RopeTheta     float64  `json:"rope_theta"`
	Activation    string   `json:"hidden_act"`
	Tied          bool     `json:"tie_word_embeddings"`
	Type          string   `json:"torch_dtype"`
	// Sliding is null: all layers see everything, as in Mistral 7B from version 0.2 on.
	Sliding *int `json:"sliding_window"`
}

var shapes = map[string]shape{
	"llama-2-7b": {Architectures: []string{"LlamaForCausalLM"}, ModelType: "llama", Hidden: 4096, FFN: 11008, Layers: 32, Heads: 32, KVHeads: 32,
		Vocab: 32000, MaxPosition: 4096, NormEps: 1e-5, RopeTheta: 10000, Activation: "silu", Type: "bfloat16"},
	"mistral-7b": {Architectures: []string{"MistralForCausalLM"}, ModelType: "mistral", Hidden: 4096, FFN: 14336, Layers: 32, Heads: 32, KVHeads: 8,
		Vocab: 32000, MaxPosition: 32768, NormEps: 1e-5, RopeTheta: 1e6, Activation: "silu", Type: "bfloat16"},
	"tinyllama-1.1b": {Architectures: []string{"LlamaForCausalLM"}, ModelType: "llama", Hidden: 2048, FFN: 5632, Layers: 22, Heads: 32, KVHeads: 4,
		Vocab: 32000, MaxPosition: 2048, NormEps: 1e-5, RopeTheta: 10000, Activation: "silu", Type: "bfloat16"},
}

func findShape(name string, layers int) (shape, error) {
	s, ok := shapes[name]
	if !ok {
		return shape{}, fmt.Errorf("unknown shape %q: use %s", name, strings.Join(slices.Sorted(maps.Keys(shapes)), ", "))
	}
	if layers < 0 {
		return shape{}, fmt.Errorf("%d layers", layers)
	}
	if layers > 0 {
		s.Layers = layers
	}
	return s, nil
}

// tensor is one tensor to be written, in bfloat16.
type tensor struct {
	name  string
	shape []int
	norm  bool // all ones
}

func (t tensor) elements() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

// tensors lists the model's tensors in the order of its computation.
func (s shape) tensors() []tensor {
	kv := s.Hidden / s.Heads * s.KVHeads
	out := []tensor{{name: "model.embed_tokens.weight", shape: []int{s.Vocab, s.Hidden}}}
	for n := range s.Layers {
		for _, t := range []tensor{
			{"input_layernorm", []int{s.Hidden}, true},
			{"self_attn.q_proj", []int{s.Hidden, s.Hidden}, false},
			{"self_attn.k_proj", []int{kv, s.Hidden}, false},
			{"self_attn.v_proj", []int{kv, s.Hidden}, false},
			{"self_attn.o_proj", []int{s.Hidden, s.Hidden}, false},
			{"post_attention_layernorm", []int{s.Hidden}, true},
			{"mlp.gate_proj", []int{s.FFN, s.Hidden}, false},
			{"mlp.up_proj", []int{s.FFN, s.Hidden}, false},
			{"mlp.down_proj", []int{s.Hidden, s.FFN}, false},
		} {
			t.name = fmt.Sprintf("model.layers.%d.%s.weight", n, t.name)
			out = append(out, t)
		}
	}
	return append(out, tensor{"model.norm.weight", []int{s.Hidden}, true}, tensor{"lm_head.weight", []int{s.Vocab, s.Hidden}, false})
}

// tokenizerJSON is a tokenizer of single bytes, filled up to the vocabulary with words that no text has.
func tokenizerJSON(vocab int) ([]byte, error) {
	ids := map[string]int{"<unk>": 0, "<s>": 1, "</s>": 2}
	next := len(ids)
	// The alphabet of byte-level tokenizers: printable bytes stand for themselves, the others for the characters from 256 on.
	other := rune(256)
	for b := range rune(256) {
		char := b
		if printable := b > ' ' && b <= '~' || b >= 0xA1 && b <= 0xFF && b != 0xAD; !printable {
			char = other
			other++
		}
		ids[string(char)] = next
		next++
	}
	if vocab < next {
		return nil, fmt.Errorf("a vocabulary of %d is too small for %d bytes and marks", vocab, next)
	}
	for ; next < vocab; next++ {
		ids[fmt.Sprintf("<unused%d>", next)] = next
	}
	bytelevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	return json.Marshal(map[string]any{
		"version": "1.0", "added_tokens": []any{}, "normalizer": nil, "pre_tokenizer": bytelevel, "post_processor": nil, "decoder": bytelevel,
		"model": map[string]any{"type": "BPE", "vocab": ids, "merges": []any{}, "unk_token": nil},
	})
}
