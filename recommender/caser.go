package recommender

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// caser (Tang and Wang 2018) looks at the history as an image of items by dimensions: horizontal filters over 2, 3 and 4 items in a row, each with its
// maximum over the places, and vertical ones, weighted sums over the places. A linear layer makes a state of both, which stands beside the
// user's embedding and is multiplied with the target's.
type caser struct{}

const (
	horizontalFilters = 16 // of each height
	verticalFilters   = 4
)

// heights are those of the horizontal filters; a history too short for one does without.
func (caser) heights(s sizes) []int {
	var out []int
	for h := 2; h <= min(4, s.history); h++ {
		out = append(out, h)
	}
	return out
}

func (c caser) parameters(s sizes) []parameter {
	ps := append(sequenceParameters(s), userTable("user", s), itemTable("target", s), itemTable("target of user", s), biases("item bias", items, s), constant)
	width := verticalFilters * s.dim
	for _, h := range c.heights(s) {
		ps = append(ps, parameter{name: fmt.Sprintf("horizontal %d", h), rows: h * s.dim, cols: horizontalFilters, spread: 1 / math.Sqrt(float64(h*s.dim))},
			parameter{name: fmt.Sprintf("horizontal %d bias", h), rows: 1, cols: horizontalFilters})
		width += horizontalFilters
	}
	return append(ps, parameter{name: "vertical", rows: s.history, cols: verticalFilters, spread: 1 / math.Sqrt(float64(s.history))},
		parameter{name: "state", rows: width, cols: s.dim, spread: 1 / math.Sqrt(float64(width))}, parameter{name: "state bias", rows: 1, cols: s.dim})
}

func (c caser) score(v *view) *Node {
	d := v.sizes.dim
	x := v.sequence()
	var found []*Node
	for _, h := range c.heights(v.sizes) {
		places := v.sizes.history - h + 1
		var rows []*Node
		for k := range h {
			rows = append(rows, Slice(x, AxisRange(), AxisRange(k, k+places), AxisRange()))
		}
		windows := Reshape(Concatenate(rows, -1), v.batch*places, h*d)
		f := relu(Add(MatMul(windows, v.param[fmt.Sprintf("horizontal %d", h)]), v.param[fmt.Sprintf("horizontal %d bias", h)]))
		found = append(found, ReduceMax(Reshape(f, v.batch, places, horizontalFilters), 1))
	}
	vertical := Einsum("bhd,hk->bkd", x, v.param["vertical"])
	found = append(found, Reshape(vertical, v.batch, verticalFilters*d))
	state := relu(Add(MatMul(v.dropped(Concatenate(found, -1)), v.param["state"]), v.param["state bias"]))
	ofHistory := ReduceSum(Mul(v.dropped(state), v.rows("target", byTarget)), -1)
	ofUser := ReduceSum(Mul(v.rows("user", byUser), v.rows("target of user", byTarget)), -1)
	return Add(Add(ofHistory, ofUser), v.base())
}
