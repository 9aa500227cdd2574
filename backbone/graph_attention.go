package backbone

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

const masked = -1e30

// compared is what the blocks of a span compare: queries in the layout of splitQuery, keys and values in that of splitKeyValue, and the mask.
type compared struct {
	span
	q, k, v, mask *Node
}

// splitQuery brings a span's blocks of q [B*T, heads*d] to [B*kvHeads*blocks, group*block, d]: the heads that share keys stand under each other, so
// that attention is two plain batched products.
func (gr *Transformer) splitQuery(q *Node, sp span) *Node {
	c := gr.Config
	x := sp.of(Reshape(q, gr.Batch, gr.blocks(), gr.block(), c.KVHeads, c.Heads/c.KVHeads, c.HeadDim))
	x = TransposeAllAxes(x, 0, 3, 1, 4, 2, 5)
	return Reshape(x, gr.Batch*c.KVHeads*sp.blocks, c.Heads/c.KVHeads*gr.block(), c.HeadDim)
}

// joinQuery undoes splitQuery, for all spans.
func (gr *Transformer) joinQuery(xs []*Node) *Node {
	c := gr.Config
	var all []*Node
	for i, sp := range gr.spans() {
		x := Reshape(xs[i], gr.Batch, c.KVHeads, sp.blocks, c.Heads/c.KVHeads, gr.block(), c.HeadDim)
		all = append(all, TransposeAllAxes(x, 0, 2, 4, 1, 3, 5))
	}
	return Reshape(concatenate(all, 1), gr.Batch*gr.Time, c.Heads*c.HeadDim)
}

// headsFirst brings k or v [B*T, kvHeads*d] to [B*kvHeads, T, d].
func (gr *Transformer) headsFirst(k *Node) *Node {
	c := gr.Config
	x := TransposeAllAxes(Reshape(k, gr.Batch, gr.Time, c.KVHeads, c.HeadDim), 0, 2, 1, 3)
	return Reshape(x, gr.Batch*c.KVHeads, gr.Time, c.HeadDim)
}

// splitKeyValue brings what headsFirst gives to the keys of a span's blocks, [B*kvHeads*blocks, keys, d].
func (gr *Transformer) splitKeyValue(x, looks *Node, sp span) *Node {
	return Reshape(gr.extend(x, looks, sp), gr.Batch*gr.Config.KVHeads*sp.blocks, sp.keys, gr.Config.HeadDim)
}

// joinKeyValue carries the spans' gradients back through splitKeyValue and headsFirst.
func (gr *Transformer) joinKeyValue(xs []*Node, looks *Node) *Node {
	c := gr.Config
	var all []*Node
	for i, sp := range gr.spans() {
		all = append(all, Reshape(xs[i], gr.Batch*c.KVHeads, sp.blocks, sp.keys, c.HeadDim))
	}
	x := gr.extendBack(all, looks)
	x = TransposeAllAxes(Reshape(x, gr.Batch, c.KVHeads, gr.Time, c.HeadDim), 0, 2, 1, 3)
	return Reshape(x, gr.Batch*gr.Time, c.KVHeads*c.HeadDim)
}

func (gr *Transformer) queryScale() float64 {
	if gr.Config.QueryScale != 0 {
		return gr.Config.QueryScale
	}
	return 1 / math.Sqrt(float64(gr.Config.HeadDim))
}

// batched is a batched product over the leading axis, in the operands' own type.
func batched(a *Node, aAxis int, b *Node, bAxis int) *Node {
	return Dot(a, b).WithAccumulatorDType(dtypes.InvalidDType).General([]int{aAxis}, []int{0}, []int{bAxis}, []int{0})
}

// turned swaps the last two axes of x, in memory. XLA CPU would otherwise express the swap as a layout, for which its library
// has no bfloat16 product, and go through float32 copies; a flat array has one layout only, so behind the barrier the swap
// has been done.
func turned(x *Node) *Node {
	y := Transpose(x, -1, -2)
	return Reshape(barrier(Reshape(y, -1)), y.Shape().Dimensions...)
}

// heads brings queries, keys and values [B*T, (heads+2*kvHeads)*headDim] to attention's layouts, normalized and rotated, span by span.
func (gr *Transformer) heads(l *Layer, s Sight, qkv *Node) []compared {
	c := gr.Config
	q, k, v := gr.parts(qkv)
	if c.QKNorm {
		q = gr.headNorm(q, l.Weights["q_norm"])
		k = gr.headNorm(k, l.Weights["k_norm"])
	}
	q = gr.rotate(q, c.Heads, s, false)
	k = gr.rotate(k, c.KVHeads, s, false)
	k, v = gr.headsFirst(k), gr.headsFirst(v)
	var out []compared
	for i, sp := range gr.spans() {
		out = append(out, compared{sp, gr.splitQuery(q, sp), gr.splitKeyValue(k, s.Looks, sp), gr.splitKeyValue(v, s.Looks, sp), s.Masks[i]})
	}
	return out
}

// headsBack carries gradients of the rotated queries, keys and values, each [B*T, width], back through heads.
func (gr *Transformer) headsBack(l *Layer, s Sight, qkv, dq, dk, dv *Node) *Node {
	c := gr.Config
	dq = gr.rotate(dq, c.Heads, s, true)
	dk = gr.rotate(dk, c.KVHeads, s, true)
	if c.QKNorm {
		q, k, _ := gr.parts(qkv)
		dq = gr.headNormBack(q, l.Weights["q_norm"], dq)
		dk = gr.headNormBack(k, l.Weights["k_norm"], dk)
	}
	return Concatenate([]*Node{dq, dk, dv}, -1)
}

// parts are the queries', keys' and values' columns.
func (gr *Transformer) parts(qkv *Node) (q, k, v *Node) {
	qw, kw := gr.Config.Heads*gr.Config.HeadDim, gr.Config.KVHeads*gr.Config.HeadDim
	return columns(qkv, 0, qw), columns(qkv, qw, qw+kw), columns(qkv, qw+kw, qw+2*kw)
}

// attend is masked softmax attention, [B*T, heads*d].
func (gr *Transformer) attend(cs []compared) *Node {
	var out []*Node
	for _, c := range cs {
		out = append(out, batched(gr.probabilities(c), 2, c.v, 1))
	}
	return gr.joinQuery(out)
}

// probabilities are attention's, [B*kvHeads*blocks, group*block, keys].
func (gr *Transformer) probabilities(a compared) *Node {
	c := gr.Config
	scores := batched(a.q, 2, a.k, 2)
	s := MulScalar(ConvertDType(scores, dtypes.Float32), gr.queryScale())
	s = Reshape(s, gr.Batch, c.KVHeads, a.blocks, c.Heads/c.KVHeads, gr.block(), a.keys)
	s = Add(s, a.mask)
	s = Exp(Sub(s, StopGradient(ReduceAndKeep(s, ReduceMax, -1))))
	p := Div(s, ReduceAndKeep(s, ReduceSum, -1))
	return ConvertDType(Reshape(p, scores.Shape().Dimensions...), gr.DType)
}

// attendBack carries the gradient do of attend's result o, both [B*T, heads*d], back to q [B*T, heads*d] and to k and v [B*T, kvHeads*d].
func (gr *Transformer) attendBack(cs []compared, looks, o, do *Node) (dq, dk, dv *Node) {
	n := len(cs)
	dqs, dks, dvs := make([]*Node, n), make([]*Node, n), make([]*Node, n)
	for i, c := range cs {
		dqs[i], dks[i], dvs[i] = gr.spanBack(c, gr.splitQuery(o, c.span), gr.splitQuery(do, c.span))
	}
	return gr.joinQuery(dqs), gr.joinKeyValue(dks, looks), gr.joinKeyValue(dvs, looks)
}

// spanBack carries the gradient do of what a span's attention gave, o, back to its queries, keys and values.
func (gr *Transformer) spanBack(c compared, o, do *Node) (dq, dk, dv *Node) {
	probs := gr.probabilities(c)
	dv = batched(turned(probs), 2, do, 1)
	dp := ConvertDType(batched(do, 2, c.v, 2), dtypes.Float32)
	rowDot := ReduceAndKeep(Mul(ConvertDType(do, dtypes.Float32), ConvertDType(o, dtypes.Float32)), ReduceSum, -1)
	ds := MulScalar(Mul(ConvertDType(probs, dtypes.Float32), Sub(dp, rowDot)), gr.queryScale())
	ds = ConvertDType(ds, gr.DType)
	dq = batched(ds, 2, c.k, 1)
	dk = batched(turned(ds), 2, c.q, 1)
	return dq, dk, dv
}

// scatterRows puts the rows of x [N, width] at their targets' places in [B*T, width]; rows of the same target add up.
func (gr *Transformer) scatterRows(x, targets *Node) *Node {
	shape := x.Shape().Clone()
	shape.Dimensions[0] = gr.Batch * gr.Time
	shape.DType = dtypes.Float32
	y := Scatter(ExpandAxes(targets, -1), ConvertDType(x, dtypes.Float32), shape, false, false)
	return ConvertDType(y, gr.DType)
}
