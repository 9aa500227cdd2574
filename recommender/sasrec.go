package recommender

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
	"github.com/gomlx/gomlx/ml/nn"
)

// sasRec (Kang and McAuley 2018) lets every place of the history attend to itself and to the places before it, in two blocks of one head, with an
// embedding of each place; the state of the newest place is multiplied with the target's embedding, from the table that the history's come from.
type sasRec struct{}

const sasRecBlocks = 2

func (sasRec) parameters(s sizes) []parameter {
	ps := append(sequenceParameters(s), biases("item bias", items, s), constant,
		parameter{name: "place", rows: s.history, cols: s.dim, spread: embeddingSpread})
	ps = append(ps, normParameters("last norm", s)...)
	spread := 1 / math.Sqrt(float64(s.dim))
	for b := range sasRecBlocks {
		for _, m := range []string{"query", "key", "value", "out", "up", "down"} {
			ps = append(ps, parameter{name: fmt.Sprintf("%s %d", m, b), rows: s.dim, cols: s.dim, spread: spread})
		}
		ps = append(ps, normParameters(fmt.Sprintf("attention norm %d", b), s)...)
		ps = append(ps, normParameters(fmt.Sprintf("forward norm %d", b), s)...)
		ps = append(ps, parameter{name: fmt.Sprintf("up bias %d", b), rows: 1, cols: s.dim}, parameter{name: fmt.Sprintf("down bias %d", b), rows: 1, cols: s.dim})
	}
	return ps
}

func normParameters(name string, s sizes) []parameter {
	return []parameter{{name: name, rows: 1, cols: s.dim, ones: true}, {name: name + " bias", rows: 1, cols: s.dim}}
}

func (v *view) norm(x *Node, name string) *Node {
	return nn.LayerNorm(x, []int{-1}, 1e-8, Reshape(v.param[name], v.sizes.dim), Reshape(v.param[name+" bias"], v.sizes.dim), nil)
}

func (sasRec) score(v *view) *Node {
	g, d, h := v.item.Graph(), v.sizes.dim, v.sizes.history
	times := func(x *Node, name string) *Node {
		places := x.Shape().Dimensions[1]
		return Reshape(MatMul(Reshape(x, v.batch*places, d), v.param[name]), v.batch, places, d)
	}
	newest := func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(h-1, h), AxisRange()) }
	x := v.dropped(Add(v.sequence(), Reshape(v.param["place"], 1, h, d)))
	// A place sees those up to itself that hold an item. Itself it always sees, so that no row of the softmax is empty.
	before := ConvertDType(LowerTriangular(g, h), x.DType())
	itself := ConvertDType(Diagonal(g, h), x.DType())
	sees := Max(Mul(Reshape(before, 1, h, h), Reshape(v.there, v.batch, 1, h)), Reshape(itself, 1, h, h))
	hidden := MulScalar(OneMinus(sees), -1e9)
	for b := range sasRecBlocks {
		n := func(name string) string { return fmt.Sprintf("%s %d", name, b) }
		y := v.norm(x, n("attention norm"))
		asks := y
		if b == sasRecBlocks-1 { // only the newest place's state is asked for
			asks, x, hidden = newest(y), newest(x), newest(hidden)
		}
		scores := MulScalar(Einsum("bqd,bkd->bqk", times(asks, n("query")), times(y, n("key"))), 1/math.Sqrt(float64(d)))
		mixed := Einsum("bqk,bkd->bqd", v.dropped(Softmax(Add(scores, hidden), -1)), times(y, n("value")))
		x = Add(x, v.dropped(times(mixed, n("out"))))
		y = relu(Add(times(v.norm(x, n("forward norm")), n("up")), Reshape(v.param[n("up bias")], 1, 1, d)))
		x = Add(x, v.dropped(Add(times(y, n("down")), Reshape(v.param[n("down bias")], 1, 1, d))))
	}
	return Add(ReduceSum(Mul(v.norm(Squeeze(x, 1), "last norm"), v.rows("item", byTarget)), -1), v.base())
}
