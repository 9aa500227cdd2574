package recommender

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

type attentive struct{ kind string }

func (a attentive) parameters(s sizes) []parameter {
	sp := 1 / math.Sqrt(float64(s.dim))
	ps := []parameter{
		itemTable("item", s), itemTable("target", s), biases("item bias", items, s), biases("history bias", items, s), constant,
		{name: "label", rows: s.dim, cols: s.dim, spread: sp}, {name: "label bias", rows: 1, cols: s.dim, spread: embeddingSpread},
		{name: "word", rows: s.words, cols: s.dim, spread: embeddingSpread},
		userTable("user", s), biases("user bias", users, s),
		{name: "recency", rows: s.history, cols: 1, ones: true},
		{name: "general", rows: s.history, cols: 1},
		{name: "kernel", rows: s.dim, cols: s.dim, spread: sp},
		{name: "m1", rows: 4 * s.dim, cols: s.dim, spread: 1 / math.Sqrt(float64(4*s.dim))}, {name: "m1 bias", rows: 1, cols: s.dim},
		{name: "m2", rows: s.dim, cols: 1, spread: .01},
	}
	for _, m := range []string{"query", "key", "value"} {
		ps = append(ps, parameter{name: m, rows: s.dim, cols: s.dim, spread: sp})
	}
	_ = fmt.Sprint
	return ps
}

func (a attentive) score(v *view) *Node {
	d, h := v.sizes.dim, v.sizes.history
	times := func(x *Node, name string) *Node {
		dims := append([]int(nil), x.Shape().Dimensions...)
		return Reshape(MatMul(Reshape(x, -1, d), v.param[name]), dims...)
	}
	_ = times
	// residuals of the history: label less what the item's bias says
	hb := v.bias("history bias", byHistory)
	l01 := MulScalar(AddScalar(v.label, 1), .5)
	res := Mul(Sub(l01, Sigmoid(AddScalar(hb, .3))), v.there) // [B,H]
	t := v.rows("target", byTarget)
	e := v.rows("item", byHistory)
	out := v.base()
	// user general
	out = Add(out, ReduceSum(Mul(res, Reshape(v.param["general"], 1, h)), 1))
	switch a.kind {
	case "kernel": // low-rank kernel with recency
		w := Mul(res, Reshape(v.param["recency"], 1, h))
		mixed := Einsum("bh,bhd->bd", w, v.dropped(e))
		out = Add(out, ReduceSum(Mul(v.dropped(t), mixed), 1))
	case "kerneluser":
		w := Mul(res, Reshape(v.param["recency"], 1, h))
		mixed := Einsum("bh,bhd->bd", w, v.dropped(e))
		mixed = Add(mixed, v.dropped(v.rows("user", byUser)))
		out = Add(out, ReduceSum(Mul(v.dropped(t), mixed), 1))
		out = Add(out, v.bias("user bias", byUser))
	case "user":
		out = Add(out, ReduceSum(Mul(v.dropped(t), v.dropped(v.rows("user", byUser))), 1))
		out = Add(out, v.bias("user bias", byUser))
	case "din":
		x := v.sequence()
		q := times(t, "query")
		s := MulScalar(Einsum("bd,bhd->bh", q, times(x, "key")), 1/math.Sqrt(float64(d)))
		att := Softmax(Sub(s, MulScalar(OneMinus(v.there), 1e9)), -1)
		mixed := Einsum("bh,bhd->bd", att, times(x, "value"))
		z := Concatenate([]*Node{t, mixed, Mul(t, mixed), MulScalar(Einsum("bh,bhd->bd", res, e), .3)}, -1)
		z = relu(Add(MatMul(v.dropped(z), v.param["m1"]), v.param["m1 bias"]))
		out = Add(out, Squeeze(MatMul(v.dropped(z), v.param["m2"]), -1))
	}
	return out
}

func init() {
	for _, k := range []string{"kernel", "kerneluser", "user", "din", "bias"} {
		architectures[k] = func(Options) architecture { return attentive{k} }
	}
}
