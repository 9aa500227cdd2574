package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lsat/internal/randommodel"
)

var shapes = map[string]randommodel.Shape{
	"llama-2-7b": {Architectures: []string{"LlamaForCausalLM"}, ModelType: "llama", Hidden: 4096, FFN: 11008, Layers: 32, Heads: 32, KVHeads: 32,
		Vocab: 32000, MaxPosition: 4096, NormEps: 1e-5, RopeTheta: 10000, Activation: "silu", Type: "bfloat16"},
	"mistral-7b": {Architectures: []string{"MistralForCausalLM"}, ModelType: "mistral", Hidden: 4096, FFN: 14336, Layers: 32, Heads: 32, KVHeads: 8,
		Vocab: 32000, MaxPosition: 32768, NormEps: 1e-5, RopeTheta: 1e6, Activation: "silu", Type: "bfloat16"},
	"tinyllama-1.1b": {Architectures: []string{"LlamaForCausalLM"}, ModelType: "llama", Hidden: 2048, FFN: 5632, Layers: 22, Heads: 32, KVHeads: 4,
		Vocab: 32000, MaxPosition: 2048, NormEps: 1e-5, RopeTheta: 10000, Activation: "silu", Type: "bfloat16"},
}

func findShape(name string, layers int) (randommodel.Shape, error) {
	s, ok := shapes[name]
	if !ok {
		return randommodel.Shape{}, fmt.Errorf("unknown shape %q: use %s", name, strings.Join(slices.Sorted(maps.Keys(shapes)), ", "))
	}
	if layers < 0 {
		return randommodel.Shape{}, fmt.Errorf("%d layers", layers)
	}
	if layers > 0 {
		s.Layers = layers
	}
	return s, nil
}
