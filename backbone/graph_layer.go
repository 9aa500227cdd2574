package backbone

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// Layer is one layer's own share of a graph.
type Layer struct {
	// Weights are the nodes of the layer's weights: q, k and v stacked as "qkv", gate and up as "gateup", and the others by
	// the names of Model.Weights behind the layer's number.
	Weights map[string]*Node
	// Adapter holds the nodes of the adapter's factors by module, and Scale its alpha/r. Nil for a layer without.
	Adapter map[string]LoRA
	Scale   float64
	Dropout Dropout
	// Targets [N] int32 are given to the last layer alone, which goes on with these of the B*T tokens after attention.
	Targets *Node
}

// Kept is what the way back needs of a layer; it computes the rest again, which costs little: norms, rotations, the
// softmax over attention's scores, the activation.
type Kept struct {
	X        *Node // what came in, [B*T, hidden]
	QKV      *Node // queries, keys and values before their norms and rotations, [B*T, (heads+2*kvHeads)*headDim]
	Attended *Node // attention's result, [B*T, heads*headDim]
	Mid      *Node // between the blocks, [B*T or N, hidden]
	GateUp   *Node // [B*T or N, 2*ffn]
	Proj     *Node // what attention's projection gave, only with post-norms, else nil
	Down     *Node // likewise of the feed-forward block
}

// Nodes lists what is kept, in order.
func (k *Kept) Nodes() []*Node {
	out := []*Node{k.X, k.QKV, k.Attended, k.Mid, k.GateUp}
	if k.Proj != nil {
		out = append(out, k.Proj, k.Down)
	}
	return out
}

// KeptOf undoes Nodes.
func KeptOf(nodes []*Node) Kept {
	k := Kept{X: nodes[0], QKV: nodes[1], Attended: nodes[2], Mid: nodes[3], GateUp: nodes[4]}
	if len(nodes) > 5 {
		k.Proj, k.Down = nodes[5], nodes[6]
	}
	return k
}

// Forward is one transformer layer over x [B*T, hidden]; the last one returns [N, hidden].
func (gr *Transformer) Forward(l *Layer, s Sight, x *Node) (*Node, Kept) {
	cfg := gr.Config
	kept := Kept{X: x}
	attnIn := gr.norm(x, l.Weights["attn_norm"])
	qkv := l.biased("qkv", gr.frozen(l, "qkv", attnIn))
	kept.QKV = gr.adapt(l, siteAttentionIn, attnIn, qkv)
	kept.Attended = gr.attend(gr.heads(l, s, kept.QKV))
	o, x := l.rows(kept.Attended), l.rows(x)

	proj := l.biased("o", gr.frozen(l, "o", o))
	proj = gr.adapt(l, siteAttentionOut, o, proj)
	if cfg.PostNorms {
		kept.Proj = proj
		proj = gr.norm(proj, l.Weights["post_attn_norm"])
	}
	kept.Mid = Add(x, proj)

	mlpIn := gr.norm(kept.Mid, l.Weights["mlp_norm"])
	gateUp := l.biased("gateup", gr.frozen(l, "gateup", mlpIn))
	kept.GateUp = gr.adapt(l, siteMLPIn, mlpIn, gateUp)
	gated := gr.gatedActivation(kept.GateUp)
	down := l.biased("down", gr.frozen(l, "down", gated))
	down = gr.adapt(l, siteMLPOut, gated, down)
	if cfg.PostNorms {
		kept.Down = down
		down = gr.norm(down, l.Weights["post_mlp_norm"])
	}
	return Add(kept.Mid, down), kept
}

// Backward is the reverse of Forward: the gradient of its output in, that of its input out, and the gradients of
// the adapter's factors by module. It is written out rather than derived: it never computes gradients of frozen
// weights, and keeps its products in DType.
func (gr *Transformer) Backward(l *Layer, s Sight, kept Kept, dx *Node) (*Node, map[string]LoRA) {
	cfg := gr.Config
	grads := map[string]LoRA{}
	// feed-forward block
	dDown := dx
	if cfg.PostNorms {
		dDown = gr.normBack(kept.Down, l.Weights["post_mlp_norm"], dx)
	}
	dGated := gr.frozenBack(l, "down", dDown)
	dGated = addMaybe(dGated, gr.adaptBack(l, siteMLPOut, func() *Node { return gr.gatedActivation(kept.GateUp) }, dDown, grads))
	dGateUp := gr.gatedActivationBack(kept.GateUp, dGated)
	dMlpIn := gr.frozenBack(l, "gateup", dGateUp)
	dMlpIn = addMaybe(dMlpIn, gr.adaptBack(l, siteMLPIn, func() *Node { return gr.norm(kept.Mid, l.Weights["mlp_norm"]) }, dGateUp, grads))
	dMid := Add(dx, gr.normBack(kept.Mid, l.Weights["mlp_norm"], dMlpIn))

	// attention block
	dProj := dMid
	if cfg.PostNorms {
		dProj = gr.normBack(kept.Proj, l.Weights["post_attn_norm"], dMid)
	}
	do := gr.frozenBack(l, "o", dProj)
	do = addMaybe(do, gr.adaptBack(l, siteAttentionOut, func() *Node { return l.rows(kept.Attended) }, dProj, grads))
	if l.Targets != nil { // from the target rows back to all rows
		do, dMid = gr.scatterRows(do, l.Targets), gr.scatterRows(dMid, l.Targets)
	}
	dq, dk, dv := gr.attendBack(gr.heads(l, s, kept.QKV), s.Looks, kept.Attended, do)
	dQKV := gr.headsBack(l, s, kept.QKV, dq, dk, dv)
	dAdapter := gr.adaptBack(l, siteAttentionIn, func() *Node { return gr.norm(kept.X, l.Weights["attn_norm"]) }, dQKV, grads)
	dAttnIn := addMaybe(gr.frozenBack(l, "qkv", dQKV), dAdapter)
	return Add(dMid, gr.normBack(kept.X, l.Weights["attn_norm"], dAttnIn)), grads
}

// biased adds a projection's bias where the model has one.
func (l *Layer) biased(name string, y *Node) *Node {
	if b := l.Weights[name+".bias"]; b != nil {
		return Add(y, ExpandAxes(b, 0))
	}
	return y
}

// rows are those of the targets in the last layer, else all.
func (l *Layer) rows(x *Node) *Node {
	if l.Targets == nil {
		return x
	}
	return Gather(x, ExpandAxes(l.Targets, -1))
}
