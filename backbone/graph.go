package backbone

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas

	"lsat/adapter"
)

// Inputs are a batch of packed rows as graph nodes. B is the number of rows, T their length in tokens, N the number of
// targets. All are int32 but Heads.
type Inputs struct {
	// Tokens [B, T] are token ids, Positions [B, T] their places within their own sequence.
	Tokens, Positions *Node
	// Hidden [B*T, hidden], if given, are the tokens' hidden states at the input of layer From, computed by HiddenStates; Tokens then
	// give no more than the shape.
	Hidden *Node
	// From is the layer that computing starts at: 0, or that of Hidden.
	From int
	// Segments [B, T] number the sequences within a row: a token sees its own segment only, and SharedSegment.
	Segments *Node
	// Steps [B, T] are the ordinals of items (-1: always visible), and Lowest [B, T] the smallest ordinal that a token may see.
	Steps, Lowest *Node
	// Band bounds what attention compares.
	Band Band
	// Targets [N] are indices into the B*T tokens.
	Targets *Node
	// Heads [2, hidden] are the output head's rows of the yes word and of the no word, float32.
	Heads *Node
}

// LoRA are one projection's adapter factors as graph nodes, float32: A [r, in], B [out, r].
type LoRA struct{ A, B *Node }

// Dropout describes the random dropping of adapter inputs in a training step.
type Dropout struct {
	// Rate is the probability of dropping; 0 means none and then Seed may be nil.
	Rate float64
	// Seed is a uint32 scalar node.
	Seed *Node
}

// Transformer builds a backbone's computation. It is used once, within one graph-building function; like every GoMLX graph
// function, its methods panic on inconsistent shapes, which the caller turns into an error.
type Transformer struct {
	Config Config
	// DType is the type that activations and products have; norms, softmax and the loss are always float32.
	DType dtypes.DType
	// Weights are the nodes of DeviceWeights, by name.
	Weights map[string]*Node
	// Adapter holds the nodes of the adapter's factors, and Scale its alpha/r. Nil for the bare backbone.
	Adapter map[adapter.Key]LoRA
	Scale   float64
	Dropout Dropout

	batch, time int
	band        Band
	cos, sin    [2]*Node // rotary tables [B*T, 1, headDim/2]: of full and of sliding layers
	mask        [2]*Node // additive attention masks, float32, likewise
}

// tape keeps what the backward pass of one layer needs.
type tape struct {
	x, attnIn, q, k, v, probs, attended, attnProj *Node
	mid, mlpIn, gate, up, gated, down             *Node
	qPre, kPre                                    *Node // before the q/k norms
	lora                                          map[string]*loraTape
}

type loraTape struct {
	input  *Node // after dropout
	factor *Node // the dropout mask, nil without
	z      *Node // input A^T of every module that shares the input, side by side
	slots  []string
}

// HiddenStates returns the states of all tokens at the input of a layer, [B*T, hidden]: what LogOdds can start from.
func (gr *Transformer) HiddenStates(in Inputs, layer int) *Node {
	gr.prepare(in)
	x := gr.embed(in)
	for n := range layer {
		x, _ = gr.layer(n, x, nil)
	}
	return x
}

func (gr *Transformer) embed(in Inputs) *Node {
	x := Gather(gr.Weights["embed"], Reshape(in.Tokens, gr.batch*gr.time, 1))
	if s := gr.Config.EmbeddingScale; s != 0 && s != 1 {
		x = MulScalar(x, s)
	}
	return x
}

// LogOdds returns logit(yes) - logit(no) at every target, [N] float32, and the state that Gradients needs.
func (gr *Transformer) LogOdds(in Inputs) (*Node, *Tape) {
	gr.prepare(in)
	cfg := gr.Config
	x := in.Hidden
	if x == nil {
		x = gr.embed(in)
	}
	t := &Tape{in: in, layers: make([]*tape, cfg.Layers)}
	for n := in.From; n < cfg.Layers; n++ {
		x, t.layers[n] = gr.layer(n, x, in.Targets)
	}
	// The last layer has kept the target rows only.
	t.last = x
	h := gr.norm(x, "norm")
	logits := Dot(ConvertDType(h, dtypes.Float32), in.Heads).General([]int{1}, nil, []int{1}, nil) // [N, 2]
	t.logits = logits
	if c := cfg.LogitSoftcap; c != 0 {
		logits = MulScalar(Tanh(MulScalar(logits, 1/c)), c)
	}
	yes := Reshape(Slice(logits, AxisRange(), AxisRange(0, 1)), -1)
	no := Reshape(Slice(logits, AxisRange(), AxisRange(1, 2)), -1)
	return Sub(yes, no), t
}

// Tape is the state between LogOdds and Gradients.
type Tape struct {
	in           Inputs
	layers       []*tape
	last, logits *Node
}

// prepare builds what all layers share: the rotary tables and the attention masks.
func (gr *Transformer) prepare(in Inputs) {
	dims := in.Tokens.Shape().Dimensions
	gr.batch, gr.time, gr.band = dims[0], dims[1], in.Band
	if gr.band.Block == 0 {
		gr.band = Band{Block: gr.time}
	}
	gr.cos[0], gr.sin[0] = gr.rotary(in.Positions, gr.Config.RopeBase, gr.Config.RopeScaling)
	gr.mask[0] = gr.attentionMask(in, 0)
	if gr.Config.Sliding > 0 {
		gr.mask[1] = gr.attentionMask(in, gr.Config.Sliding)
		if base := gr.Config.RopeLocalBase; base != 0 {
			gr.cos[1], gr.sin[1] = gr.rotary(in.Positions, base, nil)
		} else {
			gr.cos[1], gr.sin[1] = gr.cos[0], gr.sin[0]
		}
	}
}

// kind is 1 for sliding-window layers, which have their own mask and rotary table, and 0 for the others.
func (gr *Transformer) kind(layer int) int {
	if gr.Config.Sliding > 0 && layer < len(gr.Config.SlidingLayers) && gr.Config.SlidingLayers[layer] {
		return 1
	}
	return 0
}

func (gr *Transformer) weight(layer int, name string) *Node {
	return gr.Weights[layerName(layer, name)]
}

func layerName(layer int, name string) string { return fmt.Sprintf("layers.%d.%s", layer, name) }

// layer is one transformer block over x [B*T, hidden]. The last block goes on with the target rows alone after attention.
func (gr *Transformer) layer(n int, x *Node, targets *Node) (*Node, *tape) {
	cfg := gr.Config
	t := &tape{x: x, lora: map[string]*loraTape{}}
	t.attnIn = gr.norm(x, layerName(n, "attn_norm"))

	qkv := dense(t.attnIn, gr.weight(n, "qkv"))
	if b := gr.weight(n, "qkv.bias"); b != nil {
		qkv = Add(qkv, ExpandAxes(b, 0))
	}
	qw, kw := cfg.Heads*cfg.HeadDim, cfg.KVHeads*cfg.HeadDim
	delta := gr.loraForward(n, t, "attn_in", t.attnIn, "q_proj", "k_proj", "v_proj")
	q := addMaybe(columns(qkv, 0, qw), delta["q_proj"])
	k := addMaybe(columns(qkv, qw, qw+kw), delta["k_proj"])
	v := addMaybe(columns(qkv, qw+kw, qw+2*kw), delta["v_proj"])
	t.qPre, t.kPre = q, k
	if cfg.QKNorm {
		q = gr.headNorm(q, layerName(n, "q_norm"))
		k = gr.headNorm(k, layerName(n, "k_norm"))
	}
	q = gr.rotate(q, cfg.Heads, gr.kind(n), false)
	k = gr.rotate(k, cfg.KVHeads, gr.kind(n), false)
	t.q, t.k, t.v = gr.splitQuery(q), gr.splitKeyValue(k), gr.splitKeyValue(v)
	var o *Node
	o, t.probs = gr.attend(t.q, t.k, t.v, gr.mask[gr.kind(n)])
	t.attended = o
	o = gr.joinQuery(o)
	if n == cfg.Layers-1 && targets != nil {
		rows := ExpandAxes(targets, -1)
		o, x = Gather(o, rows), Gather(x, rows)
	}

	proj := dense(o, gr.weight(n, "o"))
	if b := gr.weight(n, "o.bias"); b != nil {
		proj = Add(proj, ExpandAxes(b, 0))
	}
	proj = addMaybe(proj, gr.loraForward(n, t, "attn_out", o, "o_proj")["o_proj"])
	t.attnProj = proj
	if cfg.PostNorms {
		proj = gr.norm(proj, layerName(n, "post_attn_norm"))
	}
	x = Add(x, proj)
	t.mid = x

	t.mlpIn = gr.norm(x, layerName(n, "mlp_norm"))
	gu := dense(t.mlpIn, gr.weight(n, "gateup"))
	if b := gr.weight(n, "gateup.bias"); b != nil {
		gu = Add(gu, ExpandAxes(b, 0))
	}
	delta = gr.loraForward(n, t, "mlp_in", t.mlpIn, "gate_proj", "up_proj")
	t.gate = addMaybe(columns(gu, 0, cfg.FFN), delta["gate_proj"])
	t.up = addMaybe(columns(gu, cfg.FFN, 2*cfg.FFN), delta["up_proj"])
	t.gated = gr.gatedActivation(t.gate, t.up)
	down := dense(t.gated, gr.weight(n, "down"))
	if b := gr.weight(n, "down.bias"); b != nil {
		down = Add(down, ExpandAxes(b, 0))
	}
	down = addMaybe(down, gr.loraForward(n, t, "mlp_out", t.gated, "down_proj")["down_proj"])
	t.down = down
	if cfg.PostNorms {
		down = gr.norm(down, layerName(n, "post_mlp_norm"))
	}
	return Add(x, down), t
}

// dense is x W^T: x [rows, in], w [out, in]. It asks for no accumulator type: with one, GoMLX's gradients and go-xla's products
// convert or copy the weights (XLA accumulates bfloat16 products in float32 anyway).
func dense(x, w *Node) *Node {
	return Dot(x, w).WithAccumulatorDType(dtypes.InvalidDType).General([]int{1}, nil, []int{1}, nil)
}

// denseBack is y W, the product that carries a gradient back through dense: y [rows, out], w [out, in].
func denseBack(y, w *Node) *Node {
	return Dot(y, w).WithAccumulatorDType(dtypes.InvalidDType).General([]int{1}, nil, []int{0}, nil)
}

// overRows is a^T b in float32, a sum over the rows of both: a [rows, m], b [rows, n] -> [m, n]. The
// first one is turned over in memory, so it should be the narrow one.
func overRows(a, b *Node) *Node {
	return Dot(turned(a), b).WithAccumulatorDType(dtypes.InvalidDType).WithOutputDType(dtypes.Float32).
		General([]int{1}, nil, []int{0}, nil)
}

func columns(x *Node, from, to int) *Node { return Slice(x, AxisRange(), AxisRange(from, to)) }

func addMaybe(x, y *Node) *Node {
	if y == nil {
		return x
	}
	return Add(x, y)
}
