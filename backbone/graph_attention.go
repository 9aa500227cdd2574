package backbone

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

const masked = -1e30

// attentionMask is 0 where token i may look at token j and a huge negative number elsewhere, [B, 1, T, T] float32.
func (gr *Transformer) attentionMask(in Inputs, sliding int) *Node {
	g := in.Tokens.Graph()
	b, t := gr.batch, gr.time
	square := shapes.Make(dtypes.Int32, 1, t, t)
	row, col := Iota(g, square, 1), Iota(g, square, 2)
	of := func(x *Node) *Node { return Reshape(x, b, t, 1) } // by the looking token
	at := func(x *Node) *Node { return Reshape(x, b, 1, t) } // by the token looked at
	ok := And(GreaterOrEqual(row, col), Equal(of(in.Segments), at(in.Segments)))
	step := at(in.Steps)
	ok = And(ok, Or(LessThan(step, Scalar(g, dtypes.Int32, 0)), GreaterOrEqual(step, of(in.Lowest))))
	if sliding > 0 {
		near := LessThan(Sub(of(in.Positions), at(in.Positions)), Scalar(g, dtypes.Int32, sliding))
		ok = And(ok, near)
	}
	mask := Where(ok, Scalar(g, dtypes.Float32, 0), Scalar(g, dtypes.Float32, masked))
	return barrier(Reshape(mask, b, 1, t, t))
}

// splitQuery brings q [B*T, heads*d] to [B*kvHeads, group*T, d]: the heads that share keys stand under each other, so that
// attention is two plain batched products.
func (gr *Transformer) splitQuery(q *Node) *Node {
	c := gr.Config
	x := Reshape(q, gr.batch, gr.time, c.KVHeads, c.Heads/c.KVHeads, c.HeadDim)
	x = TransposeAllAxes(x, 0, 2, 3, 1, 4)
	return Reshape(x, gr.batch*c.KVHeads, c.Heads/c.KVHeads*gr.time, c.HeadDim)
}

// joinQuery undoes splitQuery.
func (gr *Transformer) joinQuery(x *Node) *Node {
	c := gr.Config
	x = Reshape(x, gr.batch, c.KVHeads, c.Heads/c.KVHeads, gr.time, c.HeadDim)
	x = TransposeAllAxes(x, 0, 3, 1, 2, 4)
	return Reshape(x, gr.batch*gr.time, c.Heads*c.HeadDim)
}

// splitKeyValue brings k or v [B*T, kvHeads*d] to [B*kvHeads, T, d].
func (gr *Transformer) splitKeyValue(k *Node) *Node {
	c := gr.Config
	x := TransposeAllAxes(Reshape(k, gr.batch, gr.time, c.KVHeads, c.HeadDim), 0, 2, 1, 3)
	return Reshape(x, gr.batch*c.KVHeads, gr.time, c.HeadDim)
}

func (gr *Transformer) joinKeyValue(x *Node) *Node {
	c := gr.Config
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
// layout of splitQuery, and the probabilities [B*kvHeads, group*T, T].
func (gr *Transformer) attend(q, k, v, mask *Node) (o, probs *Node) {
	scores := batched(q, 2, k, 2)
	probs = gr.softmax(scores, mask)
	return batched(probs, 2, v, 1), probs
}

func (gr *Transformer) softmax(scores, mask *Node) *Node {
	c := gr.Config
	s := MulScalar(ConvertDType(scores, dtypes.Float32), gr.queryScale())
	group := c.Heads / c.KVHeads
	s = Reshape(s, gr.batch, c.KVHeads*group, gr.time, gr.time)
	s = Add(s, mask)
	s = Exp(Sub(s, StopGradient(ReduceAndKeep(s, ReduceMax, -1))))
	p := Div(s, ReduceAndKeep(s, ReduceSum, -1))
	return ConvertDType(Reshape(p, gr.batch*c.KVHeads, group*gr.time, gr.time), gr.DType)
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
