package recommender

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
	"github.com/gomlx/gomlx/core/tensors"
)

// index says by what a table is looked up.
type index int

const (
	byUser    index = iota // the sample's user, [batch]
	byTarget               // the sample's item, [batch]
	byHistory              // the history's items, [batch, history]
	byWord                 // the target's words, [batch, bag]
	indices                // how many there are
)

// lookup is a table looked up in a graph, once for each index.
type lookup struct {
	table string
	by    index
	rows  *Node
}

// rows looks up rows of a table: indices [...] give [..., cols].
func (v *view) rows(table string, by index) *Node {
	for _, l := range v.lookups {
		if l.table == table && l.by == by {
			return l.rows
		}
	}
	rows := Gather(v.param[table], InsertAxes([]*Node{v.user, v.item, v.history, v.words}[by], -1))
	v.lookups = append(v.lookups, lookup{table, by, rows})
	return rows
}

// bias looks up one number for each index.
func (v *view) bias(table string, by index) *Node { return Squeeze(v.rows(table, by), -1) }

// gather says in what order a batch's indices are ascending: index order[k] is the k-th smallest, and those of row r stand from bounds[r] up to
// bounds[r+1].
type gather struct{ order, bounds *Node }

// tableGradient adds up the gradients of the rows that were looked up: [n, cols] in the order of the indices give [rows, cols]. XLA on a processor goes through a
// scatter row by row, which would take longer than all the rest of a step. So the gradients are put into the order of the rows and summed
// from the first on, and a row's sum is a difference of two such sums.
func (p gather) tableGradient(grad *Node) *Node {
	g := grad.Graph()
	cols := grad.Shape().Dimensions[grad.Rank()-1]
	n := grad.Shape().Size() / cols
	sorted := Gather(Reshape(grad, n, cols), InsertAxes(p.order, -1))
	const block = 64
	blocks := (n + block - 1) / block
	if pad := blocks*block - n; pad > 0 {
		sorted = Concatenate([]*Node{sorted, Zeros(g, shapeOf(pad, cols))}, 0)
	}
	within := Einsum("bsc,ts->btc", Reshape(sorted, blocks, block, cols), ConvertDType(LowerTriangular(g, block), grad.DType()))
	totals := Squeeze(Slice(within, AxisRange(), AxisElem(block-1), AxisRange()), 1)
	earlier := Sub(ConvertDType(LowerTriangular(g, blocks), grad.DType()), ConvertDType(Diagonal(g, blocks), grad.DType()))
	sums := Reshape(Add(within, InsertAxes(MatMul(earlier, totals), 1)), blocks*block, cols)
	sums = Concatenate([]*Node{Zeros(g, shapeOf(1, cols)), sums}, 0)
	rows := p.bounds.Shape().Dimensions[0] - 1
	at := func(from int) *Node { return Gather(sums, InsertAxes(Slice(p.bounds, AxisRange(from, from+rows)), -1)) }
	return Sub(at(1), at(0))
}

// gradients are the loss's by every parameter.
func (v *view) gradients(loss *Node, params []parameter, gathers []gather) []*Node {
	looked := map[string][]int{}
	var by []*Node
	for k, l := range v.lookups {
		looked[l.table] = append(looked[l.table], k)
		by = append(by, l.rows)
	}
	for _, p := range params {
		if looked[p.name] == nil {
			by = append(by, v.param[p.name])
		}
	}
	grads := Gradient(loss, by...)
	whole := grads[len(v.lookups):]
	var out []*Node
	for _, p := range params {
		var sum *Node
		for _, k := range looked[p.name] {
			g := gathers[v.lookups[k].by].tableGradient(grads[k])
			if sum != nil {
				g = Add(sum, g)
			}
			sum = g
		}
		if sum == nil {
			sum, whole = whole[0], whole[1:]
		}
		out = append(out, sum)
	}
	return out
}

// ordered are the arguments of a gather: indices sorted by counting.
func ordered(indices []int32, rows int) []any {
	bounds := make([]int32, rows+1)
	for _, i := range indices {
		bounds[i+1]++
	}
	for r := range rows {
		bounds[r+1] += bounds[r]
	}
	order, next := make([]int32, len(indices)), append([]int32(nil), bounds[:rows]...)
	for k, i := range indices {
		order[next[i]] = int32(k)
		next[i]++
	}
	return []any{tensors.FromFlatDataAndDimensions(order, len(order)), tensors.FromFlatDataAndDimensions(bounds, rows+1)}
}
