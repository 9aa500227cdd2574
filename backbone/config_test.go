package backbone

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// The published configurations of well-known models, as far as they matter.
const (
	smollm2Config = `{"architectures": ["LlamaForCausalLM"], "attention_bias": false, "head_dim": 64, "hidden_act": "silu", "hidden_size": 576,
		"intermediate_size": 1536, "max_position_embeddings": 8192, "mlp_bias": false, "model_type": "llama", "num_attention_heads": 9,
		"num_hidden_layers": 30, "num_key_value_heads": 3, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 100000,
		"tie_word_embeddings": true, "vocab_size": 49152}`
	llama32Config = `{"head_dim": 64, "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 8192, "max_position_embeddings": 131072,
		"model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
		"rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
		"rope_type": "llama3"}, "rope_theta": 500000.0, "tie_word_embeddings": true, "vocab_size": 128256}`
	mistralConfig = `{"hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768,
		"model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
		"rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": false, "vocab_size": 32000}`
	mistral02Config = `{"hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768,
		"model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05,
		"rope_theta": 1000000.0, "sliding_window": null, "tie_word_embeddings": false, "vocab_size": 32000}`
	qwen25Config = `{"hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 21,
		"model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
		"rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": true, "use_sliding_window": false, "vocab_size": 151936}`
	qwen3Config = `{"attention_bias": false, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024, "intermediate_size": 3072,
		"max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28,
		"num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
		"tie_word_embeddings": true, "use_sliding_window": false, "vocab_size": 151936}`
	gemma270mConfig = `{"_sliding_window_pattern": 6, "attn_logit_softcapping": null, "final_logit_softcapping": null, "head_dim": 256,
		"hidden_activation": "gelu_pytorch_tanh", "hidden_size": 640, "intermediate_size": 2048, "layer_types": ["sliding_attention",
		"sliding_attention", "sliding_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention",
		"sliding_attention", "sliding_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention",
		"sliding_attention", "sliding_attention", "sliding_attention", "sliding_attention", "full_attention"],
		"max_position_embeddings": 32768, "model_type": "gemma3_text", "num_attention_heads": 4, "num_hidden_layers": 18,
		"num_key_value_heads": 1, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000.0,
		"rope_scaling": null, "rope_theta": 1000000.0, "sliding_window": 512, "use_bidirectional_attention": false, "vocab_size": 262144}`
	gemma4bConfig = `{"architectures": ["Gemma3ForConditionalGeneration"], "mm_tokens_per_image": 256, "model_type": "gemma3",
		"text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
		"rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}, "vision_config": {"hidden_size": 1152}}`
)

func TestParseConfigOfPublishedModels(t *testing.T) {
	every := func(n int, at func(i int) bool) []bool {
		out := make([]bool, n)
		for i := range out {
			out[i] = at(i)
		}
		return out
	}
	sixth := func(i int) bool { return i%6 != 5 }
	cases := map[string]struct {
		text string
		want Config
	}{
		"SmolLM2-135M": {smollm2Config, Config{Architecture: "llama", Layers: 30, Hidden: 576, FFN: 1536, Heads: 9, KVHeads: 3, HeadDim: 64,
			Vocab: 49152, MaxSeq: 8192, NormEps: 1e-5, RopeBase: 1e5, Tied: true, Activation: "silu"}},
		"Mistral-7B-v0.1": {mistralConfig, Config{Architecture: "mistral", Layers: 32, Hidden: 4096, FFN: 14336, Heads: 32, KVHeads: 8, HeadDim: 128,
			Vocab: 32000, MaxSeq: 32768, NormEps: 1e-5, RopeBase: 1e4, Activation: "silu", Sliding: 4096, SlidingLayers: every(32, func(int) bool { return true })}},
		"Mistral-7B-v0.2": {mistral02Config, Config{Architecture: "mistral", Layers: 32, Hidden: 4096, FFN: 14336, Heads: 32, KVHeads: 8, HeadDim: 128,
			Vocab: 32000, MaxSeq: 32768, NormEps: 1e-5, RopeBase: 1e6, Activation: "silu"}},
		"Qwen2.5-0.5B": {qwen25Config, Config{Architecture: "qwen2", Layers: 24, Hidden: 896, FFN: 4864, Heads: 14, KVHeads: 2, HeadDim: 64,
			Vocab: 151936, MaxSeq: 32768, NormEps: 1e-6, RopeBase: 1e6, Tied: true, AttentionBias: true, Activation: "silu"}},
		"Qwen3-0.6B": {qwen3Config, Config{Architecture: "qwen3", Layers: 28, Hidden: 1024, FFN: 3072, Heads: 16, KVHeads: 8, HeadDim: 128,
			Vocab: 151936, MaxSeq: 40960, NormEps: 1e-6, RopeBase: 1e6, Tied: true, QKNorm: true, Activation: "silu"}},
		"gemma-3-270m": {gemma270mConfig, Config{Architecture: "gemma3", Layers: 18, Hidden: 640, FFN: 2048, Heads: 4, KVHeads: 1, HeadDim: 256,
			Vocab: 262144, MaxSeq: 32768, NormEps: 1e-6, RopeBase: 1e6, RopeLocalBase: 1e4, Tied: true, QKNorm: true, NormPlusOne: true,
			PostNorms: true, EmbeddingScale: math.Sqrt(640), QueryScale: 1. / 16, Activation: "gelu_tanh", Sliding: 512, SlidingLayers: every(18, sixth)}},
		"gemma-3-4b": {gemma4bConfig, Config{Architecture: "gemma3", Layers: 34, Hidden: 2560, FFN: 10240, Heads: 8, KVHeads: 4, HeadDim: 256,
			Vocab: 262208, MaxSeq: 131072, NormEps: 1e-6, RopeBase: 1e6, RopeLocalBase: 1e4, Tied: true, QKNorm: true, NormPlusOne: true,
			PostNorms: true, EmbeddingScale: math.Sqrt(2560), QueryScale: 1. / 16, Activation: "gelu_tanh", Sliding: 1024, SlidingLayers: every(34, sixth),
			RopeScaling: &RopeScaling{Type: "linear", Factor: 8, Original: 131072}}},
		"Llama-3.2-1B": {llama32Config, Config{Architecture: "llama", Layers: 16, Hidden: 2048, FFN: 8192, Heads: 32, KVHeads: 8, HeadDim: 64,
			Vocab: 128256, MaxSeq: 131072, NormEps: 1e-5, RopeBase: 5e5, Tied: true, Activation: "silu",
			RopeScaling: &RopeScaling{Type: "llama3", Factor: 32, LowFreq: 1, HighFreq: 4, Original: 8192}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ParseConfig([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if got.RopeScaling != nil { // its numbers are the subject of the rotary tests
				if len(got.RopeScaling.Factors) != got.HeadDim/2 {
					t.Errorf("%d rotary factors for heads of %d", len(got.RopeScaling.Factors), got.HeadDim)
				}
				got.RopeScaling.Factors = nil
			}
			if d := different(got, c.want); d != "" {
				t.Error(d)
			}
		})
	}
}

// different names the first field in which two configurations differ, "" for none.
func different(a, b Config) string {
	if !slices.Equal(a.SlidingLayers, b.SlidingLayers) {
		return "sliding layers"
	}
	ra, rb := a.RopeScaling, b.RopeScaling
	if (ra == nil) != (rb == nil) {
		return "rope scaling"
	}
	if ra != nil {
		if !slices.Equal(ra.Factors, rb.Factors) {
			return "rotary factors"
		}
		x, y := *ra, *rb
		x.Factors, y.Factors = nil, nil
		if x.Type != y.Type || x.Factor != y.Factor || x.LowFreq != y.LowFreq || x.HighFreq != y.HighFreq || x.Original != y.Original {
			return "rope scaling"
		}
	}
	a.SlidingLayers, b.SlidingLayers, a.RopeScaling, b.RopeScaling = nil, nil, nil, nil
	for _, f := range []struct {
		name string
		same bool
	}{
		{"architecture", a.Architecture == b.Architecture}, {"sizes", a.Layers == b.Layers && a.Hidden == b.Hidden && a.FFN == b.FFN},
		{"heads", a.Heads == b.Heads && a.KVHeads == b.KVHeads && a.HeadDim == b.HeadDim}, {"vocabulary", a.Vocab == b.Vocab},
		{"context", a.MaxSeq == b.MaxSeq}, {"norm epsilon", a.NormEps == b.NormEps}, {"rotary base", a.RopeBase == b.RopeBase && a.RopeLocalBase == b.RopeLocalBase},
		{"tied", a.Tied == b.Tied}, {"biases", a.AttentionBias == b.AttentionBias && a.OutputBias == b.OutputBias && a.MLPBias == b.MLPBias},
		{"norms", a.QKNorm == b.QKNorm && a.NormPlusOne == b.NormPlusOne && a.PostNorms == b.PostNorms},
		{"embedding scale", a.EmbeddingScale == b.EmbeddingScale}, {"query scale", a.QueryScale == b.QueryScale}, {"activation", a.Activation == b.Activation},
		{"sliding window", a.Sliding == b.Sliding}, {"soft cap", a.LogitSoftcap == b.LogitSoftcap},
	} {
		if !f.same {
			return f.name
		}
	}
	return ""
}

// The layout of Transformers 5 says the same as the one before it.
func TestParseConfigNewLayout(t *testing.T) {
	pairs := map[string][2]string{
		"llama3": {llama32Config, strings.Replace(strings.Replace(llama32Config, `"rope_scaling": {`, `"rope_parameters": {"rope_theta": 500000.0, `, 1),
			`"rope_theta": 500000.0, "tie`, `"tie`, 1)},
		"gemma3": {gemma270mConfig, strings.Replace(strings.Replace(gemma270mConfig, `"rope_local_base_freq": 10000.0,
		"rope_scaling": null, "rope_theta": 1000000.0,`, `"rope_parameters": {"full_attention": {"rope_theta": 1000000.0, "rope_type": "default"},
		"sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}},`, 1), `"_sliding_window_pattern": 6,`, "", 1)},
		"old type": {llama32Config, strings.Replace(llama32Config, `"rope_type"`, `"type"`, 1)},
	}
	for name, p := range pairs {
		if p[0] == p[1] {
			t.Fatalf("%s: nothing was replaced", name)
		}
		a, err1 := ParseConfig([]byte(p[0]))
		b, err2 := ParseConfig([]byte(p[1]))
		if err := errors.Join(err1, err2); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := different(a, b); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestParseConfigRefuses(t *testing.T) {
	change := func(old, now string) string {
		s := strings.Replace(smollm2Config, old, now, 1)
		if s == smollm2Config {
			t.Fatalf("%q is not in the configuration", old)
		}
		return s
	}
	cases := map[string]struct {
		text string
		is   error
		says string
	}{
		"not JSON":            {`{"model_type": "llama"`, ErrConfig, "unexpected end"},
		"a list":              {`[]`, ErrConfig, "array"},
		"no model type":       {`{}`, ErrConfig, "model_type"},
		"another family":      {change(`"llama"`, `"mamba"`), ErrUnknownArchitecture, "mamba"},
		"mixture of experts":  {change(`"llama"`, `"mixtral"`), ErrUnknownArchitecture, "mixtral"},
		"gemma without text":  {`{"model_type": "gemma3"}`, ErrConfig, "text_config"},
		"no hidden size":      {change(`"hidden_size": 576,`, ``), ErrConfig, "hidden_size"},
		"words for numbers":   {change(`"hidden_size": 576`, `"hidden_size": "big"`), ErrConfig, "hidden_size"},
		"zero layers":         {change(`"num_hidden_layers": 30`, `"num_hidden_layers": 0`), ErrConfig, "layers"},
		"endless layers":      {change(`"num_hidden_layers": 30`, `"num_hidden_layers": 2000000000`), ErrConfig, "layers"},
		"negative vocabulary": {change(`"vocab_size": 49152`, `"vocab_size": -1`), ErrConfig, "vocabulary"},
		"zero heads":          {change(`"num_attention_heads": 9`, `"num_attention_heads": 0`), ErrConfig, "heads"},
		"uneven heads":        {change(`"num_key_value_heads": 3`, `"num_key_value_heads": 4`), ErrConfig, "evenly"},
		"odd heads":           {change(`"head_dim": 64`, `"head_dim": 63`), ErrConfig, "odd"},
		"negative epsilon":    {change(`1e-05`, `-1`), ErrConfig, "epsilon"},
		"rotary base 0":       {change(`100000`, `0`), ErrConfig, "rotary"},
		"unknown scaling":     {change(`"rope_scaling": null`, `"rope_scaling": {"rope_type": "longrope"}`), ErrUnsupported, "longrope"},
		"linear by 0":         {change(`"rope_scaling": null`, `"rope_scaling": {"type": "linear", "factor": 0}`), ErrConfig, "factor"},
		"llama3 half said":    {change(`"rope_scaling": null`, `"rope_scaling": {"type": "llama3", "factor": 8}`), ErrConfig, "low_freq_factor"},
		"yarn without range":  {change(`"rope_scaling": null`, `"rope_scaling": {"type": "yarn", "factor": -4}`), ErrConfig, "factor"},
		"activation":          {change(`"silu"`, `"relu"`), ErrUnsupported, "relu"},
		"quantized":           {change(`"head_dim": 64`, `"head_dim": 64, "quantization_config": {"bits": 4}`), ErrUnsupported, "quantization_config"},
		"partial rotary":      {change(`"head_dim": 64`, `"head_dim": 64, "partial_rotary_factor": 0.5`), ErrUnsupported, "partial_rotary"},
		"layer types":         {strings.Replace(gemma270mConfig, `"full_attention"`, `"chunked_attention"`, 1), ErrUnsupported, "chunked_attention"},
		"too few layer types": {strings.Replace(gemma270mConfig, `"full_attention", `, ``, 1), ErrConfig, "layer_types"},
		"attention soft cap":  {strings.Replace(gemma270mConfig, `"attn_logit_softcapping": null`, `"attn_logit_softcapping": 50.0`, 1), ErrUnsupported, "attn_logit_softcapping"},
		"sees the future":     {strings.Replace(gemma270mConfig, `"use_bidirectional_attention": false`, `"use_bidirectional_attention": true`, 1), ErrUnsupported, "bidirectional"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ParseConfig([]byte(c.text))
			if !errors.Is(err, c.is) {
				t.Fatalf("error %v, want one with %q in its chain", err, c.is)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q does not say %q", err, c.says)
			}
		})
	}
}

// Whatever a config.json says, the answer is an error or a configuration that can be built on.
func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{smollm2Config, llama32Config, mistralConfig, qwen25Config, qwen3Config, gemma270mConfig, gemma4bConfig} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		if err != nil {
			for _, is := range []error{ErrConfig, ErrUnsupported, ErrUnknownArchitecture, ErrTensorShape} {
				if errors.Is(err, is) {
					return
				}
			}
			t.Fatalf("an error of no kind: %v", err)
		}
		if c.Layers < 1 || c.Layers > maxLayers || c.HeadDim < 2 || c.Heads%c.KVHeads != 0 {
			t.Fatalf("accepted %+v", c)
		}
		for _, v := range c.RopeScaling.RotaryFactors(c.HeadDim, c.RopeBase) {
			if !(v > 0) {
				t.Fatalf("rotary factor %v of %+v", v, c.RopeScaling)
			}
		}
	})
}
