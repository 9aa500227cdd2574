package backbone

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Architectures are the families that can be loaded, as Config.Architecture names them.
func Architectures() []string { return []string{"llama", "mistral", "qwen2", "qwen3", "gemma3"} }

func unknownArchitecture(name string) error {
	return fmt.Errorf("%w: %q (known: %s)", ErrUnknownArchitecture, name, strings.Join(Architectures(), ", "))
}

// Bounds on what a configuration may say, far above any real model, so that hostile numbers end in an error and not in memory.
const (
	maxLayers = 1 << 12
	maxWidth  = 1 << 20
	maxVocab  = 1 << 24
	maxTokens = 1 << 30
)

// setFamily sets what a family always has.
func (c *Config) setFamily(architecture string) error {
	if !slices.Contains(Architectures(), architecture) {
		return unknownArchitecture(architecture)
	}
	c.Architecture = architecture
	c.Activation = "silu"
	switch architecture {
	case "qwen2":
		c.AttentionBias = true
	case "qwen3":
		c.QKNorm = true
	case "gemma3":
		c.QKNorm, c.NormPlusOne, c.PostNorms = true, true, true
		c.Activation = "gelu_tanh"
	}
	return nil
}

// finish checks a configuration that has been read and fills in what follows from the rest.
func (c *Config) finish() error {
	for _, v := range []struct {
		name   string
		value  int
		atMost int
	}{
		{"number of layers", c.Layers, maxLayers},
		{"hidden size", c.Hidden, maxWidth},
		{"feed-forward width", c.FFN, maxWidth},
		{"number of attention heads", c.Heads, maxWidth},
		{"number of key-value heads", c.KVHeads, maxWidth},
		{"head dimension", c.HeadDim, maxWidth},
		{"vocabulary size", c.Vocab, maxVocab},
		{"context length", c.MaxSeq, maxTokens},
	} {
		if v.value < 1 || v.value > v.atMost {
			return fmt.Errorf("%w: %s is %d, not in 1 to %d", ErrConfig, v.name, v.value, v.atMost)
		}
	}
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%w: %d attention heads do not share %d key-value heads evenly", ErrConfig, c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("%w: head dimension %d is odd, rotary embeddings need pairs", ErrConfig, c.HeadDim)
	case c.Heads*c.HeadDim > maxWidth:
		return fmt.Errorf("%w: %d heads of %d dimensions", ErrConfig, c.Heads, c.HeadDim)
	case !(c.NormEps >= 0 && c.NormEps < 1):
		return fmt.Errorf("%w: norm epsilon is %v", ErrConfig, c.NormEps)
	case !(c.RopeBase > 1 && c.RopeBase < 1e15), c.RopeLocalBase != 0 && !(c.RopeLocalBase > 1 && c.RopeLocalBase < 1e15):
		return fmt.Errorf("%w: rotary bases are %v and %v", ErrConfig, c.RopeBase, c.RopeLocalBase)
	case c.Sliding < 0 || c.Sliding > maxTokens:
		return fmt.Errorf("%w: sliding window of %d tokens", ErrConfig, c.Sliding)
	case len(c.SlidingLayers) != 0 && len(c.SlidingLayers) != c.Layers:
		return fmt.Errorf("%w: %d layer types for %d layers", ErrConfig, len(c.SlidingLayers), c.Layers)
	case !(c.QueryScale >= 0 && c.QueryScale < 1e6), !(c.LogitSoftcap >= 0 && c.LogitSoftcap < 1e9):
		return fmt.Errorf("%w: query scale %v, logit soft cap %v", ErrConfig, c.QueryScale, c.LogitSoftcap)
	}
	if c.Sliding == 0 || !slices.Contains(c.SlidingLayers, true) {
		c.Sliding, c.SlidingLayers = 0, nil
	}
	if c.Architecture == "gemma3" {
		c.EmbeddingScale = math.Sqrt(float64(c.Hidden))
	}
	if s := c.RopeScaling; s != nil {
		if err := s.finish(c.HeadDim, c.RopeBase); err != nil {
			return err
		}
		if s.Type == "yarn" {
			// Scaling cosines and sines by a scales q.k by a².
			if c.QueryScale == 0 {
				c.QueryScale = 1 / math.Sqrt(float64(c.HeadDim))
			}
			c.QueryScale *= s.Attention * s.Attention
		}
	}
	return nil
}

// everyLayer is a SlidingLayers with all layers alike.
func (c *Config) everyLayer(sliding bool) []bool {
	if c.Layers < 0 || c.Layers > maxLayers {
		return nil // finish will say so
	}
	out := make([]bool, c.Layers)
	for i := range out {
		out[i] = sliding
	}
	return out
}

// everyNth lets all layers slide but each n-th.
func (c *Config) everyNth(n int) []bool {
	out := c.everyLayer(true)
	for i := range out {
		out[i] = n < 1 || (i+1)%n != 0
	}
	return out
}
