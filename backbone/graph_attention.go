package backbone

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

const masked = -1e30

// splitQuery brings q [B*T, heads*d] to [B*kvHeads*blocks, group*block, d]: the heads that share keys stand under each other, so
// that attention is two plain batched products.
func (gr *Transformer) splitQuery(q *Node) *Node {
	c, n := gr.Config, gr.blocks()
	x := Reshape(q, gr.Batch, n, gr.block(), c.KVHeads, c.Heads/c.KVHeads, c.HeadDim)
	x = TransposeAllAxes(x, 0, 3, 1, 4, 2, 5)
	return Reshape(x, gr.Batch*c.KVHeads*n, c.Heads/c.KVHeads*gr.block(), c.HeadDim)
}

// joinQuery undoes splitQuery.
func (gr *Transformer) joinQuery(x *Node) *Node {
	c, n := gr.Config, gr.blocks()
	x = Reshape(x, gr.Batch, c.KVHeads, n, c.Heads/c.KVHeads, gr.block(), c.HeadDim)
	x = TransposeAllAxes(x, 0, 2, 4, 1, 3, 5)
	return Reshape(x, gr.Batch*gr.Time, c.Heads*c.HeadDim)
}

// splitKeyValue brings k or v [B*T, kvHeads*d] to every block's keys, [B*kvHeads*blocks, keys, d].
func (gr *Transformer) splitKeyValue(k, looks *Node) *Node {
	c := gr.Config
	x := TransposeAllAxes(Reshape(k, gr.Batch, gr.Time, c.KVHeads, c.HeadDim), 0, 2, 1, 3)
	x = gr.extend(Reshape(x, gr.Batch*c.KVHeads, gr.Time, c.HeadDim), looks)
	return Reshape(x, gr.Batch*c.KVHeads*gr.blocks(), gr.keys(), c.HeadDim)
}

// joinKeyValue carries a gradient back through splitKeyValue.
func (gr *Transformer) joinKeyValue(x, looks *Node) *Node {
	c := gr.Config
	x = gr.extendBack(Reshape(x, gr.Batch*c.KVHeads, gr.blocks(), gr.keys(), c.HeadDim), looks)
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

// heads brings queries, keys and values [B*T, (heads+2*kvHeads)*headDim] to attention's layouts, normalized and rotated.
func (gr *Transformer) heads(l *Layer, s Sight, qkv *Node) (q, k, v *Node) {
	c := gr.Config
	q, k, v = gr.parts(qkv)
	if c.QKNorm {
		q = gr.headNorm(q, l.Weights["q_norm"])
		k = gr.headNorm(k, l.Weights["k_norm"])
	}
	q = gr.rotate(q, c.Heads, s, false)
	k = gr.rotate(k, c.KVHeads, s, false)
	return gr.splitQuery(q), gr.splitKeyValue(k, s.Looks), gr.splitKeyValue(v, s.Looks)
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

// attend is masked softmax attention over the layouts of splitQuery and splitKeyValue; its result is in that of splitQuery.
func (gr *Transformer) attend(q, k, v, mask *Node) *Node {
	return batched(gr.probabilities(q, k, mask), 2, v, 1)
}

// probabilities are attention's, [B*kvHeads*blocks, group*block, keys].
func (gr *Transformer) probabilities(q, k, mask *Node) *Node {
	c := gr.Config
	scores := batched(q, 2, k, 2)
	s := MulScalar(ConvertDType(scores, dtypes.Float32), gr.queryScale())
	group, n := c.Heads/c.KVHeads, gr.blocks()
	s = Reshape(s, gr.Batch, c.KVHeads, n, group, gr.block(), gr.keys())
	s = Add(s, mask)
	s = Exp(Sub(s, StopGradient(ReduceAndKeep(s, ReduceMax, -1))))
	p := Div(s, ReduceAndKeep(s, ReduceSum, -1))
	return ConvertDType(Reshape(p, scores.Shape().Dimensions...), gr.DType)
}

// attendBack carries the gradient of attend's result o back to q, k and v, all in the layouts of attend.
func (gr *Transformer) attendBack(q, k, v, mask, o, do *Node) (dq, dk, dv *Node) {
	probs := gr.probabilities(q, k, mask)
	dv = batched(turned(probs), 2, do, 1)
	dp := ConvertDType(batched(do, 2, v, 2), dtypes.Float32)
	rowDot := ReduceAndKeep(Mul(ConvertDType(do, dtypes.Float32), ConvertDType(o, dtypes.Float32)), ReduceSum, -1)
	ds := MulScalar(Mul(ConvertDType(probs, dtypes.Float32), Sub(dp, rowDot)), gr.queryScale())
	ds = ConvertDType(ds, gr.DType)
	dq = batched(ds, 2, k, 1)
	dk = batched(turned(ds), 2, q, 1)
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
