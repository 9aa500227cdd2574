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
	x := Reshape(q, gr.batch, n, gr.band.Block, c.KVHeads, c.Heads/c.KVHeads, c.HeadDim)
	x = TransposeAllAxes(x, 0, 3, 1, 4, 2, 5)
	return Reshape(x, gr.batch*c.KVHeads*n, c.Heads/c.KVHeads*gr.band.Block, c.HeadDim)
}

// joinQuery undoes splitQuery.
func (gr *Transformer) joinQuery(x *Node) *Node {
	c, n := gr.Config, gr.blocks()
	x = Reshape(x, gr.batch, c.KVHeads, n, c.Heads/c.KVHeads, gr.band.Block, c.HeadDim)
	x = TransposeAllAxes(x, 0, 2, 4, 1, 3, 5)
	return Reshape(x, gr.batch*gr.time, c.Heads*c.HeadDim)
}

// splitKeyValue brings k or v [B*T, kvHeads*d] to every block's keys, [B*kvHeads*blocks, keys, d].
func (gr *Transformer) splitKeyValue(k *Node) *Node {
	c := gr.Config
	x := TransposeAllAxes(Reshape(k, gr.batch, gr.time, c.KVHeads, c.HeadDim), 0, 2, 1, 3)
	x = gr.extend(Reshape(x, gr.batch*c.KVHeads, gr.time, c.HeadDim))
	return Reshape(x, gr.batch*c.KVHeads*gr.blocks(), gr.band.Keys(), c.HeadDim)
}

// joinKeyValue carries a gradient back through splitKeyValue.
func (gr *Transformer) joinKeyValue(x *Node) *Node {
	c := gr.Config
	x = gr.extendBack(Reshape(x, gr.batch*c.KVHeads, gr.blocks(), gr.band.Keys(), c.HeadDim))
	x = TransposeAllAxes(Reshape(x, gr.batch, c.KVHeads, gr.time, c.HeadDim), 0, 2, 1, 3)
	return Reshape(x, gr.batch*gr.time, c.KVHeads*c.HeadDim)
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

// attend is masked softmax attention over the layouts of splitQuery and splitKeyValue. It returns the output, in the
// layout of splitQuery, and the probabilities [B*kvHeads*blocks, group*block, keys].
func (gr *Transformer) attend(q, k, v, mask *Node) (o, probs *Node) {
	scores := batched(q, 2, k, 2)
	probs = gr.softmax(scores, mask)
	return batched(probs, 2, v, 1), probs
}

func (gr *Transformer) softmax(scores, mask *Node) *Node {
	c := gr.Config
	s := MulScalar(ConvertDType(scores, dtypes.Float32), gr.queryScale())
	group, n := c.Heads/c.KVHeads, gr.blocks()
	s = Reshape(s, gr.batch, c.KVHeads, n, group, gr.band.Block, gr.band.Keys())
	s = Add(s, mask)
	s = Exp(Sub(s, StopGradient(ReduceAndKeep(s, ReduceMax, -1))))
	p := Div(s, ReduceAndKeep(s, ReduceSum, -1))
	return ConvertDType(Reshape(p, scores.Shape().Dimensions...), gr.DType)
}

// attendBack carries the gradient of the output back to q, k and v, all in the layouts of attend.
func (gr *Transformer) attendBack(q, k, v, probs, o, do *Node) (dq, dk, dv *Node) {
	dv = batched(turned(probs), 2, do, 1)
	dp := ConvertDType(batched(do, 2, v, 2), dtypes.Float32)
	rowDot := ReduceAndKeep(Mul(ConvertDType(do, dtypes.Float32), ConvertDType(o, dtypes.Float32)), ReduceSum, -1)
	ds := MulScalar(Mul(ConvertDType(probs, dtypes.Float32), Sub(dp, rowDot)), gr.queryScale())
	ds = ConvertDType(ds, gr.DType)
	dq = batched(ds, 2, k, 1)
	dk = batched(turned(ds), 2, q, 1)
	return dq, dk, dv
}
