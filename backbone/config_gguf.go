package backbone

import (
	"fmt"
	"math"
	"slices"

	"lsat/internal/gguf"
)

// ggufReader reads numbers of one architecture's metadata and keeps the first error.
type ggufReader struct {
	*gguf.File
	arch string
	err  error
}

// number returns a whole number that must be there.
func (r *ggufReader) number(key string) int {
	n, ok := r.optional(key)
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%w: no %s.%s in the metadata", ErrConfig, r.arch, key)
	}
	return n
}

// optional returns a whole number. Some writers give one for each layer: they must be the same.
func (r *ggufReader) optional(key string) (int, bool) {
	key = r.arch + "." + key
	v, ok := r.Uint(key)
	if all, isArray := r.Uints(key); isArray && len(all) > 0 {
		if slices.Min(all) != slices.Max(all) {
			if r.err == nil {
				r.err = fmt.Errorf("%w: %s differs from layer to layer", ErrUnsupported, key)
			}
			return 0, true
		}
		v, ok = all[0], true
	}
	if v > maxTokens {
		if r.err == nil {
			r.err = fmt.Errorf("%w: %s is %d", ErrConfig, key, v)
		}
		return 0, true
	}
	return int(v), ok
}

func (r *ggufReader) numberOr(key string, otherwise int) int {
	if n, ok := r.optional(key); ok {
		return n
	}
	return otherwise
}

func (r *ggufReader) floatOr(key string, otherwise float64) float64 {
	if v, ok := r.Float(r.arch + "." + key); ok {
		return v
	}
	return otherwise
}

// configFromGGUF reads the configuration that a GGUF file's metadata and tensors tell.
func configFromGGUF(f *gguf.File) (Config, error) {
	r := &ggufReader{File: f, arch: f.Text("general.architecture")}
	var c Config
	if err := c.setFamily(r.arch); err != nil {
		return c, err
	}
	if n, _ := f.Uint("split.count"); n > 1 {
		return c, fmt.Errorf("%w: one of %d parts of a split model (merge them: llama-gguf-split --merge)", ErrUnsupported, n)
	}
	if n := r.numberOr("expert_count", 0); n > 0 {
		return c, fmt.Errorf("%w: a mixture of %d experts", ErrUnsupported, n)
	}
	c.Layers = r.number("block_count")
	c.Hidden = r.number("embedding_length")
	c.FFN = r.number("feed_forward_length")
	c.Heads = r.number("attention.head_count")
	if r.err != nil {
		return c, r.err
	}
	if c.Heads < 1 {
		return c, fmt.Errorf("%w: %d attention heads", ErrConfig, c.Heads)
	}
	c.KVHeads = r.numberOr("attention.head_count_kv", c.Heads)
	c.HeadDim = r.numberOr("attention.key_length", c.Hidden/c.Heads)
	c.MaxSeq = r.numberOr("context_length", 2048)
	c.NormEps = r.floatOr("attention.layer_norm_rms_epsilon", 1e-6)
	if v := r.numberOr("attention.value_length", c.HeadDim); v != c.HeadDim {
		return c, fmt.Errorf("%w: values of %d dimensions beside keys of %d", ErrUnsupported, v, c.HeadDim)
	}
	if v := r.numberOr("rope.dimension_count", c.HeadDim); v != c.HeadDim {
		return c, fmt.Errorf("%w: rotary embeddings on %d of %d dimensions", ErrUnsupported, v, c.HeadDim)
	}
	if v := r.floatOr("attn_logit_softcapping", 0); v != 0 {
		return c, fmt.Errorf("%w: attn_logit_softcapping %v", ErrUnsupported, v)
	}
	if embed, ok := f.Tensors["token_embd.weight"]; ok && len(embed.Shape) == 2 {
		c.Vocab = embed.Shape[0]
	} else {
		c.Vocab = r.number("vocab_size") // so that the missing tensor is what the error is about
	}
	if v := r.numberOr("vocab_size", c.Vocab); v != c.Vocab && r.err == nil {
		return c, fmt.Errorf("%w: token_embd.weight has %d rows, %s.vocab_size is %d", ErrTensorShape, c.Vocab, r.arch, v)
	}
	_, hasHead := f.Tensors["output.weight"]
	c.Tied = !hasHead
	has := func(tensor string) bool { _, ok := f.Tensors["blk.0."+tensor]; return ok }
	if has("attn_q.bias") {
		c.AttentionBias = true
	}
	c.OutputBias, c.MLPBias = has("attn_output.bias"), has("ffn_gate.bias")
	if err := r.sliding(&c); err != nil {
		return c, err
	}
	if err := r.rope(&c); err != nil {
		return c, err
	}
	if r.err != nil {
		return c, r.err
	}
	return c, c.finish()
}

func (r *ggufReader) sliding(c *Config) error {
	if c.Architecture == "qwen2" || c.Architecture == "qwen3" {
		return nil // their window is off in every published model, whatever its width in the metadata
	}
	c.Sliding = r.numberOr("attention.sliding_window", 0)
	c.SlidingLayers = c.everyLayer(true)
	if c.Architecture != "gemma3" {
		return nil
	}
	c.LogitSoftcap = r.floatOr("final_logit_softcapping", 0)
	pattern := r.arch + ".attention.sliding_window_pattern"
	if each, ok := r.Meta[pattern].([]bool); ok {
		if len(each) < c.Layers {
			return fmt.Errorf("%w: %s has %d layers of %d", ErrConfig, pattern, len(each), c.Layers)
		}
		c.SlidingLayers = slices.Clone(each[:c.Layers])
	} else {
		c.SlidingLayers = c.everyNth(r.numberOr("attention.sliding_window_pattern", 6))
	}
	// The metadata has no query scale: every published Gemma 3 divides by the root of the head dimension but 27B, which has 62
	// layers and divides by the root of hidden/heads.
	c.QueryScale = 1 / math.Sqrt(float64(max(c.HeadDim, 1)))
	if c.Layers == 62 {
		c.QueryScale = 1 / math.Sqrt(float64(c.Hidden)/float64(c.Heads))
	}
	return nil
}

func (r *ggufReader) rope(c *Config) error {
	base := 1e4
	if c.Architecture == "gemma3" {
		base = 1e6
		c.RopeLocalBase = r.floatOr("rope.freq_base_swa", 1e4)
	}
	c.RopeBase = r.floatOr("rope.freq_base", base)
	s := &RopeScaling{Type: r.Text(r.arch + ".rope.scaling.type"), Factor: r.floatOr("rope.scaling.factor", 1)}
	s.Original = r.numberOr("rope.scaling.original_context_length", c.MaxSeq)
	switch s.Type {
	case "", "none":
		if old := r.floatOr("rope.scale_linear", 1); old != 1 {
			s.Type, s.Factor = "linear", old
			c.RopeScaling = s
		}
	case "yarn":
		s.BetaFast, s.BetaSlow = r.floatOr("rope.scaling.yarn_beta_fast", 32), r.floatOr("rope.scaling.yarn_beta_slow", 1)
		s.Attention = yarnAttention(s.Factor, 1) * r.floatOr("rope.scaling.attn_factor", 1)
		c.RopeScaling = s
	default:
		c.RopeScaling = s
	}
	t, ok := r.Tensors["rope_freqs.weight"]
	if !ok {
		return nil
	}
	if c.RopeScaling != nil {
		return fmt.Errorf("%w: rope scaling %q and rope_freqs.weight at once", ErrUnsupported, s.Type)
	}
	if len(t.Shape) != 1 || t.Shape[0] != c.HeadDim/2 {
		return fmt.Errorf("%w: rope_freqs.weight is %v, the configuration asks for [%d]", ErrTensorShape, t.Shape, c.HeadDim/2)
	}
	values, err := t.Float32s()
	if err != nil {
		return err
	}
	s.Type, s.Factor, s.Factors = "factors", 0, make([]float64, len(values))
	for i, v := range values {
		s.Factors[i] = float64(v)
	}
	c.RopeScaling = s
	return nil
}
