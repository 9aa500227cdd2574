package backbone

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas

	"lsat/adapter"
)

// Gradients carries dLogOdds [N] back to the adapter's factors. The reverse pass is written out rather than derived: it
// never computes gradients of frozen weights, stops at the lowest adapted layer, and keeps its products in DType.
func (gr *Transformer) Gradients(t *Tape, dLogOdds *Node) map[adapter.Key]LoRA {
	cfg := gr.Config
	grads := map[adapter.Key]LoRA{}
	d := ExpandAxes(dLogOdds, -1)
	dLogits := Concatenate([]*Node{d, Neg(d)}, -1) // [N, 2]
	if c := cfg.LogitSoftcap; c != 0 {
		th := Tanh(MulScalar(t.logits, 1/c))
		dLogits = Mul(dLogits, OneMinus(Square(th)))
	}
	dh := Dot(dLogits, t.in.Heads).General([]int{1}, nil, []int{0}, nil)
	dx := gr.normBack(t.last, "norm", dh)
	lowest := cfg.Layers
	for k := range gr.Adapter {
		lowest = min(lowest, k.Layer)
	}
	for n := cfg.Layers - 1; n >= lowest; n-- {
		dx = gr.layerBack(n, t.layers[n], t.in.Targets, dx, n > lowest, grads)
	}
	return grads
}

// layerBack is the reverse of layer: the gradient of its output in, that of its input out (nil unless needInput).
func (gr *Transformer) layerBack(n int, t *tape, targets, dx *Node, needInput bool, grads map[adapter.Key]LoRA) *Node {
	cfg := gr.Config
	// feed-forward block
	dDown := dx
	if cfg.PostNorms {
		dDown = gr.normBack(t.down, layerName(n, "post_mlp_norm"), dx)
	}
	dGated := denseBack(dDown, gr.weight(n, "down"))
	dGated = addMaybe(dGated, gr.loraBack(n, t, "mlp_out", map[string]*Node{"down_proj": dDown}, true, grads))
	dGU := gr.gatedActivationBack(t.gate, t.up, dGated)
	dMlpIn := denseBack(dGU, gr.weight(n, "gateup"))
	dMlpIn = addMaybe(dMlpIn, gr.loraBack(n, t, "mlp_in", map[string]*Node{
		"gate_proj": columns(dGU, 0, cfg.FFN), "up_proj": columns(dGU, cfg.FFN, 2*cfg.FFN)}, true, grads))
	dMid := Add(dx, gr.normBack(t.mid, layerName(n, "mlp_norm"), dMlpIn))

	// attention
	dProj := dMid
	if cfg.PostNorms {
		dProj = gr.normBack(t.attnProj, layerName(n, "post_attn_norm"), dMid)
	}
	do := denseBack(dProj, gr.weight(n, "o"))
	do = addMaybe(do, gr.loraBack(n, t, "attn_out", map[string]*Node{"o_proj": dProj}, true, grads))
	if n == cfg.Layers-1 { // from the target rows back to all rows
		do, dMid = gr.scatterRows(do, targets), gr.scatterRows(dMid, targets)
	}
	dq, dk, dv := gr.attendBack(t.q, t.k, t.v, t.probs, t.attended, gr.splitQuery(do))
	dqFlat := gr.rotate(gr.joinQuery(dq), cfg.Heads, gr.kind(n), true)
	dkFlat := gr.rotate(gr.joinKeyValue(dk), cfg.KVHeads, gr.kind(n), true)
	dvFlat := gr.joinKeyValue(dv)
	if cfg.QKNorm {
		dqFlat = gr.headNormBack(t.qPre, layerName(n, "q_norm"), dqFlat)
		dkFlat = gr.headNormBack(t.kPre, layerName(n, "k_norm"), dkFlat)
	}
	dLora := gr.loraBack(n, t, "attn_in", map[string]*Node{"q_proj": dqFlat, "k_proj": dkFlat, "v_proj": dvFlat}, needInput, grads)
	if !needInput {
		return nil
	}
	dAttnIn := denseBack(Concatenate([]*Node{dqFlat, dkFlat, dvFlat}, -1), gr.weight(n, "qkv"))
	dAttnIn = addMaybe(dAttnIn, dLora)
	return Add(dMid, gr.normBack(t.x, layerName(n, "attn_norm"), dAttnIn))
}

// scatterRows puts the rows of x [N, width] at their targets' places in [B*T, width]; rows of the same target add up.
func (gr *Transformer) scatterRows(x, targets *Node) *Node {
	shape := x.Shape().Clone()
	shape.Dimensions[0] = gr.batch * gr.time
	shape.DType = dtypes.Float32
	y := Scatter(ExpandAxes(targets, -1), ConvertDType(x, dtypes.Float32), shape, false, false)
	return ConvertDType(y, gr.DType)
}
