package backbone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
)

// hfConfig is config.json as Transformers writes it, in the layout of versions 4 and 5. A nil pointer is a key that is not there or null.
type hfConfig struct {
	ModelType         string    `json:"model_type"`
	TextConfig        *hfConfig `json:"text_config"`
	HiddenSize        *int      `json:"hidden_size"`
	IntermediateSize  *int      `json:"intermediate_size"`
	Layers            *int      `json:"num_hidden_layers"`
	Heads             *int      `json:"num_attention_heads"`
	KVHeads           *int      `json:"num_key_value_heads"`
	HeadDim           *int      `json:"head_dim"`
	VocabSize         *int      `json:"vocab_size"`
	MaxPosition       *int      `json:"max_position_embeddings"`
	NormEps           *float64  `json:"rms_norm_eps"`
	HiddenAct         *string   `json:"hidden_act"`
	HiddenActivation  *string   `json:"hidden_activation"`
	Tied              *bool     `json:"tie_word_embeddings"`
	AttentionBias     bool      `json:"attention_bias"`
	MLPBias           bool      `json:"mlp_bias"`
	SlidingWindow     optional  `json:"sliding_window"`
	UseSlidingWindow  bool      `json:"use_sliding_window"`
	MaxWindowLayers   *int      `json:"max_window_layers"`
	LayerTypes        []string  `json:"layer_types"`
	SlidingPattern    *int      `json:"sliding_window_pattern"`
	OldSlidingPattern *int      `json:"_sliding_window_pattern"`
	QueryPreAttn      *float64  `json:"query_pre_attn_scalar"`
	FinalSoftcap      *float64  `json:"final_logit_softcapping"`
	AttnSoftcap       *float64  `json:"attn_logit_softcapping"`
	Bidirectional     *bool     `json:"use_bidirectional_attention"`
	PartialRotary     *float64  `json:"partial_rotary_factor"`

	RopeTheta      *float64        `json:"rope_theta"`
	RopeLocalBase  *float64        `json:"rope_local_base_freq"`
	RopeScaling    *hfRope         `json:"rope_scaling"`
	RopeParameters json.RawMessage `json:"rope_parameters"`

	Quantization json.RawMessage `json:"quantization_config"`
}

// hfRope is rope_scaling, or version 5's rope_parameters.
type hfRope struct {
	RopeType  string   `json:"rope_type"`
	OldType   string   `json:"type"`
	Theta     *float64 `json:"rope_theta"`
	Factor    float64  `json:"factor"`
	Low       float64  `json:"low_freq_factor"`
	High      float64  `json:"high_freq_factor"`
	Original  *float64 `json:"original_max_position_embeddings"`
	BetaFast  *float64 `json:"beta_fast"`
	BetaSlow  *float64 `json:"beta_slow"`
	Attention *float64 `json:"attention_factor"`
	MScale    float64  `json:"mscale"`
	MScaleAll float64  `json:"mscale_all_dim"`
	Truncate  *bool    `json:"truncate"`
	Partial   *float64 `json:"partial_rotary_factor"`
}

// optional tells a key that is null from one that is not there.
type optional struct {
	set   bool
	value *int
}

func (o *optional) UnmarshalJSON(b []byte) error {
	o.set = true
	return json.Unmarshal(b, &o.value)
}

// ParseConfig reads a config.json. A multimodal Gemma 3's text_config is used.
func ParseConfig(text []byte) (Config, error) {
	var h hfConfig
	if err := json.Unmarshal(bytes.TrimSpace(text), &h); err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	architecture := h.ModelType
	switch architecture {
	case "gemma3":
		if h.TextConfig == nil {
			return Config{}, fmt.Errorf("%w: model_type gemma3 without text_config", ErrConfig)
		}
		inner := h.TextConfig
		if inner.Tied == nil {
			inner.Tied = h.Tied
		}
		if inner.Quantization == nil {
			inner.Quantization = h.Quantization
		}
		h = *inner
	case "gemma3_text":
		architecture = "gemma3"
	case "":
		return Config{}, fmt.Errorf("%w: no model_type", ErrConfig)
	}
	var c Config
	if err := c.setFamily(architecture); err != nil {
		return Config{}, err
	}
	if err := h.fill(&c); err != nil {
		return Config{}, err
	}
	return c, c.finish()
}

func or[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}

func (h *hfConfig) fill(c *Config) error {
	if err := h.refuse(); err != nil {
		return err
	}
	// What Transformers assumes where a key is not there. Gemma 3's published files rely on it; elsewhere the sizes must be said.
	def := hfConfig{MaxPosition: new(2048)}
	switch c.Architecture {
	case "mistral":
		def = hfConfig{MaxPosition: new(4096 * 32), KVHeads: new(8)}
	case "qwen2":
		def = hfConfig{MaxPosition: new(32768)}
	case "qwen3":
		def = hfConfig{MaxPosition: new(32768), HeadDim: new(128)}
	case "gemma3":
		def = hfConfig{HiddenSize: new(2304), IntermediateSize: new(9216), Layers: new(26), Heads: new(8), KVHeads: new(4),
			HeadDim: new(256), VocabSize: new(262208), MaxPosition: new(131072), Tied: new(true)}
	}
	for _, v := range []struct {
		name          string
		to            *int
		value, assume *int
	}{
		{"hidden_size", &c.Hidden, h.HiddenSize, def.HiddenSize},
		{"intermediate_size", &c.FFN, h.IntermediateSize, def.IntermediateSize},
		{"num_hidden_layers", &c.Layers, h.Layers, def.Layers},
		{"num_attention_heads", &c.Heads, h.Heads, def.Heads},
		{"vocab_size", &c.Vocab, h.VocabSize, def.VocabSize},
		{"max_position_embeddings", &c.MaxSeq, h.MaxPosition, def.MaxPosition},
	} {
		if v.value == nil {
			v.value = v.assume
		}
		if v.value == nil {
			return fmt.Errorf("%w: no %s", ErrConfig, v.name)
		}
		*v.to = *v.value
	}
	if c.Heads < 1 {
		return fmt.Errorf("%w: num_attention_heads is %d", ErrConfig, c.Heads)
	}
	c.KVHeads = or(h.KVHeads, or(def.KVHeads, c.Heads))
	c.HeadDim = or(h.HeadDim, or(def.HeadDim, c.Hidden/c.Heads))
	c.NormEps = or(h.NormEps, 1e-6)
	c.Tied = or(h.Tied, or(def.Tied, false))
	switch c.Architecture {
	case "llama":
		c.AttentionBias, c.OutputBias, c.MLPBias = h.AttentionBias, h.AttentionBias, h.MLPBias
	case "qwen3", "gemma3":
		c.AttentionBias, c.OutputBias = h.AttentionBias, h.AttentionBias
	}
	if c.Architecture == "gemma3" {
		scalar := or(h.QueryPreAttn, 256)
		if !(scalar > 0) {
			return fmt.Errorf("%w: query_pre_attn_scalar is %v", ErrConfig, scalar)
		}
		c.QueryScale = 1 / math.Sqrt(scalar)
		c.LogitSoftcap = or(h.FinalSoftcap, 0)
	}
	if err := h.activation(c); err != nil {
		return err
	}
	if err := h.sliding(c); err != nil {
		return err
	}
	return h.rope(c)
}

// refuse names what would change the computation in a way that is not done here.
func (h *hfConfig) refuse() error {
	if q := string(bytes.TrimSpace(h.Quantization)); q != "" && q != "null" {
		return fmt.Errorf("%w: quantization_config (load the unquantized weights, or a GGUF file)", ErrUnsupported)
	}
	if v := or(h.AttnSoftcap, 0); v != 0 {
		return fmt.Errorf("%w: attn_logit_softcapping %v", ErrUnsupported, v)
	}
	if or(h.Bidirectional, false) {
		return fmt.Errorf("%w: use_bidirectional_attention", ErrUnsupported)
	}
	if v := or(h.PartialRotary, 1); v != 1 {
		return fmt.Errorf("%w: partial_rotary_factor %v", ErrUnsupported, v)
	}
	return nil
}

func (h *hfConfig) activation(c *Config) error {
	act := h.HiddenAct
	if c.Architecture == "gemma3" && h.HiddenActivation != nil {
		act = h.HiddenActivation
	}
	if act == nil {
		return nil
	}
	switch *act {
	case "silu", "swish":
		c.Activation = "silu"
	case "gelu_pytorch_tanh", "gelu_new":
		c.Activation = "gelu_tanh"
	default:
		return fmt.Errorf("%w: activation %q (silu and gelu_pytorch_tanh are)", ErrUnsupported, *act)
	}
	return nil
}

func (h *hfConfig) sliding(c *Config) error {
	window := 4096
	if h.SlidingWindow.set {
		window = or(h.SlidingWindow.value, 0)
	}
	switch c.Architecture {
	case "llama":
		return nil
	case "mistral":
		c.Sliding, c.SlidingLayers = window, c.everyLayer(true)
		return nil
	case "qwen2", "qwen3":
		if !h.UseSlidingWindow {
			return nil
		}
		c.SlidingLayers = c.everyLayer(true)
		for i := range min(max(or(h.MaxWindowLayers, 28), 0), len(c.SlidingLayers)) {
			c.SlidingLayers[i] = false
		}
	case "gemma3":
		c.SlidingLayers = c.everyNth(or(h.SlidingPattern, or(h.OldSlidingPattern, 6)))
	}
	c.Sliding = window
	if h.LayerTypes == nil {
		return nil
	}
	if len(h.LayerTypes) != c.Layers {
		return fmt.Errorf("%w: %d layer_types for %d layers", ErrConfig, len(h.LayerTypes), c.Layers)
	}
	for i, t := range h.LayerTypes {
		switch t {
		case "full_attention":
			c.SlidingLayers[i] = false
		case "sliding_attention":
			c.SlidingLayers[i] = true
		default:
			return fmt.Errorf("%w: layer type %q of layer %d", ErrUnsupported, t, i)
		}
	}
	return nil
}

// rope reads the rotary base and scaling from rope_theta and rope_scaling, or from rope_parameters, which for Gemma 3 has one part
// for each kind of layer.
func (h *hfConfig) rope(c *Config) error {
	full, local := hfRope{}, hfRope{}
	if h.RopeScaling != nil {
		full = *h.RopeScaling
	}
	if len(h.RopeParameters) > 0 && string(h.RopeParameters) != "null" {
		var parts map[string]json.RawMessage
		if err := json.Unmarshal(h.RopeParameters, &parts); err != nil {
			return fmt.Errorf("%w: rope_parameters: %w", ErrConfig, err)
		}
		read := func(raw json.RawMessage, to *hfRope) error {
			if err := json.Unmarshal(raw, to); err != nil {
				return fmt.Errorf("%w: rope_parameters: %w", ErrConfig, err)
			}
			return nil
		}
		if c.Architecture == "gemma3" && (parts["full_attention"] != nil || parts["sliding_attention"] != nil) {
			for name, to := range map[string]*hfRope{"full_attention": &full, "sliding_attention": &local} {
				if raw := parts[name]; raw != nil {
					if err := read(raw, to); err != nil {
						return err
					}
				}
			}
		} else if err := read(h.RopeParameters, &full); err != nil {
			return err
		}
	}
	base := 1e4
	if c.Architecture == "gemma3" {
		base = 1e6
		c.RopeLocalBase = or(local.Theta, or(h.RopeLocalBase, 1e4))
		if s, err := local.scaling(c.MaxSeq); err != nil {
			return err
		} else if s != nil {
			return fmt.Errorf("%w: rope scaling %q of sliding-window layers", ErrUnsupported, s.Type)
		}
	}
	c.RopeBase = or(full.Theta, or(h.RopeTheta, base))
	var err error
	c.RopeScaling, err = full.scaling(c.MaxSeq)
	return err
}

func (r *hfRope) scaling(maxSeq int) (*RopeScaling, error) {
	if v := or(r.Partial, 1); v != 1 {
		return nil, fmt.Errorf("%w: partial_rotary_factor %v", ErrUnsupported, v)
	}
	kind := r.RopeType
	if kind == "" {
		kind = r.OldType
	}
	original := or(r.Original, float64(maxSeq))
	if !(original >= 1 && original <= maxTokens) {
		return nil, fmt.Errorf("%w: original_max_position_embeddings is %v", ErrConfig, original)
	}
	s := &RopeScaling{Type: kind, Factor: r.Factor, Original: int(original)}
	switch kind {
	case "", "default", "dynamic":
		return nil, nil
	case "llama3":
		s.LowFreq, s.HighFreq = r.Low, r.High
	case "yarn":
		if s.Factor == 0 {
			s.Factor = float64(maxSeq) / original
		}
		s.BetaFast, s.BetaSlow, s.NoTruncate = or(r.BetaFast, 32), or(r.BetaSlow, 1), !or(r.Truncate, true)
		s.Attention = yarnAttention(s.Factor, 1)
		if r.MScale != 0 && r.MScaleAll != 0 {
			s.Attention = yarnAttention(s.Factor, r.MScale) / yarnAttention(s.Factor, r.MScaleAll)
		}
		s.Attention = or(r.Attention, s.Attention)
	}
	return s, nil // finish names a type that is not known
}
