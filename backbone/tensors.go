package backbone

import (
	"fmt"
	"slices"
)

// part is one tensor of every layer, by its name here and in the two kinds of files.
type part struct {
	name, hf, gguf string
}

var (
	attentionParts = []part{
		{"attn_norm", "input_layernorm.weight", "attn_norm.weight"},
		{"q", "self_attn.q_proj.weight", "attn_q.weight"},
		{"k", "self_attn.k_proj.weight", "attn_k.weight"},
		{"v", "self_attn.v_proj.weight", "attn_v.weight"},
		{"q.bias", "self_attn.q_proj.bias", "attn_q.bias"},
		{"k.bias", "self_attn.k_proj.bias", "attn_k.bias"},
		{"v.bias", "self_attn.v_proj.bias", "attn_v.bias"},
		{"q_norm", "self_attn.q_norm.weight", "attn_q_norm.weight"},
		{"k_norm", "self_attn.k_norm.weight", "attn_k_norm.weight"},
		{"o", "self_attn.o_proj.weight", "attn_output.weight"},
		{"o.bias", "self_attn.o_proj.bias", "attn_output.bias"},
	}
	// The same word stands for different norms: with two norms around each block, post_attention_layernorm is the one after
	// attention; with one before each block, it is the one before the feed-forward block.
	plainNorms = []part{
		{"mlp_norm", "post_attention_layernorm.weight", "ffn_norm.weight"},
	}
	postNorms = []part{
		{"post_attn_norm", "post_attention_layernorm.weight", "post_attention_norm.weight"},
		{"mlp_norm", "pre_feedforward_layernorm.weight", "ffn_norm.weight"},
		{"post_mlp_norm", "post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
	}
	feedForwardParts = []part{
		{"gate", "mlp.gate_proj.weight", "ffn_gate.weight"},
		{"up", "mlp.up_proj.weight", "ffn_up.weight"},
		{"down", "mlp.down_proj.weight", "ffn_down.weight"},
		{"gate.bias", "mlp.gate_proj.bias", "ffn_gate.bias"},
		{"up.bias", "mlp.up_proj.bias", "ffn_up.bias"},
		{"down.bias", "mlp.down_proj.bias", "ffn_down.bias"},
	}
)

func (c Config) parts() []part {
	norms := plainNorms
	if c.PostNorms {
		norms = postNorms
	}
	return slices.Concat(attentionParts, norms, feedForwardParts)
}

// partShape is the shape of a layer's tensor, nil if this model has none of that name.
func (c Config) partShape(name string) []int {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	when := func(has bool, shape ...int) []int {
		if !has {
			return nil
		}
		return shape
	}
	switch name {
	case "attn_norm", "mlp_norm":
		return []int{c.Hidden}
	case "post_attn_norm", "post_mlp_norm":
		return when(c.PostNorms, c.Hidden)
	case "q":
		return []int{q, c.Hidden}
	case "k", "v":
		return []int{kv, c.Hidden}
	case "q.bias":
		return when(c.AttentionBias, q)
	case "k.bias", "v.bias":
		return when(c.AttentionBias, kv)
	case "q_norm", "k_norm":
		return when(c.QKNorm, c.HeadDim)
	case "o":
		return []int{c.Hidden, q}
	case "o.bias":
		return when(c.OutputBias, c.Hidden)
	case "gate", "up":
		return []int{c.FFN, c.Hidden}
	case "down":
		return []int{c.Hidden, c.FFN}
	case "gate.bias", "up.bias":
		return when(c.MLPBias, c.FFN)
	case "down.bias":
		return when(c.MLPBias, c.Hidden)
	}
	return nil
}

// wanted is one tensor that a model must have.
type wanted struct {
	// name is the canonical name, file the name in the file, part the layer's tensor ("" outside of layers).
	name, file, part string
	shape            []int
}

// tensors lists every tensor that the configuration asks for. names gives the file's names of the embedding, the last norm and the head,
// and the prefix of layer n.
func (c Config) tensors(names fileNames) []wanted {
	out := []wanted{
		{"embed", names.embed, "", []int{c.Vocab, c.Hidden}},
		{"norm", names.norm, "", []int{c.Hidden}},
	}
	if !c.Tied {
		out = append(out, wanted{"head", names.head, "", []int{c.Vocab, c.Hidden}})
	}
	for n := range c.Layers {
		for _, p := range c.parts() {
			if shape := c.partShape(p.name); shape != nil {
				out = append(out, wanted{fmt.Sprintf("layers.%d.%s", n, p.name), names.layer(n, p), p.name, shape})
			}
		}
	}
	return out
}

// Shapes gives the shape of every weight that the configuration asks for, by its canonical name.
func (c Config) Shapes() map[string][]int {
	out := map[string][]int{}
	for _, w := range c.tensors(fileNames{layer: func(int, part) string { return "" }}) {
		out[w.name] = w.shape
	}
	return out
}

type fileNames struct {
	embed, norm, head string
	layer             func(n int, p part) string
}

func missing(file string, w wanted) error {
	return fmt.Errorf("%s: %w: %s (%s), of shape %v", file, ErrMissingTensor, w.file, w.name, w.shape)
}

func misshapen(file string, w wanted, found []int) error {
	return fmt.Errorf("%s: %w: %s (%s) is %v, the configuration asks for %v", file, ErrTensorShape, w.file, w.name, found, w.shape)
}
