package randommodel

import "fmt"

// Shape is a model of the Llama family as its config.json tells it.
type Shape struct {
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
func (s Shape) tensors() []tensor {
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
