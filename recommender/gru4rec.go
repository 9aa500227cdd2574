package recommender

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// gru4Rec (Hidasi et al. 2016) runs a gated recurrent unit over the history, oldest item first, and multiplies its last state with the
// target's own embedding. Padding leaves the state as it is.
type gru4Rec struct{}

func (gru4Rec) parameters(s sizes) []parameter {
	spread := 1 / math.Sqrt(float64(s.dim))
	return append(sequenceParameters(s), itemTable("target", s), biases("item bias", items, s), constant,
		parameter{name: "gru input", rows: s.dim, cols: 3 * s.dim, spread: spread},
		parameter{name: "gru state", rows: s.dim, cols: 3 * s.dim, spread: spread},
		parameter{name: "gru bias", rows: 2, cols: 3 * s.dim},
	)
}

func (gru4Rec) score(v *view) *Node {
	g, d := v.item.Graph(), v.sizes.dim
	bias := func(k int) *Node { return Slice(v.param["gru bias"], AxisRange(k, k+1), AxisRange()) }
	x := v.dropped(v.sequence())
	flat := Reshape(x, v.batch*v.sizes.history, d)
	inputs := Reshape(Add(MatMul(flat, v.param["gru input"]), bias(0)), v.batch, v.sizes.history, 3*d)
	part := func(n *Node, k int) *Node { return Slice(n, AxisRange(), AxisRange(k*d, (k+1)*d)) }
	state := Zeros(g, shapeOf(v.batch, d))
	for t := range v.sizes.history {
		in := Squeeze(Slice(inputs, AxisRange(), AxisElem(t), AxisRange()), 1)
		rec := Add(MatMul(state, v.param["gru state"]), bias(1))
		reset := Sigmoid(Add(part(in, 0), part(rec, 0)))
		keep := Sigmoid(Add(part(in, 1), part(rec, 1)))
		fresh := Tanh(Add(part(in, 2), Mul(reset, part(rec, 2))))
		next := Add(Mul(keep, state), Mul(OneMinus(keep), fresh))
		there := Slice(v.there, AxisRange(), AxisElem(t)) // [batch, 1]
		state = Add(state, Mul(there, Sub(next, state)))
	}
	return Add(ReduceSum(Mul(v.dropped(state), v.rows("target", byTarget)), -1), v.base())
}
