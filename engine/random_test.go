package engine

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/prompt"
)

// randomModel is a small backbone with generated weights, norms and biases included.
func randomModel(cfg backbone.Config, seed uint64) *backbone.Model {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := &backbone.Model{Name: "random", Hash: fmt.Sprint("random", seed), Config: cfg, Weights: map[string]backbone.Weight{}}
	add := func(name string, around, spread float64, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		b := make([]byte, 4*n)
		for i := range n {
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(float32(around+spread*rng.NormFloat64())))
		}
		m.Weights[name] = backbone.Weight{DType: backbone.F32, Shape: shape, Bytes: b}
	}
	dense := func(name string, out, in int, bias bool) {
		add(name, 0, 1/math.Sqrt(float64(in)), out, in)
		if bias {
			add(name+".bias", 0, .2, out)
		}
	}
	norm := 1.0
	if cfg.NormPlusOne {
		norm = 0
	}
	add("embed", 0, 1, cfg.Vocab, cfg.Hidden)
	add("norm", norm, .2, cfg.Hidden)
	if !cfg.Tied {
		add("head", 0, 1, cfg.Vocab, cfg.Hidden)
	}
	for n := range cfg.Layers {
		p := fmt.Sprintf("layers.%d.", n)
		add(p+"attn_norm", norm, .2, cfg.Hidden)
		add(p+"mlp_norm", norm, .2, cfg.Hidden)
		if cfg.PostNorms {
			add(p+"post_attn_norm", norm, .2, cfg.Hidden)
			add(p+"post_mlp_norm", norm, .2, cfg.Hidden)
		}
		if cfg.QKNorm {
			add(p+"q_norm", norm, .2, cfg.HeadDim)
			add(p+"k_norm", norm, .2, cfg.HeadDim)
		}
		dense(p+"q", cfg.Heads*cfg.HeadDim, cfg.Hidden, cfg.AttentionBias)
		dense(p+"k", cfg.KVHeads*cfg.HeadDim, cfg.Hidden, cfg.AttentionBias)
		dense(p+"v", cfg.KVHeads*cfg.HeadDim, cfg.Hidden, cfg.AttentionBias)
		dense(p+"o", cfg.Hidden, cfg.Heads*cfg.HeadDim, cfg.OutputBias)
		dense(p+"gate", cfg.FFN, cfg.Hidden, cfg.MLPBias)
		dense(p+"up", cfg.FFN, cfg.Hidden, cfg.MLPBias)
		dense(p+"down", cfg.Hidden, cfg.FFN, cfg.MLPBias)
	}
	return m
}

// smallConfigs are one tiny shape for each family's switches.
func smallConfigs() map[string]backbone.Config {
	base := backbone.Config{Architecture: "llama", Layers: 3, Hidden: 32, FFN: 48, Heads: 4, KVHeads: 2, HeadDim: 8, Vocab: 50,
		MaxSeq: 4096, NormEps: 1e-5, RopeBase: 10000, Activation: "silu"}
	llama3 := base
	llama3.RopeScaling = &backbone.RopeScaling{Type: "llama3", Factor: 8, LowFreq: 1, HighFreq: 4, Original: 32}
	qwen2 := base
	qwen2.Architecture, qwen2.AttentionBias, qwen2.Tied = "qwen2", true, true
	qwen3 := base
	qwen3.Architecture, qwen3.QKNorm, qwen3.HeadDim = "qwen3", true, 12
	gemma := base
	gemma.Architecture, gemma.QKNorm, gemma.PostNorms, gemma.NormPlusOne, gemma.Tied = "gemma3", true, true, true, true
	gemma.Activation, gemma.EmbeddingScale, gemma.QueryScale, gemma.LogitSoftcap = "gelu_tanh", math.Sqrt(32), 0.3, 5
	gemma.Sliding, gemma.SlidingLayers, gemma.RopeLocalBase = 6, []bool{true, false, true}, 1000
	biased := base
	biased.OutputBias, biased.MLPBias, biased.AttentionBias = true, true, true
	return map[string]backbone.Config{"llama": base, "llama3": llama3, "qwen2": qwen2, "qwen3": qwen3, "gemma3": gemma, "biased": biased}
}

// randomSequences are n sequences with a few targets each; every second one is windowed.
func randomSequences(n, vocab int, seed uint64) []prompt.Sequence {
	rng := rand.New(rand.NewPCG(seed, 2))
	out := make([]prompt.Sequence, n)
	for i := range out {
		length := 8 + rng.IntN(40)
		s := prompt.Sequence{Tokens: make([]int32, length)}
		if i%2 == 1 {
			s.Steps, s.Window = make([]int32, length), 2
		}
		for k := range s.Tokens {
			s.Tokens[k] = int32(rng.IntN(vocab))
			if s.Steps != nil {
				s.Steps[k] = int32(k/5) - 1
			}
		}
		for k := 0; k < length; k += 4 { // the first token too: padding points there
			s.Targets = append(s.Targets, prompt.Target{Position: int32(k), Label: rng.IntN(2) == 1, Sample: int32(100*i + k), Offset: float32(k%3) - .7})
		}
		out[i] = s
	}
	return out
}

// randomAdapter has every factor filled, so that every product matters.
func randomAdapter(shapes map[adapter.Key][2]int, cfg adapter.Config, seed uint64) (*adapter.Adapter, error) {
	a, err := adapter.New(cfg, shapes, seed)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	flat := a.Flatten()
	for i := range flat {
		flat[i] = float32(.2 * rng.NormFloat64())
	}
	return a, a.SetFlat(flat)
}
